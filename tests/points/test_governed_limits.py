"""A merchant's own reserve ratio and the rules of a class, by decision of the committee (2.10, D5, INV-7)."""

import pytest
from msgspec.structs import replace

from points.keys import class_key
from points.queries import class_ as class_query
from points.queries import merchant as merchant_query
from points.sandbox_records import Over
from points.state import NEVER, Class
from points.turn import Turn
from points.view import Overlay
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.kinds import ClassRetire, Exchange, Issue, KeyAdd, ReserveAttest
from primitives.kinds_governance import GovVote, SetClass, SetQuota
from tests.points.campaign_list import LIST, batch, running
from tests.points.council import Council
from tests.points.market import ADDRESS, DAY, START, Market, class_of, key_of
from tests.points.trial import Trial, opening

RESERVE = {"merchants": {"A": {"reserve": 400}, "B": {"reserve": 400}}}


def ratio(bps: int | None, **fields: int) -> SetQuota:
    return SetQuota(ADDRESS["A"], reserve_ratio_bps=bps, **fields)


def rules(class_id: str = "hA", **given: int | bool) -> SetClass:
    return SetClass(class_id, **given)  # type: ignore[arg-type]


def record(market: Market, class_id: str = "hA") -> Class:
    found: Class = market.view.get(class_key(class_id))
    return found


def cap(market: Market, name: str = "A") -> int:
    return int(market.exposure(name)["cap"])


def test_the_cap_follows_the_merchants_own_ratio() -> None:
    """400 fen carry 1,000 at the network's 40 %, 400 at 100 %, 4,000 at 10 %; the others' cap stays."""
    council = Council(**RESERVE)
    for number, (bps, most) in enumerate(((10_000, 400), (1_000, 4_000), (1, 4_000_000), (0, 1_000))):
        council.decide(ratio(bps), f"r{number}")
        assert (cap(council), cap(council, "B")) == (most, 1_000)
        assert council.exposure("A")["ratio_bps"] == (bps or Parameters().reserve_ratio_bps)
    council.decide(ratio(10_000), "full")
    assert [council.issue("hA", units) for units in (401, 400, 1)] == [
        Code.RESERVE_EXCEEDED, Code.OK, Code.RESERVE_EXCEEDED,
    ]  # fmt: skip


def test_what_is_not_given_stays_and_a_higher_ratio_only_stops_what_is_new() -> None:
    council = Council(**RESERVE)
    council.issue("hA", 900)
    council.decide(ratio(10_000, quota=50), "one")
    council.decide(ratio(None, credit_limit=7), "two")
    council.decide(ratio(None, quota=60), "three")
    plain = merchant_query(council.view, council.time, ADDRESS["A"])
    assert (plain["quota"], plain["credit_limit"], plain["reserve_ratio_bps"]) == (60, 7, 10_000)
    exposure = council.exposure("A")
    assert exposure["over_cap"] and exposure["room"] == 0
    assert council.issue("hA", 1) is Code.RESERVE_EXCEEDED
    council.ok("u", council.redeem("B", 900, "b"))


@pytest.mark.parametrize("bps", [1, 5_000])
def test_a_stale_reserve_counts_in_full_whatever_the_ratio(bps: int) -> None:
    """D12."""
    council = Council(**RESERVE)
    council.decide(ratio(bps), "r")
    council.at(START + council.genesis.parameters.attestation_days * DAY + 1)
    assert (cap(council), council.exposure("A")["ratio_bps"]) == (400, 10_000)
    council.ok("A", ReserveAttest(ADDRESS["A"], 400, council.time, bytes(32)), ["A", "custodian"])
    assert cap(council) == 400 * 10_000 // bps


def test_the_largest_reserve_at_the_smallest_ratio_stops_no_block() -> None:
    council = Council(merchants={"A": {"reserve": 2**64 - 1, "credit_limit": 2**64 - 1}})
    council.decide(ratio(1), "r")
    assert council.issue("hA", 2**40) is Code.OK


