"""Issue, redeem, exchange, pay codes: numbers of the acceptance scenarios, and what must not happen."""

import pytest

from points.days import day_of
from points.keys import counters_key, order_key
from points.lots import LOTS_MAX
from points.state import Counters
from primitives.codes import Code
from primitives.kinds import Exchange, Issue, Redeem, RedeemByToken, Refund, ReverseIssue, Transfer, WindowClose
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of


def test_cap_is_exact() -> None:
    """Scenario 1; the market checks that a reject leaves the state as it was."""
    market = Market()
    assert market.issue("hA", 1_000_000) is Code.OK
    assert market.issue("hA", 1) is Code.RESERVE_EXCEEDED
    assert market.exposure("A") | {"cap": 1_000_000, "room": 0} == market.exposure("A")


def test_cross_redemption_duplicate_settlement_and_refund() -> None:
    """Scenarios 2 to 5."""
    market = Market()
    market.issue("hA", 10_000)
    first = market.ok("u", market.redeem("B", 3000, "b1"))
    assert market.avail("hA") == 7000
    assert market.owed() == {"A->B": 29_850_000, "A->FUND": 150_000}
    assert market.exposure("A")["outstanding"] == 7000
    assert market.exposure("A")["payable"] == 3000

    assert market.do("u", market.redeem("B", 3000, "b1")) is Code.OK_DUPLICATE
    assert market.receipt is not None and market.receipt.first is not None
    assert (market.receipt.first.tx, market.receipt.first.height) == (first.tx, first.height)
    assert market.do("u", market.redeem("B", 3001, "b1")) is Code.IDEMPOTENCY_CONFLICT
    assert market.avail("hA") == 7000

    market.ok("operator", WindowClose())
    closed = market.window()
    assert closed["nets"] == {"A": -3000, "B": 2985, "FUND": 15}
    assert closed["instructions"] == {"A->B": 2985, "A->FUND": 15}
    assert market.exposure("A")["payable"] == 3000
    market.settle()
    assert market.window()["state"] == "SETTLED"
    assert market.exposure("A")["outstanding"] + market.exposure("A")["payable"] == 7000

    market.ok("B", Refund("b1", "r1", 1000))
    assert market.avail("hA") == 8000
    assert market.owed() == {"B->A": 9_950_000, "FUND->A": 50_000}
    assert market.owed(1) == {"A->B": 29_850_000, "A->FUND": 150_000}
    assert market.do("B", Refund("b1", "r1", 1000)) is Code.OK_DUPLICATE
    assert market.do("B", Refund("b1", "r1", 999)) is Code.IDEMPOTENCY_CONFLICT
    market.ok("operator", WindowClose())
    assert market.window()["nets"] == {"B": -995, "FUND": -5, "A": 1000}


def test_soonest_expiry_first_across_issuers() -> None:
    """Scenario 7."""
    market = Market(genesis_of([("B", class_of("hB", validity_days=10))]))
    market.issue("hA", 500)
    market.issue("hB", 300)
    market.ok("u", market.redeem("C", 400, "c1"))
    assert (market.avail("hA"), market.avail("hB")) == (400, 0)
    assert market.owed() == {"B->C": 2_985_000, "A->C": 995_000, "B->FUND": 15_000, "A->FUND": 5_000}


def test_payees_own_points_go_first_on_equal_expiry() -> None:
    market = Market()
    for class_id in ("hA", "hB", "hC"):
        market.issue(class_id, 100)
    market.ok("u", market.redeem("C", 150, "c1"))
    assert [market.avail(class_id) for class_id in ("hA", "hB", "hC")] == [50, 100, 0]
    assert market.owed() == {"A->C": 497_500, "A->FUND": 2_500}


