"""The batch store and its intake: quotas per origin, named batches exempt, one bad signature refuses the whole (C5)."""

import asyncio
from collections.abc import Sequence

import pytest

from chainnode.batches import BatchLimits, BatchStore, Candidate, Declined, HeldBatch
from chainnode.intake import ROUND_TRANSACTIONS, BatchIntake
from chainnode.mempool import Mempool, MempoolLimits
from chainnode.namings import Naming
from chainnode.signatures import BulkVerifier, SignatureCache
from chainnode.wishes import ASK_AGAIN_MS
from primitives.block import Batch
from primitives.codec import Malformed, encode
from primitives.hashing import Digest
from primitives.transaction import Decoded, SignatureCheck
from primitives.validators import NodeId
from tests.chainnode.mesh import run
from tests.chainnode.transactions import CHAIN, NOW, batch_of, forged, make

LIMITS = BatchLimits(batch_transactions=10, batch_bytes=8192, origin_batches=4, origin_octets=6000, wanted=3)
ME, PEER, OTHER = NodeId(0), NodeId(1), NodeId(2)
BLOCK = Digest(b"b" * 32)


def store(limits: BatchLimits = LIMITS) -> BatchStore:
    return BatchStore(ME, limits)


def hold(batches: BatchStore, transactions: list[Decoded], sequence: int = 0, origin: NodeId = PEER) -> HeldBatch:
    raw, _ = batch_of(origin, transactions, sequence)
    candidate = batches.offer(origin, raw)
    assert isinstance(candidate, Candidate), candidate
    return batches.keep(candidate, tuple(transactions), 0)


