"""What stopped counting leaves the state, and what comes after it under the same id is new (D20)."""

import pytest

from points import expiry
from primitives.genesis import Parameters
from primitives.kinds import Authorize, Redeem, Refund
from tests.properties.small_market import CLASSES, DAY, START, issue
from tests.properties.world import World

PARAMETERS = Parameters(refund_window_days=20, return_window_days=10, static_cap=0)
FORGOTTEN = b"ORHTUDP"  # orders, refunds, holds, their timers, used codes, sums of a day, lists of all these


def new_world() -> World:
    return World(START, {"A": 4_000_000, "B": 4_000_000, "C": 4_000_000}, ["u", "v"], CLASSES, PARAMETERS)  # type: ignore[arg-type]


def kept(world: World) -> set[bytes]:
    """Lists of settled windows and of block events are left out: there is a window every day."""
    return {key for key in world.memory.records if key[0] in FORGOTTEN and key[9:10] not in (b"W", b"l")}


def test_orders_holds_and_codes_leave_the_state() -> None:
    """Also those that were written in several blocks of one second."""
    world = new_world()
    orders = [issue(world, "hA", "u", 100, f"i{n}") for n in range(5)]
    pair = [world.transaction("u", Redeem(world.request("B", f"r{n}", 10), 10)) for n in range(5)]
    assert [receipt.code for receipt in world.run(*pair)] == [0] * 5
    orders += [world.charge("u", "B", f"t{n}", 10, n) for n in range(3)]
    orders += [world.code("B", Refund(f"r{n}", "f", 5)) for n in (0, 3)]
    orders += [world.code("u", Authorize(world.address["C"], 1, 60)) for _ in range(3)]
    assert set(orders) == {"OK"}
    for day in range(1, 25):
        world.run(at=START + day * DAY)
    assert kept(world) == set()


def test_an_id_that_lapsed_is_free_although_it_was_not_removed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """More garbage than one block removes: the lapsed order counts no more, nor do the refunds of it."""
    monkeypatch.setattr(expiry, "GARBAGE_MOST", 16)
    world = new_world()
    assert issue(world, "hA", "u", 10_000, "i") == "OK"
    for n in range(40):  # each block of its own leaves a list of its own
        world.now += 1
        world.run(at=world.now)
        assert world.redeem("u", "A", f"r{n}", 10) == "OK"
        assert world.code("A", Refund(f"r{n}", "f", 10)) == "OK"
    world.run(at=START + 21 * DAY)
    assert world.redeem("u", "A", "r39", 20) == "OK"
    assert world.code("A", Refund("r39", "f", 10)) == "OK"
    assert world.code("A", Refund("r39", "f", 10)) == "OK_DUPLICATE"
    for day in range(22, 30):
        world.run(at=START + day * DAY)
    assert world.code("A", Refund("r39", "g", 10)) == "OK"
    assert world.code("A", Refund("r39", "h", 1)) == "REFUND_EXCEEDS"
