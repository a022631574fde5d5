"""An address pays for what comes to nothing, and for nothing else."""

import pytest

from chainnode.courtesy import ADDRESSES_MAX, BURST, FORGED_COST, PER_SECOND, Courtesy, cost_of_unread, house_of
from primitives.codes import Code


class Watch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_taken_in_costs_nothing() -> None:
    courtesy = Courtesy(Watch())
    assert courtesy.spend("a", [Code.OK] * 1_000_000) == 0


def test_a_flood_waits_until_its_budget_is_balanced_and_others_do_not() -> None:
    watch = Watch()
    courtesy = Courtesy(watch)
    flood = [Code.BAD_SIGNATURE] * int(BURST // FORGED_COST)
    assert courtesy.spend("a", flood) == 0
    wait = courtesy.spend("a", flood)
    assert wait > 1
    assert courtesy.spend("b", [Code.DECODE] * 100) == 0
    watch.now = wait / 2
    assert abs(courtesy.charge("a", 0) - wait / 2) < 0.001
    watch.now = wait
    assert courtesy.charge("a", 0) < 0.001
    watch.now += BURST / PER_SECOND
    assert courtesy.spend("a", flood) == 0, "all is forgiven"


def test_the_same_again_and_again_is_not_free() -> None:
    assert Courtesy(Watch()).spend("a", [Code.DUPLICATE_TX] * int(BURST + 1)) > 0


def test_a_refusal_is_cheaper_than_a_forged_signature() -> None:
    many = int(BURST // 2)
    assert Courtesy(Watch()).spend("a", [Code.POOL_FULL] * many) == 0
    assert Courtesy(Watch()).spend("a", [Code.BAD_SIGNATURE] * many) > 0


def test_addresses_are_bounded_and_the_oldest_is_forgotten() -> None:
    courtesy = Courtesy(Watch())
    assert courtesy.charge("first", int(3 * BURST)) > 0
    for number in range(ADDRESSES_MAX - 1):
        courtesy.charge(f"{number}", 1)
    assert courtesy.charge("first", 0) > 0
    for number in range(ADDRESSES_MAX):
        courtesy.charge(f"again-{number}", 1)
    assert courtesy.charge("first", 0) == 0


@pytest.mark.parametrize(
    ("address", "house"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("2001:db8:1:3::9", "2001:db8:1:3::"),
        ("fe80::1%eth0", "fe80::"),
        ("local", "local"),
    ],
)
def test_who_owns_a_network_of_addresses_is_one(address: str, house: str) -> None:
    """One line has 2**64 of them: a budget each would be no budget. Behind a dual socket IPv4 stays what it is."""
    assert house_of(address) == house


def test_a_budget_is_of_the_house() -> None:
    courtesy = Courtesy(Watch())
    assert courtesy.charge("2001:db8::1", int(2 * BURST)) > 0
    assert courtesy.charge("2001:db8::2", 0) > 0
    assert courtesy.charge("2001:db8:0:1::2", 0) == 0


def test_who_was_told_to_wait_is_not_looked_at_before() -> None:
    watch = Watch()
    courtesy = Courtesy(watch)
    assert courtesy.told_ms("2001:db8::1") == 0
    courtesy.tell("2001:db8::1", 350)
    assert courtesy.told_ms("2001:db8::2") == 350, "it is of the house"
    assert courtesy.told_ms("2001:db8:0:1::1") == 0
    watch.now = 0.3499
    assert courtesy.told_ms("2001:db8::1") == 1, "never 0 before its time"
    watch.now = 0.75
    assert courtesy.told_ms("2001:db8::1") == 0 and not courtesy._told
    courtesy.tell("2001:db8::1", 500)
    courtesy.tell("2001:db8::1", 100)
    assert courtesy.told_ms("2001:db8::1") == 100, "what it was told last"


def test_those_who_wait_are_bounded() -> None:
    courtesy = Courtesy(Watch())
    for number in range(ADDRESSES_MAX + 1):
        courtesy.tell(f"{number}", 1_000)
    assert courtesy.told_ms("0") == 0 and courtesy.told_ms("1") == 1_000
    assert len(courtesy._told) == ADDRESSES_MAX


def test_what_nobody_looks_into_costs_little_but_not_nothing() -> None:
    assert cost_of_unread(1) == 1
    assert cost_of_unread(512) < 512 / 16
    assert Courtesy(Watch()).charge("a", int(BURST + 1) * cost_of_unread(1)) > 0, "the smallest bulks are not free"
