"""Is a proposed block acceptable? What header, ancestors, bodies and the executed state decide, nothing else (C6)."""

from collections.abc import Callable
from enum import Enum
from typing import Final

from chainnode.batches import BatchStore
from chainnode.bodies import Bodies
from chainnode.clock import AHEAD_MS_MAX, Clock, TestClock
from chainnode.executor import Executor
from consensus.events import CheckBlock
from primitives.block import tx_root
from primitives.genesis import Limits
from primitives.hashing import Digest


class Verdict(Enum):
    ACCEPT = 1
    REFUSE = 2
    WAIT = 3  # bodies, execution or the test clock are not there yet: ask again when they are


class BlockChecks:
    """The open questions of the core. `evaluate` is asked again whenever a body came or a block was executed."""

    def __init__(
        self, executor: Executor, store: BatchStore, bodies: Bodies, limits: Limits, clock: Clock,
        on_refused: Callable[[CheckBlock, str], None],
    ) -> None:  # fmt: skip
        self._executor: Final = executor
        self._store: Final = store
        self._bodies: Final = bodies
        self._limits: Final = limits
        self._clock: Final = clock
        self._on_refused: Final = on_refused
        self.open: Final[dict[Digest, CheckBlock]] = {}
        self._in_time: Final[set[Digest]] = set()  # of the open ones: fresh when they came (C14)

    def add(self, check: CheckBlock) -> None:
        """A new question. Its time is judged now: it must not grow old while its bodies travel."""
        self.open[check.digest] = check
        if abs(check.block.header.time_ms - self._clock.now_ms()) <= AHEAD_MS_MAX:
            self._in_time.add(check.digest)

    def forget_below(self, height: int) -> None:
        """Heights up to this one are decided."""
        for digest in [d for d, check in self.open.items() if check.height <= height]:
            self._close(digest)

    def clear(self) -> None:
        """Another epoch: no open question matters any more."""
        self.open.clear()
        self._in_time.clear()

    def _close(self, digest: Digest) -> None:
        del self.open[digest]
        self._in_time.discard(digest)

    def evaluate(self) -> list[tuple[CheckBlock, bool]]:
        """The questions that can be answered now, removed; lowest height first."""
        answered = []
        for check in sorted(self.open.values(), key=lambda c: c.height):
            verdict = self._verdict(check)
            if verdict is not Verdict.WAIT:
                self._close(check.digest)
                answered.append((check, verdict is Verdict.ACCEPT))
        return answered

    def _verdict(self, check: CheckBlock) -> Verdict:
        for test in (self._time, self._roots, self._members, self._news, self._body):
            verdict, reason = test(check)
            if verdict is Verdict.REFUSE and reason:
                self._on_refused(check, reason)
            if verdict is not Verdict.ACCEPT:
                return verdict
        return Verdict.ACCEPT

    def _time(self, check: CheckBlock) -> tuple[Verdict, str]:
        ahead = check.block.header.time_ms - self._clock.now_ms()
        if check.digest in self._in_time or abs(ahead) <= AHEAD_MS_MAX:
            return Verdict.ACCEPT, ""
        if isinstance(self._clock, TestClock):
            return Verdict.WAIT, ""  # its clock was set and ours will be in a moment
        if ahead < 0:
            return Verdict.REFUSE, ""  # it came late: this node or its link stood still, which is nobody's lie
        return Verdict.REFUSE, f"C14: time {ahead} ms ahead of this clock, limit {AHEAD_MS_MAX} either way"

    def _roots(self, check: CheckBlock) -> tuple[Verdict, str]:
        header = check.block.header
        if header.exec_height > self._executor.height:
            return Verdict.WAIT, ""
        parent = check.parent_block.header
        found = self._executor.state_root(header.exec_height)
        if found != header.state_root:
            mine = "none" if found is None else found.hex()
            return Verdict.REFUSE, f"C3: state root of {header.exec_height} is {header.state_root.hex()}, here {mine}"
        receipts = self._executor.receipts_root(parent.exec_height, header.exec_height)
        if receipts != header.receipts_root:
            return Verdict.REFUSE, f"C3: receipts root {header.receipts_root.hex()}, here {receipts.hex()}"
        return Verdict.ACCEPT, ""

    def _members(self, check: CheckBlock) -> tuple[Verdict, str]:
        """The first header above a state with a pending change of validators closes the epoch, and no other (C8)."""
        header = check.block.header
        due = self._executor.next_valset(header.exec_height)
        if due != header.next_valset_hash:
            named = "none" if header.next_valset_hash is None else header.next_valset_hash.hex()
            wanted = "none" if due is None else due.hex()
            return Verdict.REFUSE, f"C8: next validator set {named}, the state of {header.exec_height} says {wanted}"
        return Verdict.ACCEPT, ""

    def _news(self, check: CheckBlock) -> tuple[Verdict, str]:
        """No batch that an executed ancestor named lately: each node would store it once more. The core has looked at
        the ancestors above exec_height."""
        exec_height, time_s = check.block.header.exec_height, check.parent_block.header.time_ms // 1000
        for digest in check.block.batch_digests:
            if self._store.namings.forbid(Digest(digest), exec_height, time_s):
                return Verdict.REFUSE, f"C5: names batch {digest.hex()} again, 600 s have not passed"
        return Verdict.ACCEPT, ""

    def _body(self, check: CheckBlock) -> tuple[Verdict, str]:
        block, limits = check.block, self._limits
        digests = block.batch_digests
        if len(digests) > limits.block_batches or len(set(digests)) != len(digests):
            return Verdict.REFUSE, f"C5: {len(digests)} batches, limit {limits.block_batches}, each once"
        for digest in digests:
            reason = self._store.refused(Digest(digest))
            if reason is not None:
                return Verdict.REFUSE, f"batch {digest.hex()}: {reason}"
        bodies = self._bodies.whole(block)
        if bodies is None:
            return Verdict.WAIT, ""
        time_s = check.parent_block.header.time_ms // 1000
        for body in bodies:
            if body.valid_until < time_s:  # what nobody remembers any more could be named again for ever
                return Verdict.REFUSE, f"C5: nothing in batch {body.digest.hex()} is valid after its parent"
        octets = sum(len(body.raw) for body in bodies)
        if octets > limits.block_bytes:
            return Verdict.REFUSE, f"C5: a body of {octets} bytes, limit {limits.block_bytes}"
        ids = [decoded.id for body in bodies for decoded in body.transactions]
        if tx_root(ids) != block.header.tx_root:
            return Verdict.REFUSE, f"C2: tx_root {block.header.tx_root.hex()} is not that of its {len(ids)} mentions"
        return Verdict.ACCEPT, ""
