"""Decided blocks wait here for their bodies and their turn; they are executed one after the other in height order.

This queue is the only interface between deciding and executing. It is bounded by the window: the core decides at most
W heights beyond what is executed, and catch-up hands over piece by piece. turns.py runs it: begin, seal, commit, end;
the next block may begin while one is committed.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from chainnode.bodies import Bodies
from chainnode.executor import Applied, Execution, Executor
from chainnode.failures import Diverged
from consensus.events import Decided
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.codec import encode
from primitives.handover import Handover
from primitives.hashing import Digest


class Timing(NamedTuple):
    """Seconds that one block took; for metrics only."""

    execute: float
    write: float


@dataclass(frozen=True, slots=True)
class Begun:
    """One block that the rules have seen."""

    decided: Decided
    applied: Applied
    raw: Mapping[bytes, bytes]  # its batches by digest
    took: float


@dataclass(frozen=True, slots=True)
class Work:
    """One executed block on its way to the disk."""

    decided: Decided
    execution: Execution
    raw: Mapping[bytes, bytes]
    took: float  # to execute
    executed: float


class ExecutionQueue:
    """`on_missing(block, digests)` asks for bodies; `on_executed` runs after the ledger's write is synced."""

    def __init__(
        self, executor: Executor, bodies: Bodies,
        on_work: Callable[[], None],
        on_missing: Callable[[Block, list[Digest]], None],
        on_executed: Callable[[Execution, Decided, Timing], None],
    ) -> None:  # fmt: skip
        """on_work: something may be ready for `begin`."""
        self._executor: Final = executor
        self._bodies: Final = bodies
        self._on_work: Final = on_work
        self._on_missing: Final = on_missing
        self._on_executed: Final = on_executed
        self._queue: Final[deque[Decided]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, decided: Decided) -> None:
        """The next decided block, in height order; what the ledger already has is passed over."""
        if decided.height > self._executor.height:
            self._queue.append(decided)
            self._on_work()

    def body_came(self) -> None:
        """A batch arrived: the head of the queue may be complete now."""
        self._on_work()

    def begin(self) -> Begun | None:
        """Run the rules of the next block if it is complete; then `seal`, `commit`, `end` it. None: nothing is ready.

        The block before is sealed at least: it may be on its way to the disk.

        Raises: Diverged, FatalError; then the node must stop.
        """
        if not self._queue:
            return None
        decided = self._queue[0]
        block = decided.block
        bodies = self._bodies.whole(block)
        if bodies is None:
            self._on_missing(block, self._bodies.missing(block))
            return None
        self._queue.popleft()
        self._check_roots(block)
        mentions = [decoded for body in bodies for decoded in body.transactions]
        raw: dict[bytes, bytes] = {body.digest: body.raw for body in bodies}
        began = time.monotonic()
        return Begun(decided, self._executor.apply(block, mentions), raw, time.monotonic() - began)

    def seal(self, begun: Begun) -> Work:
        """Its roots; the block before has ended."""
        began = time.monotonic()
        execution = self._executor.seal(begun.applied)
        now = time.monotonic()
        return Work(begun.decided, execution, begun.raw, begun.took + now - began, now)

    def commit(self, work: Work) -> None:
        """Make it durable; may run in another thread. Nothing else touches the ledger's head meanwhile, except that the
        next block may `begin`."""
        header, certificate = work.decided.block.header, work.decided.certificate
        exact: Certificate | None = certificate if certificate.height == header.height else None
        handover = None
        if header.next_valset_hash is not None:
            assert exact is not None, "C8: nothing follows a close block, so its certificate is its own"
            handover = encode(Handover(header, exact, work.execution.seats))
        raw = None if exact is None else encode(exact)
        self._executor.commit(work.execution, raw, work.raw, handover)

    def end(self, work: Work) -> None:
        """It is in the ledger: whoever waits for it is told."""
        self._executor.finish(work.execution)
        took = Timing(work.took, time.monotonic() - work.executed)
        self._on_executed(work.execution, work.decided, took)

    def _check_roots(self, block: Block) -> None:
        header = block.header
        mine = self._executor.state_root(header.exec_height)
        if mine is not None and mine != header.state_root:
            raise Diverged(
                f"the certified block {header.height} names state root {header.state_root.hex()} after height "
                f"{header.exec_height}, this node computed {mine.hex()}: it stops before it serves anything wrong"
            )
