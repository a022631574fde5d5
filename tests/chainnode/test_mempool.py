"""The pool: bounded per sender and in all, fair, and nothing leaves it unnamed."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode.mempool import Mempool, MempoolLimits
from chainnode.outflow import BACKLOG_OCTETS, Outflow
from primitives.block import batch_digest, decode_batch
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded
from primitives.validators import NodeId
from tests.chainnode.transactions import NOW, make

LIMITS = MempoolLimits(
    batch_transactions=10, batch_bytes=4096, transactions=50, octets=100_000, sender_transactions=20,
    sender_octets=50_000, flush_ms=3, patience_ms=2000,
)


def pool(**changes: int) -> Mempool:
    return Mempool(NodeId(2), replace(LIMITS, **changes))


@pytest.mark.pitfall(71)
def test_why_a_transaction_cannot_enter_in_order() -> None:
    mempool = pool(sender_transactions=2, transactions=3)
    first = make(1)
    assert mempool.admit(make(1, valid_until=NOW - 1), NOW, 0) is Code.EXPIRED_TX
    assert mempool.admit(make(1, valid_until=NOW + 601), NOW, 0) is Code.TTL_TOO_LONG
    assert mempool.admit(first, NOW, 0) is Code.OK
    assert mempool.admit(first, NOW, 0) is Code.DUPLICATE_TX
    assert mempool.admit(make(1), NOW, 0) is Code.OK
    assert mempool.admit(make(1), NOW, 0) is Code.SENDER_POOL_LIMIT
    assert mempool.admit(make(2), NOW, 0) is Code.OK
    assert mempool.admit(make(3), NOW, 0) is Code.POOL_FULL
    assert mempool.counts == (3, 3, 0, 0)


def test_bytes_are_bounded_per_sender_in_all_and_per_batch() -> None:
    size = len(make().raw)
    assert pool(batch_bytes=size + 36).admit(make(), NOW, 0) is Code.TOO_LARGE
    assert pool(batch_bytes=size + 37).admit(make(), NOW, 0) is Code.OK
    narrow = pool(sender_octets=2 * size)
    assert [narrow.admit(make(1), NOW, 0) for _ in range(3)] == [Code.OK, Code.OK, Code.SENDER_POOL_LIMIT]
    small = pool(octets=2 * size)
    assert [small.admit(make(i), NOW, 0) for i in range(3)] == [Code.OK, Code.OK, Code.POOL_FULL]


def test_validity_boundaries() -> None:
    assert pool().admit(make(valid_until=NOW), NOW, 0) is Code.OK
    assert pool().admit(make(valid_until=NOW + 600), NOW, 0) is Code.OK


def test_behind_a_batch_of_its_own_it_gathers_longer_but_never_once_full() -> None:
    mempool = pool(busy_flush_ms=20)
    mempool.admit(make(), NOW, 100)
    assert mempool.due_ms(busy=True) == 120 and mempool.pack(119, busy=True) is None
    assert mempool.due_ms() == 103, "the earlier batch is executed: no more waiting than usual"
    for _ in range(9):
        mempool.admit(make(), NOW, 101)
    packed = mempool.pack(101, busy=True)
    assert packed is not None and len(packed.transactions) == 10


def test_a_batch_is_due_after_the_flush_time_or_when_full() -> None:
    mempool = pool()
    assert mempool.due_ms() is None and mempool.pack(10**9) is None
    mempool.admit(make(), NOW, 100)
    assert mempool.due_ms() == 103
    assert mempool.pack(102) is None
    for _ in range(9):
        mempool.admit(make(), NOW, 101)
    assert mempool.due_ms() == 0
    packed = mempool.pack(101)
    assert packed is not None and len(packed.transactions) == 10
    assert mempool.due_ms() is None


def test_a_packed_batch_is_canonical_and_within_its_limits() -> None:
    mempool = pool(batch_bytes=1024)
    for _ in range(10):
        mempool.admit(make(), NOW, 0)
    sequences = []
    while (packed := mempool.pack(10)) is not None:
        assert len(packed.raw) <= 1024
        assert decode_batch(packed.raw) == packed.batch
        assert packed.digest == batch_digest(packed.raw)
        assert packed.batch.origin == 2
        assert [one.raw for one in packed.transactions] == list(packed.batch.transactions)
        sequences.append(packed.batch.sequence)
    assert sequences == list(range(len(sequences))) and len(sequences) > 1
    assert mempool.waiting == 0 and mempool.counts.held == 10


@pytest.mark.pitfall(69)
def test_a_flooding_sender_starves_nobody() -> None:
    """Pitfall 69."""
    mempool = pool()
    for _ in range(20):
        mempool.admit(make(1), NOW, 0)
    others = [make(sender) for sender in (2, 3, 4)]
    for other in others:
        mempool.admit(other, NOW, 0)
    packed = mempool.pack(3)
    assert packed is not None
    assert {other.id for other in others} <= {one.id for one in packed.transactions}


def test_one_sender_keeps_its_order() -> None:
    mempool = pool()
    mine = [make(1) for _ in range(15)]
    for one in mine:
        mempool.admit(one, NOW, 0)
    packed = [mempool.pack(3), mempool.pack(3)]
    assert [t.id for p in packed if p for t in p.transactions] == [one.id for one in mine]


def test_what_a_foreign_batch_carries_is_packed_only_after_patience() -> None:
    """C6, and an origin that shows its batch to one node alone."""
    mempool = pool()
    one, two, late = make(1), make(2), make(3)
    for each in (one, two):
        mempool.admit(each, NOW, 0)
    mempool.carry([one.id, Digest(bytes(32))], 0)
    mempool.admit(late, NOW, 1, carried=True)
    packed = mempool.pack(10)
    assert packed is not None and [t.id for t in packed.transactions] == [two.id]
    assert mempool.due_ms() == 2000 and mempool.pack(1999) is None
    packed = mempool.pack(2001)
    assert packed is not None and [t.id for t in packed.transactions] == [one.id, late.id]


@pytest.mark.pitfall(68)
def test_settled_and_expired_are_told_once() -> None:
    mempool = pool()
    soon, later = make(1, valid_until=NOW + 5), make(1, valid_until=NOW + 50)
    for one in (soon, later):
        mempool.admit(one, NOW, 0)
    assert mempool.pack(3) is not None
    assert mempool.expire(NOW + 5) == []
    assert mempool.expire(NOW + 6) == [soon.id]
    assert mempool.settle([soon.id, later.id, Digest(bytes(32))], 0) == [later.id]
    assert mempool.settle([later.id], 0) == [] and mempool.expire(NOW + 10**6) == []
    assert mempool.counts == (2, 0, 1, 1) and mempool.octets == 0


class Pool(RuleBasedStateMachine):
    """Against a set of ids: whatever happens in whatever order, the pool names each admitted id exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.mempool = pool()
        self.now = NOW
        self.ms = 0
        self.held: dict[Digest, Decoded] = {}
        self.packed: set[Digest] = set()
        self.named: list[Digest] = []

    @rule(sender=st.integers(1, 4), lifetime=st.integers(0, 30), carried=st.booleans())
    def admit(self, sender: int, lifetime: int, carried: bool) -> None:
        one = make(sender, valid_until=self.now + lifetime)
        if self.mempool.admit(one, self.now, self.ms, carried) is Code.OK:
            self.held[one.id] = one

    @rule(step=st.integers(0, 1500))
    def pack(self, step: int) -> None:
        self.ms += step
        packed = self.mempool.pack(self.ms)
        if packed is not None:
            ids = [one.id for one in packed.transactions]
            assert len(set(ids)) == len(ids) and not self.packed & set(ids) and set(ids) <= set(self.held)
            assert len(packed.raw) <= LIMITS.batch_bytes and len(ids) <= LIMITS.batch_transactions
            self.packed |= set(ids)

    @rule(data=st.data())
    def carry(self, data: st.DataObject) -> None:
        if self.held:
            self.mempool.carry([list(self.held)[data.draw(st.integers(0, len(self.held) - 1))]], self.ms)

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        if self.held:
            self._leave(self.mempool.settle([list(self.held)[data.draw(st.integers(0, len(self.held) - 1))]], 0))

    @rule(step=st.integers(0, 20))
    def expire(self, step: int) -> None:
        self.now += step
        gone = self.mempool.expire(self.now)
        assert all(self.held[i].transaction.envelope.valid_until < self.now for i in gone)
        self._leave(gone)

    def _leave(self, ids: list[Digest]) -> None:
        for identity in ids:
            del self.held[identity]
            self.named.append(identity)

    @invariant()
    def counts_agree(self) -> None:
        counts = self.mempool.counts
        assert counts.held == len(self.held)
        assert counts.admitted == counts.held + counts.settled + counts.expired
        assert len(set(self.named)) == len(self.named)
        assert self.mempool.octets == sum(len(one.raw) for one in self.held.values())
        assert all(identity in self.mempool for identity in self.held)

    def teardown(self) -> None:
        self.ms += 10_000
        while self.mempool.pack(self.ms) is not None:
            pass
        assert self.mempool.waiting == 0 and self.mempool.due_ms() is None


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_would_wait_too_long_has_no_place() -> None:
    """The pool takes in what leaves it within `wait_ms`, and says when to come again."""
    size = len(make().raw)
    mempool = pool(
        burst_octets=1_000 * size, least_octets=500 * size, wait_ms=2_000, transactions=10_000, octets=10_000_000,
        sender_transactions=10_000, sender_octets=10_000_000,
    )  # fmt: skip

    senders = itertools.count()

    def fill(at_most: int) -> list[Digest]:
        """Ids of what found a place."""
        found = []
        for _ in range(at_most):
            one = make(next(senders))
            if mempool.admit(one, NOW, 0) is Code.OK:
                found.append(one.id)
        return found

    assert mempool.retry_ms == 1_000, "nobody knows yet"
    held = fill(1_500)
    assert len(held) == 1_000, "a burst"
    for step in range(11):  # 1,000 a second, twenty blocks of them
        mempool.settle(held[:50], 50 * step)
        held = held[50:] + fill(50)
    held += fill(3_000)
    assert len(held) == 2_000, "two seconds of them"
    assert mempool.retry_ms == 500, "a quarter of it"
    for step in range(11, 60):  # a tenth of the rate, for more than two seconds
        mempool.settle(held[:5], 50 * step)
        held = held[5:]
    assert fill(100) == [] and mempool.retry_ms == 4_387
    mempool.expire(NOW + 1_000)
    assert len(fill(600)) == 500, "never less than `least_octets`"


