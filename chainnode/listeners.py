"""The doors of a node for its users: the public API, the admin listener, the binary ingress."""

import time
from collections.abc import Iterable
from typing import Final

from chainnode.admin_server import build_admin_server
from chainnode.backend import NodeBackend
from chainnode.config import HttpSection, NodeConfig
from chainnode.connections import ConnectionLimits
from chainnode.courtesy import Courtesy
from chainnode.failures import PortTaken
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.ingress import IngressServer
from chainnode.metrics import Metrics
from primitives.hashing import Digest
from primitives.receipt import Receipt


def public_settings(http: HttpSection) -> HttpSettings:
    """What the operator says of the public API."""
    limits = ConnectionLimits(http.connections, http.connections_per_address)
    return HttpSettings(
        frozenset(http.allowed_hosts), limits, http.rate_per_address, scoped=http.reads == "scoped"
    )  # fmt: skip


class Listeners:
    """Built with the node; `start` before its rooms work, `stop` after them. `run` is one of the rooms."""

    def __init__(self, config: NodeConfig, backend: NodeBackend, metrics: Metrics, admin_token: bytes) -> None:
        self._config: Final = config
        courtesy = Courtesy(time.monotonic)
        self._public: Final = HttpServer(backend, metrics, public_settings(config.http), courtesy=courtesy)
        self._admin: Final = build_admin_server(backend, metrics, admin_token)
        self._ingress: Final = (
            None if config.ingress is None
            else IngressServer(
                config.ingress.host, config.ingress.port, backend.submit, time.monotonic, courtesy=courtesy
            )
        )  # fmt: skip

    async def start(self) -> None:
        """Bind all of them. Raises: PortTaken, with the address; what was bound before is closed by `stop`."""
        config = self._config
        if self._ingress is not None and config.ingress is not None:
            try:
                self._ingress.listen()
            except OSError as error:
                address = f"{config.ingress.host}:{config.ingress.port}"
                raise PortTaken(f"cannot listen on {address}: {error.strerror}") from error
        await self._public.start(config.http.host, config.http.port)
        await self._admin.start(config.admin.host, config.admin.port)

    async def run(self) -> None:
        """Serve the ingress until cancelled; the HTTP listeners serve themselves."""
        if self._ingress is not None:
            await self._ingress.run()

    async def stop(self) -> None:
        """Close all of them; running requests get 2 s."""
        if self._ingress is not None:
            self._ingress.close()
        await self._public.stop()
        await self._admin.stop()

    def executed(self, receipts: Iterable[Receipt | None], expired: Iterable[Digest]) -> None:
        """Tell the ingress clients what became of theirs."""
        if self._ingress is not None:
            self._ingress.settled(receipt for receipt in receipts if receipt is not None)
            self._ingress.expired(expired)
