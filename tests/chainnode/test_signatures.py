"""Verified once, in short turns."""

import asyncio

import pytest

from chainnode.signatures import BulkVerifier, SignatureCache
from primitives.keys import PublicKey, Signature, verify
from primitives.transaction import decode_transaction
from tests.chainnode.mesh import run
from tests.chainnode.transactions import forged, key_of, make


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


def test_bulk_names_the_bad_ones_and_remembers_the_good() -> None:
    async def scenario() -> None:
        counting = Counting()
        verifier = BulkVerifier(SignatureCache(), counting, turn_checks=4)
        transactions = [forged() if i in (3, 10) else make() for i in range(20)]
        assert await verifier.bad_transactions(transactions) == [3, 10]
        assert counting.calls == 20
        assert await verifier.bad_transactions(transactions) == [3, 10]
        assert counting.calls == 22, "only the bad ones again"
        assert await verifier.bad_transactions([]) == []

    run(scenario)


def test_a_changed_signature_is_not_excused_by_an_equal_id() -> None:
    """The id covers no signature, so what is remembered is the bytes."""

    async def scenario() -> None:
        verifier = BulkVerifier(SignatureCache())
        good = make()
        assert await verifier.bad_transactions([good]) == []
        raw = bytearray(good.raw)
        raw[-1] ^= 1
        changed = decode_transaction(bytes(raw))
        assert changed.id == good.id
        assert await verifier.bad_transactions([changed]) == [0]

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
            first = group.create_task(verifier.bad_transactions([make() for _ in range(40)]))
            second = group.create_task(verifier.bad_transactions([make() for _ in range(4)]))
            await second
            assert not first.done(), "the short one does not wait for the long one"
            await first
            stop.set()
        assert max(b - a for a, b in zip(seen, seen[1:], strict=False)) <= 4

    run(scenario)