def test_an_overshoot_unit_is_the_cheapest_and_its_surplus_goes_to_the_fund() -> None:
    """5 units of 3,000 pay 15,000 of 20,000 uY; the rest takes one unit of 7,000 rather than one of 10,000."""
    classes = [("A", class_of("hA", uv=3000, validity_days=1)), ("B", class_of("hB", uv=7000, validity_days=300))]
    market = Market(genesis_of(classes))
    market.issue("hA", 5)
    market.issue("hB", 9)
    market.issue("hD", 9)
    market.ok("u", market.redeem("C", 2, "c1"))
    order = market.view.get(order_key(ADDRESS["C"], "c1"))
    assert [(leg.class_id, leg.units, leg.pay, leg.over) for leg in order.legs] == [
        ("hA", 5, 15_000, 0), ("hB", 1, 5_000, 2_000),
    ]  # fmt: skip
    assert market.owed()["B->FUND"] == 2_000 + 5_000 * 50 // 10_000


def test_an_overshoot_joins_the_leg_of_its_lot() -> None:
    market = Market(genesis_of([("A", class_of("hA", uv=3000))]))
    market.issue("hA", 9)
    market.ok("u", market.redeem("A", 1, "a1"))
    (leg,) = market.view.get(order_key(ADDRESS["A"], "a1")).legs
    assert (leg.units, leg.pay, leg.over, leg.fee) == (4, 10_000, 2_000, 0)
    assert market.owed() == {"A->FUND": 2_000}


def test_self_redemption_makes_no_obligation_and_frees_the_cap() -> None:
    market = Market()
    market.issue("hA", 1_000_000)
    market.ok("u", market.redeem("A", 400_000, "a1"))
    assert market.owed() == {}
    assert market.exposure("A")["room"] == 400_000


@pytest.mark.parametrize("parts", [(333, 333, 333), (1, 1, 997), (999,), (500, 499)])
def test_partial_refunds_net_to_nothing(parts: tuple[int, ...]) -> None:
    """2.3: every unit comes back and the obligations cancel, whatever the parts."""
    market = Market(genesis_of([("A", class_of("hA", uv=7)), ("D", class_of("hD", uv=6_999, validity_days=400))]))
    market.issue("hA", 500_000)
    market.issue("hD", 1_000)
    before = market.lots()
    market.ok("u", market.redeem("B", 999, "b1"))
    for i, part in enumerate(parts):
        market.ok("B", Refund("b1", f"r{i}", part))
    assert market.lots() == before
    market.ok("operator", WindowClose())
    assert set(market.window()["nets"].values()) == {0}
    assert market.do("B", Refund("b1", "more", 1)) is Code.REFUND_EXCEEDS


def test_earn_then_return() -> None:
    """Scenario 22."""
    pending = Market(genesis_of([("A", class_of("hA", pending_days=7))]))
    pending.issue("hA", 888, "H1")
    pending.advance(3 * DAY)
    pending.ok("A", ReverseIssue("H1", 888))
    assert pending.lots() == ()

    spent = Market()
    spent.issue("hA", 888, "H1")
    spent.ok("u", spent.redeem("B", 800, "b1"))
    receipt = spent.ok("A", ReverseIssue("H1", 888))
    assert dict(receipt.events[0].fields) | {"reclaimed": 88, "shortfall": 800} == dict(receipt.events[0].fields)
    assert spent.avail("hA") == 0
    assert spent.do("A", ReverseIssue("H1", 1)) is Code.REVERSAL_EXCEEDS


def test_reversal_takes_its_own_lot_then_the_same_class() -> None:
    market = Market()
    market.issue("hA", 100, "old")
    market.advance(5 * DAY)
    market.issue("hA", 50, "new")
    hold = market.authorize("B", 90)
    market.ok("A", ReverseIssue("new", 50))
    assert [(lot.avail, lot.held) for lot in market.lots()] == [(10, 90)]
    assert market.hold(hold).value == 90


def test_reversal_after_the_return_window() -> None:
    market = Market()
    market.issue("hA", 100, "o")
    market.advance(30 * DAY)
    assert market.do("A", ReverseIssue("o", 1)) is Code.OK
    market.advance(1)
    assert market.do("A", ReverseIssue("o", 1)) is Code.RETURN_WINDOW


