"""What the door says to a client's transaction before consensus, and in which order it looks."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from chainnode.backend import Admission
from chainnode.mempool import MempoolLimits
from primitives.codes import Code
from primitives.keys import verify
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded, SignatureCheck, decode_transaction
from tests.chainnode.house import House
from tests.chainnode.mesh import run
from tests.chainnode.rooms import CHAIN_ID, GENESIS, KEYS, NOW_MS, TIME, issue
from tests.chainnode.transactions import batch_of_redemptions


def code_of(answers: list[Admission]) -> list[Code]:
    return [answer.code for answer in answers]


def forged(order: str) -> Decoded:
    raw = bytearray(issue(order).raw)
    raw[-1] ^= 1
    return decode_transaction(bytes(raw))


def test_a_bulk_is_answered_one_by_one_in_its_order() -> None:
    async def scenario() -> None:
        house = House()
        first, second = issue("a"), issue("b")
        bulk = [first, forged("c"), first, second]
        assert code_of(await house.admissions.submit(bulk)) == [
            Code.OK, Code.BAD_SIGNATURE, Code.DUPLICATE_TX, Code.OK
        ]
        assert code_of(await house.admissions.submit([second])) == [Code.DUPLICATE_TX]
        assert house.rooms.mempool.counts.held == 2

    run(scenario)


@pytest.mark.pitfall(69)
def test_nothing_is_verified_for_what_has_no_place() -> None:
    """A node under overload that verified first and looked afterwards would spend itself on refusals."""

    async def scenario() -> None:
        size = len(issue("a").raw)
        batch = GENESIS.limits
        limits = MempoolLimits(batch.batch_transactions, batch.batch_bytes, burst_octets=6 * size)
        checks: list[int] = []

        def counting(these: Sequence[SignatureCheck]) -> list[bool]:
            checks.append(len(these))
            return [verify(*check) for check in these]

        house = House(limits, counting)
        bulks = [[issue(f"{bulk}-{number}") for number in range(20)] for bulk in range(3)]
        answers = await asyncio.gather(*map(house.admissions.submit, bulks))
        codes = [answer.code for bulk in answers for answer in bulk]
        assert codes.count(Code.OK) == 4, "one sender, 3/4 of 6"
        assert set(codes) == {Code.OK, Code.POOL_FULL, Code.SENDER_POOL_LIMIT}
        assert sum(checks) <= 6, "a place was sure before a signature was looked at"
        assert {answer.retry_ms for bulk in answers for answer in bulk if answer.code is not Code.OK} == {1_000}

    run(scenario)


def test_who_leaves_gives_back_the_place_that_was_kept() -> None:
    async def scenario() -> None:
        house = House()
        many = batch_of_redemptions(*[True] * 60, payer=KEYS["alice"], chain=CHAIN_ID, valid_until=TIME + 300)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await house.admissions.submit([many])
        left = asyncio.create_task(house.admissions.submit([many]))
        for _ in range(3):  # in the middle of its signatures
            await asyncio.sleep(0)
        assert house.admissions._ahead == len(many.raw)
        left.cancel()
        assert code_of(await house.admissions.submit([issue("other")])) == [Code.OK]
        assert house.admissions._ahead == 0
        await asyncio.wait([left])

    run(scenario)


@pytest.mark.parametrize("later_s", [1, 200, VALIDITY_SECONDS_MAX + 100, 5_000])
def test_what_was_executed_is_a_duplicate_and_never_expired(later_s: int) -> None:
    """As long as the ledger has it, also when its id has left the memory of the last ten minutes."""

    async def scenario() -> None:
        house = House()
        done, late = issue("done"), issue("late")
        house.execute(done, at_ms=NOW_MS + 1)
        house.execute(at_ms=NOW_MS + later_s * 1000)
        assert (done.id in house.rooms.executor.seen) == (later_s <= VALIDITY_SECONDS_MAX)
        expected = Code.OK if NOW_MS // 1000 + later_s <= TIME + 300 else Code.EXPIRED_TX
        assert code_of(await house.admissions.submit([done, late])) == [Code.DUPLICATE_TX, expected]

    run(scenario)
