"""Campaigns: who gets what from which budget, once (INV-15). Refusals in order: test_campaign_refusals."""

import pytest
from msgspec.structs import replace

from points import expiry
from points.keys import account_key, campaign_key, grant_key
from points.queries import account as account_query
from primitives.codec import encode
from primitives.codes import Code
from primitives.kinds import Exchange, Freeze, Issue, Unfreeze
from primitives.kinds_campaigns import (
    BatchIssue,
    CampaignClaim,
    CampaignClose,
    LeafProof,
    claim_leaf,
    is_listed,
    list_root,
    prove_entry,
)
from primitives.transaction import TRANSACTION_BYTES_MAX
from tests.points.campaign_list import LIST, SPRING, Listed, batch, limited, running
from tests.points.market import ADDRESS, DAY, PUBLIC, START, Market, address, class_of, genesis_of, key_of


def test_a_listed_account_claims_once() -> None:
    market = running()
    receipt = market.ok("u", LIST.claim("u"))
    (event,) = receipt.events
    assert dict(event.fields) | {"campaign": SPRING, "units": 100, "reason": "CAMPAIGN"} == dict(event.fields)
    assert event.accounts == (("merchant", ADDRESS["A"]), ("to", ADDRESS["u"]))
    assert market.avail("hA") == 100
    assert market.exposure("A")["outstanding"] == 100
    assert market.do("u", LIST.claim("u")) is Code.CLAIMED
    market.ok("v", LIST.claim("v"))
    assert (market.avail("hA", "v"), market.view.get(campaign_key(SPRING)).granted) == (40, 140)


def test_two_claims_of_one_block() -> None:
    market = running()
    assert market.many(("u", LIST.claim("u")), ("u", LIST.claim("u"))) == ["OK", "CLAIMED"]


def test_a_batch_between_two_claims_does_not_open_the_list_again() -> None:
    market = running(per_account=1000)
    market.ok("u", LIST.claim("u"))
    market.ok("A", batch(("u", 10)))
    assert market.do("u", LIST.claim("u")) is Code.CLAIMED


def test_a_batch_adds_up_its_entries_against_the_budget() -> None:
    market = running(budget=99, root=None)
    assert market.do("A", batch(("u", 50), ("v", 50))) is Code.CAMPAIGN_BUDGET
    market.ok("A", batch(("u", 50), ("v", 49)))


def test_a_grant_does_not_pass_64_bits() -> None:
    """Units of a class in all (D17)."""
    dust = genesis_of([("A", class_of("dust", uv=1))], {"A": {"credit_limit": 2**51}}, reserve_ratio_bps=10_000)
    market = running(Market(dust), class_id="dust", budget=2**64 - 1, per_account=2**64 - 1, root=None)
    market.ok("A", Issue("dust", ADDRESS["u"], 2**63, "o1", "EARN", 0))
    assert market.do("A", batch(("v", 2**63), class_id="dust")) is Code.OVERFLOW
    market.ok("A", batch(("v", 2**63 - 1), class_id="dust"))


@pytest.mark.parametrize(
    "claim",
    [
        LIST.claim("v", of="u"), LIST.claim("v", units=41), LIST.claim("v", units=39),
        Listed(campaign="other").claim("v"), CampaignClaim(SPRING, 40, LeafProof(0, 2, LIST.claim("v").proof.path)),
        CampaignClaim(SPRING, 40, LeafProof(1, 1, ())),
        CampaignClaim(SPRING, 40, LeafProof(1, 3, LIST.claim("v").proof.path)),
        CampaignClaim(SPRING, 40, LeafProof(1, 2, (*LIST.claim("v").proof.path, bytes(32)))),
        CampaignClaim(SPRING, 40, LeafProof(2**63, 2**64 - 1, ())),
    ],
)  # fmt: skip
def test_a_false_proof_claims_nothing(claim: CampaignClaim) -> None:
    """Another's entry, other units, another campaign's list, another place, a path too short or too long."""
    market = running()
    claim = replace(claim, campaign=SPRING)
    assert market.do("v", claim) is Code.BAD_PROOF
    assert market.view.get(grant_key(SPRING, ADDRESS["v"])) is None


def test_an_inner_node_is_no_entry() -> None:
    """The two digests below the root, offered as the content of a list of one."""
    leaves = [claim_leaf(SPRING, account, units) for account, units in LIST.entries]
    root = list_root(SPRING, LIST.entries)
    assert is_listed(root, SPRING, ADDRESS["u"], 100, prove_entry(SPRING, LIST.entries, 0))
    assert not is_listed(root, SPRING, leaves[0] + leaves[1], 100, LeafProof(0, 1, ()))


def test_without_a_list_nobody_claims() -> None:
    market = running(root=None)
    assert market.do("u", LIST.claim("u")) is Code.BAD_PROOF
    market.ok("A", batch(("u", 5)))


