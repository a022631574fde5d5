"""Who is dialed, and how patiently: one task per other validator, as long as it is one."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from primitives.validators import NodeId


@dataclass(frozen=True, slots=True)
class PeersConfig:
    """Where this node listens, where the others are, and its patience. Seconds, unless it says otherwise."""

    listen_host: str = "127.0.0.1"
    listen_port: int = 0  # 0: the system chooses; see Peers.listen
    addresses: Mapping[NodeId, tuple[str, int]] = field(default_factory=dict)
    backoff_min_seconds: float = 0.1
    backoff_max_seconds: float = 5.0  # 60 suits a network over the Internet
    hello_seconds: float = 5.0  # TLS and greeting together
    ban_seconds: float = 60.0
    ping_seconds: float = 10.0
    dead_seconds: float = 30.0
    stall_seconds: float = 5.0  # above the high water without a pause: the peer does not read
    lobby_total: int = 64
    lobby_per_source: int = 32
    inbound_burst: float = 20_000.0  # small messages; a frame also costs one per 4 KiB
    inbound_per_second: float = 5_000.0  # above it the socket is read more slowly, nobody is banned


class Dialing:
    """The dialers of one mesh."""

    def __init__(
        self, config: PeersConfig, dial: Callable[[NodeId], Awaitable[bool]], banned: Callable[[NodeId], float]
    ) -> None:
        """`dial` connects and returns when the link is gone; False: it never opened. `banned`: seconds to wait."""
        self._config: Final = config
        self._dial: Final = dial
        self._banned: Final = banned
        self._tasks: Final[dict[NodeId, asyncio.Task[None]]] = {}
        self._wake: Final[dict[NodeId, asyncio.Event]] = {}
        self._group: asyncio.TaskGroup | None = None

    def open(self, group: asyncio.TaskGroup) -> None:
        """From now on dialers may run, in this group."""
        self._group = group

    def close(self) -> None:
        """The group is ending, and all dialers with it."""
        self._group = None
        self._tasks.clear()

    def start(self, node: NodeId) -> None:
        """Dial `node` from now on; anew if it was dialed before. Nothing before `open`."""
        self.stop(node)
        if self._group is not None:
            self._wake[node] = asyncio.Event()
            self._tasks[node] = self._group.create_task(self._keep_dialing(node))

    def stop(self, node: NodeId) -> None:
        """Dial it no more."""
        task = self._tasks.pop(node, None)
        if task is not None:
            task.cancel()

    def hurry(self, node: NodeId) -> None:
        """A sign of life, or another address: the next attempt need not wait."""
        if node in self._wake:
            self._wake[node].set()

    async def _keep_dialing(self, node: NodeId) -> None:
        loop, delay = asyncio.get_running_loop(), self._config.backoff_min_seconds
        while True:
            wait = self._banned(node)
            if wait > 0:
                await asyncio.sleep(wait)
            opened_at = loop.time()
            if await self._dial(node) and loop.time() - opened_at > 1.0:
                delay = self._config.backoff_min_seconds  # it lived: this is a new failure
            await self._pause(node, delay)
            delay = min(delay * 2, self._config.backoff_max_seconds)

    async def _pause(self, node: NodeId, delay: float) -> None:
        """Wait before the next dial, with jitter so that nodes do not meet in step; a sign of life ends the wait."""
        wake = self._wake[node]
        try:
            async with asyncio.timeout(delay * random.uniform(0.5, 1.0)):
                await wake.wait()
            await asyncio.sleep(self._config.backoff_min_seconds * random.uniform(0.1, 0.5))
        except TimeoutError:
            pass
        wake.clear()
