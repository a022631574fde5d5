"""Every state of a merchant against every kind that it sends or that is about it: the table of 2.8, written out."""

from functools import cache

import pytest
from msgspec.structs import replace

from points.keys import merchant_key
from points.state import Merchant, MerchantStatus
from points.transition import RULES, Context, apply_transaction
from primitives.codes import Code
from primitives.hashing import tagged_hash
from primitives.keys import verify
from primitives.kinds import (
    Authorize,
    Body,
    Capture,
    ClassCreate,
    ClassRetire,
    Exchange,
    Issue,
    KeyAdd,
    KeyRevoke,
    LegConfirm,
    LegDispute,
    LegPaid,
    MerchantApply,
    RecoveryApprove,
    RecoveryCancel,
    RecoveryFinish,
    RecoveryStart,
    RedeemByToken,
    Refund,
    ReserveAttest,
    ReverseIssue,
    Void,
    WindowClose,
)
from primitives.kinds_assets import Anchor, AssetOffer, AssetRegister, AssetSwap, OfflineEscrow
from primitives.kinds_campaigns import CampaignClaim, CampaignClose, CampaignCreate, list_root, prove_entry
from primitives.kinds_identity import GuardiansSet, KeyLimit
from tests.points.campaign_list import batch
from tests.points.market import ADDRESS, DAY, START, Market, genesis_of, key_of, leg

HASH = tagged_hash(b"test", b"document")
LIST = ((bytes(ADDRESS["v"]), 5),)

# Whether a kind is allowed to A in ACTIVE, ISSUE_SUSPENDED, ACCEPT_SUSPENDED, SUSPENDED, WIND_DOWN, EXITED, APPLIED.
ALWAYS, ISSUING, ACCEPTING, OWN_POINTS, CAPTURING = "yyyyyyy", "ynynnnn", "yynnynn", "yynnynn", "yyynynn"
FOREIGN = "yynnsnn"  # s: SCOPE_DENIED, it takes its own points only
IN_PROGRAMME = "yyyyyyn"  # whoever only applies is still anybody
COLUMNS = tuple(MerchantStatus(n) for n in (1, 2, 3, 4, 5, 6, 0))

ROWS: dict[str, str] = {
    "issue": ISSUING, "batch_issue": ISSUING, "campaign_claim": ISSUING, "exchange in": ISSUING,
    "class_create": ISSUING, "campaign_create": ISSUING,
    "redeem own": OWN_POINTS, "redeem foreign": FOREIGN, "authorize": OWN_POINTS, "offline_escrow": OWN_POINTS,
    "redeem_by_token": OWN_POINTS, "asset_swap": OWN_POINTS,
    "capture": CAPTURING, "redeem_by_token from escrow": CAPTURING,
    "void": ALWAYS, "refund": ALWAYS, "reverse_issue": ALWAYS, "redeem elsewhere": ALWAYS, "exchange out": ALWAYS,
    "refund elsewhere": ALWAYS,
    "leg_paid": ALWAYS, "leg_confirm": ALWAYS, "leg_dispute": ALWAYS,
    "class_retire": ALWAYS, "campaign_close": ALWAYS, "asset_register": "yyynnnn", "asset_offer": ALWAYS,
    "anchor": IN_PROGRAMME, "reserve_attest": ALWAYS, "account_open": "ynnnnnn",
    "key_add": ALWAYS, "key_limit": ALWAYS, "key_revoke": ALWAYS, "guardians_set": ALWAYS,
}  # fmt: skip
ELSEWHERE = {  # kinds of merchants whose rule asks no state, and which need more than this market
    "merchant_apply", "recovery_start", "recovery_approve", "recovery_cancel", "recovery_finish", "validator_rekey",
    "sandbox_enrol", "challenge_apply",
}  # fmt: skip


