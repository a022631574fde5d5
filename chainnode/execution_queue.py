"""Decided blocks wait here for their bodies and their turn; one task executes them in height order.

This queue is the only interface between deciding and executing. It is bounded by the window: the core decides at most
W heights beyond what is executed, and catch-up hands over piece by piece.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from typing import Final, NamedTuple

from chainnode.bodies import Bodies
from chainnode.executor import Execution, Executor
from chainnode.failures import Diverged
from consensus.events import Decided
from primitives.block import Block
from primitives.codec import encode
from primitives.hashing import Digest


class Timing(NamedTuple):
    """Seconds that one block took; for metrics only."""

    execute: float
    write: float


class ExecutionQueue:
    """`on_missing(block, digests)` asks for bodies; `on_executed` runs after the ledger's write is synced."""

    def __init__(
        self, executor: Executor, bodies: Bodies, disk: Pool,
        on_missing: Callable[[Block, list[Digest]], None],
        on_executed: Callable[[Execution, Decided, Timing], None],
    ) -> None:  # fmt: skip
        self._executor: Final = executor
        self._bodies: Final = bodies
        self._disk: Final = disk
        self._on_missing: Final = on_missing
        self._on_executed: Final = on_executed
        self._queue: Final[deque[Decided]] = deque()
        self._wake: Final = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, decided: Decided) -> None:
        """The next decided block, in height order; what the ledger already has is passed over."""
        if decided.height > self._executor.height:
            self._queue.append(decided)
            self._wake.set()

    def body_came(self) -> None:
        """A batch arrived: the head of the queue may be complete now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. Raises: Diverged, FatalError; then the node must stop."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                decided = self._queue[0]
                missing = self._bodies.missing(decided.block)
                if missing:
                    self._on_missing(decided.block, missing)
                    break
                self._queue.popleft()
                await self._execute(decided)

    async def _execute(self, decided: Decided) -> None:
        block = decided.block
        self._check_roots(block)
        mentions = self._bodies.mentions(block)
        raw = {d: self._bodies.raw(Digest(d)) or b"" for d in block.batch_digests}
        began = time.monotonic()
        execution = self._executor.execute(block, mentions)
        executed = time.monotonic()
        exact = decided.certificate.height == block.header.height
        certificate = encode(decided.certificate) if exact else None
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._executor.commit, execution, certificate, raw)
        self._executor.finish(execution)
        self._on_executed(execution, decided, Timing(executed - began, time.monotonic() - executed))

    def _check_roots(self, block: Block) -> None:
        header = block.header
        mine = self._executor.state_root(header.exec_height)
        if mine is not None and mine != header.state_root:
            raise Diverged(
                f"the certified block {header.height} names state root {header.state_root.hex()} after height "
                f"{header.exec_height}, this node computed {mine.hex()}: it stops before it serves anything wrong"
            )
