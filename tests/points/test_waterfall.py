"""Who bears a default: reserve, fund, creditors; what late money gives back; and what leaves the state (2.9, D11)."""

from typing import Any

import pytest
from msgspec.structs import replace

from points import expiry, queries_clearing
from points.clearing_records import FundMoney, Help, Loss
from points.invariants import violations
from points.keys import FUND_MONEY_KEY, breakage_key, help_key, loss_key, merchant_key
from points.state import decode_value, encode_value
from points.waterfall import split
from primitives.codec import U64_MAX
from primitives.codes import Code
from primitives.kinds import Capture, LegConfirm, LegPaid, Refund, WindowClose
from tests.points.market import ADDRESS, DAY, Market, class_of, genesis_of, leg, named


def poor(merchants: dict[str, int], **parameters: int) -> Market:
    """A market without fees whose merchants have these reserves; a credit limit lets them issue all the same."""
    table = {name: {"reserve": fen, "credit_limit": 10_000_000} for name, fen in merchants.items()}
    return Market(genesis_of(merchants=table, **{"fee_bps": 0, "loss_share_bps": 10_000, **parameters}))


def owes(market: Market, *debts: tuple[str, str, int]) -> None:
    """Points of the first are spent at the second."""
    for n, (issuer, payee, fen) in enumerate(debts):
        market.issue(f"h{issuer}", fen)
        market.ok("u", market.redeem(payee, fen, f"d{market.height}-{n}"))


def order_of(market: Market, payee: str) -> str:
    """The first order that this merchant was paid for."""
    return next(key for key in market.view.records if key[:21] == b"O" + ADDRESS[payee])[21:].decode()


def default(market: Market) -> int:
    """Close the window, let two days pass; its number."""
    market.ok("operator", WindowClose())
    market.advance(2 * DAY - 1)
    number = 1
    assert market.window(number)["state"] == "INSTRUCTED"
    market.advance(1)
    return number


def losses(market: Market, number: int = 1) -> dict[str, Any]:
    plain: dict[str, Any] = queries_clearing.losses(market.view, market.time, number)
    return {key: named(value) if isinstance(value, dict) else value for key, value in plain.items()}


def test_split_is_exact_and_never_above_a_weight() -> None:
    assert split(10, {b"a": 1, b"b": 1, b"c": 1}) == {b"a": 4, b"b": 3, b"c": 3}
    assert split(2, {b"a": 1, b"b": 1}) == {b"a": 1, b"b": 1}
    assert split(0, {b"a": 5}) == {b"a": 0}
    assert split(0, {}) == {}
    assert split(7, {b"a": 0, b"b": 9}) == {b"a": 0, b"b": 7}
    assert split(5, {b"a": 2, b"b": 6}) == {b"a": 1, b"b": 4}


def test_a_reserve_is_shared_by_the_legs_of_its_merchant() -> None:
    market = poor({"A": 100})
    owes(market, ("A", "B", 300), ("A", "C", 100))
    default(market)
    assert market.window(1)["drawn"] == {"A->B": 75, "A->C": 25}
    assert market.window(1)["state"] == "DEFAULTED"
    assert (market.exposure("A")["reserve"], market.exposure("A")["status"]) == (0, "SUSPENDED")
    assert market.owed(2) == {}, "each lost a quarter of nothing more than its own claim"


