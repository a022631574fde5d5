"""How fast the network takes bytes out of this node's pool. No clock, no IO."""

from collections import deque
from typing import Final

WINDOW_MS: Final = 2_000


class Outflow:
    """The average over the last two seconds; times are monotonic ms of the caller."""

    def __init__(self) -> None:
        self._steps: Final[deque[tuple[int, int]]] = deque()  # one per block, so some hundreds at most
        self._octets = 0

    def left(self, octets: int, now_ms: int) -> None:
        """So many bytes of the pool have their receipt."""
        self._steps.append((now_ms, octets))
        self._octets += octets
        while self._steps[0][0] <= now_ms - WINDOW_MS:
            self._octets -= self._steps.popleft()[1]

    @property
    def per_second(self) -> int:
        """Bytes, as of the last `left`."""
        return self._octets * 1000 // WINDOW_MS