def test_a_batch_is_taken_once() -> None:
    batches, one = store(), make()
    raw, digest = batch_of(PEER, [one])
    candidate = batches.offer(PEER, raw)
    assert isinstance(candidate, Candidate)
    assert batches.offer(PEER, raw) is Declined.IN_HAND
    held = batches.keep(candidate, (one,), 5)
    assert batches.offer(PEER, raw) is Declined.HELD
    assert batches.get(Digest(digest)) is held and held.ids == (one.id,) and held.valid_until == NOW + 60
    assert batches.mentions(one.id) and batches.missing([Digest(digest), BLOCK]) == [BLOCK]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xc1", "decode"),
        (batch_of(22, [make()])[0], "origin 22"),
        (batch_of(PEER, [make() for _ in range(11)])[0], "11 transactions"),
        (bytes(8193), "8193 bytes"),
    ],
)
def test_a_lie_about_a_batch(raw: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        store().offer(PEER, raw)


def test_a_batch_of_another_origin_that_nobody_asked_for_is_not_taken_and_no_lie() -> None:
    """This node may have asked before its restart; a peer that stood still meanwhile answers now (seed 616, n = 7)."""
    batches = store()
    assert batches.offer(PEER, batch_of(OTHER, [make()])[0]) is Declined.UNASKED
    assert batches.held_count == 0 and batches.held_octets == 0


@pytest.mark.pitfall(72)
def test_quotas_count_per_origin_and_named_batches_are_exempt() -> None:
    batches = store()
    held = [hold(batches, [make()], i) for i in range(4)]
    raw, _ = batch_of(PEER, [make()], 4)
    assert batches.offer(PEER, raw) is Declined.QUOTA
    hold(batches, [make()], 0, OTHER)  # another origin has its own share
    batches.name(BLOCK, [held[0].digest])
    candidate = batches.offer(PEER, raw)
    assert isinstance(candidate, Candidate)
    batches.refuse(candidate, "bad")
    assert batches.offer(PEER, raw) is Declined.REFUSED
    batches.release(BLOCK)
    assert batches.offer(PEER, batch_of(PEER, [make()], 5)[0]) is Declined.QUOTA


def test_bytes_count_for_the_quota_while_they_are_verified() -> None:
    batches = store()
    size = len(batch_of(PEER, [make() for _ in range(10)])[0])
    taken = 0
    while isinstance(batches.offer(PEER, batch_of(PEER, [make() for _ in range(10)], taken)[0]), Candidate):
        taken += 1
    assert taken == 6000 // size
    assert batches.held_octets == taken * size


def test_candidates_take_turns_and_keep_each_origins_order() -> None:
    batches = store()
    first = [hold(batches, [make()], i) for i in range(3)]
    other = hold(batches, [make()], 0, OTHER)
    assert batches.candidates(set()) == [first[0], other, first[1], first[2]]
    assert batches.candidates({first[0].digest}) == [first[1], other, first[2]]


def test_a_batch_that_a_block_names_is_never_dropped() -> None:
    batches = store()
    named, free = hold(batches, [make()], 0), hold(batches, [make()], 1)
    batches.name(BLOCK, [named.digest])
    assert batches.expire(NOW + 60) == []
    assert batches.expire(NOW + 61) == [free]
    assert batches.get(named.digest) is not None
    batches.release(BLOCK)
    assert batches.get(named.digest) is None
    assert batches.held_octets == 0 and not batches.mentions(named.ids[0])


@pytest.mark.pitfall(15)
def test_two_blocks_may_name_one_batch_and_the_second_still_finds_it() -> None:
    batches, second = store(), Digest(b"c" * 32)
    held = hold(batches, [make()])
    batches.name(BLOCK, [held.digest])
    batches.name(second, [held.digest])
    batches.executed(BLOCK, [held.digest], Naming(1, NOW))
    assert batches.get(held.digest) is held
    batches.executed(second, [held.digest], Naming(2, NOW))
    assert batches.get(held.digest) is None
    assert batches.offer(PEER, held.raw) is Declined.HELD
    batches.want([held.digest], [PEER], 0)  # asked for again: a later block names it once more
    assert isinstance(batches.offer(PEER, held.raw), Candidate)


def test_executed_ones_are_forgotten_when_nothing_in_them_can_be_valid() -> None:
    batches = store()
    held = hold(batches, [make()])
    batches.name(BLOCK, [held.digest])
    batches.executed(BLOCK, [held.digest], Naming(1, NOW))
    batches.expire(NOW + 600)
    assert batches.offer(PEER, held.raw) is Declined.HELD
    batches.expire(NOW + 601)
    assert isinstance(batches.offer(PEER, held.raw), Candidate)


def test_missing_batches_are_asked_for_in_turn() -> None:
    batches, digest = store(), Digest(b"d" * 32)
    batches.want([digest], [ME, PEER, OTHER, PEER], 100)
    assert batches.requests(99, 64) == []
    assert batches.requests(100, 64) == [(PEER, (digest,))]
    assert batches.requests(100 + ASK_AGAIN_MS - 1, 64) == []
    batches.unknown(OTHER, [digest], 110)  # was not asked
    assert batches.requests(110, 64) == []
    batches.unknown(PEER, [digest], 110)
    assert batches.requests(110, 64) == [(OTHER, (digest,))]
    assert batches.requests(110 + ASK_AGAIN_MS, 64) == [(PEER, (digest,))]
    batches.unwant([digest])
    assert batches.requests(10**6, 64) == []


@pytest.mark.pitfall(57)
def test_one_that_names_a_batch_and_keeps_it_is_not_asked_alone() -> None:
    batches, digest = store(), Digest(b"d" * 32)
    batches.want([digest], [PEER], 100)  # it said that it holds it
    batches.want([digest], [PEER, OTHER], 100)  # a block names it: anybody may have it
    asked = [batches.requests(100 + i * ASK_AGAIN_MS, 64)[0][0] for i in range(3)]
    assert asked == [PEER, OTHER, PEER]


def test_wishes_are_bounded_and_requests_are_cut() -> None:
    batches = store()
    batches.want([Digest(bytes([i]) * 32) for i in range(5)], [PEER], 0)
    assert batches.wanted_count == 3
    assert [len(digests) for _, digests in batches.requests(0, 2)] == [2, 1]


def test_anybody_may_bring_what_was_asked_for_outside_every_quota() -> None:
    batches = store()
    for i in range(4):
        hold(batches, [make()], i)
    raw, digest = batch_of(PEER, [make()], 4)
    batches.name(BLOCK, [Digest(digest)])
    batches.want([Digest(digest)], [OTHER], 0)
    candidate = batches.offer(OTHER, raw)
    assert isinstance(candidate, Candidate) and candidate.wanted
    assert batches.requests(0, 64) == [], "it is in hand"


def test_a_named_batch_is_welcome_from_anybody_even_when_wishes_are_full() -> None:
    batches = store()
    raw, digest = batch_of(PEER, [make()])
    batches.want([Digest(bytes([i]) * 32) for i in range(3)], [PEER], 0)
    batches.name(BLOCK, [Digest(digest)])
    batches.want([Digest(digest)], [OTHER], 0)
    candidate = batches.offer(OTHER, raw)
    assert isinstance(candidate, Candidate) and candidate.wanted


def test_an_answer_that_nobody_needs_any_more_is_no_lie() -> None:
    batches = store()
    raw, digest = batch_of(PEER, [make()])
    batches.want([Digest(digest)], [OTHER], 0)
    assert batches.requests(0, 64)
    batches.unwant([Digest(digest)])
    assert batches.offer(OTHER, raw) is Declined.LATE
    assert isinstance(batches.offer(PEER, raw), Candidate), "its origin may still send it by itself"


def test_own_room_is_half_of_the_quota() -> None:
    batches = store(BatchLimits(10, 1000, origin_batches=4, origin_octets=100_000))
    mempool = Mempool(ME, MempoolLimits(10, 1000))
    for _ in range(2):
        assert batches.own_room()
        one = make()
        mempool.admit(one, NOW, 0)
        packed = mempool.pack(10)
        assert packed is not None
        held = batches.add_own(packed, 10)
        assert not batches.mentions(one.id), "own batches do not carry"
    assert not batches.own_room()
    batches.name(BLOCK, [held.digest])
    assert batches.own_room()


def intake_of(
    batches: BatchStore,
) -> tuple[BatchIntake, list[HeldBatch], list[tuple[Candidate, str]], asyncio.Semaphore]:
    held: list[HeldBatch] = []
    bad: list[tuple[Candidate, str]] = []
    done = asyncio.Semaphore(0)

    def on_held(batch: HeldBatch) -> None:
        held.append(batch)
        done.release()

    def on_bad(candidate: Candidate, reason: str) -> None:
        bad.append((candidate, reason))
        done.release()

    verifier = BulkVerifier(SignatureCache())
    return BatchIntake(batches, verifier, CHAIN, lambda: 0, on_held, on_bad), held, bad, done


async def drive(intake: BatchIntake, done: asyncio.Semaphore, count: int) -> None:
    """Run the worker until `count` batches are through."""
    task = asyncio.create_task(intake.run())
    async with asyncio.timeout(10):
        for _ in range(count):
            await done.acquire()
    task.cancel()


@pytest.mark.pitfall(75)
@pytest.mark.parametrize(
    ("transactions", "why"),
    [
        ([make(), forged(), make()], "signature"),
        ([make(), make(chain=bytes(32))], "another chain"),
    ],
)
def test_one_bad_transaction_refuses_the_whole_batch(transactions: list[Decoded], why: str) -> None:
    async def scenario() -> None:
        batches = store()
        intake, held, bad, done = intake_of(batches)
        raw, digest = batch_of(PEER, transactions)
        assert intake.receive(PEER, raw) is None
        await drive(intake, done, 1)
        assert held == [] and len(bad) == 1
        assert why in bad[0][1] and not bad[0][0].wanted and bad[0][0].sender == PEER
        assert batches.refused(Digest(digest)) == bad[0][1]
        assert batches.held_octets == 0
        assert intake.receive(PEER, raw) is Declined.REFUSED

    run(scenario)


def test_a_transaction_that_does_not_decode_refuses_the_batch() -> None:
    async def scenario() -> None:
        intake, held, bad, done = intake_of(store())
        intake.receive(PEER, encode(Batch(1, 0, (b"\xc1",))))
        await drive(intake, done, 1)
        assert held == [] and "do not decode" in bad[0][1]

    run(scenario)


def test_a_wanted_batch_of_bad_form_blames_nobody_but_the_leader() -> None:
    async def scenario() -> None:
        batches = store()
        intake, held, bad, done = intake_of(batches)
        raw, digest = batch_of(PEER, [make() for _ in range(11)])
        batches.want([Digest(digest)], [OTHER], 0)
        intake.receive(OTHER, raw)
        await drive(intake, done, 1)
        assert held == [] and bad[0][0].wanted and "limit 10" in bad[0][1]
        assert batches.refused(Digest(digest)) is not None and batches.wanted_count == 0

    run(scenario)


def test_peers_take_turns_in_the_intake() -> None:
    async def scenario() -> None:
        intake, held, _, done = intake_of(store(BatchLimits(100, 1_000_000)))
        for sequence in range(4):
            intake.receive(PEER, batch_of(PEER, [make() for _ in range(ROUND_TRANSACTIONS // 2)], sequence)[0])
        intake.receive(OTHER, batch_of(OTHER, [make()])[0])
        first = intake._next_round()
        assert [len(some) for some in first] == [2, 1], "one that floods waits behind itself"
        for some in first:
            await intake._verify(some)
        await drive(intake, done, 5)
        assert [batch.sequence for batch in held if batch.origin == PEER] == [0, 1, 2, 3]

    run(scenario)


def test_small_batches_of_all_peers_are_verified_in_one_turn() -> None:
    """A busy loop has few turns: with one batch in each it would never be through with what others have admitted."""

    async def scenario() -> None:
        calls: list[int] = []

        def counting(checks: Sequence[SignatureCheck]) -> list[bool]:
            calls.append(len(checks))
            return [True] * len(checks)

        done, batches = asyncio.Semaphore(0), store(BatchLimits(100, 1_000_000))
        verifier = BulkVerifier(SignatureCache(), turn_checks=128, bulk=counting)
        intake = BatchIntake(batches, verifier, CHAIN, lambda: 0, lambda _: done.release(), lambda _, __: None)
        for sequence in range(5):
            for peer in (PEER, OTHER):
                intake.receive(peer, batch_of(peer, [make(), make()], sequence)[0])
        await drive(intake, done, 10)
        assert calls == [20]

    run(scenario)


def test_a_liar_costs_a_turn_and_not_all_that_it_sent() -> None:
    """At line rate a peer fills its quota before its first batch is judged."""

    async def scenario() -> None:
        batches = store(BatchLimits(100, 100_000))
        intake, held, bad, done = intake_of(batches)
        asked, good, last = (batch_of(OTHER, [make()], 9), batch_of(PEER, [make()], 8), batch_of(OTHER, [make()], 7))
        first = batch_of(PEER, [make(), make()], 20)
        intake.receive(PEER, first[0])
        for sequence in range(6):
            intake.receive(PEER, batch_of(PEER, [forged()], sequence)[0])
        intake.receive(PEER, good[0])
        batches.want([Digest(asked[1])], [PEER], 0)
        line = intake._lines[PEER]
        intake.receive(PEER, asked[0])
        line.rotate(-1)  # the lie comes before what a block waits for
        intake.receive(OTHER, last[0])
        await drive(intake, done, 4)
        assert [reason for _, reason in bad] == ["transaction 0 of a batch: a signature does not verify"]
        assert bad[0][0].batch.sequence == 0, "the first that is bad"
        assert {batch.digest for batch in held} == {first[1], asked[1], last[1]}, "what came before the lie"
        assert batches.held_octets == sum(len(batch.raw) for batch in held), "nothing stays in hand"
        assert batches.refused(Digest(good[1])) is None, "a good one is not called bad"
        assert intake.receive(OTHER, batch_of(OTHER, [make()], 3)[0]) is None
        batches.want([Digest(good[1])], [OTHER], 0)
        assert intake.receive(OTHER, good[0]) is None, "it is taken when it is needed"

    run(scenario)
