"""What only time does: expiry, maturity, grace, daily cut, windows (D10, D13)."""

import pytest

from points.days import day_number, day_of, expiry_after, issue_expiry
from points.settlement import match_legs, round_nets
from primitives.codes import Code
from primitives.kinds import Issue, LegConfirm, LegDispute, LegPaid, Refund, WindowClose
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of, leg

CUT = 64_800  # 02:00 UTC+8 as seconds of the UTC day


def test_expiry_boundary() -> None:
    """Scenario 9: expired for every transaction of the block, the first one too."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=1))]))
    market.issue("hA", 100)
    market.at(1_760_025_599)
    assert market.spendable() == 100
    (receipt,) = market.block([market.transaction("u", market.redeem("B", 1, "b1"))], 1_760_025_600)
    assert receipt is not None and receipt.code == Code.INSUFFICIENT
    assert market.spendable() == 0
    assert market.exposure("A")["room"] == 1_000_000


@pytest.mark.parametrize(
    ("bucket", "last"),
    [("DAY", (2026, 2, 28)), ("MONTH_END", (2026, 2, 28)), ("YEAR_END", (2026, 12, 31))],
)
def test_buckets_by_calendar(bucket: str, last: tuple[int, int, int]) -> None:
    issued = day_number(2026, 2, 28) - 10
    assert issue_expiry(issued, 10, bucket) == expiry_after(day_number(*last))  # type: ignore[arg-type]


def test_month_end_of_december_and_of_a_leap_february() -> None:
    assert issue_expiry(day_number(2027, 12, 5), 0, "MONTH_END") == expiry_after(day_number(2027, 12, 31))
    assert issue_expiry(day_number(2028, 2, 1), 0, "MONTH_END") == expiry_after(day_number(2028, 2, 29))


def test_pending_points_mature_by_day() -> None:
    market = Market(genesis_of([("A", class_of("hA", pending_days=2))]))
    market.issue("hA", 100)
    midnight = (day_of(START) + 2) * DAY - 28_800
    market.at(midnight - 1)
    assert market.spendable() == 0
    assert market.do("u", market.redeem("B", 1, "b1")) is Code.INSUFFICIENT
    market.at(midnight)
    assert market.spendable() == 100
    market.ok("u", market.redeem("B", 1, "b1"))


def test_grace_redates_once_then_forfeits() -> None:
    """D13."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=1, grace_days=3))]))
    market.issue("hA", 100)
    market.ok("u", market.redeem("B", 100, "b1"))
    market.advance(10 * DAY)
    market.ok("B", Refund("b1", "r1", 60))
    (lot,) = market.lots()
    assert (lot.ext, lot.avail, lot.bucket) == (1, 60, expiry_after(day_of(market.time) + 3))
    market.ok("u", market.redeem("B", 60, "b2"))
    market.advance(4 * DAY)
    market.ok("B", Refund("b2", "r1", 60))
    assert market.lots() == ()
    market.ok("B", Refund("b1", "r2", 40))
    assert [(lot.ext, lot.avail) for lot in market.lots()] == [(1, 40)]


def test_forfeit() -> None:
    market = Market(genesis_of([("A", class_of("hA", validity_days=1, refund_policy="FORFEIT"))]))
    market.issue("hA", 100)
    market.ok("u", market.redeem("B", 100, "b1"))
    market.advance(3 * DAY)
    market.ok("B", Refund("b1", "r1", 100))
    assert market.lots() == ()
    assert market.exposure("A")["outstanding"] == 0


