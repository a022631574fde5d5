"""A peer for tests that keeps the handshake and no other rule: it sends any bytes, and may refuse to read."""

import asyncio
import os
import ssl
from typing import Final, Self

from chainnode.handshake import TransportIdentity, check_hello, client_context, encode_hello, server_context
from chainnode.peer_messages import Hello
from chainnode.wire import Frame, FrameReader, Message, encode_message
from primitives.validators import NodeId, ValidatorSet


class RawPeer:
    """One greeted connection in the name of a validator whose transport key the test holds.

    `connect` gives the one on which this validator sends to a node; `accept` waits for the node's own dial, on which
    the node sends to this validator.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader: Final = reader
        self.writer: Final = writer
        self._frames: Final = FrameReader()
        self._ready: Final[list[Frame]] = []

    @classmethod
    async def dial(cls, host: str, port: int, context: ssl.SSLContext) -> Self:
        """TLS only; the greeting is the test's business (send_bytes, read_frame)."""
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="")
        return cls(reader, writer)

    @classmethod
    async def connect(
        cls, host: str, port: int, identity: TransportIdentity, members: ValidatorSet, chain_id: bytes,
        node: NodeId, target: NodeId, session: bytes = b"",
    ) -> Self:
        """TLS and greeting as `node`; one process has one `session` on all its connections.

        Raises: HandshakeRefused or ConnectionError if `target` closes the door.
        """
        peer = await cls.dial(host, port, client_context(identity, members))
        peer.send_bytes(encode_hello(Hello(chain_id, node, session or os.urandom(16))))
        frame = await peer.read_frame()
        if frame is None:
            raise ConnectionError("closed before the greeting")
        check_hello(frame, node, chain_id, target)
        return peer

    @classmethod
    async def accept(
        cls, identity: TransportIdentity, members: ValidatorSet, chain_id: bytes, node: NodeId, port: int = 0,
        session: bytes = b"",
    ) -> tuple[asyncio.Server, int, "asyncio.Queue[RawPeer]"]:
        """Listen as `node`. Returns: the server (close it), its port, and the queue of greeted connections."""
        accepted: asyncio.Queue[RawPeer] = asyncio.Queue()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = RawPeer(reader, writer)
            if await peer.read_frame() is not None:
                peer.send_bytes(encode_hello(Hello(chain_id, node, session or os.urandom(16))))
                accepted.put_nowait(peer)

        server = await asyncio.start_server(
            greet, "127.0.0.1", port, ssl=server_context(identity, members), limit=64 * 1024
        )
        bound: int = server.sockets[0].getsockname()[1]
        return server, bound, accepted

    def send_bytes(self, data: bytes) -> None:
        """Anything at all."""
        self.writer.write(data)

    def send(self, message: Message) -> None:
        """A well-formed frame."""
        self.send_bytes(encode_message(message))

    async def read_frame(self) -> Frame | None:
        """The next frame from the node; None when the node has closed."""
        while not self._ready:
            try:
                data = await self.reader.read(64 * 1024)
            except (ConnectionError, ssl.SSLError):
                return None
            if not data:
                return None
            self._ready.extend(self._frames.feed(data))
        return self._ready.pop(0)

    async def closed(self) -> list[Frame]:
        """Read until the node closes. Returns: what it said until then."""
        frames = []
        while (frame := await self.read_frame()) is not None:
            frames.append(frame)
        return frames

    def close(self) -> None:
        """Go without a word."""
        self.writer.transport.abort()