@cache
def prepared() -> tuple[Market, dict[str, tuple[str, Body]]]:
    """A market in which A can do everything, and one transaction per row of the table."""
    market = Market(genesis_of(merchants={name: {"reserve": 10_000_000} for name in "ABCD"}))
    for house in "AB":
        assert market.issue(f"h{house}", 20_000, f"i{house}") is Code.OK
        assert market.issue(f"h{house}", 1_000, f"v{house}", to="v") is Code.OK
    till = key_of("A.till")
    market.ok("A", KeyAdd(till.public_key, "pos"))
    ids = {"campaign": "c", "class_id": "hA"}
    market.ok("A", CampaignCreate(**ids, budget=100, per_account=50, starts=0, ends=START + 30 * DAY,
                                  root=list_root("c", LIST)))  # fmt: skip
    market.ok("A", AssetRegister("print", HASH, "ticket"))
    market.ok("A", AssetOffer("print", 10, "p1"))
    market.ok("u", market.redeem("A", 10, "own"))
    market.ok("u", market.redeem("C", 10, "away"))
    market.ok("operator", WindowClose())  # A owes C
    market.ok("v", market.redeem("A", 1_500, "claim"))
    market.ok("operator", WindowClose())  # B owes A, and says that it has paid
    market.ok("B", LegPaid(2, leg("B", "A"), HASH))
    hold = market.authorize("A", 10)
    market.ok("v", OfflineEscrow(ADDRESS["A"], 10, 3600))
    code = market.pay_code("u", 1, 50)
    offline = market.pay_code("v", 2, 10, "A", market.time + 3000)
    steps: dict[str, tuple[str, Body]] = {
        "issue": ("A", Issue("hA", ADDRESS["u"], 1, "new", "EARN", 1)),
        "batch_issue": ("A", batch(("u", 1), campaign="c")),
        "campaign_claim": ("v", CampaignClaim("c", 5, prove_entry("c", LIST, 0))),
        "exchange in": ("u", Exchange("hB", 100, "hA")), "exchange out": ("u", Exchange("hA", 100, "hB")),
        "class_create": ("A", ClassCreate("new", 10_000, 365)),
        "campaign_create": ("A", CampaignCreate("d", "hA", 1, 1, 0, START + DAY)),
        "redeem own": ("u", market.redeem("A", 1_000, "o1")),
        "redeem foreign": ("u", market.redeem("A", 20_500, "o2")),
        "redeem elsewhere": ("u", market.redeem("C", 10_000, "o3")),
        "authorize": ("u", Authorize(ADDRESS["A"], 10, 60)),
        "offline_escrow": ("u", OfflineEscrow(ADDRESS["A"], 10, 60)),
        "redeem_by_token": ("A", RedeemByToken(code, 50, "o4")),
        "redeem_by_token from escrow": ("A", RedeemByToken(offline, 10, "o5")),
        "asset_swap": ("u", AssetSwap("print", 10)), "capture": ("A", Capture(hold, 10, "o6")),
        "void": ("A", Void(hold)), "refund": ("A", Refund("own", "r1", 1)),
        "refund elsewhere": ("C", Refund("away", "r1", 1)),
        "reverse_issue": ("A", ReverseIssue("iA", 1, b"")),
        "class_retire": ("A", ClassRetire("hA")), "campaign_close": ("A", CampaignClose("c")),
        "asset_register": ("A", AssetRegister("second", HASH, "ticket")), "asset_offer": ("A", AssetOffer("print", 20)),
        "anchor": ("A", Anchor("culture", HASH)),
        "reserve_attest": ("custodian", ReserveAttest(ADDRESS["A"], 1, market.time, HASH)),
        "account_open": ("new", market.opening(["new"], "A")),
        "key_add": ("A", KeyAdd(key_of("A.2").public_key, "pos")), "key_limit": ("A", KeyLimit(till.public_key, 5)),
        "key_revoke": ("A", KeyRevoke(till.public_key)), "guardians_set": ("A", GuardiansSet((ADDRESS["u"],), 1)),
        "leg_paid": ("A", LegPaid(1, leg("A", "C"), HASH)), "leg_confirm": ("A", LegConfirm(2, leg("B", "A"))),
        "leg_dispute": ("A", LegDispute(2, leg("B", "A"), b"")),
    }  # fmt: skip
    return market, steps


def code_of(kind: str, status: MerchantStatus) -> Code:
    """What a step answers when A has this status and nothing else is different."""
    market, steps = prepared()
    key = merchant_key(ADDRESS["A"])
    before: Merchant = market.view.get(key)
    sender, body = steps[kind]
    signers = ["custodian", "A"] if isinstance(body, ReserveAttest) else None
    market.view.apply({key: replace(before, status=status)})
    try:
        context = Context(market.time, market.height + 1, 0, market.chain_id, verify)
        outcome = apply_transaction(market.view, market.transaction(sender, body, signers), context)
    finally:
        market.view.apply({key: before})
    return outcome.code


@pytest.mark.parametrize("kind", ROWS)
def test_what_a_state_allows(kind: str) -> None:
    found = {status: code_of(kind, status) for status in COLUMNS}
    refused = {"account_open": Code.NOT_AUTHORISED, "anchor": Code.NOT_AUTHORISED}.get(kind, Code.MERCHANT_SUSPENDED)
    meaning = {"y": Code.OK, "n": refused, "s": Code.SCOPE_DENIED}
    assert found == {status: meaning[mark] for status, mark in zip(COLUMNS, ROWS[kind], strict=True)}


def test_every_kind_of_a_merchant_has_a_row() -> None:
    """A new kind that merchants send, or that pays one, stands in the table or says why it needs none."""
    named = {row.split()[0] for row in ROWS} | ELSEWHERE
    offices = {kind.__struct_config__.tag for kind, rule in RULES.items() if not rule.senders}
    about_tourists = {"transfer", "asset_return"}
    every = {kind.__struct_config__.tag for kind in RULES}
    assert every - named - offices - about_tourists == set()
    assert {kind.__struct_config__.tag for kind in (
        MerchantApply, RecoveryStart, RecoveryApprove, RecoveryCancel, RecoveryFinish)} <= ELSEWHERE  # fmt: skip