def test_a_network_that_stood_still_once_is_not_a_slow_one() -> None:
    outflow = Outflow()
    for now in range(0, 3_000, 100):
        outflow.left(10_000, BACKLOG_OCTETS, now)
    assert outflow.per_second == 100_000
    outflow.left(10_000, BACKLOG_OCTETS, 60_000)
    assert outflow.per_second == 80_000
    outflow.left(0, BACKLOG_OCTETS - 1, 70_000)
    assert outflow.per_second == 80_000, "an empty pool says nothing"


def test_a_quarter_of_the_pool_is_for_others_than_one_sender() -> None:
    size = len(make().raw)
    mempool = pool(burst_octets=8 * size)
    assert [mempool.admit(make(1), NOW, 0) for _ in range(8)] == [Code.OK] * 6 + [Code.SENDER_POOL_LIMIT] * 2
    assert [mempool.admit(make(i), NOW, 0) for i in (2, 3, 4)] == [Code.OK, Code.OK, Code.POOL_FULL]


def test_however_many_senders_take_what_they_can_a_newcomer_finds_room() -> None:
    """A pool that holds two seconds is small: a handful of keys must not keep everybody else out."""
    size = len(make().raw)
    mempool = pool(burst_octets=100 * size, transactions=1_000, sender_transactions=1_000)
    for number in range(400):
        mempool.admit(make(1 + number % 4), NOW, 0)
    assert mempool.octets // size == 92, "four of them, each three times what is free"
    assert [mempool.admit(make(sender), NOW, 0) for sender in range(5, 13)] == [Code.OK] * 8
