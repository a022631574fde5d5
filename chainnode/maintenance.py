"""What a node does for its disk and for newcomers, beside its work: snapshots and pruning."""

import asyncio
from concurrent.futures import Executor as Pool
from typing import Final

from chainnode.pruning_task import PruningTask
from chainnode.snapshot_task import SnapshotTask
from ledger.chain import Chain
from ledger.snapshot_folder import SnapshotFolder


class Maintenance:
    """Both tasks as one room of the node."""

    def __init__(self, chain: Chain, folder: SnapshotFolder, pool: Pool, every_blocks: int, keep_blocks: int) -> None:
        """`pool`: the one thread that appends. `every_blocks`: a snapshot every so many; `keep_blocks`: of history;
        0 is never for both."""
        self.snapshots: Final = SnapshotTask(chain, folder, pool, every_blocks)
        self.pruning: Final = PruningTask(chain, pool, keep_blocks)

    def executed(self, height: int) -> None:
        """A block is in the ledger, and the next one is not yet."""
        self.snapshots.executed(height)
        self.pruning.executed(height)

    async def run(self) -> None:
        """Work until cancelled. Raises: FatalError."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.snapshots.run())
                group.create_task(self.pruning.run())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
