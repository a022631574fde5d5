"""The transactions behind a block's batch digests, wherever they are: in the store, or already in the ledger."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chainnode.batches import BatchStore
from ledger.chain import Chain
from primitives.block import Block, decode_batch
from primitives.hashing import Digest
from primitives.transaction import Decoded, decode_transaction


class Body(NamedTuple):
    """One batch that a block names."""

    digest: Digest
    raw: bytes
    transactions: Sequence[Decoded]
    valid_until: int  # the largest of its transactions, unix seconds


class Bodies:
    """Reads only. A batch of the ledger is one that an earlier block executed; no honest leader names it again. It may
    be pruned at any moment, by another thread: then it is missing from there on."""

    def __init__(self, store: BatchStore, chain: Chain) -> None:
        self._store: Final = store
        self._chain: Final = chain

    def missing(self, block: Block) -> list[Digest]:
        """The batches that are neither held nor in the ledger."""
        absent = self._store.missing(Digest(d) for d in block.batch_digests)
        return [digest for digest in absent if not self._chain.holds_batch(digest)]

    def whole(self, block: Block) -> list[Body] | None:
        """All batches of the block in order; None if one is missing."""
        if self.missing(block):
            return None
        bodies = [self._body(Digest(digest)) for digest in block.batch_digests]
        found = [body for body in bodies if body is not None]
        return found if len(found) == len(bodies) else None

    def _body(self, digest: Digest) -> Body | None:
        held = self._store.get(digest)
        if held is not None:
            return Body(digest, held.raw, held.transactions, held.valid_until)
        raw = self._chain.batch(digest)
        if raw is None:
            return None
        decoded = [decode_transaction(one) for one in decode_batch(raw).transactions]
        return Body(digest, raw, decoded, max(one.transaction.envelope.valid_until for one in decoded))

    def raw(self, digest: Digest) -> bytes | None:
        """The bytes of one batch, to journal or to serve."""
        held = self._store.get(digest)
        return self._chain.batch(digest) if held is None else held.raw
