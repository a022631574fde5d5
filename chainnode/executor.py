"""Decided blocks become state: the points rules over the ledger's view, one block at a time, in height order.

`execute` computes, `commit` makes durable, `finish` lets the next block see it. The three are apart because only
`commit` waits for the disk, and may do so in another thread.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chainnode.seen_ids import SeenIds
from chainnode.state_cache import StateCache
from ledger.chain import Chain, Entry
from ledger.schema import Head
from ledger.state_tree import StateTree, TreeUpdate
from points.state import encode_value
from points.transition import apply_block
from points.view import Changes
from primitives import merkle
from primitives.block import Block
from primitives.codec import encode
from primitives.hashing import Digest
from primitives.receipt import Receipt
from primitives.transaction import Decoded

HEIGHTS_KEPT: Final = 128  # headers refer to at most 2 W = 64 heights below the newest; the rest is in the ledger


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block did. `receipts` has one element per mention, None where it was skipped as a duplicate (C6).

    `changed`: a later header must carry its roots, because there are receipts or the state is another one (C4).
    """

    block: Block
    ids: tuple[Digest, ...]
    receipts: tuple[Receipt | None, ...]
    encoded: tuple[bytes | None, ...]
    records: Changes
    changes: dict[bytes, bytes | None]
    tree: TreeUpdate
    changed: bool


@dataclass(frozen=True, slots=True)
class _Roots:
    height: int
    state_root: Digest
    leaves: tuple[bytes, ...]  # encoded receipts


class Executor:
    """One per node. Invariant: cache, tree and seen ids stand at `height`, the ledger's head after `commit`."""

    def __init__(self, chain: Chain, tree: StateTree, chain_id: bytes) -> None:
        self.chain: Final = chain
        self.cache: Final = StateCache(chain.state())
        self.seen: Final = SeenIds.load(chain)
        self.height = chain.head.height
        self._chain_id: Final = chain_id
        self._tree: Final = tree
        head = chain.header(self.height)
        assert head is not None, "the head has a header or the ledger is damaged"
        self._time_ms = head.time_ms
        self._roots: Final[deque[_Roots]] = deque(maxlen=HEIGHTS_KEPT)
        self._receipts_roots: Final[dict[tuple[int, int], Digest]] = {}
        self._roots.append(_Roots(self.height, chain.head.state_root, self._stored_leaves(self.height)))

    @property
    def time_s(self) -> int:
        """Block time of the last executed block, unix seconds: what the points rules call now."""
        return self._time_ms // 1000

    def execute(self, block: Block, mentions: Sequence[Decoded]) -> Execution:
        """Run the block over the state at `height`. Deterministic; the cache is not changed before `finish`.

        `mentions` are the transactions of its batches in order, their signatures verified. The block must be the next.
        Call it once per height: the state tree moves on at once.
        """
        header = block.header
        assert header.height == self.height + 1, f"block {header.height} executed at height {self.height}"
        time_s = header.time_ms // 1000
        self.seen.advance(time_s)
        done = apply_block(
            self.cache, time_s=time_s, previous_s=self._time_ms // 1000, height=header.height,
            chain_id=self._chain_id, transactions=mentions, seen=self.seen.__contains__,
        )  # fmt: skip
        changes = {key: None if record is None else encode_value(record) for key, record in done.changes.items()}
        tree = self._tree.update(changes)
        encoded = tuple(None if receipt is None else encode(receipt) for receipt in done.receipts)
        changed = tree.root != self._roots[-1].state_root or any(raw is not None for raw in encoded)
        ids = tuple(decoded.id for decoded in mentions)
        return Execution(block, ids, tuple(done.receipts), encoded, done.changes, changes, tree, changed)

    def commit(self, execution: Execution, certificate: bytes | None, batches: Mapping[bytes, bytes]) -> Head:
        """Make it durable: one synced write, then the anchor. May run in another thread; nothing else may, meanwhile.

        `batches`: raw bytes of the block's batches by digest; `certificate`: for exactly this height, if held.
        """
        return self.chain.append(
            Entry(
                execution.block, certificate, execution.ids, execution.encoded, batches, execution.changes,
                execution.tree,
            )
        )

    def finish(self, execution: Execution) -> None:
        """The block is in the ledger: the next one sees it."""
        header = execution.block.header
        self.cache.committed(execution.records)
        self.seen.add(header.time_ms // 1000, execution.ids)
        leaves = tuple(raw for raw in execution.encoded if raw is not None)
        self._roots.append(_Roots(header.height, execution.tree.root, leaves))
        self.height = header.height
        self._time_ms = header.time_ms

    def state_root(self, height: int) -> Digest | None:
        """The root after `height`; None if it is not executed yet, or too old to matter in any new header."""
        found = self._at(height)
        return None if found is None else found.state_root

    def receipts_root(self, above: int, upto: int) -> Digest:
        """The root that a header with exec_height `upto` carries over its parent's exec_height `above` (C3)."""
        if above >= upto:
            return merkle.EMPTY_ROOT
        root = self._receipts_roots.get((above, upto))
        if root is None:
            if len(self._receipts_roots) >= HEIGHTS_KEPT:
                self._receipts_roots.clear()
            leaves = [leaf for height in range(above + 1, upto + 1) for leaf in self.leaves(height)]
            root = self._receipts_roots[above, upto] = merkle.root(leaves)
        return root

    def leaves(self, height: int) -> tuple[bytes, ...]:
        """The encoded receipts of an executed height in order."""
        found = self._at(height)
        return self._stored_leaves(height) if found is None else found.leaves

    def _at(self, height: int) -> _Roots | None:
        position = height - self._roots[0].height
        return self._roots[position] if 0 <= position < len(self._roots) else None

    def _stored_leaves(self, height: int) -> tuple[bytes, ...]:
        return tuple(raw for raw in self.chain.receipts(height) if raw is not None)
