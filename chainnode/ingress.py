"""The listener of the binary ingress: bounded per connection and in all, a few workers, no task per transaction."""

import asyncio
import logging
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from chainnode.courtesy import Courtesy, cost_of, cost_of_unread, house_of
from chainnode.ingress_frames import (
    INGRESS_LIMITS,
    OUTCOMES_MAX,
    Answer,
    Outcome,
    Outcomes,
    Submit,
    decode_ingress,
    encode_ingress,
)
from chainnode.ingress_limits import IngressLimits
from chainnode.quiet_log import QuietLog
from chainnode.wire import Frame, FrameReader
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.receipt import Receipt
from primitives.transaction import Decoded, decode_transaction

SMALL_BULK_BYTES: Final = 16 * 1024  # some 60 signatures, 4 ms
CROWDED_MS: Final = 100  # when an address may come again of which too much waits for a worker
LOG: Final = logging.getLogger(__name__)


class Verdict(Protocol):
    """What the node answers for one transaction."""

    @property
    def code(self) -> Code: ...

    @property
    def retry_ms(self) -> int: ...


SubmitBulk = Callable[[Sequence[Decoded]], Awaitable[Sequence[Verdict]]]


class IngressServer:
    """Plain TCP: bind it to loopback or to the network between gateway and node. `run` it in the node's TaskGroup."""

    def __init__(
        self, host: str, port: int, submit: SubmitBulk, clock: Callable[[], float],
        limits: IngressLimits | None = None, courtesy: Courtesy | None = None,
    ) -> None:  # fmt: skip
        """submit: admits a bulk (it verifies signatures), one verdict each; OK promises one outcome later.

        clock: monotonic seconds; courtesy: shared with the node's other doors. Raises: nothing yet; `listen` binds.
        """
        self._address: Final = (host, port)
        self._submit: Final = submit
        self.limits: Final = limits or IngressLimits()
        self._log: Final = QuietLog(LOG, clock)
        self._courtesy: Final = courtesy or Courtesy(clock)
        self._connections: Final[set[_Connection]] = set()
        self._addresses: Final[Counter[str]] = Counter()  # of the connections
        self._waiting: Final[Counter[str]] = Counter()  # bytes that wait for a worker, by address
        self._held: Final[set[str]] = set()  # addresses that are not read for a while
        self._watchers: Final[dict[Digest, list[_Connection]]] = {}
        self._queues: Final = (_Queue(), _Queue())  # of small and of large bulks: none waits for hundreds of signatures
        self._listener: socket.socket | None = None
        self._group: asyncio.TaskGroup | None = None

    def listen(self) -> int:
        """Bind. Returns: the port. Raises: OSError if it is taken."""
        if self._listener is None:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            self._listener = socket.create_server(self._address, family=family, backlog=64)
        port: int = self._listener.getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until cancelled; then every connection is closed."""
        self.listen()
        assert self._listener is not None, "listen binds"
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), sock=self._listener, start_serving=False)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await server.start_serving()  # here: cancelled within create_server, it would listen for ever
                await loop.create_future()  # until cancelled
        finally:
            self._group = self._listener = None
            server.close()
            for connection in list(self._connections):
                connection.abort()

    def close(self) -> None:
        """Give the port back if it was bound and `run` never began."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def settled(self, receipts: Iterable[Outcome | Receipt]) -> None:
        """Of an executed block: each goes to the connections that brought its transaction."""
        watchers = self._watchers
        if not watchers:
            return
        mail: dict[_Connection, list[Outcome]] = {}
        for one in receipts:
            if one.tx in watchers:
                outcome = Outcome(one.tx, one.height, one.index, one.code)
                for connection in watchers.pop(Digest(one.tx)):
                    mail.setdefault(connection, []).append(outcome)
        for connection, items in mail.items():
            connection.watched.difference_update(Digest(item.tx) for item in items)
            for start in range(0, len(items), OUTCOMES_MAX):
                connection.send(encode_ingress(Outcomes(tuple(items[start : start + OUTCOMES_MAX]))))

    def expired(self, ids: Iterable[Digest]) -> None:
        """These were given up: no block can accept them any more."""
        self.settled(Outcome(identity, 0, 0, Code.EXPIRED_TX) for identity in ids)

    # ---- for the connections

    def enter(self, connection: "_Connection") -> bool:
        """Whether there is room for one more."""
        if len(self._connections) >= self.limits.connections:
            return False
        if self._addresses[connection.source] >= self.limits.per_address:
            return False
        self._connections.add(connection)
        self._addresses[connection.source] += 1
        return True

    def reads(self, address: str) -> bool:
        """Whether an address has courtesy left."""
        return address not in self._held

    def leave(self, connection: "_Connection") -> None:
        """It is closed; nobody waits for its transactions, which stay admitted all the same."""
        if connection in self._connections:
            self._connections.discard(connection)
            self._addresses[connection.source] -= 1
            if not self._addresses[connection.source]:
                del self._addresses[connection.source]
        for queue in self._queues:
            self._waits_no_more(connection.source, queue.lines.pop(connection, ()))
        for identity in connection.watched:
            self._unwatch(identity, connection)
        connection.watched.clear()

    def take(self, connection: "_Connection", bulk: Submit) -> None:
        """Admit a bulk when its turn comes; not any more if the connection is closed by then."""
        octets = _octets(bulk)
        self._waiting[connection.source] += octets
        queue = self._queues[octets > SMALL_BULK_BYTES]
        queue.lines.setdefault(connection, deque()).append(bulk)
        self._hire(queue)

    def _waits_no_more(self, source: str, bulks: Iterable[Submit]) -> None:
        self._waiting[source] -= sum(map(_octets, bulks))
        if not self._waiting[source]:
            del self._waiting[source]

    def _hire(self, queue: "_Queue") -> None:
        if self._group is not None and queue.lines and queue.working < self.limits.workers:
            queue.working += 1
            self._group.create_task(self._work(queue))

    def complain(self, source: str, text: str) -> None:
        """A line in the log, not more than one per source in a while."""
        self._log.warn(source, text)

    async def _work(self, queue: "_Queue") -> None:
        """Bulks, one of each connection in turn, until none waits, or only those of addresses that are held."""
        try:
            while (connection := next((c for c in queue.lines if self.reads(c.source)), None)) is not None:
                line = queue.lines.pop(connection)
                bulk = line.popleft()
                self._waits_no_more(connection.source, [bulk])
                if line:
                    queue.lines[connection] = line
                await self._admit(connection, bulk)
                await asyncio.sleep(0)  # a bulk of junk is answered without waiting for anything
        finally:
            queue.working -= 1

    def refused(self, source: str, bulk: Submit) -> Answer | None:
        """The answer to who comes before the time that it was told, or behind too much of its own; None: the bulk is to
        be looked at."""
        early_ms = self._courtesy.told_ms(source)
        if not early_ms:
            if self._waiting[source] < self.limits.waiting:
                return None
            early_ms = CROWDED_MS
            self._courtesy.tell(source, early_ms)
        count = len(bulk.transactions)
        self._charge(source, cost_of_unread(count))
        return Answer(bulk.request, (Code.POOL_FULL,) * count, early_ms)

    async def _admit(self, connection: "_Connection", bulk: Submit) -> None:
        codes = [Code.DECODE] * len(bulk.transactions)
        decoded: list[Decoded] = []
        positions: list[int] = []
        for position, raw in enumerate(bulk.transactions):
            try:
                decoded.append(decode_transaction(raw))
            except Malformed:
                continue
            positions.append(position)
        fresh = [self._watch(one.id, connection) for one in decoded]  # before: a block may be quicker than the answer
        verdicts = await self._submit(decoded) if decoded else ()
        for position, one, verdict, is_fresh in zip(positions, decoded, verdicts, fresh, strict=True):
            codes[position] = verdict.code
            if verdict.code is not Code.OK and is_fresh:
                self._unwatch(one.id, connection)
                connection.watched.discard(one.id)
        retry_ms = max((verdict.retry_ms for verdict in verdicts), default=0)
        if retry_ms and 2 * codes.count(Code.POOL_FULL) > len(codes):  # not for the sake of one large or one hot sender
            self._courtesy.tell(connection.source, retry_ms)
        self._charge(connection.source, sum(map(cost_of, codes)))
        connection.answered(Answer(bulk.request, tuple(codes), retry_ms), bulk)

    def _charge(self, address: str, cost: int) -> None:
        seconds = self._courtesy.charge(address, cost)
        if seconds and address not in self._held:
            self.complain(address, f"too much that comes to nothing: not read for {seconds:.1f} s")
            self._held.add(address)
            asyncio.get_running_loop().call_later(seconds, self._release, address)

    def _release(self, address: str) -> None:
        self._held.discard(address)
        for connection in [c for c in self._connections if c.source == address]:
            connection.go_on()
        for queue in self._queues:
            for _ in range(min(self.limits.workers, len(queue.lines))):
                self._hire(queue)

    def _watch(self, identity: Digest, connection: "_Connection") -> bool:
        if identity in connection.watched or connection.is_closed:
            return False
        connection.watched.add(identity)
        self._watchers.setdefault(identity, []).append(connection)
        return True

    def _unwatch(self, identity: Digest, connection: "_Connection") -> None:
        watchers = self._watchers.get(identity)
        if watchers is None or connection not in watchers:
            return
        watchers.remove(connection)
        if not watchers:
            del self._watchers[identity]


