"""Admitted transactions of this node until they are committed, rejected or expired. No clock, no IO.

Nothing leaves silently: what was admitted is later named by exactly one of `settle` and `expire`.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from chainnode.outflow import Outflow
from primitives.block import Batch, batch_digest
from primitives.codec import encode
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded
from primitives.validators import NodeId

BATCH_OVERHEAD_BYTES: Final = 32  # array, origin, sequence, array header: at most 1 + 9 + 9 + 5
TRANSACTION_OVERHEAD_BYTES: Final = 5  # longest header of a byte string
SENDER_PER_FREE: Final = 3  # nobody may hold more than so often what is free: one takes 3/4, k leave 1/(3k + 1)
RETRY_MS_MIN: Final = 100
RETRY_MS_MAX: Final = 5_000
RETRY_MS_UNKNOWN: Final = 1_000  # nothing has left lately: nobody knows how long it takes


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """Bounds of this node (its own choice), and of a batch (the network's, from genesis limits)."""

    batch_transactions: int
    batch_bytes: int
    transactions: int = 65_536
    octets: int = 64 * 1024 * 1024
    sender_transactions: int = 8_192  # one hot merchant may use an eighth of the pool
    sender_octets: int = 8 * 1024 * 1024
    wait_ms: int = 1_000  # what would wait longer than this for its block is refused
    burst_octets: int = 1024 * 1024  # taken in as long as nobody knows how long they would wait
    least_octets: int = 256 * 1024  # taken in however slow the network is
    flush_ms: int = 3  # how long the first transaction waits for company
    busy_flush_ms: int = 20  # the same while an earlier batch of this node is on its way (a batch costs every node)
    patience_ms: int = 2_000  # how long a foreign batch may keep one of ours before it is packed here too


class Packed(NamedTuple):
    """A new batch of this node, ready for the store and the wire."""

    digest: Digest
    raw: bytes
    batch: Batch
    transactions: tuple[Decoded, ...]


class PoolCounts(NamedTuple):
    """Of every admitted transaction: admitted = held + settled + expired."""

    admitted: int
    held: int
    settled: int
    expired: int


class _Stage(Enum):
    WAITING = 1  # stands in the line of its sender
    CARRIED = 2  # in a batch of another validator, not packed here for now (C6)
    PACKED = 3  # in a batch of this node
    GONE = 4


class _Entry:
    __slots__ = ("admitted_ms", "decoded", "stage")

    def __init__(self, decoded: Decoded, admitted_ms: int) -> None:
        self.decoded = decoded
        self.admitted_ms = admitted_ms
        self.stage = _Stage.WAITING


class _Sender:
    """One sender's share of the pool. `line` may hold entries that are no longer WAITING; they are skipped."""

    __slots__ = ("count", "line", "octets")

    def __init__(self) -> None:
        self.line: deque[_Entry] = deque()
        self.count = 0
        self.octets = 0


class Mempool:
    """The pool of one node. Times: now_s is unix seconds of block time or the wall clock, now_ms monotonic."""

    def __init__(self, me: NodeId, limits: MempoolLimits, first_sequence: int = 0) -> None:
        """`first_sequence`: larger than any batch sequence this node used before, e.g. its start time in ms."""
        self._me = me
        self.limits = limits  # not Final: a node of a simulated network is given smaller ones
        self._sequence = first_sequence
        self._entries: Final[dict[Digest, _Entry]] = {}
        self._senders: Final[dict[bytes, _Sender]] = {}
        self._rotation: Final[OrderedDict[bytes, None]] = OrderedDict()  # senders with a line
        self._carried: Final[deque[tuple[int, _Entry]]] = deque()  # (take back at ms, entry)
        self._by_expiry: Final[dict[int, dict[Digest, None]]] = {}  # valid_until -> ids; at most 601 keys (C17)
        self._octets = 0
        self._outflow: Final = Outflow()
        self._set_room()
        self._waiting_count = 0
        self._waiting_octets = 0
        self._first_waiting_ms: int | None = None
        self._admitted = self._settled = self._expired = 0

    def take_seat(self, me: NodeId) -> None:
        """Another epoch, perhaps another seat: batches name it as their origin."""
        self._me = me

    def check(self, decoded: Decoded, now_s: int, ahead: int = 0) -> Code:
        """OK, or why this transaction cannot enter: its lifetime, its size, its presence, the sender's share, the pool.

        `ahead`: bytes of others that are about to enter. Costs no cryptography: call it before the signatures are
        verified, and `admit` after.
        """
        envelope = decoded.transaction.envelope
        size = len(decoded.raw)
        if now_s > envelope.valid_until:
            return Code.EXPIRED_TX
        if envelope.valid_until > now_s + VALIDITY_SECONDS_MAX:
            return Code.TTL_TOO_LONG
        if size + BATCH_OVERHEAD_BYTES + TRANSACTION_OVERHEAD_BYTES > self.limits.batch_bytes:
            return Code.TOO_LARGE
        if decoded.id in self._entries:
            return Code.DUPLICATE_TX
        sender = self._senders.get(envelope.sender)
        if sender is not None and (
            sender.count >= self.limits.sender_transactions or sender.octets + size > self.limits.sender_octets
        ):
            return Code.SENDER_POOL_LIMIT
        free = self._room - self._octets - ahead - size  # behind it
        if len(self._entries) >= self.limits.transactions or free < 0:
            return Code.POOL_FULL
        if sender is not None and sender.octets + size > SENDER_PER_FREE * free:
            return Code.SENDER_POOL_LIMIT
        return Code.OK

    def admit(self, decoded: Decoded, now_s: int, now_ms: int, carried: bool = False) -> Code:
        """Take in a transaction whose signatures verified and that the points rules do not refuse out of hand.

        carried: a held foreign batch contains it (BatchStore.mentions), so it waits `patience_ms` before it is packed.
        Returns: OK, or the code of `check`; then nothing was taken in.
        """
        code = self.check(decoded, now_s)
        if code is not Code.OK:
            return code
        envelope = decoded.transaction.envelope
        entry = self._entries[decoded.id] = _Entry(decoded, now_ms)
        sender = self._senders.get(envelope.sender)
        if sender is None:
            sender = self._senders[envelope.sender] = _Sender()
        sender.count += 1
        sender.octets += len(decoded.raw)
        self._octets += len(decoded.raw)
        self._by_expiry.setdefault(envelope.valid_until, {})[decoded.id] = None
        self._admitted += 1
        self._line_up(entry)
        if carried:
            self._carry(entry, now_ms)
        return Code.OK

    def carry(self, ids: Iterable[Digest], now_ms: int) -> None:
        """A foreign batch with these ids is held: do not pack those for `patience_ms` (C6). Then pack them all the
        same, because a dishonest origin may have shown its batch to this node alone."""
        for identity in ids:
            entry = self._entries.get(identity)
            if entry is not None and entry.stage is _Stage.WAITING:
                self._carry(entry, now_ms)

    def due_ms(self, busy: bool = False) -> int | None:
        """When `pack` will have something to give, in monotonic ms (0: now); None if nothing waits.

        busy: an earlier batch of this node is not executed yet; then it pays to wait longer for company.
        """
        if self._waiting_count >= self.limits.batch_transactions or self._waiting_octets >= self.limits.batch_bytes:
            return 0
        patience = self.limits.busy_flush_ms if busy else self.limits.flush_ms
        due = None if self._first_waiting_ms is None else self._first_waiting_ms + patience
        if self._carried:
            back = self._carried[0][0]
            return back if due is None else min(due, back)
        return due

    def pack(self, now_ms: int, busy: bool = False, at_once: bool = False) -> Packed | None:
        """The next batch, senders taking turns; None if it is not due, or `at_once` if nothing waits. Ask
        BatchStore.own_room() first."""
        self._take_back(now_ms)
        due = self.due_ms(busy)
        if due is None or not self._waiting_count or (due > now_ms and not at_once):
            return None
        chosen = self._choose()
        self._first_waiting_ms = now_ms - self.limits.busy_flush_ms if self._waiting_count else None
        batch = Batch(self._me, self._sequence, tuple(entry.decoded.raw for entry in chosen))
        self._sequence += 1
        raw = encode(batch)
        return Packed(batch_digest(raw), raw, batch, tuple(entry.decoded for entry in chosen))

    def settle(self, ids: Iterable[Digest], now_ms: int) -> list[Digest]:
        """These have a receipt (committed or rejected) in an executed block. Returns: those that were held here."""
        before = self._octets
        ours = [identity for identity in ids if self._remove(identity)]
        self._settled += len(ours)
        self._outflow.left(before - self._octets, before, now_ms)
        self._set_room()
        return ours

    def expire(self, block_time_s: int) -> list[Digest]:
        """Give up what no later block can accept: valid_until < the time of an executed block. Call it after `settle`.

        Block time, not the wall clock, decides: on a chain that stands still the outcome is open.
        """
        gone: list[Digest] = []
        for second in [second for second in self._by_expiry if second < block_time_s]:
            gone.extend(self._by_expiry[second])
        for identity in gone:
            self._remove(identity)
        self._expired += len(gone)
        return gone

    def __contains__(self, identity: Digest) -> bool:
        return identity in self._entries

    def get(self, identity: Digest) -> Decoded | None:
        """The held transaction with this id."""
        entry = self._entries.get(identity)
        return None if entry is None else entry.decoded

    @property
    def counts(self) -> PoolCounts:
        return PoolCounts(self._admitted, len(self._entries), self._settled, self._expired)

    @property
    def retry_ms(self) -> int:
        """When somebody who was refused for lack of room may try again: a quarter of what waits has left by then."""
        rate = self._outflow.per_second
        if not rate:
            return RETRY_MS_UNKNOWN
        return max(RETRY_MS_MIN, min(self._octets * 250 // rate, RETRY_MS_MAX))

    @property
    def octets(self) -> int:
        """Bytes of all held transactions."""
        return self._octets

    @property
    def waiting(self) -> int:
        """Transactions that are in no batch yet."""
        return self._waiting_count

    def _set_room(self) -> None:
        """The bytes that may wait."""
        limits, rate = self.limits, self._outflow.per_second
        room = limits.burst_octets if rate is None else max(limits.least_octets, rate * limits.wait_ms // 1000)
        self._room = min(limits.octets, room)

    def _line_up(self, entry: _Entry) -> None:
        entry.stage = _Stage.WAITING
        address = entry.decoded.transaction.envelope.sender
        sender = self._senders[address]
        sender.line.append(entry)
        self._rotation.setdefault(address)
        if self._first_waiting_ms is None:
            self._first_waiting_ms = entry.admitted_ms
        self._waiting_count += 1
        self._waiting_octets += len(entry.decoded.raw) + TRANSACTION_OVERHEAD_BYTES

    def _leave_line(self, entry: _Entry, stage: _Stage) -> None:
        """The entry stops waiting; its place in the line is skipped later."""
        entry.stage = stage
        self._waiting_count -= 1
        self._waiting_octets -= len(entry.decoded.raw) + TRANSACTION_OVERHEAD_BYTES
        if not self._waiting_count:
            self._first_waiting_ms = None

    def _carry(self, entry: _Entry, now_ms: int) -> None:
        self._leave_line(entry, _Stage.CARRIED)
        self._carried.append((now_ms + self.limits.patience_ms, entry))

    def _take_back(self, now_ms: int) -> None:
        while self._carried and self._carried[0][0] <= now_ms:
            entry = self._carried.popleft()[1]
            if entry.stage is _Stage.CARRIED:
                self._line_up(entry)

    def _choose(self) -> list[_Entry]:
        """Entries for one batch: one per sender and round, until the batch is full or nobody waits."""
        chosen: list[_Entry] = []
        room = self.limits.batch_bytes - BATCH_OVERHEAD_BYTES
        while self._rotation and len(chosen) < self.limits.batch_transactions:
            address = next(iter(self._rotation))
            sender = self._senders.get(address)
            line = sender.line if sender is not None else deque()
            while line and line[0].stage is not _Stage.WAITING:
                line.popleft()
            if not line:
                del self._rotation[address]
                continue
            size = len(line[0].decoded.raw) + TRANSACTION_OVERHEAD_BYTES
            if size > room:
                break
            room -= size
            entry = line.popleft()
            self._leave_line(entry, _Stage.PACKED)
            chosen.append(entry)
            self._rotation.move_to_end(address)
        return chosen

    def _remove(self, identity: Digest) -> bool:
        entry = self._entries.pop(identity, None)
        if entry is None:
            return False
        if entry.stage is _Stage.WAITING:
            self._leave_line(entry, _Stage.GONE)
        entry.stage = _Stage.GONE
        envelope, size = entry.decoded.transaction.envelope, len(entry.decoded.raw)
        self._octets -= size
        sender = self._senders[envelope.sender]
        sender.count -= 1
        sender.octets -= size
        if not sender.count:
            del self._senders[envelope.sender]
        ids = self._by_expiry[envelope.valid_until]
        del ids[identity]
        if not ids:
            del self._by_expiry[envelope.valid_until]
        return True