def test_refund_window_and_the_end_of_an_order() -> None:
    market = Market(genesis_of(refund_window_days=2, return_window_days=4))
    market.issue("hA", 100)
    market.ok("u", market.redeem("B", 50, "b1"))
    market.advance(2 * DAY)
    market.ok("B", Refund("b1", "r1", 20))
    assert market.do("B", Refund("b1", "r2", 31)) is Code.REFUND_EXCEEDS
    market.advance(1)
    assert market.do("B", Refund("b1", "r1", 20)) is Code.OK_DUPLICATE
    assert market.do("B", Refund("b1", "r2", 31)) is Code.REFUND_WINDOW
    assert market.do("B", Refund("b1", "r2", 30)) is Code.REFUND_WINDOW
    market.advance(2 * DAY)
    assert market.do("B", Refund("b1", "r2", 30)) is Code.ORDER_UNKNOWN
    left = [key for key in market.view.records if key[:1] in b"ORP"]
    assert not [key for key in left if key[9:11] != b"lt"], "but for the lists of what was told of blocks"
    market.ok("u", market.redeem("B", 7, "b1"))


def test_daily_cut_closes_once_however_late() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 100, "b1"))
    cut = START // DAY * DAY + CUT
    market.at(cut - 1 if cut > START else cut + DAY - 1)
    assert market.window(1)["state"] == "OPEN"
    market.advance(1)
    assert market.window(1)["state"] == "INSTRUCTED"
    market.advance(3 * DAY)
    assert market.window()["window"] == 2
    market.advance(1)
    assert market.window()["window"] == 2


def test_payments_after_a_close_in_the_same_block_go_to_the_next_window() -> None:
    market = Market()
    market.issue("hA", 1000)
    steps = [("u", market.redeem("B", 100, "b1")), ("operator", WindowClose()), ("u", market.redeem("B", 200, "b2"))]
    assert market.many(*steps) == ["OK", "OK", "OK"]
    assert market.owed(1)["A->B"] == 995_000
    assert market.owed(2)["A->B"] == 1_990_000


def test_three_way_netting() -> None:
    """Scenario 18."""
    market = Market(genesis_of(fee_bps=0))
    for issuer, payee, fen in (("A", "B", 100), ("B", "C", 80), ("C", "A", 50)):
        market.issue(f"h{issuer}", fen)
        market.ok("u", market.redeem(payee, fen, f"o{issuer}"))
    market.ok("operator", WindowClose())
    closed = market.window()
    assert closed["fen"] == {"A": -50, "B": 20, "C": 30}
    assert closed["instructions"] == {"A->C": 30, "A->B": 20}


def test_fen_carry() -> None:
    """Scenario 17, first window by the rounding itself, then its carry through the state."""
    a, b, fund = b"A", b"B", b"\x00"
    first = round_nets({a: -12_345, b: 6_172, fund: 6_173})
    assert {who: fen for who, (fen, _) in first.items()} == {a: -1, b: 0, fund: 1}
    assert {who: carry for who, (_, carry) in first.items()} == {a: -2_345, b: 6_172, fund: -3_827}
    second = round_nets({a: -2_345 - 3_828, b: 6_172 + 3_828, fund: -3_827})
    assert {who: fen for who, (fen, _) in second.items()} == {a: -1, b: 1, fund: 0}
    assert sum(carry for _, carry in second.values()) == 0


def test_carry_goes_into_the_next_window() -> None:
    market = Market(genesis_of([("A", class_of("hA", uv=1))]))
    market.issue("hA", 30_000)
    market.ok("u", market.redeem("B", 1, "b1"))
    market.ok("operator", WindowClose())
    assert market.window()["carry"] == {"A": 0, "B": -50, "FUND": 50}
    for number in range(2, 4):
        market.ok("u", market.redeem("B", 1, f"b{number}"))
    market.ok("operator", WindowClose())
    assert market.window()["carry"] == {"A": 0, "B": -150, "FUND": 150}
    assert market.window()["nets"] == {"A": -2, "B": 1, "FUND": 0}


def test_matching_needs_fewer_payments_than_participants() -> None:
    legs = match_legs({b"a": -7, b"b": -7, b"c": 5, b"d": 9})
    assert legs == [(b"a", b"d", 7), (b"b", b"d", 2), (b"b", b"c", 5)]
    assert match_legs({}) == [] == match_legs({b"a": 0})


