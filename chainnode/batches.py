"""Batches that are not executed yet: held once, as the bytes that came, with the decoded transactions. No IO, no clock.

A batch is HELD after all its signatures verified, NAMED while an undecided or unexecuted block refers to it. Named ones
are exempt from the quota of their origin and are never dropped (C5).
"""

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from chainnode.mempool import Packed
from chainnode.namings import Naming, Namings
from chainnode.wishes import Wishes, others
from primitives.block import Batch, batch_digest, decode_batch, vouched_batch
from primitives.codec import Malformed
from primitives.hashing import Digest
from primitives.transaction import Decoded, decode_transaction, vouched_transaction
from primitives.validators import OBSERVER, VALIDATORS_MAX, NodeId

REFUSED_MAX: Final = 1024  # digests of bad batches that are remembered


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """batch_*: of the network (genesis). origin_*: quota per origin that this node keeps unnamed. A node itself sends
    only half of that, so that a slower peer has room for it. wanted: window x batches per block."""

    batch_transactions: int
    batch_bytes: int
    origin_batches: int = 256
    origin_octets: int = 16 * 1024 * 1024
    wanted: int = 8 * 64


class HeldBatch(NamedTuple):
    """A verified batch; `ids` in its order, computed once."""

    digest: Digest
    raw: bytes
    origin: NodeId
    sequence: int
    transactions: tuple[Decoded, ...]
    ids: tuple[Digest, ...]
    valid_until: int  # the largest of its transactions, unix seconds
    held_ms: int


class Candidate(NamedTuple):
    """A batch that came in and deserves verification. `wanted`: asked for or named, so its carrier does not answer for
    what is in it; the leader that named it does. `fault`: one that was asked for and is bad by its form alone."""

    digest: Digest
    batch: Batch
    raw: bytes
    sender: NodeId
    wanted: bool
    fault: str = ""


class Declined(Enum):
    """Why a well-formed batch is not taken; none of these is the fault of its sender."""

    HELD = "held or executed already"
    IN_HAND = "being verified"
    REFUSED = "known to be bad"
    QUOTA = "its origin already has its share here"
    LATE = "asked for once, but nobody needs it any more"
    UNASKED = "of another origin; perhaps this node asked for it before its restart"


