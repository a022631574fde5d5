"""An event loop whose time jumps to the next timer: hours of load run in milliseconds, the same way every time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen again: the test is stuck"
        self.now += max(timeout, 0.0)
        return super().select(0)


def run_virtually(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run on virtual time."""
    selector = _JumpingSelector()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return selector.now

    with asyncio.Runner(loop_factory=lambda: Loop(selector)) as runner:
        return runner.run(work)