def test_the_fund_stands_in_and_gets_its_money_back() -> None:
    """It has what was confirmed to it; what it advances the late payer's creditor owes it."""
    market = poor({"A": 0}, fee_bps=100)
    owes(market, ("B", "C", 10_000))
    market.ok("operator", WindowClose())
    market.settle()
    assert queries_clearing.fund(market.view, market.time)["available"] == 100
    owes(market, ("A", "B", 1_000))
    market.ok("operator", WindowClose())
    market.advance(2 * DAY)
    window = market.window(2)
    assert window["legs"] == {"A->B": "DEFAULTED", "A->FUND": "DEFAULTED"}
    assert (window["drawn"], window["advanced"]) == ({}, {"A->B": 100})
    assert queries_clearing.fund(market.view, market.time) == {
        "received": 100, "committed": 0, "advanced": 100, "available": 0,
    }  # fmt: skip
    market.ok("A", LegPaid(2, leg("A", "B"), bytes(32)))
    assert market.owed(market.window()["window"] + 1) == {}
    market.ok("B", LegConfirm(2, leg("A", "B")))
    assert market.owed(market.window()["window"] + 1) == {"B->FUND": 1_000_000}
    market.ok("FUND", LegConfirm(2, leg("A", "FUND")))
    assert market.window(2)["state"] == "SETTLED"
    assert queries_clearing.fund(market.view, market.time)["received"] == 110


def test_what_a_reserve_gives_the_fund_is_received_once() -> None:
    market = poor({"A": 50}, fee_bps=1000)
    owes(market, ("A", "B", 100))
    default(market)
    assert market.window(1)["drawn"] == {"A->B": 45, "A->FUND": 5}
    assert queries_clearing.fund(market.view, market.time)["received"] == 5
    market.ok("FUND", LegConfirm(1, leg("A", "FUND")))
    assert queries_clearing.fund(market.view, market.time)["received"] == 10


def test_the_funds_own_payments_are_not_lent_twice() -> None:
    """What FUND must pay in a closed window is gone before it is paid."""
    market = poor({"A": 0}, fee_bps=1000)
    owes(market, ("B", "C", 1_000))
    market.ok("operator", WindowClose())
    market.settle()
    order = order_of(market, "C")
    market.ok("C", Refund(order, "r", 1_000))
    market.ok("operator", WindowClose())
    assert market.window(2)["instructions"] == {"C->B": 900, "FUND->B": 100}
    assert queries_clearing.fund(market.view, market.time) == {
        "received": 100, "committed": 100, "advanced": 0, "available": 0,
    }  # fmt: skip


def shared() -> Market:
    """A owes 400, C 100: the matching gives all of A's debt to B, all of C's to D."""
    market = poor({"A": 0, "C": 50, "B": 10_000, "D": 10_000})
    owes(market, ("A", "B", 400), ("C", "D", 100))
    return market


def test_all_creditors_bear_what_is_left_by_their_claims() -> None:
    """A fails for 400, C pays: B and D hold 4/5 and 1/5 of the claims and lose 320 and 80."""
    market = shared()
    market.ok("operator", WindowClose())
    assert market.window(1)["instructions"] == {"A->B": 400, "C->D": 100}
    market.ok("C", LegPaid(1, leg("C", "D"), bytes(32)))
    market.ok("D", LegConfirm(1, leg("C", "D")))
    market.advance(2 * DAY)
    assert losses(market) == {
        "losses": {"B": 400}, "recovered": {"B": 0}, "helped": {"D->B": 80}, "returned": {"D->B": 0},
    }  # fmt: skip
    number = market.window()["window"] + 1
    assert market.owed(number) == {"D->B": 800_000}
    told = [(row["fen"], row["of_window"]) for row in queries_clearing.shared(market.view, market.time, number)]
    assert told == [(80, 1)] and queries_clearing.shared(market.view, market.time, 1) == []
    assert market.exposure("D")["payable"] == 80
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.ok("B", LegConfirm(1, leg("A", "B")))
    assert market.owed(number) == {"D->B": 800_000, "B->D": 800_000}
    assert losses(market)["returned"] == {"D->B": 80}
    assert market.window(1)["state"] == "SETTLED"


def test_nobody_can_help_where_all_lost_everything() -> None:
    market = poor({"A": 0, "B": 0})
    owes(market, ("A", "C", 100), ("B", "C", 55), ("D", "C", 1), ("A", "D", 68))
    market.ok("operator", WindowClose())
    assert market.window(1)["fen"] == {"A": -168, "B": -55, "C": 156, "D": 67}
    assert market.window(1)["instructions"] == {"A->C": 156, "A->D": 12, "B->D": 55}
    market.advance(2 * DAY)
    assert losses(market)["helped"] == {}
    assert market.owed(market.window()["window"] + 1) == {}