def test_set_quota_refuses_in_order() -> None:
    council = Council()
    stranger = ADDRESS["u"]
    rows = [
        (SetQuota(stranger), Code.BAD_PROPOSAL), (SetQuota(stranger, reserve_ratio_bps=10_001), Code.BAD_PROPOSAL),
        (SetQuota(stranger, reserve_ratio_bps=10_000), Code.MERCHANT_UNKNOWN), (ratio(10_000), Code.OK),
    ]  # fmt: skip
    for payload, code in rows:
        assert council.propose(payload) is code, payload


def test_a_sandbox_is_no_way_around_its_merchants_ratio() -> None:
    """400 fen carry the lab's 1,000 at 40 %, 666 at 60 % and 500 at 80 %; a lower one of its own loosens nothing."""
    trial = Trial()
    trial.decide(ratio(100), "low")
    assert trial.grant(600) is Code.OK
    trial.decide(ratio(6_000), "high")
    assert trial.over is Over.NO
    assert trial.grant(67) is Code.SANDBOX_LIMIT
    assert trial.grant(66) is Code.OK
    trial.decide(ratio(8_000), "higher")
    assert trial.over is Over.UNCOVERED
    second = opening("second", ends=trial.time + 9 * DAY)
    assert trial.propose(second, "s") is Code.BAD_SANDBOX
    assert trial.propose(replace(second, loss_reserve=800), "s") is Code.OK
    trial.decide(ratio(1), "lowest")
    assert trial.propose(replace(second, loss_reserve=399), "t") is Code.BAD_SANDBOX


def test_set_class_refuses_in_order() -> None:
    care = class_of("care", kind="RESTRICTED", scope=("HOTEL",))
    council = Council(classes=[("A", care)])
    council.ok("m4", KeyAdd(key_of("A").public_key, "owner"))
    rows = [
        ("m4", rules("none"), Code.BAD_PROPOSAL), ("m4", rules("none", earn_cap_bps=10_001), Code.CLASS_UNKNOWN),
        ("m4", rules(earn_cap_bps=10_001), Code.BAD_PROPOSAL), ("m4", rules("care", earn_cap_bps=1), Code.BAD_PROPOSAL),
        ("m4", rules(exchangeable=False), Code.RECUSED), ("m5", rules(exchangeable=False), Code.OK),
    ]  # fmt: skip
    for member, payload, code in rows:
        assert council.propose(payload, by=member) is code, payload
    assert council.do("m4", GovVote("p", "YES")) is Code.RECUSED
    assert council.propose(rules("care", earn_cap_bps=0, max_per_order=5), "q") is Code.OK


def test_rules_hold_from_their_execution_and_0_means_no_limit() -> None:
    council = Council()
    council.decide(rules(earn_cap_bps=2_000, max_per_order=200), "one")
    assert council.issue("hA", 200, cash_value=999) is Code.EARN_CAP
    assert council.issue("hA", 201, cash_value=9_999) is Code.ORDER_MAXIMUM
    assert council.issue("hA", 200, cash_value=1_000) is Code.OK
    council.decide(rules(max_per_order=0, exchange_in_quota=10), "two")
    assert (record(council).max_per_order, record(council).exchange_in_quota) == (NEVER, 10)
    council.issue("hB", 100)
    assert council.do("u", Exchange("hB", 12, "hA")) is Code.EXCHANGE_DISABLED
    council.decide(rules(exchangeable=False, exchange_in_quota=0), "three")
    assert council.do("u", Exchange("hB", 12, "hA")) is Code.EXCHANGE_DISABLED
    council.decide(rules(exchangeable=True, earn_cap_bps=0), "four")
    assert council.do("u", Exchange("hB", 12, "hA")) is Code.OK
    assert council.issue("hA", 500) is Code.OK
    plain = class_query(council.view, council.time, "hA")
    assert [plain[name] for name in ("earn_cap_bps", "max_per_order", "exchangeable", "exchange_in_quota")] == [
        0, None, True, None,
    ]  # fmt: skip


