"""Meshes on loopback with ports that the system chooses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from chainnode.dialing import PeersConfig
from chainnode.handshake import TransportIdentity, create_identity
from chainnode.peer_messages import Refused
from chainnode.peers import Peers
from chainnode.raw_peer import RawPeer
from chainnode.wire import Frame, Message, decode_message
from consensus.messages import Vote
from primitives.certificate import Phase
from primitives.hashing import Digest
from primitives.keys import SigningKey
from primitives.validators import NodeId, Validator, ValidatorSet

CHAIN = Digest(bytes([7]) * 32)
FAST = PeersConfig(backoff_min_seconds=0.02, backoff_max_seconds=0.1, hello_seconds=2.0)


def identities(count: int, salt: int = 0) -> list[TransportIdentity]:
    return [create_identity(f"v{i}", bytes([i + 1, salt]) + bytes(30)) for i in range(count)]


def members_of(these: list[TransportIdentity]) -> ValidatorSet:
    return ValidatorSet(
        tuple(
            Validator(f"v{i}", SigningKey(bytes([100 + i]) * 32).public_key, identity.certificate)
            for i, identity in enumerate(these)
        )
    )


@dataclass
class Node:
    """One mesh member and what it heard; `changed` is set at every message and every link that comes or goes."""

    me: NodeId
    peers: Peers
    heard: list[tuple[NodeId, Message]]
    port: int
    changed: asyncio.Event
    task: asyncio.Task[None] | None = None
    links: list[tuple[NodeId, bool]] = field(default_factory=list)


def make_node(
    me: int, these: list[TransportIdentity], config: PeersConfig = FAST, chain_id: bytes = CHAIN, port: int = 0,
    handle: Callable[[NodeId, Message], None] = lambda sender, message: None,
) -> Node:
    heard: list[tuple[NodeId, Message]] = []
    links: list[tuple[NodeId, bool]] = []
    changed = asyncio.Event()

    def on_message(sender: NodeId, message: Message) -> None:
        heard.append((sender, message))
        changed.set()
        handle(sender, message)

    def on_link(node: NodeId, up: bool) -> None:
        links.append((node, up))
        changed.set()

    settings = replace(config, listen_port=port)
    peers = Peers(NodeId(me), members_of(these), chain_id, these[me], settings, on_message, on_link)
    return Node(NodeId(me), peers, heard, peers.listen(), changed, links=links)


def start(node: Node) -> None:
    node.task = asyncio.create_task(node.peers.run())


async def stop(node: Node) -> None:
    if node.task is not None:
        node.task.cancel()
        with suppress(asyncio.CancelledError):
            await node.task
        node.task = None


async def until(node: Node, condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition that can only change when the node hears or loses something."""
    async with asyncio.timeout(seconds):
        while not condition():
            node.changed.clear()
            await node.changed.wait()


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def mesh(count: int, config: PeersConfig = FAST) -> AsyncIterator[list[Node]]:
    """`count` nodes, all connected to all."""
    these = identities(count)
    nodes = [make_node(i, these, config) for i in range(count)]
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.peers.set_address(other.me, "127.0.0.1", other.port)
        start(node)
    try:
        for node in nodes:
            await until(node, lambda node=node: len(node.peers.connected()) == count - 1)  # type: ignore[misc]
        yield nodes
    finally:
        for node in nodes:
            await stop(node)


def vote(height: int, signer: int = 0) -> Vote:
    return Vote(Phase.PREPARE, 0, 0, height, bytes(32), signer, bytes(64))


async def raw(node: Node, these: list[TransportIdentity], me: int = 1) -> RawPeer:
    """A link to the node that says what the test wants."""
    return await RawPeer.connect("127.0.0.1", node.port, these[me], members_of(these), CHAIN, NodeId(me), node.me)


def refusals(frames: list[Frame]) -> list[int]:
    """The codes of the refusals among the frames."""
    messages = [decode_message(frame) for frame in frames]
    return [message.code for message in messages if isinstance(message, Refused)]


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine to its end, at most a minute."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())
