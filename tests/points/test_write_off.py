"""What nobody confirms in two years is written off, so that its window leaves the state and its merchants may too."""

from points.keys import books_key, loss_key, window_key
from points.state import Books
from points.waterfall import WRITE_OFF_SECONDS
from primitives.codes import Code
from primitives.kinds import LegConfirm, LegPaid, WindowClose
from tests.points.market import ADDRESS, DAY, Market, leg
from tests.points.test_waterfall import owes, poor


def payable(market: Market, name: str) -> int:
    books: Books = market.view.get(books_key(ADDRESS[name]))
    return books.payable


def two_years(market: Market, less: int = 0) -> None:
    """To the second in which the first window is written off, or some seconds before."""
    market.at(market.view.get(window_key(1)).closed + WRITE_OFF_SECONDS - less)


def test_a_default_that_is_never_paid_leaves_the_state() -> None:
    market = poor({"A": 100}, fee_bps=1_000, refund_window_days=5, return_window_days=3)
    owes(market, ("A", "B", 400), ("C", "D", 100))
    market.ok("operator", WindowClose())
    for name in market.window(1)["instructions"]:
        payer, payee = name.split("->")
        if payer == "C":
            market.ok(payer, LegPaid(1, leg(payer, payee), bytes(32)))
            market.ok(payee, LegConfirm(1, leg(payer, payee)))
    market.advance(2 * DAY)
    assert market.window(1)["state"] == "DEFAULTED"
    owed = payable(market, "A")
    two_years(market, less=1)
    assert (market.window(1)["state"], payable(market, "A")) == ("DEFAULTED", owed)
    market.advance(1)
    assert market.window(1)["state"] == "SETTLED"
    assert set(market.window(1)["legs"].values()) == {"CONFIRMED", "WRITTEN_OFF"}
    assert payable(market, "A") == 0
    unpaid = next(name for name, state in market.window(1)["legs"].items() if state == "WRITTEN_OFF")
    payer, payee = unpaid.split("->")
    assert market.do(payer, LegPaid(1, leg(payer, payee), bytes(32))) is Code.LEG_STATE
    assert market.do(payee, LegConfirm(1, leg(payer, payee))) is Code.LEG_STATE
    market.advance(5 * DAY + 1)
    for _ in range(3):
        market.advance(1)
    number = (1).to_bytes(8, "big")
    starts = tuple(prefix + number for prefix in (b"W", b"Y", b"E", b"N", b"lw"))
    assert [key for key in market.view.records if key.startswith(starts)] == []
    assert market.view.get(loss_key(1, ADDRESS["B"])) is None


def test_a_dispute_that_is_never_ended_releases_both_sides() -> None:
    """A says paid, B never says received: nobody is suspended, and neither waits for ever."""
    market = poor({"A": 100_000})
    owes(market, ("A", "B", 400))
    market.ok("operator", WindowClose())
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.advance(2 * DAY)
    assert market.window(1)["legs"] == {"A->B": "DISPUTED"}
    assert payable(market, "A") == 4_000_000
    two_years(market)
    assert market.window(1)["legs"] == {"A->B": "WRITTEN_OFF"}
    assert payable(market, "A") == 0
    assert market.exposure("A")["status"] == "ACTIVE"


def test_what_is_confirmed_late_is_not_written_off() -> None:
    market = poor({"A": 0})
    owes(market, ("A", "B", 400))
    market.ok("operator", WindowClose())
    market.advance(2 * DAY)
    two_years(market, less=1)
    market.ok("B", LegConfirm(1, leg("A", "B")))
    market.advance(1)
    assert market.window(1)["legs"] == {"A->B": "CONFIRMED"}
    market.advance(200 * DAY)
    market.advance(1)
    assert market.view.get(window_key(1)) is None
