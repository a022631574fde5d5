"""The mesh: INTERFACE, the implementation follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chainnode.handshake import TransportIdentity
from chainnode.wire import Message
from primitives.validators import NodeId, ValidatorSet


@dataclass(frozen=True, slots=True)
class PeersConfig:
    listen_host: str = "127.0.0.1"
    listen_port: int = 0  # 0: the system chooses; see Peers.port
    addresses: Mapping[NodeId, tuple[str, int]] = field(default_factory=dict)
    backoff_max_seconds: float = 5.0
    ban_seconds: float = 60.0


class Peers:
    """The links to all other validators.

    on_message(sender, message) runs in the event loop, once per decoded message; on_link(node, up) when a node
    becomes reachable (up) or is lost.
    """

    def __init__(
        self, me: NodeId, members: ValidatorSet, chain_id: bytes, identity: TransportIdentity, config: PeersConfig,
        on_message: Callable[[NodeId, Message], None],
        on_link: Callable[[NodeId, bool], None] = lambda node, up: None,
    ) -> None: ...

    @property
    def port(self) -> int: ...  # type: ignore[empty-body]

    def listen(self) -> int: ...  # type: ignore[empty-body]

    def set_address(self, node: NodeId, host: str, port: int) -> None: ...

    async def run(self) -> None: ...

    def send(self, node: NodeId, message: Message) -> bool: ...  # type: ignore[empty-body]

    def broadcast(self, message: Message) -> int: ...  # type: ignore[empty-body]

    def connected(self) -> list[NodeId]: ...  # type: ignore[empty-body]

    def charge(self, node: NodeId, cost: int, reason: str) -> bool: ...  # type: ignore[empty-body]

    def ban(self, node: NodeId, reason: str) -> None: ...
