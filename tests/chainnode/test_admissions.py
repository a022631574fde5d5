"""What the door says to a client's transaction before consensus, and in which order it looks."""

import pytest

from chainnode.backend import Admission
from primitives.codes import Code
from primitives.transaction import VALIDITY_SECONDS_MAX, Decoded, decode_transaction
from tests.chainnode.house import House
from tests.chainnode.mesh import run
from tests.chainnode.rooms import NOW_MS, TIME, issue


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