def test_the_event_tells_what_was_decided_and_who_issues() -> None:
    council = Council()
    council.decide(rules(max_per_order=0, exchangeable=False), "p")
    assert council.last is not None
    (event,) = [event for event in council.last.events if event.kind == "ClassRulesChanged"]
    assert event.fields == (("class", "hA"), ("max_per_order", 0), ("exchangeable", 0))
    assert event.accounts == (("issuer", ADDRESS["A"]),)


def test_what_points_are_worth_cannot_be_voted_on() -> None:
    """D5: to the detriment of who holds them. A retired class keeps its rules, and they can be changed."""
    council = Council()
    council.ok("A", ClassRetire("hA"))
    before = record(council)
    council.decide(rules(earn_cap_bps=1, max_per_order=2, exchangeable=False, exchange_in_quota=3), "p")
    after = record(council)
    changed = {name for name in Class.__struct_fields__ if getattr(before, name) != getattr(after, name)}
    assert changed == {"earn_cap_bps", "max_per_order", "exchangeable", "exchange_in_quota"}
    assert after.retired and {*SetClass.__struct_fields__} - {"class_id"} == changed


def test_a_campaign_of_a_class_with_an_earn_cap_grants_nothing_more() -> None:
    """Nothing is paid for its points: with a campaign begun before, the cap would bind honest sales alone."""
    council = Council()
    running(council)
    council.ok("A", batch(("u", 10)))
    council.decide(rules(earn_cap_bps=2_000), "cap")
    assert council.do("A", batch(("u", 10))) is Code.EARN_CAP
    assert council.do("v", LIST.claim("v")) is Code.EARN_CAP
    council.decide(rules(earn_cap_bps=0), "off")
    assert council.do("v", LIST.claim("v")) is Code.OK


def test_a_class_that_was_changed_and_taken_back_is_read_anew() -> None:
    """A decision that is refused after its write leaves nothing, also not where a block remembers its classes."""
    market = Market()
    turn = Turn(Overlay(market.view), market.time, 1, market.chain_id, None)
    before = turn.class_of("hA")
    mark = turn.draft.mark()
    turn.put_class("hA", replace(before, uv=1))
    assert turn.class_of("hA").uv == 1
    turn.draft.rollback(mark)
    turn.reload()
    assert turn.class_of("hA") == before


def test_a_block_that_has_looked_at_a_class_sees_its_new_rules() -> None:
    """Points of hA expire and the class changes as the block begins; the claim in it finds what stands then."""
    council = Council(classes=[("A", class_of("hA", validity_days=1))])
    running(council)
    council.issue("hA", 5)
    assert council.propose(rules(earn_cap_bps=2_000)) is Code.OK
    council.vote("YES", "m1", "m2", "m3")
    now = council.time + 3 * DAY
    (receipt,) = council.block([council.transaction("v", LIST.claim("v"), valid_until=now)], now)
    assert council.last is not None and receipt is not None
    assert {"BucketExpired", "ClassRulesChanged"} <= {event.kind for event in council.last.events}
    assert receipt.code == Code.EARN_CAP


def test_a_block_that_carries_rules_out_uses_them_at_once() -> None:
    council = Council()
    assert council.propose(rules(max_per_order=2)) is Code.OK
    council.vote("YES", "m1", "m2", "m3")
    council.time += DAY - 1
    council.at(council.time)
    council.time += 1
    body = Issue("hA", ADDRESS["u"], 3, "o", "EARN", 3)
    (receipt,) = council.block([council.transaction("A", body)])
    assert receipt is not None and receipt.code == Code.ORDER_MAXIMUM
    assert record(council).max_per_order == 2
