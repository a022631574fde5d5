"""Old history leaves the disk: everything below a floor but the state, and what proves the validators of each epoch.

The floor is written first and served at once, so that nothing is ever half there; then the records below it go in
pieces between the appends, then the segments in which nothing else is, and at the end LevelDB is told to give the space
back, which it does not do by itself (pitfall 79). A crash in between costs nothing: the next run goes on where the last
one came to.
"""

from collections.abc import Iterator
from typing import Final

from ledger.chain import Chain
from ledger.failures import LedgerDamaged
from ledger.schema import (
    BATCH,
    BLOCK,
    CERTIFICATE,
    CLEARED_KEY,
    MENTIONS,
    RECEIPTS,
    TRANSACTION,
    height_key,
    pack_height,
    unpack_items,
)
from ledger.store import Operation
from ledger.stored_blocks import find_batch, load_block, load_mentions, load_part
from primitives.block import Block

BLOCKS_KEPT_MIN: Final = 256  # 2 W = 64 for the core, those that a snapshot needs, and some for who is just behind
SECONDS_KEPT_MIN: Final = 700  # of block time: transactions are valid for 600 s, and their ids are read from blocks
SNAPSHOT_LAG_MAX: Final = 96  # 3 W: no snapshot is of an older state
PIECE_OPERATIONS: Final = 4096  # and the rest of one block: a write of some 3 ms, an append waits no longer
PIECE_HEIGHTS: Final = 256  # read for one piece


def highest_floor(chain: Chain) -> int:
    """The highest floor that leaves the chain what it needs: the newest 256 blocks, and those of the last 700 s of
    block time before any state of which a snapshot may still be made, whose ids keep a transaction from being executed
    twice (C6, pitfall 71)."""
    low, high = chain.floor, max(chain.floor, chain.head.height - BLOCKS_KEPT_MIN)
    oldest = _oldest_needed(chain)
    while low < high:  # times rise with the height (C14): the highest height that is older than that
        middle = (low + high + 1) // 2
        header = chain.header(middle)
        assert header is not None, "heights from the floor to the head have a header"
        if header.time_ms < oldest:
            low = middle
        else:
            high = middle - 1
    return low


def _oldest_needed(chain: Chain) -> int:
    """The block time in ms from which on all ids are needed (C6)."""
    youngest = chain.header(max(chain.floor, chain.head.height - SNAPSHOT_LAG_MAX))
    assert youngest is not None, "heights from the floor to the head have a header"
    return youngest.time_ms - 1000 * SECONDS_KEPT_MIN


def floor_for(chain: Chain, keep_blocks: int) -> int:
    """The floor that keeps the newest `keep_blocks` blocks, or more where the chain needs more. Never falls."""
    return max(chain.floor, min(chain.head.height + 1 - keep_blocks, highest_floor(chain)))


class Pruner:
    """Deletes what lies below the chain's floor. `piece` runs where the appends run, so that the two take turns."""

    def __init__(self, chain: Chain) -> None:
        self._chain: Final = chain
        self.cleared = chain.cleared()
        self.deleted = 0  # records since the start

    @property
    def behind(self) -> bool:
        """Whether something below the floor is still there."""
        return self.cleared < self._chain.floor

    def piece(self) -> bool:
        """Delete the next few thousand records in one write, or at last the segments; False once nothing is left that
        can be deleted now: a snapshot brings blocks below its floor whose ids are still needed.

        The write is not synced: one that a power cut takes back is done again. Raises: FatalError.
        """
        if not self.behind:
            return self._chain.segments.drop(self.cleared, self._chain.store)
        store, height = self._chain.store, self.cleared
        operations: list[Operation] = []
        stop, oldest = min(self._chain.floor, height + PIECE_HEIGHTS), _oldest_needed(self._chain)
        while height < stop and len(operations) < PIECE_OPERATIONS:
            block = load_block(store, height)
            if block is not None and block.header.time_ms >= oldest:
                break
            if block is not None:
                operations += self._of_block(block)
            height += 1
        if height == self.cleared:
            return self._chain.segments.drop(height, store)
        store.write([*operations, (CLEARED_KEY, pack_height(height))], sync=False)
        self.cleared = height
        self.deleted += len(operations)
        return True

    def _of_block(self, block: Block) -> Iterator[Operation]:
        """What goes with a block: all but the block that closed an epoch and its certificate."""
        header = block.header
        height = header.height
        store, segments = self._chain.store, self._chain.segments
        raw = load_part(store, segments, RECEIPTS, height)
        if raw:
            ids, receipts = load_mentions(store, segments, height) or [], unpack_items(raw)
            if len(ids) != len(receipts):
                raise LedgerDamaged(f"block {height} has {len(receipts)} receipts, and ids of {len(ids)} transactions")
            yield from ((TRANSACTION + id, None) for id, receipt in zip(ids, receipts, strict=True) if receipt)
        yield height_key(RECEIPTS, height), None
        yield height_key(MENTIONS, height), None
        for digest in block.batch_digests:
            found = find_batch(store, digest)
            if found is not None and found.height < self._chain.floor:
                yield BATCH + digest, None
        if header.next_valset_hash is None:
            yield height_key(BLOCK, height), None
            yield height_key(CERTIFICATE, height), None


def compaction(chain: Chain) -> Iterator[None]:
    """Give the space of deleted records back to the file system, a part of the keys at each step, so that it can be
    stopped between two. Appends may go on beside it; it reads and writes what it goes over, some 50 MB per second."""
    for prefix in (RECEIPTS, MENTIONS, BLOCK, CERTIFICATE):
        chain.store.compact(prefix, height_key(prefix, chain.floor))
        yield
    for prefix in (BATCH, TRANSACTION):  # by digest: all over the place
        for part in range(0, 256, 16):
            stop = bytes([prefix[0], part + 16]) if part + 16 < 256 else bytes([prefix[0] + 1])
            chain.store.compact(bytes([prefix[0], part]), stop)
            yield


def prune(chain: Chain, keep_blocks: int) -> Iterator[int]:
    """The whole way for a ledger that nobody else uses: after each piece, the height below which all is gone."""
    chain.raise_floor(floor_for(chain, keep_blocks))
    pruner = Pruner(chain)
    while pruner.piece():
        yield pruner.cleared
    for _ in compaction(chain):
        yield pruner.cleared
