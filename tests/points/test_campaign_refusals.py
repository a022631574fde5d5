"""Every refusal of the four kinds of a campaign; in the order of the table, each row repairs the fault above it."""

from typing import Any

from msgspec.structs import replace

from points.keys import merchant_key
from points.state import MerchantStatus
from primitives.codes import Code
from primitives.kinds import Body, ClassRetire, Freeze
from primitives.kinds_campaigns import ENTRIES_MAX, CampaignClaim, CampaignClose, LeafProof
from tests.points.campaign_list import LIST, SPRING, batch, running
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of


def suspend(market: Market, status: MerchantStatus = MerchantStatus.ISSUE_SUSPENDED) -> None:
    key = merchant_key(ADDRESS["A"])
    market.view.apply({key: replace(market.view.get(key), status=status)})


def test_refusals_of_campaign_create_in_their_order() -> None:
    """Each row repairs the fault above it."""
    market = Market(genesis_of([("A", class_of("cap", earn_cap_bps=1)), ("A", class_of("old"))]))
    market.ok("A", ClassRetire("old"))
    wrong: dict[str, Any] = {"budget": 0, "per_account": 0, "starts": START + 9, "ends": START + 9, "class_id": "none"}
    rows: list[tuple[dict[str, Any], Code]] = [
        ({}, Code.BAD_AMOUNT),
        ({"budget": 1}, Code.BAD_AMOUNT),
        ({"per_account": 1}, Code.BAD_CAMPAIGN),
        ({"starts": 0, "ends": START}, Code.BAD_CAMPAIGN),
        ({"ends": START + 1095 * DAY + 1}, Code.BAD_CAMPAIGN),
        ({"ends": START + 1095 * DAY}, Code.CLASS_UNKNOWN),
        ({"class_id": "hB"}, Code.NOT_ISSUER),
    ]
    assert market.do("u", LIST.create(**wrong)) is Code.NOT_AUTHORISED
    for repaired, code in rows:
        wrong |= repaired
        assert market.do("A", LIST.create(**wrong)) is code, repaired
    suspend(market)
    wrong["class_id"] = "old"
    assert market.do("A", LIST.create(**wrong)) is Code.MERCHANT_SUSPENDED
    suspend(market, MerchantStatus.ACTIVE)
    assert market.do("A", LIST.create(**wrong)) is Code.BAD_CLASS
    assert market.do("A", LIST.create(**wrong | {"class_id": "cap"})) is Code.EARN_CAP
    market.ok("A", LIST.create(**wrong | {"class_id": "hA"}))
    assert market.do("A", LIST.create(**wrong | {"class_id": "hA"})) is Code.CAMPAIGN_EXISTS


