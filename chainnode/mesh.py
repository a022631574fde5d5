"""The links, with a switch for partitions: a devnet may cut a node off from chosen others (genesis test_clock only)."""

from chainnode.peers import Peers
from chainnode.wire import Message
from primitives.validators import NodeId


class Mesh:
    """Sends to everybody who is connected and not cut off."""

    def __init__(self) -> None:
        self._peers: Peers | None = None
        self.dropped: frozenset[NodeId] = frozenset()

    def attach(self, peers: Peers) -> None:
        """Once, before anything is sent: the mesh hands messages to rooms that themselves send through it."""
        self._peers = peers

    @property
    def peers(self) -> Peers:
        """The links themselves."""
        assert self._peers is not None, "attach comes before the first message"
        return self._peers

    def send(self, node: NodeId, message: Message) -> bool:
        """See Peers.send; False too for a node that is cut off."""
        return node not in self.dropped and self.peers.send(node, message)

    def broadcast(self, message: Message) -> int:
        """See Peers.broadcast."""
        if not self.dropped:
            return self.peers.broadcast(message)
        return sum(self.send(node, message) for node in self.peers.connected())

    def connected(self) -> list[NodeId]:
        """Those that messages reach now, ascending."""
        return [node for node in self.peers.connected() if node not in self.dropped]

    def ban(self, node: NodeId, reason: str) -> None:
        """See Peers.ban."""
        self.peers.ban(node, reason)

    def charge(self, node: NodeId, cost: int, reason: str) -> bool:
        """See Peers.charge."""
        return self.peers.charge(node, cost, reason)
