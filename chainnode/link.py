"""One TLS connection to a peer: frames in, frames out, both bounded (T19). One connection carries messages one way.

Every node dials every other node and sends on the connection that it dialed; the opposite direction of a connection
carries only the greeting and pongs. So there is never a choice which of two connections to keep: a new one from the
same dialer replaces its older one, and a restarted node is heard again with its first dial.
"""

import asyncio
import ssl
from collections import deque
from enum import Enum
from typing import Final, Protocol

from chainnode.budget import Budget, message_cost
from chainnode.handshake import HandshakeRefused
from chainnode.outbox import Outbox
from chainnode.peer_messages import Hello, Ping, Pong, RefusalCode, Refused
from chainnode.wire import Frame, FrameClass, FrameReader, Message, decode_message, encode_message
from primitives.codec import Malformed
from primitives.validators import NodeId

WRITE_HIGH_BYTES: Final = 256 * 1024
WRITE_LOW_BYTES: Final = 64 * 1024
JOIN_BYTES: Final = 64 * 1024  # small frames of one loop iteration leave as one TLS record, one system call
TURN_FRAMES: Final = 32  # frames handled before the loop serves others; a signature each is 2.4 ms


class Side(Enum):
    DIALED = "dialed"  # we send on it
    ACCEPTED = "accepted"  # we receive on it


class LinkOwner(Protocol):
    """What a link asks of the mesh."""

    def greeting_of(self, link: "Link") -> bytes:
        """The frame of our Hello."""

    def check_greeting(self, link: "Link", frame: Frame) -> Hello:
        """The peer's Hello; HandshakeRefused closes the link with its code."""

    def opened(self, link: "Link") -> None:
        """Both have greeted."""

    def received(self, link: "Link", message: Message) -> None:
        """A message, in order."""

    def misbehaved(self, link: "Link", reason: str) -> None:
        """The peer broke the wire protocol; the owner bans it and closes its links."""

    def closed(self, link: "Link") -> None:
        """The connection is gone; comes once, also for links that never opened."""


