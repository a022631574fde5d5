"""How fast the network takes bytes out of this node's pool while there is something to take. No clock, no IO."""

from collections import deque
from typing import Final

WINDOW_MS: Final = 2_000
STEP_MS_MAX: Final = 500  # of one step: a network that stood still for once is not a slow one
BACKLOG_OCTETS: Final = 64 * 1024  # with less in the pool what leaves it says nothing about what could


class Outflow:
    """The average over the last two seconds in which the pool was not nearly empty; times are the caller's ms."""

    def __init__(self) -> None:
        self._steps: Final[deque[tuple[int, int]]] = deque()  # (ms, bytes) per block, so some hundreds at most
        self._ms = self._octets = 0
        self._at: int | None = None

    def left(self, octets: int, held: int, now_ms: int) -> None:
        """So many bytes of the pool have their receipt now; it held so many before."""
        since, self._at = self._at, now_ms
        if since is None or held < BACKLOG_OCTETS:
            return
        took = min(max(now_ms - since, 1), STEP_MS_MAX)
        self._steps.append((took, octets))
        self._ms += took
        self._octets += octets
        while self._ms - self._steps[0][0] >= WINDOW_MS:
            old_ms, old_octets = self._steps.popleft()
            self._ms -= old_ms
            self._octets -= old_octets

    @property
    def per_second(self) -> int | None:
        """Bytes; None before it has been seen for a quarter of the window."""
        return self._octets * 1000 // self._ms if self._ms >= WINDOW_MS // 4 else None
