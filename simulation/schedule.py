"""Virtual time: an integer millisecond clock that jumps from event to event. Nothing here waits, nothing is random."""

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Schedule:
    """Actions in order of (time, order of entry); so one seed gives one run."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.executed = 0  # actions so far
        self._heap: list[tuple[int, int, Action]] = []
        self._entered = 0

    def after(self, delay_ms: int, action: Action) -> None:
        """Run `action` `delay_ms` (>= 0) from now, behind what is already due at that instant."""
        self._entered += 1
        heapq.heappush(self._heap, (self.now_ms + delay_ms, self._entered, action))

    def at(self, when_ms: int, action: Action) -> None:
        """Run `action` at an absolute time that is not in the past."""
        self.after(when_ms - self.now_ms, action)

    @property
    def next_ms(self) -> int:
        """When the next action is due; the present time if there is none."""
        return self._heap[0][0] if self._heap else self.now_ms

    def step(self) -> bool:
        """Run the next action; False if there is none."""
        if not self._heap:
            return False
        self.now_ms, _, action = heapq.heappop(self._heap)
        self.executed += 1
        action()
        return True
