"""Verified once, in short turns."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from chainnode.signatures import BulkVerifier, SignatureCache
from primitives.codec import encode
from primitives.keys import PublicKey, Signature, verify
from primitives.transaction import KeySignature, SignatureCheck, Transaction, decode_transaction
from tests.chainnode.mesh import run
from tests.chainnode.transactions import batch_of_redemptions, forged, key_of, make


class Counting:
    """The real rule, counted."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        self.calls += 1
        return verify(key, message, signature)


def test_a_verified_signature_is_not_checked_again_and_a_bad_one_is() -> None:
    counting = Counting()
    cache = SignatureCache(using=counting)
    key = key_of(1)
    good = key.sign(b"vote")
    assert [cache.verify(key.public_key, b"vote", good) for _ in range(3)] == [True] * 3
    assert counting.calls == 1 and cache.saved == 2
    assert not cache.verify(key.public_key, b"other", good)
    assert not cache.verify(key_of(2).public_key, b"vote", good)
    assert not cache.verify(key.public_key, b"vote", Signature(good[:-1]))
    assert [cache.verify(key.public_key, b"vote", Signature(bytes(64))) for _ in range(2)] == [False] * 2
    assert counting.calls == 6


def test_the_cache_forgets_the_oldest() -> None:
    counting = Counting()
    cache = SignatureCache(entries_max=2, using=counting)
    key = key_of(1)
    for message in (b"1", b"2", b"3", b"3", b"2", b"1"):
        assert cache.verify(key.public_key, message, key.sign(message))
    assert counting.calls == 4


def test_the_cache_is_bounded_and_keeps_the_last_half() -> None:
    counting = Counting()
    cache = SignatureCache(entries_max=8, using=counting)
    key = key_of(1)
    names = [number.to_bytes(4, "big") for number in range(100)]
    signed = [key.sign(name) for name in names]
    for name, signature in zip(names, signed, strict=True):
        assert cache.verify(key.public_key, name, signature)
    assert counting.calls == 100
    for name, signature in list(zip(names, signed, strict=True))[-4:]:
        assert cache.verify(key.public_key, name, signature)
    assert counting.calls == 100 and cache.saved == 4
    for name, signature in list(zip(names, signed, strict=True))[:92]:
        assert cache.verify(key.public_key, name, signature)
    assert counting.calls == 192, "more than eight are remembered"


def test_a_bulk_ends_at_its_first_bad_one_and_the_good_before_it_are_remembered() -> None:
    async def scenario() -> None:
        counting = Counting()
        verifier = BulkVerifier(SignatureCache(), counting, turn_checks=4)
        transactions = [forged() if i in (5, 6, 10) else make() for i in range(20)]
        assert await verifier.first_bad(transactions) == 5
        assert counting.calls == 8, "to the end of its turn"
        assert await verifier.first_bad(transactions) == 5
        assert counting.calls == 10, "only the bad ones again: what stood behind them in their turn is known"
        assert await verifier.first_bad([]) is None

    run(scenario)


def test_a_changed_signature_is_not_excused_by_an_equal_id() -> None:
    """The id covers no signature, so what is remembered is the bytes."""

    async def scenario() -> None:
        verifier = BulkVerifier(SignatureCache())
        good = make()
        assert await verifier.first_bad([good]) is None
        raw = bytearray(good.raw)
        raw[-1] ^= 1
        changed = decode_transaction(bytes(raw))
        assert changed.id == good.id
        assert await verifier.first_bad([changed]) == 0

    run(scenario)


def test_a_known_signature_does_not_excuse_another_key() -> None:
    async def scenario() -> None:
        verifier = BulkVerifier(SignatureCache())
        good = make()
        assert await verifier.first_bad([good]) is None
        pair = good.transaction.signatures[0]
        other = Transaction(good.transaction.envelope, (KeySignature(key_of(2).public_key, pair.sig),))
        claimed = decode_transaction(encode(other))
        assert claimed.id == good.id
        assert await verifier.first_bad([claimed]) == 0

    run(scenario)


