"""The two timers of C7 on a clock that only ticks: progress with back-off, inclusion of the oldest batch."""

from collections import deque
from typing import Final

from consensus.settings import Timing
from primitives.hashing import Digest

ROUNDS_KEPT: Final = 256
TICK_CREDIT_MS: Final = 500  # a paused process resumes with its timers where they stood (pitfall 49)


class Clock:
    """Milliseconds that this process was running, advanced by Tick."""

    def __init__(self) -> None:
        self.now = 0
        self._last: int | None = None

    def advance(self, now_ms: int) -> None:
        """Credit at most TICK_CREDIT_MS; time never goes back."""
        if self._last is not None:
            self.now += min(TICK_CREDIT_MS, max(0, now_ms - self._last))
        self._last = now_ms


class ProgressTimer:
    """T = max(progress, 8 x p99 of recent rounds) * 2^k, capped; k + 1 per view change, - 1 per height (C7, L1)."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._rounds: deque[int] = deque(maxlen=ROUNDS_KEPT)
        self.backoff = 0  # k
        self.started: int | None = None

    @property
    def round_ms(self) -> int:
        """The 99th percentile of the recent rounds from proposal to decision, 0 before the first.

        Rounded down, so that one outlier alone does not stretch T.
        """
        return sorted(self._rounds)[99 * (len(self._rounds) - 1) // 100] if self._rounds else 0

    @property
    def length_ms(self) -> int:
        """T now."""
        estimate = min(self._timing.round_cap_ms, self._timing.round_factor * self.round_ms)
        return min(self._timing.progress_cap_ms, max(self._timing.progress_ms, estimate) << self.backoff)

    def run(self, now: int, armed: bool) -> bool:
        """Start or stop with the obligations; whether T has passed."""
        if not armed:
            self.started = None
            return False
        if self.started is None:
            self.started = now
        return now - self.started >= self.length_ms

    def decided(self, now: int, heights: int, rounds: list[int]) -> None:
        """Some heights were decided: the clock starts anew and k falls by one for each."""
        self.backoff = max(0, self.backoff - heights)
        self._rounds.extend(rounds)
        if self.started is not None:
            self.started = now

    def changed_view(self, by_timeout: bool) -> None:
        """A view was left or entered; k rises only with an own VIEWCHANGE, to where the cap is reached (pitfall 48)."""
        self.started = None
        if by_timeout and self._timing.progress_ms << self.backoff < self._timing.progress_cap_ms:
            self.backoff += 1


class InclusionTimer:
    """How long one batch has been the oldest under one leader, full blocks not counted (C7, L7)."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._oldest: Digest | None = None
        self._started: int | None = None

    @property
    def oldest(self) -> Digest | None:
        """The batch that is watched."""
        return self._oldest

    def restart(self) -> None:
        """Another leader, or a full block: the wait begins anew."""
        self._started = None

    def watch(self, oldest: Digest | None) -> None:
        """The batch that waits longest now."""
        if oldest != self._oldest:
            self._oldest, self._started = oldest, None

    def run(self, now: int, backoff: int) -> bool:
        """Whether the leader has passed over the batch for T_fair, which backs off like T."""
        if self._oldest is None:
            return False
        if self._started is None:
            self._started = now
        return now - self._started >= min(self._timing.progress_cap_ms, self._timing.inclusion_ms << backoff)