def test_legs_by_state_and_party() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 500, "b1"))
    name = leg("A", "B")
    for sender, body, code in (
        ("A", LegPaid(9, name, bytes(32)), Code.WINDOW_UNKNOWN),
        ("A", LegPaid(1, name, bytes(32)), Code.WINDOW_STATE),
        ("operator", WindowClose(), Code.OK),
        ("A", LegPaid(1, "A->B", bytes(32)), Code.LEG_UNKNOWN),
        ("A", LegPaid(1, leg("B", "A"), bytes(32)), Code.LEG_UNKNOWN),
        ("B", LegPaid(1, name, bytes(32)), Code.NOT_PARTY),
        ("B", LegConfirm(1, name), Code.LEG_STATE),
        ("B", LegDispute(1, name), Code.LEG_STATE),
        ("A", LegPaid(1, name, bytes(32)), Code.OK),
        ("A", LegConfirm(1, name), Code.NOT_PARTY),
        ("A", LegPaid(1, name, bytes(32)), Code.LEG_STATE),
        ("B", LegDispute(1, name), Code.OK),
        ("B", LegConfirm(1, name), Code.OK),
        ("u", WindowClose(), Code.NOT_AUTHORISED),
        ("custodian", LegConfirm(1, leg("A", "FUND")), Code.LEG_STATE),
        ("A", LegPaid(1, leg("A", "FUND"), bytes(32)), Code.OK),
        ("custodian", LegConfirm(1, leg("A", "FUND")), Code.OK),
    ):
        assert market.do(sender, body) is code, (sender, body)
    assert market.window()["state"] == "SETTLED"
    assert market.exposure("A")["payable"] == 0


def test_a_leg_still_due_defaults_its_payer() -> None:
    """D11: reserve drawn, payer suspended, creditor released; late payment settles the window."""
    market = Market()
    market.issue("hA", 1_000_000)
    market.ok("u", market.redeem("B", 500_000, "b1"))
    market.ok("operator", WindowClose())
    market.advance(2 * DAY - 1)
    assert market.window(1)["state"] == "INSTRUCTED"
    market.advance(1)
    assert market.window(1)["state"] == "DEFAULTED"
    assert market.window(1)["legs"] == {"A->B": "DEFAULTED", "A->FUND": "DEFAULTED"}
    assert market.exposure("A")["status"] == "SUSPENDED"
    assert market.exposure("A")["reserve"] == 0
    assert market.do("A", Issue("hA", ADDRESS["u"], 1, "x", "EARN", 0)) is Code.MERCHANT_SUSPENDED
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.ISSUER_RESERVE_EXHAUSTED
    assert market.exposure("A")["payable"] == 500_000
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.ok("B", LegConfirm(1, leg("A", "B")))
    market.ok("FUND", LegConfirm(1, leg("A", "FUND")))
    assert market.window(1)["state"] == "SETTLED"
    assert market.exposure("A")["payable"] == 0


def test_a_paid_leg_nobody_confirmed_is_disputed_and_suspends_nobody() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 500, "b1"))
    market.ok("operator", WindowClose())
    for payee in ("B", "FUND"):
        market.ok("A", LegPaid(1, leg("A", payee), bytes(32)))
    market.advance(2 * DAY)
    assert set(market.window(1)["legs"].values()) == {"DISPUTED"}
    assert market.exposure("A")["status"] == "ACTIVE"
    market.ok("B", LegConfirm(1, leg("A", "B")))


def test_a_stale_reserve_counts_in_full() -> None:
    market = Market()
    market.issue("hA", 400_000)
    market.advance(90 * DAY)
    assert market.issue("hA", 1) is Code.OK
    market.advance(1)
    assert market.issue("hA", 1) is Code.RESERVE_EXCEEDED
