"""A merchant that has left never comes back: no refund makes it owe, none brings its points back (2.8)."""

import pytest
from msgspec.structs import replace

from points.governance_actions import NOTICE_DAYS_MIN
from points.keys import carry_key, merchant_key, traded_key
from points.state import FUND, MerchantStatus
from primitives.codes import Code
from primitives.kinds import Refund, WindowClose
from tests.points.council import Council, status
from tests.points.market import ADDRESS, DAY


def spend(council: Council, payee: str, fen: int, order: str) -> None:
    """Points of A are spent, and what A owes for them is paid."""
    council.ok("u", council.redeem(payee, fen, order))
    council.ok("operator", WindowClose())
    if council.window()["instructions"]:
        council.settle()


def leaving(payee: str, twice: bool = False) -> Council:
    """100 points of A were spent at `payee`, half of them 80 days later if `twice`; A's notice is over."""
    council = Council()
    council.issue("hA", 100)
    spend(council, payee, 50 if twice else 100, "first")
    council.decide(status("A", "WIND_DOWN", NOTICE_DAYS_MIN), "wind")
    if twice:
        council.advance(80 * DAY)
        spend(council, payee, 50, "second")
    council.advance(NOTICE_DAYS_MIN * DAY)
    return council


@pytest.mark.parametrize("payee", ["A", "B"])
@pytest.mark.parametrize("twice", [False, True])
def test_the_exit_waits_for_the_last_order_that_may_be_refunded(payee: str, twice: bool) -> None:
    council = leaving(payee, twice)
    order = "second" if twice else "first"
    created = council.view.get(b"O" + ADDRESS[payee] + order.encode()).created
    assert council.propose(status("A", "EXITED"), "soon") is Code.EXIT_PENDING
    council.at(created + 180 * DAY)
    assert council.propose(status("A", "EXITED"), "last second") is Code.EXIT_PENDING
    council.at(created + 181 * DAY + DAY)
    council.decide(status("A", "EXITED"), "out")
    assert council.status("A") is MerchantStatus.EXITED
    assert council.view.get(traded_key(ADDRESS["A"])) is None
    assert council.do(payee, Refund(order, "r", 1)) in (Code.ORDER_UNKNOWN, Code.REFUND_WINDOW)


def test_nothing_is_traded_after_it() -> None:
    council = leaving("B")
    council.at(council.view.get(b"O" + ADDRESS["B"] + b"first").created + 182 * DAY)
    assert council.propose(status("A", "EXITED"), "out") is Code.OK
    council.vote("YES", "m1", "m2", "m3", proposal="out")
    council.advance(DAY)
    assert council.status("A") is MerchantStatus.EXITED
    assert council.issue("hA", 1) is Code.MERCHANT_SUSPENDED
    assert council.do("u", council.redeem("A", 1, "late")) is Code.MERCHANT_SUSPENDED


def test_a_default_does_not_bring_it_back() -> None:
    """Should a payment of it be due all the same, it stays out: SUSPENDED would let the committee make it ACTIVE."""
    council = Council()
    council.issue("hA", 100)
    council.ok("u", council.redeem("B", 100, "b1"))
    council.ok("operator", WindowClose())
    council.advance(DAY)
    key = merchant_key(ADDRESS["A"])
    out = replace(council.merchant("A"), status=MerchantStatus.EXITED)
    council.view.apply({key: out})
    with pytest.raises(AssertionError):  # a merchant that owes has not left
        council.advance(DAY)
    assert council.window(1)["state"] == "DEFAULTED"
    assert council.status("A") is MerchantStatus.EXITED


@pytest.mark.parametrize(("fen", "carry"), [(333, 3_350), (10, -500)])
def test_the_rest_of_a_fen_that_it_carries_goes_to_the_fund(fen: int, carry: int) -> None:
    """Else a payment of one fen would some day be due from, or to, somebody who is no longer there."""
    council = Council()
    council.issue("hA", 1_000)
    spend(council, "B", fen, "b1")
    council.decide(status("B", "WIND_DOWN", NOTICE_DAYS_MIN), "wind")
    council.advance(182 * DAY)
    assert council.propose(status("B", "EXITED"), "out") is Code.OK
    council.vote("YES", "m1", "m2", "m3", proposal="out")
    assert council.view.get(carry_key(ADDRESS["B"])).value == carry
    council.advance(DAY)
    assert council.status("B") is MerchantStatus.EXITED
    assert council.view.get(carry_key(ADDRESS["B"])).value == carry
    council.advance(DAY)
    assert council.view.get(carry_key(ADDRESS["B"])) is None
    assert council.view.get(carry_key(FUND)) is None
    assert council.exposure("B")["payable"] == 0
    council.issue("hA", 1_000)
    council.ok("u", council.redeem("C", 77, "c1"))
    council.ok("operator", WindowClose())
    assert all("B" not in name.split("->") for name in council.window()["instructions"])