@pytest.mark.pitfall(75)
def test_bulks_take_turns_and_the_loop_runs_between_them() -> None:
    async def scenario() -> None:
        counting = Counting()
        verifier = BulkVerifier(SignatureCache(), counting, turn_checks=4)
        seen: list[int] = []
        stop = asyncio.Event()

        async def vote() -> None:
            while not stop.is_set():
                seen.append(counting.calls)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(vote())
            first = group.create_task(verifier.first_bad([make() for _ in range(40)]))
            second = group.create_task(verifier.first_bad([make() for _ in range(4)]))
            await second
            assert not first.done(), "the short one does not wait for the long one"
            await first
            stop.set()
        assert max(b - a for a, b in zip(seen, seen[1:], strict=False)) <= 4

    run(scenario)


class Turns:
    """How many checks each turn verified."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def __call__(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        self.lengths.append(len(checks))
        return [verify(*check) for check in checks]


def test_a_transaction_of_many_signatures_is_cut_where_a_turn_ends() -> None:
    async def scenario() -> None:
        turns = Turns()
        verifier = BulkVerifier(SignatureCache(), turn_checks=8, bulk=turns)
        many = batch_of_redemptions(*[True] * 30)
        assert await verifier.first_bad([make(), many, make()]) is None
        assert turns.lengths == [8, 8, 8, 8, 1], "1 + 31 + 1"
        assert await verifier.first_bad([many]) is None, "all of its parts together are remembered"
        assert sum(turns.lengths) == 33
        turns.lengths.clear()
        first_wrong = batch_of_redemptions(False, *[True] * 30)
        assert await verifier.first_bad([make(), first_wrong, make()]) == 1
        assert turns.lengths == [8, 0], "after a false one neither its rest nor what follows matters"
        last_wrong = batch_of_redemptions(*[True] * 30, False)
        for _ in range(2):
            assert await verifier.first_bad([last_wrong]) == 0, "not remembered by a part that verified"

    run(scenario)


def test_small_bulks_fill_a_turn_together() -> None:
    async def scenario() -> None:
        turns = Turns()
        verifier = BulkVerifier(SignatureCache(), turn_checks=8, bulk=turns)
        bulks = [[make(), forged(), make()] for _ in range(4)]
        assert await asyncio.gather(*map(verifier.first_bad, bulks)) == [1] * 4
        assert turns.lengths == [8, 3]

    run(scenario)


def test_clients_do_not_starve_what_others_have_admitted() -> None:
    """And the other way round: each has its share of a turn, and what the other does not use."""

    async def scenario() -> None:
        turns = Turns()
        verifier = BulkVerifier(SignatureCache(), turn_checks=8, bulk=turns)
        judged: list[int] = []
        bulks = [[make() for _ in range(12)] for _ in range(4)]
        clients = [
            asyncio.create_task(verifier.judge(bulk, lambda _: True, lambda n, _: judged.append(n))) for bulk in bulks
        ]
        await asyncio.sleep(0)
        assert await verifier.first_bad([make() for _ in range(12)]) is None
        assert turns.lengths == [8, 8] and len(judged) == 4, "12 of 16; clients had the rest of two turns"
        await verifier.first_bad([make()])
        assert turns.lengths == [8] * 3 and len(judged) == 11
        await asyncio.gather(*clients)
        assert sum(turns.lengths) == 61 and turns.lengths[:-1] == [8] * 7
        batch = [make() for _ in range(40)]
        flood = asyncio.create_task(verifier.first_bad(batch))
        await asyncio.sleep(0)
        await verifier.judge([make()], lambda _: True, lambda _, __: None)
        assert not flood.done()
        await flood

    run(scenario)


def test_nobody_verifies_for_a_caller_that_has_left() -> None:
    async def scenario() -> None:
        turns = Turns()
        verifier = BulkVerifier(SignatureCache(), turn_checks=8, bulk=turns)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await verifier.first_bad([make() for _ in range(100)])
        assert await verifier.first_bad([make()]) is None
        assert sum(turns.lengths) <= 9

    run(scenario)


def test_a_fault_of_the_verifier_ends_whoever_waits() -> None:
    def broken(checks: Sequence[SignatureCheck]) -> list[bool]:
        raise RuntimeError("no library")

    async def scenario() -> None:
        verifier = BulkVerifier(SignatureCache(), bulk=broken)
        with pytest.raises(RuntimeError, match="no library"):
            await verifier.first_bad([make()])

    run(scenario)
