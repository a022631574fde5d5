"""What a peer may cost (C16): one budget that refills with time. No clock, no IO."""

from typing import Final

MESSAGE_COST: Final = 1
BYTES_PER_COST: Final = 4096


class Budget:
    """A token bucket in units of one small message; the time in seconds comes from the caller, monotonic."""

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self._burst: Final = burst
        self._per_second: Final = per_second
        self._left = burst
        self._at = now

    def spend(self, cost: float, now: float) -> float:
        """Take `cost`. Returns: 0.0 while there is budget, else the seconds until it is balanced again."""
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - cost
        self._at = now
        return 0.0 if self._left >= 0 else -self._left / self._per_second


def message_cost(size: int) -> float:
    """What a frame of this many payload bytes costs before anybody looked into it."""
    return MESSAGE_COST + size / BYTES_PER_COST