def test_help_comes_back_leg_by_leg_and_adds_up() -> None:
    """Two fail for the same creditor: each late payment gives back its part of the help."""
    market = poor({"A": 0, "B": 0, "C": 0, "D": 0})
    owes(market, ("A", "C", 70), ("A", "D", 30), ("B", "C", 50))
    market.ok("operator", WindowClose())
    assert market.window(1)["instructions"] == {"A->C": 100, "B->C": 20, "B->D": 30}
    market.ok("B", LegPaid(1, leg("B", "D"), bytes(32)))
    market.ok("D", LegConfirm(1, leg("B", "D")))
    market.advance(2 * DAY)
    assert losses(market)["losses"] == {"C": 120}
    assert losses(market)["helped"] == {"D->C": 24}, "D holds 30 of 150"
    market.ok("C", LegConfirm(1, leg("B", "C")))
    assert losses(market)["returned"] == {"D->C": 4}
    market.ok("C", LegConfirm(1, leg("A", "C")))
    assert losses(market)["returned"] == {"D->C": 24}
    number = market.window()["window"] + 1
    assert market.owed(number) == {"C->D": 240_000, "D->C": 240_000}


@pytest.mark.parametrize(("bps", "helped"), [(10_000, 80), (8_000, 80), (7_999, 79), (1_000, 10), (99, 0), (0, 0)])
def test_nobody_bears_more_of_others_losses_than_a_part_of_its_claim(bps: int, helped: int) -> None:
    """A and B are friends: A issues, B takes its points, A defaults. D holds a claim of 100 and loses a part."""
    market = poor({"A": 0, "C": 50, "B": 10_000, "D": 10_000}, loss_share_bps=bps)
    owes(market, ("A", "B", 400), ("C", "D", 100))
    market.ok("operator", WindowClose())
    market.ok("C", LegPaid(1, leg("C", "D"), bytes(32)))
    market.ok("D", LegConfirm(1, leg("C", "D")))
    market.advance(2 * DAY)
    assert losses(market)["helped"] == ({"D->B": helped} if helped else {})
    market.ok("B", LegConfirm(1, leg("A", "B")))
    assert losses(market)["returned"] == ({"D->B": helped} if helped else {})


def test_bounded_help_is_split_by_what_is_lacking() -> None:
    """A pays D only. By their claims B lacks 60, C 20, and D should give 80; it gives 20 of its 100: 15 and 5."""
    market = poor({"A": 0}, loss_share_bps=2_000)
    owes(market, ("A", "B", 300), ("A", "C", 100), ("A", "D", 100))
    market.ok("operator", WindowClose())
    market.ok("A", LegPaid(1, leg("A", "D"), bytes(32)))
    market.ok("D", LegConfirm(1, leg("A", "D")))
    market.advance(2 * DAY)
    assert losses(market)["losses"] == {"B": 300, "C": 100}
    assert losses(market)["helped"] == {"D->B": 15, "D->C": 5}


@pytest.mark.parametrize(
    ("waterfall", "advanced", "helped"), [(0, {}, {}), (1, {"A->B": 10}, {}), (2, {"A->B": 10}, {"D->B": 78})]
)
def test_the_parameter_says_how_far_it_goes(waterfall: int, advanced: dict[str, int], helped: dict[str, int]) -> None:
    market = poor({"A": 0, "C": 10_000}, waterfall=waterfall)
    market.view.apply({FUND_MONEY_KEY: FundMoney(received=10)})
    owes(market, ("A", "B", 400), ("C", "D", 100))
    market.ok("operator", WindowClose())
    market.ok("C", LegPaid(1, leg("C", "D"), bytes(32)))
    market.advance(2 * DAY)
    assert market.window(1)["advanced"] == advanced
    assert losses(market)["helped"] == helped