def test_refusals_of_batch_issue_in_their_order() -> None:
    """Each row repairs the fault above it, from the first fault of the table to the last."""
    classes = [("A", class_of("hA", max_per_order=60)), ("A", class_of("a2"))]
    market = Market(genesis_of(classes, merchants={"A": {"reserve": 20, "quota": 40}}, holder_limit=39))
    market.ok("A", LIST.create(budget=100, per_account=60, starts=START + 50, ends=START + DAY))
    assert market.do("B", batch(*(("u", 0),) * 257)) is Code.BATCH_TOO_LARGE
    assert market.do("u", batch(*(("u", 0),) * 257)) is Code.NOT_AUTHORISED
    none = {"campaign": "none", "class_id": "none"}
    rows: list[tuple[str, Body, Code]] = [
        ("A", batch(*(("B", 0),) * (ENTRIES_MAX + 1), **none), Code.BATCH_TOO_LARGE),
        ("A", batch(**none), Code.BAD_AMOUNT),
        ("A", batch(("B", 1), ("B", 0), **none), Code.BAD_AMOUNT),
        ("A", batch(("B", 1), ("B", 1), **none), Code.BATCH_DUPLICATE),
        ("A", batch(("stranger", 1), ("B", 1), **none), Code.ACCOUNT_UNKNOWN),
        ("A", batch(("B", 1), ("v", 1), **none), Code.NOT_AUTHORISED),
        ("A", batch(("u", 61), ("v", 101), **none), Code.CLASS_UNKNOWN),
        ("A", batch(("u", 61), ("v", 101), campaign="none", class_id="hB"), Code.NOT_ISSUER),
        ("A", batch(("u", 61), ("v", 101), campaign="none", class_id="a2"), Code.CAMPAIGN_UNKNOWN),
        ("A", batch(("u", 61), ("v", 101), class_id="a2"), Code.BAD_CAMPAIGN),
        ("A", batch(("u", 61), ("v", 101)), Code.CLAIM_CLOSED),
    ]
    for sender, body, code in rows:
        assert market.do(sender, body) is code, body
    market.at(START + 50)
    suspend(market)
    assert market.do("A", batch(("u", 61), ("v", 101))) is Code.MERCHANT_SUSPENDED
    suspend(market, MerchantStatus.ACTIVE)
    for body, code in (
        (batch(("u", 61), ("v", 101)), Code.ORDER_MAXIMUM),
        (batch(("u", 60), ("v", 41)), Code.CAMPAIGN_BUDGET),
        (batch(("u", 60), ("v", 40)), Code.RESERVE_EXCEEDED),
        (batch(("u", 41)), Code.QUOTA_EXCEEDED),
        (batch(("u", 40)), Code.HOLDER_LIMIT),
        (batch(("u", 39)), Code.OK),
    ):
        assert market.do("A", body) is code, body


def test_an_account_frozen_in_full_gets_nothing_from_a_batch() -> None:
    market = running()
    market.ok("regulator", Freeze(ADDRESS["v"], "ALL", b"", START + DAY))
    assert market.do("A", batch(("u", 1), ("v", 1), class_id="none")) is Code.ACCOUNT_FROZEN
    assert market.do("v", LIST.claim("v")) is Code.ACCOUNT_FROZEN


def test_refusals_of_campaign_claim_in_their_order() -> None:
    """Each row repairs the fault above it."""
    classes = [("A", class_of("hA", max_per_order=40))]
    market = Market(genesis_of(classes, merchants={"A": {"reserve": 20, "quota": 39}}))
    market.ok("A", LIST.create(budget=39, per_account=39, starts=START + 50, ends=START + DAY))
    assert market.do("B", CampaignClaim("none", 0, LeafProof(0, 1))) is Code.NOT_AUTHORISED
    assert market.do("u", CampaignClaim("none", 0, LeafProof(0, 1))) is Code.BAD_AMOUNT
    assert market.do("u", CampaignClaim("none", 1, LeafProof(0, 1))) is Code.CAMPAIGN_UNKNOWN
    assert market.do("u", CampaignClaim(SPRING, 1, LeafProof(0, 1))) is Code.CLAIM_CLOSED
    market.at(START + 50)
    assert market.do("u", CampaignClaim(SPRING, 1, LeafProof(0, 1))) is Code.BAD_PROOF
    market.ok("regulator", Freeze(ADDRESS["A"], "OUT", b"", START + 60))
    suspend(market)
    assert market.do("u", LIST.claim("u")) is Code.ACCOUNT_FROZEN
    market.at(START + 60)
    assert market.do("u", LIST.claim("u")) is Code.MERCHANT_SUSPENDED
    suspend(market, MerchantStatus.ACTIVE)
    assert market.do("u", LIST.claim("u")) is Code.ORDER_MAXIMUM
    assert market.do("v", LIST.claim("v")) is Code.CAMPAIGN_BUDGET


def test_close_refuses_in_order() -> None:
    market = running()
    assert market.do("u", CampaignClose("none")) is Code.NOT_AUTHORISED
    assert market.do("A", CampaignClose("none")) is Code.CAMPAIGN_UNKNOWN
    assert market.do("B", CampaignClose(SPRING)) is Code.NOT_ISSUER
