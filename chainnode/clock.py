"""The wall clock of block times. Timers never use it: they are monotonic (pitfall 47)."""

import time
from typing import Final

AHEAD_MS_MAX: Final = 5_500  # precision 0.5 s + message delay 5 s (C14)


class WallClock:
    """Unix milliseconds of this machine."""

    def now_ms(self) -> int:
        """Unix time in ms; may jump."""
        return time.time_ns() // 1_000_000


class TestClock:
    """A clock that stands still until it is set: for demos and scenario files (genesis test_clock, C14)."""

    __test__ = False  # not a test class, whatever its name looks like

    def __init__(self, time_ms: int) -> None:
        self._time_ms = time_ms

    def now_ms(self) -> int:
        """The time that was set last."""
        return self._time_ms

    def set(self, time_ms: int) -> None:
        """Move the clock; backwards too, block times stay monotone by their own rule."""
        self._time_ms = time_ms


Clock = WallClock | TestClock


def monotonic_ms() -> int:
    """Milliseconds of a clock that never jumps; only differences mean anything."""
    return time.monotonic_ns() // 1_000_000
