"""The node's snapshots: one every so many blocks, or when the operator asks; written between two appends.

A state is held from the moment it is executed until a certified header names it (ledger.snapshot_moments). Everything
that reads or writes the ledger's files for it runs in the ledger's own thread, one piece of 256 KiB at a time, so that
an append waits for one piece at most.
"""

import asyncio
import logging
from collections import deque
from concurrent.futures import Executor as Pool
from typing import Final, Literal

from ledger.chain import Chain
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_moments import Moments, Proven, newest_named
from ledger.snapshot_writer import SnapshotWriter, handovers_of
from primitives.codec import U64, Record

LOG: Final = logging.getLogger(__name__)

Phase = Literal["idle", "waiting", "writing"]


class SnapshotProgress(Record):
    """waiting: for a header that names a state held here; writing: `chunks` so far of one of `height`. `newest` is the
    height of the newest finished one, 0 if there is none."""

    phase: Phase
    newest: U64
    height: U64
    chunks: U64
    octets: U64


class SnapshotTask:
    """One per node. `executed` and `request` on the event loop; `run` is one of the node's rooms."""

    def __init__(self, chain: Chain, folder: SnapshotFolder, pool: Pool, every_blocks: int) -> None:
        """`pool` has one thread, the one that appends; `every_blocks` 0: only on request."""
        self._chain: Final = chain
        self.folder: Final = folder
        self._pool: Final = pool
        self._every: Final = every_blocks
        self._moments: Moments | None = None
        self._writer: SnapshotWriter | None = None
        self._looking: Final[deque[asyncio.Future[Proven | None]]] = deque()
        self._wake: Final = asyncio.Event()
        self.newest = next(iter(folder.heights()), 0)

    @property
    def progress(self) -> SnapshotProgress:
        """What it is doing now."""
        writer = self._writer
        if writer is not None:
            return SnapshotProgress("writing", self.newest, writer.height, writer.written, writer.octets)
        return SnapshotProgress("idle" if self._moments is None else "waiting", self.newest, 0, 0, 0)

    def request(self) -> bool:
        """Make one of the newest state that can be proven; False if one is being made already."""
        if self._moments is not None or self._writer is not None:
            return False
        self._begin(newest_named(self._chain))
        return True

    def executed(self, height: int) -> None:
        """A block is in the ledger, and the next one is not yet: call it for every one, in order."""
        if self._moments is not None:
            self._look()
        elif self._every and height % self._every == 0 and self._writer is None:
            self._begin(height)

    async def run(self) -> None:
        """Work until cancelled. Raises: FatalError; then the node must stop."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._looking:
                    proven = await self._looking.popleft()
                    if proven is not None:
                        await self._write(proven)
        finally:
            self._pool.submit(self._close)  # behind the piece that may be running; the pool is shut down later

    def _begin(self, least: int) -> None:
        self._moments = Moments(self._chain, least)
        self._look()

    def _look(self) -> None:
        assert self._moments is not None, "called while a state is wanted"
        loop = asyncio.get_running_loop()
        self._looking.append(loop.run_in_executor(self._pool, self._moments.advance))
        self._wake.set()

    async def _write(self, proven: Proven) -> None:
        loop = asyncio.get_running_loop()
        writer = self._writer = await loop.run_in_executor(self._pool, self._writer_of, proven)
        self._moments = None
        while await loop.run_in_executor(self._pool, writer.piece):
            pass
        self._writer, self.newest = None, writer.height
        LOG.info("snapshot of height %d: %d chunks, %d bytes", writer.height, writer.written, writer.octets)

    def _writer_of(self, proven: Proven) -> SnapshotWriter:
        handovers = handovers_of(self._chain.store, proven.headers[-1].epoch)
        return SnapshotWriter(self._chain.chain_id, handovers, proven, self.folder)

    def _close(self) -> None:
        if self._moments is not None:
            self._moments.close()
        if self._writer is not None:
            self._writer.close()
