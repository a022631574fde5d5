"""Watching changes nothing: the same transactions under the most and the least watchful parameters (2.7)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from points.risk_records import Pulse
from points.state import Garbage
from primitives.kinds import Body, Exchange, Issue, Refund, ReverseIssue, WindowClose
from primitives.kinds_risk import AlertAck
from tests.points.market import ADDRESS, Market, genesis_of
from tests.points.test_risks import OFF, inbox

MOST = dict.fromkeys(OFF, 1) | {"alert_least": 0}
WATCHING = (b"x", b"y", b"z", b"p", b"P", b"lt")  # alerts, figures, parameters, and lists of what leaves or was told

steps = st.lists(
    st.tuples(
        st.sampled_from(["issue", "pay", "refund", "reverse", "exchange", "close", "open", "day", "ack"]),
        st.sampled_from("ABCD"), st.sampled_from("ABCD"), st.integers(1, 60_000),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def same_chain(**parameters: int) -> Market:
    """Both markets take the same transactions: ids must not tell the parameters apart."""
    market = Market(genesis_of(**parameters))
    market.chain_id = bytes(32)
    return market


def play(market: Market, step: tuple[str, str, str, int], number: int) -> Any:
    """One step; its code and what it told, but for alerts."""
    act, one, other, amount = step
    if act == "day":
        market.advance(amount + 40_000)
        assert market.last is not None
        return [event for event in market.last.events if event.kind != "RiskAlert"]
    if act == "ack":
        return None
    body: Body
    match act:
        case "issue":
            sender, body = one, Issue(f"h{one}", ADDRESS["u"], amount, f"i{number}", "EARN", 0)
        case "pay":
            sender, body = "u", market.redeem(one, amount, f"p{amount % 3}")
        case "refund":
            sender, body = one, Refund(f"p{amount % 3}", f"r{number}", amount)
        case "reverse":
            sender, body = one, ReverseIssue(f"i{max(0, number - amount % 5)}", amount)
        case "exchange":
            sender, body = "u", Exchange(f"h{one}", amount, f"h{other}")
        case "open":
            sender, body = f"guest{number}", market.opening([f"guest{number}"], one)
        case _:
            sender, body = "operator", WindowClose()
    code = market.do(sender, body)
    assert market.receipt is not None
    return code, market.receipt.detail, [event for event in market.receipt.events if event.kind != "RiskAlert"]


@settings(max_examples=60, deadline=None)
@given(steps)
def test_alerts_change_neither_codes_nor_balances(taken: list[tuple[str, str, str, int]]) -> None:
    blind, watchful = same_chain(**OFF), same_chain(**MOST)
    for number, step in enumerate(taken):
        assert play(blind, step, number) == play(watchful, step, number)
        if step[0] == "ack":  # only where there is something to answer; the other chain spends the same nonce
            row = next(iter(inbox(watchful)), None)
            if row is not None:
                watchful.do("regulator", AlertAck(row[0], ADDRESS[row[1]], bytes(32)))
                blind._nonce = watchful._nonce
                blind.height = watchful.height
    assert _rest(blind) == _rest(watchful)
    assert inbox(blind) == []


def _rest(market: Market) -> dict[bytes, Any]:
    """The state without what watching writes."""
    return {key: record for key, record in market.view.records.items() if not key.startswith(WATCHING)}


@settings(max_examples=40, deadline=None)
@given(steps)
def test_a_cause_is_told_at_most_once_per_day(taken: list[tuple[str, str, str, int]]) -> None:
    market = same_chain(**MOST)
    heard: set[tuple[Any, ...]] = set()
    for number, step in enumerate(taken):
        if step[0] == "ack":
            continue
        play(market, step, number)
        assert market.last is not None
        for event in [*market.last.events, *(event for r in market.last.receipts if r for event in r.events)]:
            if event.kind == "RiskAlert":
                cause = (dict(event.fields)["rule"], event.accounts, (market.time + 28_800) // 86_400)
                assert cause not in heard
                heard.add(cause)


def test_what_leaves_in_lists_of_garbage_is_not_what_rules_read() -> None:
    """The records left out of the comparison above are no rule's: only time reads them."""
    assert {Pulse, Garbage} <= {type(r) for r in _after_a_day().view.records.values()}


def _after_a_day() -> Market:
    market = same_chain(**MOST)
    market.issue("hA", 10)
    market.advance(86_400)
    return market
