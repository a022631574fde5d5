"""Connections that have not proved who they are: few, for a short time, and the oldest makes room (T20).

Refusing the newest would let 64 silent connections keep validators out; an honest greeting takes milliseconds, so it is
through before it becomes the oldest.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final


class Lobby:
    """The tasks that greet accepted connections."""

    def __init__(self, total_max: int, per_source_max: int) -> None:
        self._total_max: Final = total_max
        self._per_source_max: Final = per_source_max
        self._tasks: Final[dict[asyncio.Task[None], str]] = {}  # in order of arrival

    def enter(self, group: asyncio.TaskGroup, source: str, greeting: Coroutine[Any, Any, None]) -> None:
        """Start to greet a connection from an address; `greeting` must close it when it is cancelled."""
        same = [task for task, its_source in self._tasks.items() if its_source == source]
        if len(same) >= self._per_source_max:
            self._turn_out(same[0])
        elif len(self._tasks) >= self._total_max:
            self._turn_out(next(iter(self._tasks)))
        task = group.create_task(greeting)
        self._tasks[task] = source
        task.add_done_callback(self._leave)

    def __len__(self) -> int:
        return len(self._tasks)

    def _turn_out(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        task.cancel()

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