class Link(asyncio.Protocol):
    """State of one connection. All methods run in the event loop."""

    def __init__(self, owner: LinkOwner, side: Side, budget_burst: float, budget_per_second: float) -> None:
        self._owner: Final = owner
        self.side: Final = side
        self._loop: Final = asyncio.get_running_loop()
        self._reader: Final = FrameReader()
        self._inbox: Final[deque[Frame]] = deque()
        self._outbox: Final = Outbox()
        self._budget: Final = Budget(budget_burst, budget_per_second, self._loop.time())
        self._transport: asyncio.Transport | None = None
        self._flush_planned = False
        self._held_back = False  # frames wait in the inbox, or the peer is over its budget: the socket is not read
        self._paused_at: float | None = None  # the transport's buffer is above its high water since then
        self.ready: Final[asyncio.Future[Hello]] = self._loop.create_future()
        self.gone: Final[asyncio.Future[None]] = self._loop.create_future()
        self.node: NodeId | None = None  # set by the owner in check_greeting
        self.heard_at = self._loop.time()
        self.pinged_at = self.heard_at
        self.round_trip_ms: float | None = None
        self.refused: HandshakeRefused | None = None

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "links run over streams"
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES, low=WRITE_LOW_BYTES)
        if self.side is Side.DIALED:
            transport.write(self._owner.greeting_of(self))

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return  # refused or banned: what was still on its way does not count
        self.heard_at = self._loop.time()
        try:
            self._inbox.extend(self._reader.feed(data))
        except Malformed as error:
            self._misbehaved(str(error))
            return
        if not self._held_back:
            self._handle_inbox()

    def pause_writing(self) -> None:
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        self._paused_at = None
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._inbox.clear()
        if not self.ready.done():
            reason = self.refused or ConnectionError(f"closed before the greeting: {error or 'end of stream'}")
            self.ready.set_exception(reason)
            self.ready.exception()  # whoever waits sees it; nobody needs to
        if not self.gone.done():
            self.gone.set_result(None)
        self._owner.closed(self)

    # ---- for the owner

    @property
    def certificate(self) -> bytes | None:
        """The DER certificate that the peer proved to own."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True) if isinstance(tls, ssl.SSLObject) else None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self.ready.done()

    @property
    def waiting_bytes(self) -> int:
        """Bytes on the way out that the kernel has not taken."""
        return self._outbox.waiting + (self._transport.get_write_buffer_size() if self._transport else 0)

    @property
    def dropped(self) -> int:
        return self._outbox.dropped

    def send_frame(self, frame_class: int, frame: bytes, latest: bool = False) -> bool:
        """Queue a frame; it leaves in this loop iteration if the peer reads. False: the link is closed, or closes now
        because the peer does not read."""
        if not self.is_open:
            return False
        if latest:
            self._outbox.push_latest(frame)
        elif not self._outbox.push(frame_class, frame):
            self.abort()
            return False
        if not self._flush_planned and self._paused_at is None:
            self._flush_planned = True
            self._loop.call_soon(self._flush)
        return True

    def check_health(self, now: float, ping_seconds: float, dead_seconds: float, stall_seconds: float) -> str | None:
        """Why this link must go (silent, or not reading); pings on the way. Call it about once a second."""
        if now - self.heard_at > dead_seconds:
            return f"silent for {now - self.heard_at:.0f} s"
        if self._paused_at is not None and now - self._paused_at > stall_seconds:
            return f"did not read for {now - self._paused_at:.0f} s, {self.waiting_bytes} bytes wait"
        if self.side is Side.DIALED and self.is_open and now - self.pinged_at >= ping_seconds:
            self.pinged_at = now
            self.send_frame(FrameClass.CONTROL, encode_message(Ping(int(now * 1000))))
        return None

    def refuse(self, refusal: HandshakeRefused) -> None:
        """Say why, then close."""
        self.refused = refusal
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode_message(Refused(refusal.code, refusal.text[:200])))
            self._transport.close()

    def close(self) -> None:
        """Close when what is in the transport's buffer has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now; what waits is lost."""
        if self._transport is not None:
            self._transport.abort()

    # ---- inside

    def _flush(self) -> None:
        self._flush_planned = False
        transport, parts, size = self._transport, list[bytes](), 0
        if transport is None or transport.is_closing():
            return
        while self._paused_at is None and not self._outbox.empty:
            frame = self._outbox.pop()
            assert frame is not None, "an outbox that is not empty gives a frame"
            parts.append(frame)
            size += len(frame)
            if size >= JOIN_BYTES:
                transport.write(b"".join(parts))
                parts, size = [], 0
        if parts:
            transport.write(b"".join(parts))

    def _handle_inbox(self) -> None:
        """Handle some frames; with more at hand, or over the budget, stop reading and go on later."""
        spent = 0.0
        for _ in range(min(TURN_FRAMES, len(self._inbox))):
            frame = self._inbox.popleft()
            spent += message_cost(len(frame.payload))
            self._handle(frame)
            if self._transport is None or self._transport.is_closing():
                self._inbox.clear()
                return
        wait = self._budget.spend(spent, self._loop.time())
        if not self._inbox and not wait:
            self._hold_back(False)
            return
        self._hold_back(True)
        if wait:
            self._loop.call_later(wait, self._handle_inbox)
        else:
            self._loop.call_soon(self._handle_inbox)

    def _hold_back(self, held_back: bool) -> None:
        if self._held_back == held_back or self._transport is None:
            return
        self._held_back = held_back
        if held_back:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _handle(self, frame: Frame) -> None:
        try:
            if not self.ready.done():
                self._greet(frame)
                return
            message = decode_message(frame)
        except HandshakeRefused as refusal:
            self.refuse(refusal)
            return
        except Malformed as error:
            self._misbehaved(str(error))
            return
        match message:
            case Ping() if self.side is Side.ACCEPTED:
                self.send_frame(FrameClass.CONTROL, encode_message(Pong(message.number)))
            case Pong() if self.side is Side.DIALED:
                self.round_trip_ms = max(0.0, self._loop.time() * 1000 - message.number)
            case Refused():
                self._refused_by_peer(message)
            case Hello() | Ping() | Pong():
                self._misbehaved(f"{type(message).__name__} out of place")
            case _ if self.side is Side.DIALED:
                self._misbehaved(f"{type(message).__name__} against the direction of the connection")
            case _:
                self._owner.received(self, message)

    def _greet(self, frame: Frame) -> None:
        if self.side is Side.DIALED and frame.frame_class == FrameClass.CONTROL:
            try:
                message = decode_message(frame)
            except Malformed:
                pass  # a Hello: its version stands in front of the record
            else:
                if isinstance(message, Refused):
                    self._refused_by_peer(message)
                    return
        hello = self._owner.check_greeting(self, frame)
        if self.side is Side.ACCEPTED and self._transport is not None:
            self._transport.write(self._owner.greeting_of(self))
        self.ready.set_result(hello)
        self._owner.opened(self)

    def _refused_by_peer(self, message: Refused) -> None:
        known = message.code in RefusalCode.__members__.values()
        code = RefusalCode(message.code) if known else RefusalCode.MALFORMED
        self.refused = HandshakeRefused(code, message.text, by_peer=True)
        self.close()

    def _misbehaved(self, reason: str) -> None:
        if self.ready.done():
            self._owner.misbehaved(self, reason)
        else:
            self.refuse(HandshakeRefused(RefusalCode.MALFORMED, reason[:150]))