def test_a_leg_paid_late_is_waited_for_by_its_payer_only() -> None:
    """The payee was released at the default; its late money must not release it a second time."""
    market = poor({"A": 0})
    owes(market, ("A", "B", 400), ("B", "A", 100), ("C", "B", 100))
    default(market)
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.ok("B", LegConfirm(1, leg("A", "B")))
    assert market.exposure("B")["payable"] == 0


def test_what_the_fund_fails_to_pay_nobody_shares() -> None:
    market = poor({"C": 10_000}, fee_bps=1000)
    owes(market, ("B", "C", 1_000))
    order = order_of(market, "C")
    market.ok("operator", WindowClose())
    market.settle()
    market.ok("C", Refund(order, "r", 1_000))
    owes(market, ("A", "D", 500))
    market.ok("operator", WindowClose())
    assert "FUND->B" in market.window(2)["instructions"] or "FUND->D" in market.window(2)["instructions"]
    fund_leg = next(name for name in market.window(2)["instructions"] if name.startswith("FUND"))
    for name in market.window(2)["instructions"]:
        if name != fund_leg:
            payer, payee = name.split("->")
            market.ok(payer, LegPaid(2, leg(payer, payee), bytes(32)))
            market.ok(payee, LegConfirm(2, leg(payer, payee)))
    market.advance(2 * DAY)
    assert market.window(2)["legs"][fund_leg] == "DEFAULTED"
    assert losses(market, 2)["helped"] == {}
    assert market.owed(market.window()["window"] + 1) == {}


def test_late_money_of_the_fund_is_nobodys_but_the_payees() -> None:
    """A and FUND both fail B: what FUND pays late gives no help back."""
    market = poor({"A": 0, "C": 10_000}, fee_bps=1000)
    owes(market, ("B", "C", 1_000))
    order = order_of(market, "C")
    market.ok("operator", WindowClose())
    market.settle()
    market.ok("C", Refund(order, "r", 1_000))
    market.view.apply({FUND_MONEY_KEY: FundMoney()})
    owes(market, ("A", "B", 1_000), ("C", "D", 500))
    market.ok("operator", WindowClose())
    for name in market.window(2)["instructions"]:
        payer, payee = name.split("->")
        if payer == "C":
            market.ok(payer, LegPaid(2, leg(payer, payee), bytes(32)))
            market.ok(payee, LegConfirm(2, leg(payer, payee)))
    market.advance(2 * DAY)
    late = [name for name, state in market.window(2)["legs"].items() if state == "DEFAULTED"]
    helped = losses(market, 2)
    assert helped["helped"] and any(name.startswith("FUND") for name in late), (late, helped)
    for name in late:
        payer, payee = name.split("->")
        market.ok("FUND" if payee == "FUND" else payee, LegConfirm(2, leg(payer, payee)))
    assert losses(market, 2)["returned"] == helped["helped"]
    assert losses(market, 2)["recovered"] == helped["losses"]


