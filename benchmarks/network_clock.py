"""Block time of the network under load: this machine's, or one that the run sets and moves (genesis test_clock)."""

import asyncio
import time
from typing import Final

from chainnode.devnet import Devnet
from chainnode.devnet_calls import NoAnswer, Refused
from chainnode.devnet_layout import NodePlace

PUSH_SECONDS: Final = 0.5


class WallClock:
    """Nobody moves it."""

    is_ours = False

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    async def drive(self) -> None:
        """Nothing to do; never ends, as MovedClock.drive."""
        await asyncio.Event().wait()


class MovedClock:
    """Runs like a real one from wherever it was set, in steps of PUSH_SECONDS; the nodes hear of it from here alone."""

    is_ours = True

    def __init__(self, devnet: Devnet, start_s: float) -> None:
        self._devnet: Final = devnet
        self._start_s = start_s
        self._since = time.monotonic()

    def now(self) -> float:
        """Unix seconds."""
        return self._start_s + time.monotonic() - self._since

    def set(self, seconds: float) -> None:
        """Jump, and tell all nodes that answer."""
        self._start_s, self._since = seconds, time.monotonic()
        for place in self._devnet.places:
            self._push(place)

    async def drive(self) -> None:
        """Keep the nodes' clocks moving until cancelled; a node that is down hears of it when it is back."""
        while True:
            await asyncio.gather(*(asyncio.to_thread(self._push, place) for place in self._devnet.places))
            await asyncio.sleep(PUSH_SECONDS)

    def _push(self, place: NodePlace) -> None:
        try:
            self._devnet.admin(place, "POST", "/admin/clock", {"time_ms": int(self.now() * 1000)}, seconds=2.0)
        except (NoAnswer, Refused, OSError):
            return


NetworkClock = WallClock | MovedClock
