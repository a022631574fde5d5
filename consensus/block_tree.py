"""The blocks that are known by hash: the undecided ones, and the last decided ones for checks and for peers."""

from typing import NamedTuple

from primitives.block import Block, header_digest
from primitives.hashing import Digest
from primitives.validators import Height


class Path(NamedTuple):
    """Blocks in height order down to the asked height, or the digest and height of the first one that is missing."""

    blocks: tuple[Block, ...]
    missing: tuple[Height, Digest] | None


class BlockTree:
    """Blocks by digest. The owner bounds it: add only what a certificate or a slot names, and prune."""

    def __init__(self) -> None:
        self._blocks: dict[Digest, Block] = {}

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    def get(self, digest: bytes) -> Block | None:
        """The block of this digest if it is known."""
        return self._blocks.get(Digest(digest))

    def add(self, block: Block) -> Digest:
        """Keep the block; returns its digest."""
        digest = header_digest(block.header)
        self._blocks[digest] = block
        return digest

    def path(self, top: bytes, top_height: int, above: int) -> Path:
        """The chain that ends in `top` at `top_height`, from height above + 1 on.

        A block whose height does not fit its child is treated as missing: a certified chain has no such block.
        """
        chain: list[Block] = []
        digest, height = Digest(top), top_height
        while height > above:
            block = self._blocks.get(digest)
            if block is None or block.header.height != height:
                return Path((), (Height(height), digest))
            chain.append(block)
            digest, height = Digest(block.header.parent), height - 1
        chain.reverse()
        return Path(tuple(chain), None)

    def ancestor(self, digest: bytes, height: int) -> Digest | None:
        """The digest at `height` in the chain that ends in `digest`, if it is known."""
        at = Digest(digest)
        while (block := self._blocks.get(at)) is not None and block.header.height > height:
            at = Digest(block.header.parent)
        return at if block is not None and block.header.height == height else None

    def retain(self, keep: set[Digest], decided: int, floor: int) -> None:
        """Forget blocks below `floor`, and those above `decided` that are not in `keep`."""
        self._blocks = {
            digest: block
            for digest, block in self._blocks.items()
            if block.header.height >= floor and (block.header.height <= decided or digest in keep)
        }

    def settle(self, decided: tuple[Block, ...], floor: int) -> None:
        """`decided` is final: forget what is below `floor` and every other block at these heights (C1)."""
        final = {header_digest(block.header) for block in decided}
        low, high = decided[0].header.height, decided[-1].header.height
        self._blocks = {
            digest: block
            for digest, block in self._blocks.items()
            if block.header.height >= floor and (not low <= block.header.height <= high or digest in final)
        }
