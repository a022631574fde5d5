"""The mesh: a link from every validator to every other one, kept alive, and the door for those who misbehave.

No task per message: a message is decoded and handed over inside the callback of its link, and what goes out is encoded
once and joined with what leaves in the same loop iteration.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from chainnode.dialing import Dialing, PeersConfig
from chainnode.discipline import Discipline
from chainnode.handshake import (
    HandshakeRefused,
    TransportIdentity,
    check_hello,
    client_context,
    encode_hello,
    node_of_certificate,
    server_context,
    trust,
)
from chainnode.link import Link, Side
from chainnode.lobby import Lobby
from chainnode.peer_messages import Hello, RefusalCode
from chainnode.peer_status import PeerStatus
from chainnode.quiet_log import QuietLog
from chainnode.wire import CLASS_OF, Frame, Message, encode_message
from consensus.messages import Status
from primitives.codec import Malformed
from primitives.validators import NodeId, ValidatorSet

LOG: Final = logging.getLogger(__name__)
SESSION_BYTES: Final = 16
SHUTDOWN_SECONDS: Final = 2.0  # for a last refusal to leave
LEAVE_SECONDS: Final = 30.0  # a member that left the set keeps its links so long, to serve the close block (C8)


def _certificate(members: ValidatorSet, node: NodeId) -> bytes:
    return members.at(node).transport_certificate


def _check_identity(me: NodeId, members: ValidatorSet, identity: TransportIdentity) -> None:
    if me in members and _certificate(members, me) != identity.certificate:
        raise ValueError(f"the transport certificate is not that of validator {me}")


def _now() -> float:
    return asyncio.get_running_loop().time()


class Peers:
    """The links of one node. Everything runs in one event loop."""

    def __init__(
        self,
        me: NodeId,
        members: ValidatorSet,
        chain_id: bytes,
        identity: TransportIdentity,
        config: PeersConfig,
        on_message: Callable[[NodeId, Message], None],
        on_link: Callable[[NodeId, bool], None] = lambda node, up: None,
    ) -> None:
        """on_message(sender, message): once per decoded message, in the order of its link. It must be quick. If it
        raises Malformed the sender lied and is banned; any other exception is a bug and ends `run`.

        on_link(node, up): messages to `node` are delivered from now on (True) or lost (False).

        `me` is OBSERVER for a node without a seat. Raises: ValueError if the identity's certificate is not the one of
        the seat `me`.
        """
        _check_identity(me, members, identity)
        self._me = me
        self._members = members
        self._identity: Final = identity
        self._chain_id: Final = chain_id
        self._config: Final = config
        self._on_message: Final = on_message
        self._on_link: Final = on_link
        self._server_tls: Final = server_context(identity, members)
        self._client_tls: Final = client_context(identity, members)
        self._session: Final = os.urandom(SESSION_BYTES)
        self._addresses: Final = dict(config.addresses)
        self._out: Final[dict[NodeId, Link]] = {}
        self._in: Final[dict[NodeId, Link]] = {}
        self._links: Final[set[Link]] = set()  # all, greeted or not
        self._lobby: Final = Lobby(config.lobby_total, config.lobby_per_source)
        self._discipline: Final = Discipline(config.ban_seconds)
        self._dropped: Final[dict[NodeId, int]] = {}
        self._dialing: Final = Dialing(config, self._dial, lambda node: self._discipline.banned_seconds(node, _now()))
        self._log: Final = QuietLog(LOG, time.monotonic)
        self._listener: socket.socket | None = None
        self._failure: BaseException | None = None
        self._failed: Final = asyncio.Event()

    def _others(self) -> list[NodeId]:
        return [node for node in self._members.nodes if node != self._me]

    # ---- life

    def listen(self) -> int:
        """Bind the listener before anything else of the node starts. Returns: the port.

        Raises: OSError if the port is taken.
        """
        if self._listener is None:
            address = (self._config.listen_host, self._config.listen_port)
            family = socket.AF_INET6 if ":" in self._config.listen_host else socket.AF_INET
            self._listener = socket.create_server(address, family=family, backlog=128)
            self._listener.setblocking(False)
        port: int = self._listener.getsockname()[1]
        return port

    def set_address(self, node: NodeId, host: str, port: int) -> None:
        """Where to dial `node` from now on."""
        self._addresses[node] = (host, port)
        self._dialing.hurry(node)

    def turn(self, me: NodeId, members: ValidatorSet, addresses: Mapping[NodeId, tuple[str, int]]) -> None:
        """Another set of validators: dial who is new; who left keeps its links for LEAVE_SECONDS and is not dialed.

        `addresses`: of members whose address is another one than before or not known yet.
        """
        _check_identity(me, members, self._identity)
        before = self._members
        self._me, self._members = me, members
        self._addresses.update(addresses)
        for context in (self._server_tls, self._client_tls):
            trust(context, members)
        for node in set(before.nodes) | set(members.nodes):
            gone = node not in members or node == me
            if not gone and node in before and before.at(node).transport_certificate == _certificate(members, node):
                continue
            if gone:
                asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._let_go, node)
            else:  # new, or another member sits there now
                self._discipline.forget(node)
                self._close(node)
                self._dialing.start(node)

    def _let_go(self, node: NodeId) -> None:
        if node not in self._members or node == self._me:
            self._dialing.stop(node)
            self._close(node)

    def _close(self, node: NodeId) -> None:
        for links in (self._in, self._out):
            link = links.get(node)
            if link is not None:
                link.abort()

    async def run(self) -> None:
        """Accept, dial and redial until cancelled; then every link is closed. Raises what on_message raised."""
        self.listen()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._accept_all(group))
                group.create_task(self._watch())
                group.create_task(self._fail())
                self._dialing.open(group)
                for node in self._others():
                    self._dialing.start(node)
        finally:
            self._dialing.close()
            for link in list(self._links):
                link.abort()
            self.close()

    def close(self) -> None:
        """Give the port back; `run` does it at its end, unless it never began."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    # ---- messages

    def send(self, node: NodeId, message: Message) -> bool:
        """Queue a message for one peer. False: there is no link, or it was just closed because the peer does not read;
        the message is lost, and the protocol's own repair (STATUS, requests) brings it again."""
        link = self._out.get(node)
        if link is None:
            return False
        return link.send_frame(CLASS_OF[type(message)], encode_message(message), isinstance(message, Status))

    def broadcast(self, message: Message) -> int:
        """Queue a message for every connected peer, encoded once. Returns: how many took it."""
        frame, frame_class, latest = encode_message(message), CLASS_OF[type(message)], isinstance(message, Status)
        return sum(link.send_frame(frame_class, frame, latest) for link in list(self._out.values()))

    def connected(self) -> list[NodeId]:
        """The peers that messages reach now, ascending."""
        return sorted(node for node, link in self._out.items() if link.is_open)

    def statuses(self) -> list[PeerStatus]:
        """One entry per other validator, ascending."""
        return [self._status(node, _now()) for node in self._others()]

    # ---- cost

    def charge(self, node: NodeId, cost: int, reason: str) -> bool:
        """Count an offence or an expensive wish against a peer; LIE_COST is its whole budget. False: it is banned."""
        now = _now()
        if node == self._me or self._discipline.banned_seconds(node, now):
            return False
        if not self._discipline.charge(node, cost, now):
            self.ban(node, reason)
            return False
        return True

    def ban(self, node: NodeId, reason: str) -> None:
        """Close both links of a peer that lied and refuse it for `ban_seconds` (T9)."""
        if node == self._me:
            return
        self._discipline.ban(node, reason, _now())
        self._log.warn(f"node {node}", f"banned for {self._config.ban_seconds:.0f} s: {reason}")
        if node in self._in:
            self._in[node].refuse(HandshakeRefused(RefusalCode.BANNED, reason[:150]))
        if node in self._out:
            self._out[node].abort()

    # ---- LinkOwner

    def greeting_of(self, link: Link) -> bytes:
        """The frame of our Hello."""
        return encode_hello(Hello(self._chain_id, self._me, self._session))

    def check_greeting(self, link: Link, frame: Frame) -> Hello:
        """The Hello of the node that the certificate proves, unless it is banned or not the one that was dialed."""
        node = node_of_certificate(self._members, link.certificate)
        if node is None:
            raise HandshakeRefused(RefusalCode.UNKNOWN_NODE, "the certificate is of no validator")
        if link.node is not None and link.node != node:
            raise HandshakeRefused(RefusalCode.UNKNOWN_NODE, f"dialed node {link.node}, found node {node}")
        hello = check_hello(frame, self._me, self._chain_id, node)
        if self._discipline.banned_seconds(node, _now()):
            raise HandshakeRefused(RefusalCode.BANNED, self._discipline.faults.get(node, "misbehaved")[:150])
        link.node = node
        return hello

    def opened(self, link: Link) -> None:
        """A new connection of the same direction replaces the older one: only its dialer opens it."""
        node = link.node
        assert node is not None, "a greeted link has a node"
        links = self._out if link.side is Side.DIALED else self._in
        older = links.get(node)
        links[node] = link
        if older is not None:
            older.abort()
        if link.side is Side.DIALED:
            self._on_link(node, True)
            return
        out = self._out.get(node)
        if out is not None and out.ready.done() and out.ready.result().session != link.ready.result().session:
            out.abort()  # that process is gone, even if its host did not say so
        self._dialing.hurry(node)  # who can dial us can probably be dialed

    def received(self, link: Link, message: Message) -> None:
        """Hand a message over; a bug in its handler must end the node, not vanish in the event loop."""
        assert link.node is not None, "a greeted link has a node"
        try:
            self._on_message(link.node, message)
        except Malformed as error:
            self.ban(link.node, str(error))
        except Exception as error:
            self._failure = error
            self._failed.set()

    def misbehaved(self, link: Link, reason: str) -> None:
        """The peer broke the wire protocol."""
        assert link.node is not None, "a greeted link has a node"
        self.ban(link.node, reason)

    def closed(self, link: Link) -> None:
        """Forget the link."""
        self._links.discard(link)
        node = link.node
        if node is None:
            return
        if self._in.get(node) is link:
            del self._in[node]
        if self._out.get(node) is link:
            del self._out[node]
            self._dropped[node] = self._dropped.get(node, 0) + link.dropped
            self._on_link(node, False)

    # ---- tasks

    async def _accept_all(self, group: asyncio.TaskGroup) -> None:
        assert self._listener is not None, "run() listens first"
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as error:  # no more file descriptors: wait for some to be closed
                self._log.warn("listener", f"accept failed: {error}")
                await asyncio.sleep(self._config.backoff_min_seconds)
                continue
            self._lobby.enter(group, address[0], self._greet(connection, address[0]))

    async def _greet(self, connection: socket.socket, source: str) -> None:
        """TLS, then Hello, within the deadline; or the connection is closed."""
        loop = asyncio.get_running_loop()
        seconds = self._config.hello_seconds
        link = self._new_link(Side.ACCEPTED)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(seconds):
                await loop.connect_accepted_socket(
                    lambda: link,
                    connection,
                    ssl=self._server_tls,
                    ssl_handshake_timeout=seconds,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
                await asyncio.wait([link.ready])
            link.ready.result()
        except (OSError, HandshakeRefused) as error:  # ssl.SSLError and TimeoutError are OSErrors
            self._log.warn(source, f"connection refused: {error or type(error).__name__}")
        finally:
            self._end_unless_open(link, connection)

    async def _dial(self, node: NodeId) -> bool:
        """Connect, greet, and wait until the link is gone. False: it never opened."""
        if node not in self._addresses:
            return False
        host, port = self._addresses[node]
        loop, seconds = asyncio.get_running_loop(), self._config.hello_seconds
        link = self._new_link(Side.DIALED)
        link.node = node
        try:
            async with asyncio.timeout(seconds):
                await loop.create_connection(
                    lambda: link,
                    host,
                    port,
                    ssl=self._client_tls,
                    server_hostname="",
                    ssl_handshake_timeout=seconds,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
                await asyncio.wait([link.ready])
            link.ready.result()
            await asyncio.wait([link.gone])
        except (OSError, UnicodeError, HandshakeRefused) as error:  # an address may be no name: UnicodeError
            self._discipline.faults[node] = str(error) or type(error).__name__
            if isinstance(error, HandshakeRefused):
                self._log.warn(f"node {node}", str(error))
            return False
        finally:
            self._end_unless_open(link, None)
        return True

    async def _watch(self) -> None:
        """Once a second: pings, and an end to links that are silent or do not read."""
        loop = asyncio.get_running_loop()
        limits = (self._config.ping_seconds, self._config.dead_seconds, self._config.stall_seconds)
        while True:
            await asyncio.sleep(min(1.0, *limits))
            for link in list(self._links):
                reason = link.check_health(loop.time(), *limits)
                if reason is not None:
                    if link.node is not None:
                        self._discipline.faults[link.node] = reason
                    self._log.warn(f"node {link.node}", f"link closed: {reason}")
                    link.abort()

    async def _fail(self) -> None:
        await self._failed.wait()
        assert self._failure is not None, "set before the event"
        raise self._failure

    # ---- inside

    def _new_link(self, side: Side) -> Link:
        link = Link(self, side, self._config.inbound_burst, self._config.inbound_per_second)
        self._links.add(link)
        return link

    def _end_unless_open(self, link: Link, connection: socket.socket | None) -> None:
        if link.is_open:
            return
        if link.refused is None:  # a refusal closes after its last frame has left
            link.abort()
        self._links.discard(link)
        if connection is not None and link.certificate is None and link.refused is None:
            connection.close()

    def _status(self, node: NodeId, now: float) -> PeerStatus:
        out, dropped = self._out.get(node), self._dropped.get(node, 0)
        name, hearing = self._members.at(node).name, node in self._in
        fault, banned = self._discipline.faults.get(node, ""), self._discipline.banned_seconds(node, now)
        if out is None:
            return PeerStatus(node, name, False, hearing, 0, dropped, None, banned, fault)
        waiting, dropped = out.waiting_bytes, dropped + out.dropped
        return PeerStatus(node, name, out.is_open, hearing, waiting, dropped, out.round_trip_ms, banned, fault)
