"""One thread per disk file that must not be written by two at once, and work done in place where the disk is quick.

Handing a sync of 0.1 ms to a thread and waiting for word from it costs a busy loop several times that, and its turn
comes after everything else that is due. So what has lately been quick is done by the loop itself; a disk that takes its
time gets a thread, and the loop serves everybody else meanwhile.

On a busy machine most of what a run takes is waiting for a processor, and handing it over would only add to that: what
the disk itself takes is neither the processor's time, nor the wait for one as far as the kernel counts it, nor any but
the quickest quarter of the last runs. A thread waits for the interpreter too, so only what the loop does tells of the
disk; it tries one run of many also where it is slow.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

REMEMBERED: Final = 16  # runs in place; a quarter of them decides
TRIED: Final = 8  # one run of so many goes in place beside a disk that was slow
SCHEDSTAT: Final = "/proc/thread-self/schedstat"  # ns on a processor, ns ready and waiting for one, turns


class Idleness:
    """A clock of the thread that makes it: seconds in which it neither computed nor was ready to; only differences mean
    something. Where the kernel does not count the wait for a processor, that is in it."""

    def __init__(self) -> None:
        try:
            self._counted: int | None = os.open(SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._counted = None

    def __call__(self) -> float:
        """Takes about two microseconds."""
        ready = 0 if self._counted is None else int(os.pread(self._counted, 64, 0).split()[1])
        return time.perf_counter() - time.thread_time() - ready * 1e-9

    def close(self) -> None:
        """Give the descriptor back; then the wait for a processor is in it."""
        if self._counted is not None:
            os.close(self._counted)
            self._counted = None


class DiskThread(ThreadPoolExecutor):
    """One thread. What is handed in runs in that order, never two at a time, in place or not."""

    def __init__(self, name: str, quick_seconds: float, clock: Callable[[], float] | None = None) -> None:
        """`quick_seconds`: what the loop may stand still for where nothing but the disk is waited for. To be made by
        the loop's own thread; `clock`: its Idleness."""
        super().__init__(1, name)
        self._quick: Final = quick_seconds
        self._idleness: Final = Idleness()
        self._clock: Final = clock or self._idleness
        self._lately: Final[deque[float]] = deque([0.0] * REMEMBERED, REMEMBERED)
        self._takes = 0.0  # of the last runs in place the slowest of the quickest quarter
        self._handed_over = 0  # runs since the last one in place
        self._last: Future[object] | None = None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See Executor."""
        self._handed_over += 1
        future = super().submit(fn, *args, **kwargs)
        self._last = future  # type: ignore[assignment]
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See Executor."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self._idleness.close()

    @property
    def in_place(self) -> bool:
        """Whether the loop itself would do the next run: the disk is quick, or has not been tried for long, and nothing
        of before is under way."""
        quick = self._takes <= self._quick or self._handed_over >= TRIED - 1
        return quick and (self._last is None or self._last.done())

    async def run(self, action: Callable[[], None]) -> None:
        """Do it now, or in the thread while the loop goes on. Raises: what it raises."""
        if self.in_place:
            self._timed(action)
        else:
            await asyncio.get_running_loop().run_in_executor(self, action)

    def _timed(self, action: Callable[[], None]) -> None:
        began = self._clock()
        action()
        self._lately.append(self._clock() - began)
        self._takes = sorted(self._lately)[REMEMBERED // 4 - 1]
        self._handed_over = 0