def test_the_budget_is_exact_and_shared_by_claims_and_batches() -> None:
    market = running(budget=150)
    market.ok("u", LIST.claim("u"))
    assert market.do("A", batch(("v", 51))) is Code.CAMPAIGN_BUDGET
    market.ok("A", batch(("v", 50)))
    assert market.do("v", LIST.claim("v")) is Code.CAMPAIGN_BUDGET
    assert market.do("A", batch(("v", 1))) is Code.CAMPAIGN_BUDGET


def test_the_limit_per_account_is_exact_and_spans_claims_and_batches() -> None:
    market = running()
    market.ok("A", batch(("u", 50)))
    assert market.do("A", batch(("u", 101))) is Code.CAMPAIGN_BUDGET
    market.ok("u", LIST.claim("u"))
    assert market.do("A", batch(("v", 1), ("u", 1))) is Code.CAMPAIGN_BUDGET
    assert market.avail("hA", "v") == 0


def test_a_batch_is_all_or_nothing() -> None:
    market = running()
    assert market.do("A", batch(("u", 5), ("stranger", 5))) is Code.ACCOUNT_UNKNOWN
    assert market.avail("hA") == 0
    receipt = market.ok("A", batch(("u", 5), ("v", 6)))
    assert [event.kind for event in receipt.events] == ["Issued", "Issued"]
    assert (market.avail("hA"), market.avail("hA", "v")) == (5, 6)


def test_the_largest_batch_fits_a_transaction_and_its_receipt_is_small() -> None:
    market = running()
    people = [bytes([1]) * 19 + bytes([n]) for n in range(256)]
    tourist = market.view.get(account_key(ADDRESS["u"]))
    market.view.apply({account_key(person): tourist for person in people})
    body = BatchIssue(SPRING, "hA", tuple((person, 1) for person in people), "all")
    assert market.do("A", replace(body, entries=(*body.entries, (ADDRESS["u"], 1)))) is Code.BATCH_TOO_LARGE
    assert len(market.transaction("A", body).raw) < TRANSACTION_BYTES_MAX
    receipt = market.ok("A", body)
    assert len(receipt.events) == 256 and len(encode(receipt)) < 64 * 1024
    assert market.view.get(campaign_key(SPRING)).granted == 256


def test_a_batch_counts_its_sum_against_the_reserve_the_quota_and_the_key() -> None:
    market = running(Market(genesis_of(merchants={"A": {"reserve": 4}})))  # a cap of 10 fen
    assert market.do("A", batch(("u", 5), ("v", 6))) is Code.RESERVE_EXCEEDED
    market.ok("A", batch(("u", 5), ("v", 5)))
    assert market.do("v", LIST.claim("v")) is Code.RESERVE_EXCEEDED

    market = running(Market(genesis_of(merchants={"A": {"quota": 45}})))
    market.ok("v", LIST.claim("v"))
    assert market.do("A", batch(("u", 3), ("v", 3))) is Code.QUOTA_EXCEEDED
    market.ok("A", batch(("u", 2), ("v", 3)))
    assert market.do("A", batch(("u", 1))) is Code.QUOTA_EXCEEDED

    keys = {"A": (limited("A.issuer", 9),)}
    market = running(Market(genesis_of(extra_keys=keys)))
    assert market.do("A", batch(("u", 5), ("v", 5)), ["A.issuer"]) is Code.KEY_LIMIT
    market.ok("A", batch(("u", 4), ("v", 5)), ["A.issuer"])
    market.ok("v", LIST.claim("v"))
    assert market.do("A", batch(("u", 1)), ["A.issuer"]) is Code.KEY_LIMIT


def test_a_campaign_opens_and_ends_with_the_second() -> None:
    market = running(starts=START + 100, ends=START + 200)
    market.at(START + 99)
    assert market.do("u", LIST.claim("u")) is Code.CLAIM_CLOSED
    market.at(START + 100)
    market.ok("u", LIST.claim("u"))
    market.at(START + 199)
    market.ok("A", batch(("v", 1)))
    market.at(START + 200)
    assert market.do("A", batch(("v", 1))) is Code.CLAIM_CLOSED
    assert market.do("v", LIST.claim("v")) is Code.CLAIM_CLOSED
    assert market.do("A", CampaignClose(SPRING)) is Code.CLAIM_CLOSED


def test_a_closed_campaign_grants_nothing_more_and_takes_nothing_back() -> None:
    market = running()
    market.ok("u", LIST.claim("u"))
    receipt = market.ok("A", CampaignClose(SPRING))
    assert dict(receipt.events[0].fields) == {"campaign": SPRING, "budget": 1000, "granted": 100}
    assert market.do("v", LIST.claim("v")) is Code.CLAIM_CLOSED
    assert market.do("A", batch(("v", 1))) is Code.CLAIM_CLOSED
    assert market.do("A", CampaignClose(SPRING)) is Code.CLAIM_CLOSED
    assert account_query(market.view, market.time, ADDRESS["u"])["spendable"] == 100
    assert market.do("A", LIST.create()) is Code.CAMPAIGN_EXISTS