def test_a_settled_window_leaves_the_state_with_its_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records per block; the window is gone at once, and what follows is not disturbed."""
    monkeypatch.setattr(expiry, "WINDOW_RECORDS", 2)
    market = poor({"A": 0}, refund_window_days=5, return_window_days=3)
    owes(market, ("A", "B", 400), ("C", "D", 100))
    market.ok("operator", WindowClose())
    market.ok("C", LegPaid(1, leg("C", "D"), bytes(32)))
    market.ok("D", LegConfirm(1, leg("C", "D")))
    market.advance(2 * DAY)
    market.advance(20 * DAY)
    assert market.window(1)["state"] == "DEFAULTED", "somebody waits for it still"
    market.ok("B", LegConfirm(1, leg("A", "B")))
    market.advance(5 * DAY)
    assert market.window(1)["state"] == "SETTLED"
    market.advance(1)
    assert market.do("B", LegConfirm(1, leg("A", "B"))) is Code.WINDOW_UNKNOWN
    for _ in range(8):
        market.advance(1)
    number = (1).to_bytes(8, "big")
    parts = tuple(prefix + number for prefix in (b"W", b"Y", b"E", b"N", b"lw"))
    left = [key for key in market.view.records if key.startswith(parts)]
    assert left == []
    owes(market, ("B", "C", 3))
    market.ok("operator", WindowClose())


def test_breakage_by_month() -> None:
    """Expired buckets, held units released too late, forfeited refunds: each in the month in which it happened."""
    short = ("A", class_of("hA", validity_days=10, uv=5_000, refund_policy="FORFEIT"))
    market = Market(genesis_of([short], breakage_share_bps=2_500))
    market.issue("hA", 1_000)
    market.ok("u", market.redeem("B", 100, "b1"))
    hold = market.authorize("B", 50, 29 * DAY)
    market.advance(11 * DAY)
    market.advance(29 * DAY)
    market.ok("B", Refund("b1", "r", 10))
    assert market.do("B", Capture(hold, 1, "x")) is Code.HOLD_NOT_OPEN
    rows = queries_clearing.breakage(market.view, market.time, ADDRESS["A"])
    assert [(row["month"], row["class"], row["units"], row["value"]) for row in rows] == [
        ("2025-10", "hA", 700, 350), ("2025-11", "hA", 120, 60),
    ]  # fmt: skip
    assert [row["fund_share"] for row in rows] == [875_000, 150_000]
    assert queries_clearing.breakage(market.view, market.time, ADDRESS["B"]) == []


@pytest.mark.parametrize(
    ("key", "record"),
    [(FUND_MONEY_KEY, FundMoney(1, 0, 2)), (loss_key(1, ADDRESS["B"]), Loss(400, 401)),
     (loss_key(1, ADDRESS["B"]), Loss(79)), (help_key(1, ADDRESS["B"], ADDRESS["D"]), Help(80, 2, 1))],
)  # fmt: skip
def test_wrong_records_are_found(key: bytes, record: FundMoney | Loss | Help) -> None:
    market = shared()
    market.ok("operator", WindowClose())
    market.ok("C", LegPaid(1, leg("C", "D"), bytes(32)))
    market.advance(2 * DAY)
    market.view.apply({key: record})
    assert violations(market.view, market.time)


def test_records_survive_their_bytes() -> None:
    for key, record in (
        (FUND_MONEY_KEY, FundMoney(3, 2, 1)), (loss_key(1, bytes(20)), Loss(5, 2)),
        (help_key(1, bytes(20), bytes(20)), Help(4, 2, 1)),
    ):  # fmt: skip
        assert decode_value(key, encode_value(record)) == record
    assert breakage_key("hA", 2025, 12) < breakage_key("aA", 2026, 1)


def test_a_default_never_brings_books_beyond_64_bits() -> None:
    """C should help B with 60 fen, but owes all that a number of the state holds: B bears them, and blocks go on."""
    market = poor({"A": 0}, kyc2_year=2**63)
    owes(market, ("A", "B", 300), ("A", "C", 200), ("D", "C", 100))
    market.ok("operator", WindowClose())
    most = U64_MAX // 10_000
    market.view.apply({merchant_key(ADDRESS["C"]): replace(market.view.get(merchant_key(ADDRESS["C"])), reserve=most)})
    owes(market, ("C", "D", most))
    market.ok("D", LegPaid(1, leg("D", "C"), bytes(32)))
    market.ok("C", LegConfirm(1, leg("D", "C")))
    market.advance(2 * DAY - 1)
    market.advance(1)
    assert market.window(1)["state"] == "DEFAULTED"
    assert market.exposure("C")["payable"] == most
    assert market.view.get(loss_key(1, ADDRESS["B"])) is None
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.ok("B", LegConfirm(1, leg("A", "B")))
