"""What towns brought to light, each as a test of its own."""

from points.merchants import CLASSES_MAX
from primitives.codes import Code
from primitives.kinds import ClassRetire
from tests.points.market import Market, class_of
from tests.properties.town_walk import play


def test_a_merchant_cannot_fill_the_state_with_classes() -> None:
    """A class stays in the state for ever, with its counters: so their number is bounded, retired ones included."""
    market = Market()
    for number in range(1, CLASSES_MAX):  # it has one from genesis
        assert market.do("A", class_of(f"a{number}")) is Code.OK
    assert market.do("A", ClassRetire("a1")) is Code.OK
    assert market.do("A", class_of("a256")) is Code.BAD_CLASS
    assert "limit 256" in market.receipt.detail  # type: ignore[union-attr]
    assert market.do("B", class_of("a256")) is Code.OK


def test_a_refund_is_known_for_as_long_as_its_order() -> None:
    """The walk that showed it: a refund asked for again when its order had left the state is an unknown order."""
    steps = [
        ("step", 12521098770850, "issue"), ("step", 13744477195185, "issue"), ("step", 89782777655285, "redeem"),
        ("step", 196292771673336, "refund"), ("again", 91958885094685), ("wait", 240807564463871),
        ("again", 91958885094685), ("settle", 1), ("sunset", 1),
    ]  # fmt: skip
    assert play(1017002, steps).operations > len(steps) // 2


def test_the_same_numbers_give_the_same_town() -> None:
    """A failure is told by its numbers: so the same numbers must give the same town."""
    steps = [("step", number * 7_919, kind) for number, kind in enumerate(("issue", "redeem", "exchange", "batch") * 5)]
    assert play(4, steps).view.records == play(4, steps).view.records
