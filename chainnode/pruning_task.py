"""The node forgets old history: by itself if so configured, or when the operator asks.

Pieces of the deletion run in the ledger's thread between the appends. Giving the space back runs beside them in a
thread of its own, part by part, since LevelDB reads and writes all that it goes over.
"""

import asyncio
import logging
from concurrent.futures import Executor as Pool
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

from ledger.chain import Chain
from ledger.pruning import Pruner, compaction, floor_for
from primitives.codec import U64, Record

LOG: Final = logging.getLogger(__name__)
EVERY_BLOCKS: Final = 64  # how often the floor follows the head where the configuration asks for it
COMPACT_AFTER: Final = 200_000  # deleted records; LevelDB gives back by itself what it happens to merge

Phase = Literal["idle", "deleting", "compacting"]


class PruningProgress(Record):
    """`floor`: the lowest height that is kept; below `cleared` all is gone from the files."""

    phase: Phase
    floor: U64
    cleared: U64
    head: U64


class PruningTask:
    """One per node. `executed` and `request` on the event loop; `run` is one of the node's rooms."""

    def __init__(self, chain: Chain, pool: Pool, keep_blocks: int) -> None:
        """`pool` has one thread, the one that appends; `keep_blocks` 0: keep everything until somebody asks."""
        self._chain: Final = chain
        self._pool: Final = pool
        self._keep: Final = keep_blocks
        self._pruner: Final = Pruner(chain)
        self._compacting: Final = ThreadPoolExecutor(1, "compact")
        self._phase: Phase = "idle"
        self._wake: Final = asyncio.Event()
        self._wanted = 0  # blocks to keep; 0: nothing new is asked
        self._compact = False
        self._compacted = 0  # of pruner.deleted
        if self._pruner.behind:  # a run was cut off
            self._wake.set()

    @property
    def progress(self) -> PruningProgress:
        """What it is doing now."""
        return PruningProgress(self._phase, self._chain.floor, self._pruner.cleared, self._chain.head.height)

    def request(self, keep_blocks: int) -> int:
        """Keep the newest so many blocks, or more where the chain needs them, and give all space back.

        Returns: the floor that this makes.
        """
        assert keep_blocks > 0, "checked at the edge"
        self._wanted, self._compact, self._phase = keep_blocks, True, "deleting"
        self._wake.set()
        return floor_for(self._chain, keep_blocks)

    def executed(self, height: int) -> None:
        """A block is in the ledger."""
        if self._keep and height % EVERY_BLOCKS == 0:
            self._wanted = self._wanted or self._keep
            self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. Raises: FatalError; then the node must stop."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._phase = "deleting"
                if self._wanted:
                    wanted, self._wanted = self._wanted, 0
                    await loop.run_in_executor(self._pool, self._raise_floor, wanted)
                while await loop.run_in_executor(self._pool, self._pruner.piece):
                    pass
                if self._compact or self._pruner.deleted - self._compacted >= COMPACT_AFTER:
                    await self._give_back(loop)
                self._phase = "idle"
        finally:
            self._compacting.shutdown(wait=True)  # the database must not be closed under a compaction

    def _raise_floor(self, keep_blocks: int) -> None:
        self._chain.raise_floor(floor_for(self._chain, keep_blocks))

    async def _give_back(self, loop: asyncio.AbstractEventLoop) -> None:
        self._phase, self._compact = "compacting", False
        self._compacted = self._pruner.deleted
        parts = compaction(self._chain)
        while await loop.run_in_executor(self._compacting, next, parts, False) is None:
            pass
        LOG.info("history below height %d is gone, %d records", self._chain.floor, self._pruner.deleted)