def test_exchange_books() -> None:
    """Scenario 13: value in = value out + fee + dust, to the uY."""
    classes = [("A", class_of("hA", uv=2000)), ("D", class_of("hD", uv=9999))]
    market = Market(genesis_of(classes))
    market.issue("hA", 1000)
    receipt = market.ok("u", Exchange("hA", 1000, "hD"))
    assert market.avail("hD") == 198
    fields = dict(receipt.events[0].fields)
    assert (fields["fee"], fields["dust"]) == (20_000, 198)
    assert market.owed() == {"A->D": 1_979_802, "A->FUND": 20_198}
    assert sum(market.owed().values()) == 2_000_000


def test_exchange_never_lengthens_life_nor_clears_the_mark() -> None:
    """INV-10: conservation laws do not see this one."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=5)), ("B", class_of("hB", validity_days=9))]))
    market.issue("hA", 100)
    short = market.lots()[0].bucket
    market.ok("u", Exchange("hA", 100, "hB"))
    assert [lot.bucket for lot in market.lots()] == [short]
    market.ok("u", market.redeem("C", 99, "c1"))
    market.advance(6 * DAY)
    market.ok("C", Refund("c1", "r", 99))
    (lot,) = market.lots()
    assert lot.ext == 1
    market.ok("u", Exchange("hB", 99, "hC"))
    (out,) = market.lots()
    assert (out.ext, out.bucket) == (1, lot.bucket)


def test_exchange_refusals() -> None:
    classes = [
        ("A", class_of("hA", uv=1)), ("B", class_of("hB", exchangeable=False)),
        ("C", class_of("hC", exchange_in_quota=100)),
    ]  # fmt: skip
    market = Market(genesis_of(classes))
    market.issue("hA", 30_000_000)
    assert market.do("u", Exchange("hA", 0, "hD")) is Code.BAD_AMOUNT
    assert market.do("u", Exchange("hA", 1, "hA")) is Code.BAD_CLASS
    assert market.do("u", Exchange("hA", 1, "none")) is Code.CLASS_UNKNOWN
    assert market.do("u", Exchange("hA", 20_000, "hB")) is Code.EXCHANGE_DISABLED
    assert market.do("u", Exchange("hA", 30_000_001, "hD")) is Code.INSUFFICIENT
    assert market.do("u", Exchange("hA", 10_100, "hD", 2)) is Code.AMOUNT_TOO_SMALL
    assert market.do("u", Exchange("hA", 20_000, "hD", 2)) is Code.MIN_OUT
    assert market.do("u", Exchange("hA", 1_021_212, "hC")) is Code.EXCHANGE_DISABLED
    market.ok("u", Exchange("hA", 1_011_112, "hC"))
    assert market.do("u", Exchange("hA", 20_202, "hC")) is Code.EXCHANGE_DISABLED
    market.ok("operator", WindowClose())
    market.ok("u", Exchange("hA", 20_202, "hC"))
    market.issue("hD", 99_990, to="v")
    assert market.do("u", Exchange("hA", 1_000_000, "hD")) is Code.RESERVE_EXCEEDED


def test_exchange_within_an_issuer_checks_room_after_the_burn() -> None:
    """D8: at a full cap own points may still be exchanged, and the fee stays owed to the fund."""
    market = Market(genesis_of([("A", class_of("brand", uv=5000))]))
    market.issue("hA", 1_000_000)
    market.ok("u", Exchange("hA", 1000, "brand"))
    assert market.owed() == {"A->FUND": 100_000}
    assert market.avail("brand") == 1980
    assert market.exposure("A")["room"] == 0


def test_pay_code_is_used_once() -> None:
    market = Market()
    market.issue("hA", 1000)
    code = market.pay_code("u", 1, 500)
    market.ok("B", RedeemByToken(code, 400, "t1"))
    assert market.avail("hA") == 600
    assert market.do("B", RedeemByToken(code, 400, "t1")) is Code.OK_DUPLICATE
    assert market.do("B", RedeemByToken(code, 100, "t2")) is Code.TOKEN_USED
    assert market.do("C", RedeemByToken(market.pay_code("u", 1, 9), 9, "t1")) is Code.TOKEN_USED
    assert market.do("B", RedeemByToken(market.pay_code("u", 2, 500), 501, "t2")) is Code.TOKEN_CAP
    late = market.pay_code("u", 3, 500, expires_at=market.time + 61)
    assert market.do("B", RedeemByToken(late, 1, "t2")) is Code.TOKEN_CAP
    code = market.pay_code("u", 4, 500)
    market.advance(60)
    assert market.do("B", RedeemByToken(code, 1, "t2")) is Code.TOKEN_EXPIRED


def test_used_codes_leave_the_state_only_after_every_code_of_that_number_has_expired() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("B", RedeemByToken(market.pay_code("u", 1, 500), 1, "t1"))
    market.advance(60)
    assert any(key[:1] == b"U" for key in market.view.records)
    market.advance(1)
    assert not any(key[:1] == b"U" for key in market.view.records)


def test_static_code_has_a_cap_per_day_and_the_transaction_as_its_order() -> None:
    """D18, D20."""
    market = Market()
    market.issue("hA", 200_000)
    static = market.request("B", 0, None, static=True, expires_at=0)
    receipt = market.ok("u", Redeem(static, 50_000))
    assert market.do("u", Redeem(static, 1)) is Code.STATIC_QR_LIMIT
    assert market.do("u", Redeem(market.request("B", 5, None, static=True, expires_at=0), 5)) is Code.BAD_AMOUNT
    market.ok("B", Refund(receipt.tx.hex(), "r", 50_000))
    market.at((day_of(START) + 1) * DAY - 28_800)
    market.ok("u", Redeem(static, 1))


def test_amounts_at_the_edge() -> None:
    """Scenario 24: products in more than 64 bits; no wrapped number."""
    market = Market()
    assert market.issue("hA", 0) is Code.BAD_AMOUNT
    assert market.issue("hA", 2**64 - 1) is Code.RESERVE_EXCEEDED
    rich = {"A": {"reserve": 2**64 - 1, "credit_limit": 2**64 - 1}}
    market = Market(genesis_of([("A", class_of("hA", uv=1))], merchants=rich))
    assert market.issue("hA", 2**64 - 1) is Code.OK
    assert market.issue("hA", 1) is Code.OVERFLOW
    assert market.issue("hA", 2**64 - 1, to="v") is Code.OVERFLOW


def test_a_counter_overflows_even_when_the_units_are_gone() -> None:
    rich = {"A": {"reserve": 2**64 - 1, "credit_limit": 2**64 - 1}}
    kyc = {"kyc2_year": 2**64 - 1}
    market = Market(genesis_of([("A", class_of("hA", uv=1))], merchants=rich, **kyc))
    fen = (2**64 - 1) // 10_000
    assert market.issue("hA", fen * 10_000) is Code.OK
    market.ok("u", market.redeem("A", fen, "a1"))
    assert market.issue("hA", 10_000) is Code.OVERFLOW
    counters: Counters = market.view.get(counters_key("hA"))
    assert counters.issued == counters.redeemed == fen * 10_000


def test_transfer_keeps_expiry_and_mark() -> None:
    market = Market(genesis_of([("A", class_of("hA", transferable=True))]))
    market.issue("hA", 100)
    (lot,) = market.lots()
    market.ok("u", Transfer("hA", 40, ADDRESS["v"]))
    assert [(m.bucket, m.avail) for m in market.lots("v")] == [(lot.bucket, 40)]
    assert market.do("u", Transfer("hA", 61, ADDRESS["v"])) is Code.INSUFFICIENT
    assert market.do("u", Transfer("hA", 1, ADDRESS["u"])) is Code.SELF_TRANSFER
    assert market.do("u", Transfer("hB", 1, ADDRESS["v"])) is Code.TRANSFER_DISABLED
    assert market.do("u", Transfer("hA", 1, ADDRESS["B"])) is Code.NOT_AUTHORISED


def test_tiers_limit_what_is_redeemed() -> None:
    market = Market(genesis_of(tiers={"u": 0}))
    market.issue("hA", 200_000)
    market.ok("u", market.redeem("B", 100_000, "b1"))
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.KYC_REQUIRED


def test_skipped_lots_name_the_reason() -> None:
    """D6: the first reason whose lots would have met the price."""
    market = Market(genesis_of([("A", class_of("hA", scope=("HOTEL",)))]))
    market.issue("hA", 100)
    assert market.do("u", market.redeem("B", 50, "b1")) is Code.SCOPE_DENIED
    assert market.do("u", market.redeem("B", 101, "b1")) is Code.INSUFFICIENT
    market.ok("u", market.redeem("A", 50, "a1"))


def test_issue_precedence() -> None:
    """Each row repairs the fault above it (D17)."""
    genesis = genesis_of(
        [("A", class_of("hA", earn_cap_bps=2000, max_per_order=500_000))],
        merchants={"A": {"quota": 300_000}}, holder_limit=150_000,
    )  # fmt: skip
    market = Market(genesis)
    bad = b"\x07"
    nobody, u, b_ = bytes(20), ADDRESS["u"], ADDRESS["B"]
    long = b"x" * 129
    rows = [
        ("v", Issue("none", nobody, 0, "o", "EARN", 0, long), Code.NOT_AUTHORISED),
        ("B", Issue("none", nobody, 0, "o", "EARN", 0, long), Code.BAD_AMOUNT),
        ("B", Issue("none", nobody, 2_000_000, "o", "EARN", 0, long), Code.MEMO_TOO_LONG),
        ("B", Issue("none", nobody, 2_000_000, "o", "EARN", 0, bad), Code.MEMO_CHARSET),
        ("B", Issue("none", b"\x01" * 20, 2_000_000, "o", "EARN", 0), Code.ACCOUNT_UNKNOWN),
        ("B", Issue("none", b_, 2_000_000, "o", "EARN", 0), Code.NOT_AUTHORISED),
        ("B", Issue("none", u, 2_000_000, "o", "EARN", 0), Code.CLASS_UNKNOWN),
        ("B", Issue("hA", u, 2_000_000, "o", "EARN", 0), Code.NOT_ISSUER),
        ("A", Issue("hA", u, 2_000_000, "o", "EARN", 0), Code.ORDER_MAXIMUM),
        ("A", Issue("hA", u, 400_000, "o", "EARN", 0), Code.QUOTA_EXCEEDED),
        ("A", Issue("hA", u, 200_000, "o", "EARN", 0), Code.EARN_CAP),
        ("A", Issue("hA", u, 200_000, "o", "EARN", 999_999), Code.EARN_CAP),
        ("A", Issue("hA", u, 200_000, "o", "EARN", 1_000_000), Code.HOLDER_LIMIT),
        ("A", Issue("hA", u, 150_000, "o", "EARN", 750_000), Code.OK),
        ("A", Issue("hA", u, 150_000, "o", "EARN", 750_000), Code.OK_DUPLICATE),
        ("A", Issue("hA", u, 150_000, "o", "BONUS", 750_000), Code.IDEMPOTENCY_CONFLICT),
        ("A", Issue("hA", u, 0, "o", "EARN", 0), Code.IDEMPOTENCY_CONFLICT),
    ]
    for sender, body, code in rows:
        assert market.do(sender, body) is code, body


def test_a_wallet_is_not_filled_with_crumbs() -> None:
    """A payment looks at every lot, so their number is bounded."""
    market = Market(genesis_of([("A", class_of(f"crumb{i}")) for i in range(LOTS_MAX + 1)]))
    crumbs = [Issue(f"crumb{i}", ADDRESS["u"], 1, f"o{i}", "EARN", 0) for i in range(LOTS_MAX + 1)]
    codes = market.many(*[("A", crumb) for crumb in crumbs])
    assert codes == ["OK"] * LOTS_MAX + ["HOLDER_LIMIT"]
    market.ok("u", market.redeem("B", LOTS_MAX, "b1"))
