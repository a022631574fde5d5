"""Which keys of a merchant may sign what: tills do what a till does, the treasury takes two of three (2.12)."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from points.authority import may
from points.state import Account, AccountKind
from points.transition import RULES
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.kinds import (
    AccountKey,
    Body,
    ClassCreate,
    ClassRetire,
    Issue,
    KeyAdd,
    KeyRevoke,
    LegConfirm,
    LegPaid,
    Redeem,
    Refund,
    ReserveAttest,
    WindowClose,
)
from primitives.kinds_identity import GuardiansSet, KeyLimit
from tests.points.market import ADDRESS, Market, class_of, genesis_of, key_of, leg

TILL = {"redeem_by_token", "capture", "void", "refund"}
ISSUER = {"issue", "reverse_issue", "batch_issue", "asset_register", "asset_offer"}
SETTLEMENT = {"leg_paid", "leg_confirm", "leg_dispute"}
OWNERS_ALONE = {
    "key_add", "key_revoke", "key_limit", "guardians_set", "class_create", "class_retire", "campaign_create",
    "campaign_close", "anchor", "sandbox_enrol", "challenge_apply", "merchant_apply", "recovery_start",
    "recovery_approve", "recovery_cancel", "recovery_finish", "validator_rekey",
}  # fmt: skip

KEYS = {"owner1": "owner", "owner2": "owner", "owner3": "owner", "pos": "pos", "issuer": "issuer", "set": "settlement"}
TREASURY = Account(
    AccountKind.MERCHANT,
    tuple(AccountKey(key_of(name).public_key, role) for name, role in KEYS.items()),  # type: ignore[arg-type]
    threshold=2,
)


def of_merchants() -> Iterator[tuple[str, str]]:
    """(kind, role) of every kind that a merchant sends."""
    for kind, rule in RULES.items():
        if AccountKind.MERCHANT in rule.senders:
            yield kind.__struct_config__.tag, rule.role


def test_every_kind_of_a_merchant_names_the_key_that_signs_it() -> None:
    expected = dict.fromkeys(TILL, "pos") | dict.fromkeys(ISSUER, "issuer")
    expected |= dict.fromkeys(SETTLEMENT, "settlement") | dict.fromkeys(OWNERS_ALONE, "owner")
    assert dict(of_merchants()) == expected


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (("pos",), TILL), (("issuer",), ISSUER), (("set",), SETTLEMENT), (("owner1",), set()),
        (("owner1", "pos"), TILL), (("owner3", "issuer", "set"), ISSUER | SETTLEMENT),
        (("owner1", "owner3"), TILL | ISSUER | SETTLEMENT | OWNERS_ALONE),
    ],
)  # fmt: skip
def test_what_the_keys_of_a_treasury_of_two_out_of_three_may_sign(names: tuple[str, ...], kinds: set[str]) -> None:
    signers = tuple(key for key, name in zip(TREASURY.keys, KEYS, strict=True) if name in names)
    assert {kind for kind, role in of_merchants() if may(TREASURY, signers, role)} == kinds  # type: ignore[arg-type]


def treasury() -> Genesis:
    """A has three owner keys, two of which sign together, a till and an issuer key."""
    extra = tuple(AccountKey(key_of(f"A.{name}").public_key, role) for name, role in KEYS.items() if name != "owner1")
    genesis = genesis_of(extra_keys={"A": extra})  # type: ignore[arg-type]
    first = key_of("A").public_key
    accounts = tuple(
        replace(item, threshold=2) if item.keys[0].key == first else item for item in genesis.accounts
    )
    return replace(genesis, accounts=accounts)


OWNER, OWNERS = ["A"], ["A", "A.owner3"]


@pytest.mark.parametrize(
    "body",
    [
        ClassCreate("new", 10_000, 365), ClassRetire("hA"), GuardiansSet((), 0),
        KeyLimit(key_of("A.pos").public_key, 1), KeyRevoke(key_of("A.pos").public_key),
        KeyAdd(key_of("A.new").public_key, "owner"), Issue("hA", ADDRESS["u"], 1, "o", "EARN", 1),
    ],
)  # fmt: skip
def test_the_treasury_decides_with_two_keys(body: Body) -> None:
    market = Market(treasury())
    assert market.do("A", body, OWNER) is Code.NOT_AUTHORISED
    assert market.do("A", body, ["A", "A.pos"]) is Code.NOT_AUTHORISED
    market.ok("A", body, OWNERS)


def test_one_owner_neither_settles_nor_attests() -> None:
    market = Market(treasury())
    market.issue("hB", 100)
    market.ok("u", Redeem(market.request("A", 100, "a1", "A.pos"), 100))
    market.ok("operator", WindowClose())
    market.ok("B", LegPaid(1, leg("B", "A"), bytes(32)))
    confirm = LegConfirm(1, leg("B", "A"))
    for signers in (OWNER, ["A.pos"], ["A.issuer"]):
        assert market.do("A", confirm, signers) is Code.NOT_AUTHORISED
    market.ok("A", confirm, ["A.set"])
    attest = ReserveAttest(ADDRESS["A"], 1_000_000, market.time, bytes(32))
    assert market.do("custodian", attest, ["custodian", "A"]) is Code.NOT_AUTHORISED
    market.ok("custodian", attest, ["custodian", *OWNERS])


def test_a_till_refunds_but_grants_and_sells_nothing() -> None:
    market = Market(treasury())
    market.issue("hB", 100)
    market.ok("u", Redeem(market.request("A", 100, "a1", "A.pos"), 100))
    assert market.do("A", Issue("hA", ADDRESS["u"], 1, "o", "EARN", 1), ["A.pos"]) is Code.NOT_AUTHORISED
    assert market.do("A", class_of("x"), ["A.pos"]) is Code.NOT_AUTHORISED
    market.ok("A", Refund("a1", "r", 100), ["A.pos"])
    bill = Redeem(market.request("A", 1, "a2", "A"), 1)
    assert market.do("u", bill) is Code.NOT_AUTHORISED, "one of its three owners is no till"
