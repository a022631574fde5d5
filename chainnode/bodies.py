"""The transactions behind a block's batch digests, wherever they are: in the store, or already in the ledger."""

from collections.abc import Sequence
from typing import Final

from chainnode.batches import BatchStore
from ledger.chain import Chain
from primitives.block import Block, decode_batch
from primitives.hashing import Digest
from primitives.transaction import Decoded, decode_transaction


class Bodies:
    """Reads only. A batch of the ledger is one that an earlier block executed: naming it again is merely useless."""

    def __init__(self, store: BatchStore, chain: Chain) -> None:
        self._store: Final = store
        self._chain: Final = chain

    def missing(self, block: Block) -> list[Digest]:
        """The batches that are neither held nor in the ledger."""
        absent = self._store.missing(Digest(d) for d in block.batch_digests)
        return [digest for digest in absent if not self._chain.holds_batch(digest)]

    def mentions(self, block: Block) -> list[Decoded]:
        """All transactions in order; none of the batches may be missing."""
        return [decoded for digest in block.batch_digests for decoded in self.batch(Digest(digest))]

    def batch(self, digest: Digest) -> Sequence[Decoded]:
        """The transactions of one batch that is not missing."""
        held = self._store.get(digest)
        if held is not None:
            return held.transactions
        raw = self._chain.batch(digest)
        assert raw is not None, f"batch {digest.hex()} was there a moment ago"
        return [decode_transaction(transaction) for transaction in decode_batch(raw).transactions]

    def raw(self, digest: Digest) -> bytes | None:
        """The bytes of one batch, to journal or to serve."""
        held = self._store.get(digest)
        return self._chain.batch(digest) if held is None else held.raw

    def octets(self, block: Block) -> int:
        """Bytes of all batches of the block; none may be missing."""
        return sum(len(self.raw(Digest(digest)) or b"") for digest in block.batch_digests)