class _Queue:
    """Bulks that wait for a worker, by connection, and how many workers there are."""

    def __init__(self) -> None:
        self.lines: Final[OrderedDict[_Connection, deque[Submit]]] = OrderedDict()
        self.working = 0


def _octets(bulk: Submit) -> int:
    return sum(map(len, bulk.transactions))


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: IngressServer) -> None:
        self._server: Final = server
        self._reader: Final = FrameReader(INGRESS_LIMITS)
        self._transport: asyncio.Transport | None = None
        self._transactions = self._bulks = self._octets = 0  # in hand
        self._refused = 0  # bulks, in this turn of the loop
        self._reading = True
        self._loop: Final = asyncio.get_running_loop()
        self._heard_at = self._loop.time()  # the last whole frame; before the first, the connection
        self._greeted = False
        self.source = "ingress"  # its address
        self._timer: asyncio.TimerHandle | None = None
        self.watched: Final[set[Digest]] = set()

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "the ingress is a stream"
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.source = house_of(str(peer[0])) if peer else "ingress"
        if not self._server.enter(self):
            transport.abort()
            return
        self._timer = self._loop.call_later(self._server.limits.patience_s, self._check_patience)

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._server.leave(self)

    def answered(self, answer: Answer, bulk: Submit) -> None:
        """A bulk is through."""
        self._transactions -= len(bulk.transactions)
        self._bulks -= 1
        self._octets -= _octets(bulk)
        self.send(encode_ingress(answer))
        self._take(b"")

    def go_on(self) -> None:
        """Its address may be read again, or a turn of the loop is over."""
        self._refused = 0
        self._take(b"")

    def _take(self, data: bytes) -> None:
        """One frame after the other while there is room in hand; a flood of small ones must not hold up the loop."""
        try:
            while not self.is_closed:
                frames = self._reader.feed(data, 1 if self._has_room else 0)
                data = b""
                if not frames:
                    break
                self._take_frame(frames[0])
        except Malformed as error:
            self._server.complain(self.source, f"ingress connection closed: {error}")
            self.abort()
            return
        self._read_on()

    def _take_frame(self, frame: Frame) -> None:
        message = decode_ingress(frame)
        if not isinstance(message, Submit):
            raise Malformed(f"{type(message).__name__} from a client")
        self._greeted, self._heard_at = True, self._loop.time()
        if (refusal := self._server.refused(self.source, message)) is not None:
            self._refuse(refusal)
        else:
            self._transactions += len(message.transactions)
            self._bulks += 1
            self._octets += _octets(message)
            self._server.take(self, message)

    def _refuse(self, refusal: Answer) -> None:
        """At once: waiting for a worker, it would wait behind blocks, and what follows it in the socket too."""
        if not self._refused:
            self._loop.call_soon(self.go_on)
        self._refused += 1
        self.send(encode_ingress(refusal))

    @property
    def _has_room(self) -> bool:
        limits = self._server.limits
        return (
            self._transactions < limits.in_hand and self._bulks + self._refused < limits.bulks
            and self._octets < limits.octets
            and self._server.reads(self.source)
        )  # fmt: skip

    def _check_patience(self) -> None:
        """Cut who holds a place in the line and sends nothing whole."""
        limits, waited = self._server.limits, self._loop.time() - self._heard_at
        busy = self._bulks > 0 or not self._server.reads(self.source)
        due = limits.patience_s if not self._greeted or self._reader.held_bytes else limits.idle_s
        if not busy and waited >= due and not (self._greeted and self.watched):
            self._server.complain(self.source, f"ingress connection closed: nothing whole for {waited:.0f} s")
            self.abort()
            return
        self._timer = self._loop.call_later(limits.patience_s, self._check_patience)

    def send(self, frame: bytes) -> None:
        """Write, unless the client does not read: then it is cut off and asks for receipts later."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(frame)
        if self._transport.get_write_buffer_size() > self._server.limits.unread:
            self._server.complain(self.source, "ingress connection closed: the client does not read")
            self.abort()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def _read_on(self) -> None:
        reading = self._has_room
        if self._transport is None or self._transport.is_closing() or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
