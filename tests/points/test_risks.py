"""Risk alerts: what is told, when, how often, and that nothing else depends on it (2.7, table 1 row 13)."""

from typing import Any

import pytest
from msgspec.structs import replace

from points.alerts import QUIET_SECONDS
from points.keys import WATCH_KEY, alert_key, books_key, merchant_key, pulse_key
from points.queries_risk import alerts
from points.risk_records import ALERT_SECONDS, Alert, Watch
from points.risks import PAIRS_MOST, examine
from points.state import FUND, Books, Obligation
from points.turn import Turn
from points.view import Overlay
from primitives.address import decode_address
from primitives.codec import U64_MAX, encode
from primitives.codes import Code
from primitives.kinds import Exchange, Freeze, Refund, ReserveAttest, ReverseIssue, WindowClose
from primitives.kinds_risk import AlertAck, RiskRule
from primitives.receipt import Event
from tests.points.market import ADDRESS, DAY, NAMES, START, Market, class_of, genesis_of

NOTE = bytes(range(32))
CUT = 1_759_946_400  # the first 02:00 UTC+8 after START
OFF = {
    "alert_least": 0, "alert_spike_bps": 0, "alert_circular_bps": 0, "alert_wash_bps": 0, "alert_accounts": 0,
    "alert_cap_bps": 0, "alert_over_bps": 0, "alert_stale_days": 0, "alert_concentration_bps": 0,
}  # fmt: skip


def market_with(merchants: dict[str, dict[str, int]] | None = None, **parameters: int) -> Market:
    """All rules off but those named."""
    return Market(genesis_of(merchants=merchants, **(OFF | parameters)))


def inbox(market: Market) -> list[tuple[Any, ...]]:
    """(rule, subject, other?, value, limit) of every alert in the state, by rule and subject."""
    rows = []
    for row in alerts(market.view, market.time, 1000)["items"]:
        key = [NAMES.get(a, a) for a in _addresses(row)]
        rows.append((row["rule"], *key, row["value"], row["limit"]))
    return sorted(rows)


def _addresses(row: dict[str, Any]) -> list[bytes]:
    return [decode_address(row[name]) for name in ("subject", "other") if row[name]]


def told(market: Market) -> list[str]:
    """The rules of the alerts that the last block told, begin_block's and the receipts'."""
    assert market.last is not None
    events: list[Event] = list(market.last.events)
    for receipt in market.last.receipts:
        events += receipt.events if receipt is not None else ()
    return [str(dict(event.fields)["rule"]) for event in events if event.kind == "RiskAlert"]


def ack(market: Market, rule: RiskRule, subject: str, other: str | None = None) -> Code:
    return market.do("regulator", AlertAck(rule, ADDRESS[subject], NOTE, ADDRESS[other] if other else None))


def stored(market: Market, rule: str, subject: str, other: bytes = b"") -> Alert:
    found: Alert = market.view.get(alert_key(rule, ADDRESS[subject], other))
    return found