def test_grants_leave_with_the_end_and_the_campaign_after_the_orders() -> None:
    market = running()
    market.ok("u", LIST.claim("u"))
    market.at(START + 10 * DAY - 1)
    assert market.view.get(grant_key(SPRING, ADDRESS["u"])) is not None
    market.at(START + 10 * DAY)
    assert market.view.get(grant_key(SPRING, ADDRESS["u"])) is None
    assert market.do("u", LIST.claim("u")) is Code.CLAIM_CLOSED
    market.at(START + 190 * DAY)
    assert market.do("A", LIST.create(ends=START + 200 * DAY)) is Code.CAMPAIGN_EXISTS
    market.at(START + 190 * DAY + 1)
    assert market.view.get(campaign_key(SPRING)) is None
    assert market.do("u", LIST.claim("u")) is Code.CAMPAIGN_UNKNOWN


def test_the_grants_of_many_blocks_all_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """More garbage than one block removes."""
    monkeypatch.setattr(expiry, "GARBAGE_MOST", 12)
    market = running(per_account=1, budget=10**6, ends=START + DAY)
    names = [f"t{i}" for i in range(20)]
    for name in names:
        market.ok(name, market.opening([name], "A"))
        market.ok("A", BatchIssue(SPRING, "hA", ((address(name), 1),), name))
    market.at(START + DAY)
    market.advance(1)
    assert not list(market.view.range(b"b", b"c"))


def test_a_frozen_issuer_grants_nothing() -> None:
    market = running()
    market.ok("regulator", Freeze(ADDRESS["A"], "OUT", b"", START + DAY))
    assert market.do("u", LIST.claim("u")) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Unfreeze(ADDRESS["A"]))
    market.ok("u", LIST.claim("u"))


def test_points_of_a_campaign_are_points_like_others() -> None:
    market = running()
    market.ok("u", LIST.claim("u"))
    market.ok("u", market.redeem("B", 100, "b1"))
    assert market.owed() == {"A->B": 995_000, "A->FUND": 5_000}


def test_a_restricted_class_reaches_only_who_stands_in_the_list() -> None:
    """Table 1 row 6: an eligible set, certain categories, and no way around either."""
    care = class_of("care", kind="RESTRICTED", scope=("TRANSPORT",))
    market = Market(genesis_of([("A", care)]))
    assert market.do("A", Issue("care", ADDRESS["u"], 5, "o1", "BONUS", 0)) is Code.BAD_CLASS
    assert market.do("A", LIST.create(class_id="care", root=None)) is Code.BAD_CAMPAIGN
    market.ok("A", LIST.create(class_id="care"))
    assert market.do("A", batch(("v", 5), class_id="care")) is Code.BAD_CAMPAIGN
    market.ok("u", LIST.claim("u"))
    assert market.do("u", Exchange("care", 10, "hA")) is Code.EXCHANGE_DISABLED
    market.issue("hA", 10)
    assert market.do("u", Exchange("hA", 10, "care")) is Code.EXCHANGE_DISABLED
    assert market.do("u", market.redeem("B", 50, "b1")) is Code.SCOPE_DENIED
    market.ok("u", market.redeem("C", 50, "c1"))
    for wrong in ({"scope": ()}, {"transferable": True}, {"earn_cap_bps": 1}):
        body = class_of("c2", **({"kind": "RESTRICTED", "scope": ("TRANSPORT",)} | wrong))
        assert market.do("A", body) is Code.BAD_CLASS


def test_an_issuer_key_grants_but_does_not_create() -> None:
    assert PUBLIC["A"] != key_of("A.issuer").public_key
    market = Market(genesis_of(extra_keys={"A": (limited("A.issuer", 100),)}))
    assert market.do("A", LIST.create(), ["A.issuer"]) is Code.NOT_AUTHORISED
    market.ok("A", LIST.create())
    market.ok("A", batch(("u", 1)), ["A.issuer"])
    assert market.do("A", CampaignClose(SPRING), ["A.issuer"]) is Code.NOT_AUTHORISED


def test_after_the_programmes_end_nothing_is_granted() -> None:
    market = running(Market(genesis_of(program_end=START + 10)))
    market.at(START + 10)
    assert market.do("u", LIST.claim("u")) is Code.PROGRAM_ENDED
    assert market.do("A", batch(("u", 1))) is Code.PROGRAM_ENDED
    assert market.do("A", Listed(campaign="late").create()) is Code.PROGRAM_ENDED