class BatchStore:
    """The batches of one node."""

    def __init__(self, me: NodeId, limits: BatchLimits) -> None:
        """`me`: the own seat, or OBSERVER for a node that makes no batches."""
        self.namings: Final = Namings()  # of executed blocks
        self._me = me
        self._limits: Final = limits
        self._held: Final[dict[Digest, HeldBatch]] = {}
        self._by_origin: Final[list[dict[Digest, None]]] = [{} for _ in range(VALIDATORS_MAX)]  # FIFO
        self._octets: Final = [0] * VALIDATORS_MAX  # held and unnamed, per origin
        self._unnamed: Final = [0] * VALIDATORS_MAX
        self._names: Final[dict[Digest, int]] = {}  # batch -> blocks that name it
        self._blocks: Final[dict[Digest, tuple[Digest, ...]]] = {}  # block -> batches that it names
        self._mentions: Final[dict[Digest, int]] = {}  # transaction id -> held batches of other origins
        self._in_hand: Final[dict[Digest, Candidate]] = {}
        self._wanted: Final = Wishes(limits.wanted)
        self._useless: Final[set[Digest]] = set()  # held, but no later block may name them: executed, or expired
        self._expired_to = -1
        self._refused: Final[dict[Digest, str]] = {}

    def take_seat(self, me: NodeId) -> None:
        """Another epoch, perhaps another seat or none. What is held stays: a batch is worth what is in it."""
        if me == self._me:
            return
        self._me = me
        self._mentions.clear()
        for held in self._held.values():
            self._mention(held)

    # ---- coming in

    def offer(self, sender: NodeId, raw: bytes) -> Candidate | Declined:
        """A batch from the link of `sender`. A Candidate must be verified and given to `keep` or `refuse`.

        Raises: Malformed if nobody asked for it and it does not decode or breaks a limit of genesis: the sender lies.
        """
        digest = batch_digest(raw)
        wanted = digest in self._wanted or digest in self._names
        if digest in self._held or (digest in self.namings and not wanted):
            return Declined.HELD
        if digest in self._in_hand:
            return Declined.IN_HAND
        if digest in self._refused:
            return Declined.REFUSED
        fault = ""
        try:
            batch = self._check_form(raw)
        except Malformed as error:
            if self._wanted.was_asked(digest) and not wanted:
                return Declined.LATE
            if not wanted:
                raise
            batch, fault = Batch(0, 0, ()), str(error)
        if not wanted:
            if batch.origin != sender and self._wanted.was_asked(digest):
                return Declined.LATE
            if batch.origin != sender:
                return Declined.UNASKED
            if not self._room(sender, len(raw), self._limits.origin_batches, self._limits.origin_octets):
                return Declined.QUOTA
        candidate = Candidate(digest, batch, raw, sender, wanted, fault)
        self._in_hand[digest] = candidate
        if not wanted:
            self._count(NodeId(batch.origin), len(raw), 1)
        return candidate

    def keep(self, candidate: Candidate, transactions: tuple[Decoded, ...], now_ms: int) -> HeldBatch:
        """All its transactions decoded and verified."""
        self._let_go(candidate)
        return self._hold(candidate.digest, candidate.raw, candidate.batch, transactions, now_ms)

    def refuse(self, candidate: Candidate, reason: str) -> None:
        """One transaction is bad, so the whole batch is; a block that names it is not acceptable."""
        self._let_go(candidate)
        self._wanted.drop(candidate.digest)
        if len(self._refused) >= REFUSED_MAX:
            del self._refused[next(iter(self._refused))]
        self._refused[candidate.digest] = reason

    def forget(self, candidate: Candidate) -> None:
        """It was not looked at, as if it had never come; whoever needs it asks for it."""
        self._let_go(candidate)

    def add_own(self, packed: Packed, now_ms: int) -> HeldBatch:
        """A batch that this node packed; its transactions verified when they were admitted."""
        return self._hold(packed.digest, packed.raw, packed.batch, packed.transactions, now_ms)

    def restore(self, raw: bytes, now_ms: int) -> Digest:
        """A batch from this node's own journal, verified before it was written there (C1). Returns its digest."""
        digest = batch_digest(raw)
        if digest not in self._held:
            batch = decode_batch(raw)
            self._hold(digest, raw, batch, tuple(decode_transaction(one) for one in batch.transactions), now_ms)
        return digest

    def keep_certified(self, digest: Digest, raw: bytes, now_ms: int) -> None:
        """A body of a decided block, from a peer or from the ledger, under the digest that is its own: whoever signed
        the certificate verified it. Raises: Malformed if a quorum certified what is no batch."""
        if digest not in self._held and digest not in self._in_hand:
            batch = vouched_batch(raw)
            self._hold(digest, raw, batch, tuple(map(vouched_transaction, batch.transactions)), now_ms)

    def own_room(self, last: bool = False) -> bool:
        """Whether this node may pack another batch: it keeps to half of what the others grant it, so a batch is not
        lost because one of them is a little behind. Without room, transactions wait in the mempool. `last`: this node
        will make no more, so all that they grant."""
        limits, share = self._limits, 1 if last else 2
        if self._me == OBSERVER:
            return False
        return self._room(self._me, limits.batch_bytes, limits.origin_batches // share, limits.origin_octets // share)

    # ---- looking up

    def get(self, digest: Digest) -> HeldBatch | None:
        """The held batch, or None if it is missing, not verified yet, or executed."""
        return self._held.get(digest)

    def missing(self, digests: Iterable[Digest]) -> list[Digest]:
        """Those that are not held."""
        return [digest for digest in digests if digest not in self._held]

    def refused(self, digest: Digest) -> str | None:
        """Why this batch is bad; None if it is not known to be."""
        return self._refused.get(digest)

    def mentions(self, identity: Digest) -> bool:
        """Whether a held batch of another origin contains this transaction (C6)."""
        return identity in self._mentions

    def candidates(self, taken: Container[Digest]) -> list[HeldBatch]:
        """Held batches that wait, outside `taken` (those of decided blocks and of the ancestors that a proposal
        extends), one origin after the other in turn, FIFO within an origin: what a leader proposes. A batch that only
        a dead proposal names is among them: nothing is lost with a view."""
        useless = self._useless
        lines = [[self._held[d] for d in line if d not in taken and d not in useless] for line in self._by_origin]
        longest = max(map(len, lines))
        return [line[i] for i in range(longest) for line in lines if i < len(line)]

    def oldest_own(self, taken: Container[Digest]) -> Digest | None:
        """The own batch outside `taken` that waits longest."""
        return next((digest for digest in self._own if digest not in taken and self.waits(digest)), None)

    def waits(self, digest: Digest) -> bool:
        """Whether it is held and a later block may name it."""
        return digest in self._held and digest not in self._useless

    def waiting(self, taken: Collection[Digest]) -> int:
        """How many batches outside `taken` wait."""
        return len(self._held) - len(self._useless) - sum(map(self.waits, taken))

    @property
    def own_busy(self) -> bool:
        """Whether a batch of this node is held and not executed yet."""
        return bool(self._own)

    @property
    def _own(self) -> dict[Digest, None]:
        return {} if self._me == OBSERVER else self._by_origin[self._me]

    @property
    def held_count(self) -> int:
        """Batches that are held, named or not."""
        return len(self._held)

    @property
    def held_octets(self) -> int:
        """Bytes of everything held or under verification."""
        return sum(len(held.raw) for held in self._held.values()) + sum(len(c.raw) for c in self._in_hand.values())

    # ---- blocks

    def name(self, block: Digest, digests: Iterable[Digest]) -> None:
        """An undecided block inside the window refers to these; once per block."""
        if block in self._blocks:
            return
        self._blocks[block] = tuple(digests)
        for digest in self._blocks[block]:
            count = self._names.get(digest, 0)
            self._names[digest] = count + 1
            held = self._held.get(digest)
            if held is not None and not count:
                self._count(held.origin, len(held.raw), -1)

    def release(self, block: Digest) -> None:
        """The block can never be decided: another one at its height was. Its batches are pending again, each once."""
        for digest in self._blocks.pop(block, ()):
            self._names[digest] -= 1
            if self._names[digest]:
                continue
            del self._names[digest]
            self._wanted.drop(digest)
            held = self._held.get(digest)
            if held is not None:
                self._count(held.origin, len(held.raw), 1)
                if digest in self._useless:
                    self._drop(held)

    def executed(self, block: Digest, digests: Sequence[Digest], naming: Naming) -> None:
        """The block is executed and in the ledger: its bodies are served from there, unless another block that is
        still open names one of them too. Late copies are declined while they could still be valid."""
        self.namings.add(digests, naming)
        for digest in digests:
            if digest in self._names:
                if digest in self._held:
                    self._useless.add(digest)
                continue
            self._wanted.drop(digest)
            held = self._held.get(digest)
            if held is not None:
                self._drop(held)
        self.release(block)

    def expire(self, block_time_s: int) -> list[HeldBatch]:
        """Drop what no later block can use, its last valid_until is before this executed time; what an open block
        names stays for that one alone."""
        if block_time_s == self._expired_to:
            return []  # many blocks a second: once is enough
        self._expired_to = block_time_s
        late = [held for held in self._held.values() if held.valid_until < block_time_s]
        gone = [held for held in late if held.digest not in self._names]
        for held in gone:
            self._drop(held)
        self._useless.update(held.digest for held in late if held.digest in self._held)
        self.namings.expire(block_time_s)
        return gone

    # ---- asking for what is missing

    def want(self, digests: Iterable[Digest], ask: Sequence[NodeId], now_ms: int) -> None:
        """Fetch these: ask the nodes of `ask` in turn, the likeliest holder (leader, carrier) first. At most
        `limits.wanted` at a time; call it again with each tick while a block waits for them. Whom an earlier call did
        not name is asked as well: the one that it named may be a liar (pitfall 57)."""
        ask = others(ask, self._me)
        for digest in digests:
            if digest in self._held or digest in self._refused:
                continue
            if not self._wanted.add(digest, ask, now_ms):
                return

    def unwant(self, digests: Iterable[Digest]) -> None:
        """Nobody needs these any more."""
        for digest in digests:
            self._wanted.drop(digest)

    def unwant_unnamed(self, digests: Iterable[Digest]) -> None:
        """Stop asking for these, except for what a block names."""
        for digest in digests:
            if digest not in self._names:
                self._wanted.drop(digest)

    def unknown(self, node: NodeId, digests: Iterable[Digest], now_ms: int) -> None:
        """`node` said that it lacks these: the next one is asked at once."""
        for digest in digests:
            self._wanted.unknown(node, digest, now_ms)

    def requests(self, now_ms: int, at_most: int) -> list[tuple[NodeId, tuple[Digest, ...]]]:
        """Requests to send now, at most `at_most` digests in each; every call with a later time gives what is due."""
        return self._wanted.requests(now_ms, at_most, self._in_hand.__contains__)

    @property
    def wanted_count(self) -> int:
        """Missing batches that are being asked for."""
        return len(self._wanted)

    # ---- inside

    def _check_form(self, raw: bytes) -> Batch:
        limits = self._limits
        if len(raw) > limits.batch_bytes:
            raise Malformed(f"a batch of {len(raw)} bytes, limit {limits.batch_bytes}")
        batch = decode_batch(raw)
        if len(batch.transactions) > limits.batch_transactions:
            raise Malformed(f"a batch of {len(batch.transactions)} transactions, limit {limits.batch_transactions}")
        if batch.origin >= len(self._by_origin):
            raise Malformed(f"a batch of origin {batch.origin}, there are {len(self._by_origin)} seats")
        return batch

    def _room(self, origin: NodeId, size: int, batches: int, octets: int) -> bool:
        return self._unnamed[origin] < batches and self._octets[origin] + size <= octets

    def _count(self, origin: NodeId, size: int, sign: int) -> None:
        self._unnamed[origin] += sign
        self._octets[origin] += sign * size

    def _let_go(self, candidate: Candidate) -> None:
        if self._in_hand.pop(candidate.digest, None) is not None and not candidate.wanted:
            self._count(NodeId(candidate.batch.origin), len(candidate.raw), -1)

    def _hold(
        self, digest: Digest, raw: bytes, batch: Batch, transactions: tuple[Decoded, ...], now_ms: int
    ) -> HeldBatch:
        ids = tuple(decoded.id for decoded in transactions)
        valid_until = max(decoded.transaction.envelope.valid_until for decoded in transactions)
        origin = NodeId(batch.origin)
        held = HeldBatch(digest, raw, origin, batch.sequence, transactions, ids, valid_until, now_ms)
        self._held[digest] = held
        self._by_origin[origin][digest] = None
        self._mention(held)
        self._wanted.drop(digest)
        if digest not in self._names:
            self._count(origin, len(raw), 1)
        if digest in self.namings or valid_until < self._expired_to:
            self._useless.add(digest)
        return held

    def _mention(self, held: HeldBatch) -> None:
        if held.origin != self._me:
            for identity in held.ids:
                self._mentions[identity] = self._mentions.get(identity, 0) + 1

    def _drop(self, held: HeldBatch) -> None:
        del self._held[held.digest]
        self._useless.discard(held.digest)
        del self._by_origin[held.origin][held.digest]
        if held.digest not in self._names:
            self._count(held.origin, len(held.raw), -1)
        if held.origin != self._me:
            for identity in held.ids:
                left = self._mentions[identity] - 1
                if left:
                    self._mentions[identity] = left
                else:
                    del self._mentions[identity]