def test_a_spike_is_measured_against_the_days_before() -> None:
    """Three times the average of the days; the first day of a merchant is compared with nothing."""
    market = market_with(alert_least=100, alert_spike_bps=30_000)
    market.issue("hA", 99)
    market.at(CUT)
    assert told(market) == []
    assert market.view.get(pulse_key(ADDRESS["A"])).average == 99 * 10_000 // 7
    for day in range(1, 15):
        market.issue("hA", 140)
        market.at(CUT + day * DAY)
    average = market.view.get(pulse_key(ADDRESS["A"])).average
    limit = average * 3 // 10_000
    market.issue("hA", limit - 1)
    market.at(CUT + 15 * DAY)
    assert told(market) == []
    average = market.view.get(pulse_key(ADDRESS["A"])).average
    market.issue("hA", -(-average * 3 // 10_000))
    market.at(CUT + 16 * DAY)
    assert told(market) == ["SPIKE"]
    assert stored(market, "SPIKE", "A").limit == average * 3 // 10_000


@pytest.mark.parametrize(("units", "rules"), [(99, []), (100, ["SPIKE"])])
def test_a_flow_below_the_least_is_no_spike(units: int, rules: list[str]) -> None:
    market = market_with(alert_least=100, alert_spike_bps=30_000)
    market.issue("hA", units)
    market.at(CUT)
    assert told(market) == rules


def circle(market: Market, there: int, back: int, day: str = "") -> None:
    """Points of A spent at B, and of B at A (2.7: A, user, B, A)."""
    market.issue("hA", there)
    market.ok("u", market.redeem("B", there, f"b{day}"))
    if back:
        market.issue("hB", back)
        market.ok("u", market.redeem("A", back, f"a{day}"))


@pytest.mark.parametrize(
    ("there", "back", "rules"),
    [(1000, 800, ["CIRCULAR"]), (1000, 799, []), (800, 1000, ["CIRCULAR"]), (1000, 0, []), (99, 99, []),
     (1000, 1000, ["CIRCULAR"])],
)  # fmt: skip
def test_flows_that_come_back(there: int, back: int, rules: list[str]) -> None:
    """Once per pair, whoever owes more; the fees of both go to the fund and count for nobody."""
    market = market_with(alert_least=100, alert_circular_bps=8_000, fee_bps=0)
    circle(market, there, back)
    market.at(CUT)
    assert told(market) == rules
    if rules:
        low, high = sorted((ADDRESS["A"], ADDRESS["B"]))
        smaller, larger = sorted((there, back))
        assert inbox(market) == [("CIRCULAR", NAMES[low], NAMES[high], smaller, larger * 8 // 10)]


def test_a_circle_over_windows_that_an_operator_closes_between_is_seen() -> None:
    """The examination adds up what was closed since the last one: cutting the day in pieces hides nothing."""
    market = market_with(alert_least=100, alert_circular_bps=8_000, fee_bps=0)
    circle(market, 60, 60, "1")
    market.ok("operator", WindowClose())
    circle(market, 60, 60, "2")
    market.ok("operator", WindowClose())
    market.at(CUT)
    assert [row[3] for row in inbox(market)] == [120]
    market.at(CUT + DAY)
    assert told(market) == [], "yesterday's windows count once"


def test_goods_sent_back_are_a_circle_too() -> None:
    market = market_with(alert_least=100, alert_circular_bps=8_000, fee_bps=0)
    market.issue("hA", 500)
    market.ok("u", market.redeem("B", 500, "b1"))
    market.ok("B", Refund("b1", "r", 450))
    market.at(CUT)
    assert told(market) == ["CIRCULAR"]


def test_the_fund_is_no_party_of_a_circle() -> None:
    market = market_with(alert_least=0, alert_circular_bps=1)
    market.issue("hA", 500)
    market.ok("u", market.redeem("B", 500, "b1"))
    market.ok("B", Refund("b1", "r", 500))
    market.at(CUT)
    assert all(FUND not in (ADDRESS[row[1]], ADDRESS[row[2]]) for row in inbox(market))


@pytest.mark.parametrize(("back", "rules"), [(249, []), (250, ["WASH"])])
def test_what_is_issued_and_taken_back(back: int, rules: list[str]) -> None:
    market = market_with(alert_least=100, alert_wash_bps=5_000)
    market.issue("hA", 500, "o1")
    market.ok("A", ReverseIssue("o1", back))
    market.at(CUT)
    assert told(market) == rules


def test_own_points_paid_in_and_refunded_count_as_taken_back() -> None:
    market = market_with(alert_least=100, alert_wash_bps=5_000)
    market.issue("hA", 500)
    market.ok("u", market.redeem("A", 250, "a1"))
    market.ok("A", Refund("a1", "r", 250))
    market.at(CUT)
    assert inbox(market) == [("WASH", "A", 250, 250)]


def test_the_issue_that_crosses_the_line_tells_it() -> None:
    """80 % of the cap of 10,000 yuan: once a day, in the receipt of the issue."""
    market = market_with(alert_cap_bps=8_000)
    market.issue("hA", 799_999)
    assert told(market) == []
    market.issue("hA", 1)
    assert told(market) == ["NEAR_CAP"]
    assert market.receipt is not None
    assert [event.kind for event in market.receipt.events] == ["Issued", "RiskAlert"], "the history reads the first"
    assert {"value", "limit"}.isdisjoint(dict(market.receipt.events[1].fields)), "the receipt is the tourist's too"
    assert inbox(market) == [("NEAR_CAP", "A", 800_000, 800_000)]
    market.issue("hA", 1)
    assert told(market) == []


def test_an_exchange_that_crosses_the_line_tells_it() -> None:
    market = market_with(alert_cap_bps=8_000, exchange_fee_bps=0)
    market.issue("hA", 80_000)
    market.ok("u", Exchange("hA", 79_999, "hD"))
    assert told(market) == []
    market.ok("u", Exchange("hA", 1, "hD"))
    assert inbox(market) == [("NEAR_CAP", "D", 80_000, 80_000)]


def test_a_line_crossed_by_a_refused_transaction_is_not_told() -> None:
    """D1: a reject changes nothing, also not the inbox."""
    market = Market(genesis_of([("A", class_of("hA", earn_cap_bps=1))], **(OFF | {"alert_cap_bps": 8_000})))
    assert market.issue("hA", 800_000) is Code.EARN_CAP
    assert inbox(market) == []


def test_the_cut_tells_who_stands_near_or_over_its_cap() -> None:
    """A cut reserve leaves a merchant over its cap: nothing is refused for it but issuing (INV-7)."""
    market = market_with(alert_cap_bps=8_000, alert_over_bps=10_000)
    market.issue("hD", 80_000)
    market.at(CUT)
    assert inbox(market) == [("NEAR_CAP", "D", 80_000, 80_000)]
    market.ok("custodian", ReserveAttest(ADDRESS["D"], 31_999, market.time, bytes(32)), ["custodian", "D"])
    market.at(CUT + DAY)
    assert told(market) == ["OVER_CAP"]
    assert stored(market, "OVER_CAP", "D").value == 80_000
    assert stored(market, "OVER_CAP", "D").limit == 79_997


def test_at_the_cap_is_not_over_it() -> None:
    market = market_with(alert_cap_bps=8_000, alert_over_bps=10_000)
    market.issue("hD", 100_000)
    market.at(CUT)
    assert [row[0] for row in inbox(market)] == ["NEAR_CAP"]


def test_a_reserve_that_nobody_has_vouched_for_lately() -> None:
    market = market_with({"B": {"reserve": 0}}, alert_stale_days=3)
    market.at(CUT)
    market.ok("custodian", ReserveAttest(ADDRESS["D"], 40_000, market.time, bytes(32)), ["custodian", "D"])
    for day in (1, 2):
        market.at(CUT + day * DAY)
        assert told(market) == []
    market.at(CUT + 3 * DAY)
    assert inbox(market) == [("STALE", "A", 3, 3), ("STALE", "C", 3, 3)], "without a reserve there is none to vouch for"


def test_one_issuer_has_more_than_its_share() -> None:
    """More than 30 % of all points outstanding, once there are enough of them."""
    market = market_with(alert_least=1000, alert_concentration_bps=3_000)
    for class_id, units in (("hA", 300), ("hB", 301), ("hC", 199), ("hD", 199)):
        market.issue(class_id, units)
    market.at(CUT)
    assert told(market) == [], "999 are too few"
    market.issue("hC", 1)
    market.at(CUT + DAY)
    assert inbox(market) == [("CONCENTRATION", "B", 3010, 3000)]


def test_many_accounts_of_one_sponsor_are_told_once_a_day() -> None:
    market = market_with(alert_accounts=3)
    for number, rules in enumerate([[], [], ["ACCOUNTS"], [], []]):
        name = f"guest{number}"
        market.ok(name, market.opening([name], "A"))
        assert told(market) == rules
    assert inbox(market) == [("ACCOUNTS", "A", 3, 3)]
    watch: Watch = market.view.get(WATCH_KEY)
    assert (watch.accounts, watch.told) == (5, 1)


def test_a_cause_is_told_once_per_day_however_often_it_shows() -> None:
    market = market_with(alert_cap_bps=8_000)
    market.at(CUT)
    market.issue("hD", 80_000)
    assert told(market) == ["NEAR_CAP"]
    market.ok("u", market.redeem("D", 10, "d1"))
    market.issue("hD", 10)
    assert told(market) == []
    market.at(CUT + DAY)
    assert told(market) == ["NEAR_CAP"]
    assert (stored(market, "NEAR_CAP", "D").first, stored(market, "NEAR_CAP", "D").days) == (CUT, 2)


def test_an_acknowledged_condition_rests_a_week_and_speaks_again() -> None:
    market = market_with(alert_cap_bps=8_000)
    market.issue("hD", 80_000)
    assert ack(market, "NEAR_CAP", "D") is Code.OK
    for day in range(7):
        market.at(CUT + day * DAY)
        assert told(market) == [], day
        assert stored(market, "NEAR_CAP", "D").acked == START
    market.at(START + QUIET_SECONDS - 1)
    market.at(CUT + 7 * DAY)
    assert told(market) == ["NEAR_CAP"]
    assert ack(market, "NEAR_CAP", "D") is Code.OK


def test_an_acknowledged_flow_is_told_again_on_the_next_day() -> None:
    """A flow is a new fact each day: one acknowledgement must not cover tomorrow's."""
    market = market_with(alert_least=100, alert_wash_bps=5_000)
    for day in range(2):
        market.issue("hA", 100, f"o{day}")
        market.ok("A", ReverseIssue(f"o{day}", 100))
        market.at(CUT + day * DAY)
        assert told(market) == ["WASH"]
        assert ack(market, "WASH", "A") is Code.OK
        assert stored(market, "WASH", "A").first == market.time


def test_the_inbox_forgets_what_has_not_been_seen_for_long() -> None:
    market = market_with(alert_least=100, alert_wash_bps=5_000)
    market.issue("hA", 100, "o1")
    market.ok("A", ReverseIssue("o1", 100))
    market.at(CUT)
    market.at(CUT + ALERT_SECONDS - 1)
    assert len(inbox(market)) == 1
    market.at(CUT + ALERT_SECONDS)
    assert inbox(market) == []
    assert stored(market, "WASH", "A") is None
    assert ack(market, "WASH", "A") is Code.ALERT_UNKNOWN


def test_an_alert_that_is_told_again_stays_as_long_after_that() -> None:
    market = market_with(alert_stale_days=1)
    market.at(CUT + 2 * DAY)
    market.at(CUT + 3 * DAY)
    last = stored(market, "STALE", "A").last
    market.ok("custodian", ReserveAttest(ADDRESS["A"], 1, market.time, bytes(32)), ["custodian", "A"])
    market.view.apply({pulse_key(ADDRESS["A"]): None})
    market.at(CUT + 2 * DAY + ALERT_SECONDS)
    assert stored(market, "STALE", "A") is not None
    assert stored(market, "STALE", "A").expires >= last + ALERT_SECONDS


def test_a_circle_is_acknowledged_by_both_its_names_in_either_order() -> None:
    market = market_with(alert_least=100, alert_circular_bps=8_000, fee_bps=0)
    circle(market, 1000, 1000)
    market.at(CUT)
    assert ack(market, "CIRCULAR", "A") is Code.ALERT_UNKNOWN
    assert ack(market, "CIRCULAR", "B", "A") is Code.OK
    assert ack(market, "CIRCULAR", "A", "B") is Code.ALERT_CLOSED


def test_refusals_of_alert_ack_in_their_order() -> None:
    """Each row repairs the fault above it."""
    market = market_with(alert_cap_bps=8_000)
    market.ok("regulator", Freeze(ADDRESS["u"], "OUT", b"", START + 100))
    assert market.do("u", AlertAck("STALE", ADDRESS["A"], NOTE)) is Code.ACCOUNT_FROZEN
    assert market.do("A", AlertAck("STALE", ADDRESS["A"], NOTE)) is Code.NOT_REGULATOR
    market.issue("hD", 80_000)
    assert ack(market, "STALE", "D") is Code.ALERT_UNKNOWN
    assert ack(market, "NEAR_CAP", "A") is Code.ALERT_UNKNOWN
    assert ack(market, "NEAR_CAP", "D", "A") is Code.ALERT_UNKNOWN
    assert ack(market, "NEAR_CAP", "D") is Code.OK
    assert ack(market, "NEAR_CAP", "D") is Code.ALERT_CLOSED
    assert (stored(market, "NEAR_CAP", "D").by, stored(market, "NEAR_CAP", "D").note) == (ADDRESS["regulator"], NOTE)


def test_small_circles_cannot_hide_a_large_one() -> None:
    """Of more pairs than one day tells the largest flows are told."""
    market = market_with(alert_least=1, alert_circular_bps=8_000)
    turn = Turn(Overlay(market.view), START, 1, b"", None)
    for number in range(2 * PAIRS_MOST):
        pair = [bytes([1, number, side]) + bytes(17) for side in (0, 1)]
        for debtor, creditor in (pair, pair[::-1]):
            turn.put(turn.obligations + debtor + creditor, Obligation((number + 1) * 10_000))
    turn.enter_window(2)
    examine(turn)
    values = sorted(dict(event.fields)["value"] for event in turn.events)
    assert values == list(range(PAIRS_MOST + 1, 2 * PAIRS_MOST + 1))


def test_figures_near_the_end_of_the_numbers_stay_in_the_state() -> None:
    """Total: the cut must not fail for a merchant whose cap or books are as large as numbers go."""
    params = dict.fromkeys(OFF, 1) | {"reserve_ratio_bps": 1}
    market = market_with(**params)
    turn = Turn(Overlay(market.view), START + 400 * DAY, 1, b"", None)
    for name in "ABCD":
        merchant = turn.get(merchant_key(ADDRESS[name]))
        turn.put(merchant_key(ADDRESS[name]), replace(merchant, reserve=U64_MAX, credit_limit=U64_MAX))
        turn.put(books_key(ADDRESS[name]), Books(U64_MAX, U64_MAX, U64_MAX, self_refunded=1, revoked=U64_MAX))
    turn.enter_window(2)
    examine(turn)
    assert {dict(event.fields)["rule"] for event in turn.events} >= {"SPIKE", "WASH", "CONCENTRATION", "STALE"}
    for record in turn.draft.changes.values():
        if record is not None:
            encode(record)


def test_every_rule_is_off_by_zero() -> None:
    market = market_with()
    circle(market, 1000, 1000)
    market.issue("hD", 100_000, "o1")
    market.ok("D", ReverseIssue("o1", 1000))
    market.at(CUT + 300 * DAY)
    assert inbox(market) == []
