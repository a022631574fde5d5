"""Who may do what: keys, roles, freezes, tiers, reserves, classes."""

import pytest
from msgspec.structs import replace

from primitives.codes import Code
from primitives.keys import address_of
from primitives.kinds import (
    AccountKey,
    Authorize,
    Body,
    Capture,
    ClassCreate,
    ClassRetire,
    Freeze,
    Issue,
    KeyAdd,
    KeyRevoke,
    KycAttest,
    KycRevoke,
    PauseClass,
    Redeem,
    RedeemByToken,
    Refund,
    ReserveAttest,
    Transfer,
    Unfreeze,
    WindowClose,
)
from tests.points.market import ADDRESS, DAY, PUBLIC, START, Market, address, class_of, genesis_of, key_of


def pos_key(daily_limit: int | None = None) -> dict[str, tuple[AccountKey, ...]]:
    return {"B": (AccountKey(key_of("B.pos").public_key, "pos", daily_limit),)}


def test_freeze_out() -> None:
    """Scenario 27, mode OUT."""
    market = Market(genesis_of([("A", class_of("hA", transferable=True, validity_days=2))]))
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 100, "b1"))
    hold = market.authorize("B", 100)
    market.ok("regulator", Freeze(ADDRESS["u"], "OUT", b"case 7", START + 30 * DAY))
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.ACCOUNT_FROZEN
    assert market.do("u", market.redeem("B", 100, "b1")) is Code.OK_DUPLICATE
    assert market.do("u", Transfer("hA", 1, ADDRESS["v"])) is Code.ACCOUNT_FROZEN
    assert market.do("u", Authorize(ADDRESS["B"], 1, 60)) is Code.ACCOUNT_FROZEN
    assert market.do("B", RedeemByToken(market.pay_code("u", 1, 9), 9, "t")) is Code.ACCOUNT_FROZEN
    assert market.issue("hA", 10) is Code.OK
    market.ok("B", Refund("b1", "r", 10))
    market.ok("B", Capture(hold, 60, "c1"))
    market.advance(4 * DAY)
    assert market.spendable() == 0
    market.ok("regulator", Unfreeze(ADDRESS["u"]))
    market.issue("hA", 10)
    market.ok("u", market.redeem("B", 1, "b3"))


def test_freeze_all() -> None:
    market = Market(genesis_of([("A", class_of("hA", transferable=True))]))
    market.issue("hA", 1000)
    market.ok("u", market.redeem("B", 100, "b1"))
    hold = market.authorize("B", 100)
    market.issue("hA", 1000, to="v")
    until = market.time + 1000
    market.ok("regulator", Freeze(ADDRESS["u"], "ALL", b"", until))
    assert market.do("B", Capture(hold, 60, "c1")) is Code.ACCOUNT_FROZEN
    assert market.issue("hA", 10) is Code.ACCOUNT_FROZEN
    assert market.do("v", Transfer("hA", 1, ADDRESS["u"])) is Code.ACCOUNT_FROZEN
    market.ok("B", Refund("b1", "r", 10))
    market.at(until)
    market.ok("B", Capture(hold, 60, "c1"))


def test_a_freeze_counts_from_the_next_transaction_of_its_block() -> None:
    market = Market()
    market.issue("hA", 1000)
    codes = market.many(
        ("u", market.redeem("B", 1, "b1")),
        ("regulator", Freeze(ADDRESS["u"], "OUT", b"", START + DAY)),
        ("u", market.redeem("B", 1, "b2")),
    )
    assert codes == ["OK", "OK", "ACCOUNT_FROZEN"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (Freeze(ADDRESS["v"], "ALL", b"", START + 9), Code.NOT_REGULATOR),
        (Unfreeze(ADDRESS["v"]), Code.NOT_REGULATOR),
        (PauseClass("hA", START + 9), Code.NOT_REGULATOR),
        (KycAttest(ADDRESS["v"], 1, START + 9, bytes(32)), Code.NOT_ATTESTER),
        (KycRevoke(ADDRESS["v"]), Code.NOT_ATTESTER),
        (WindowClose(), Code.NOT_AUTHORISED),
        (class_of("new"), Code.NOT_AUTHORISED),
        (ClassRetire("hA"), Code.NOT_AUTHORISED),
        (Issue("hA", ADDRESS["v"], 1, "o", "EARN", 0), Code.NOT_AUTHORISED),
        (Refund("o", "r", 1), Code.NOT_AUTHORISED),
    ],
)
def test_a_tourist_holds_no_office(body: Body, code: Code) -> None:
    assert Market().do("u", body) is code


def test_merchants_and_offices_hold_no_points() -> None:
    """D3."""
    market = Market()
    for name in ("B", "operator"):
        assert market.issue("hA", 1, to=name) is Code.NOT_AUTHORISED
    assert market.do("A", market.redeem("B", 1, "b1")) is Code.NOT_AUTHORISED
    assert market.do("C", RedeemByToken(market.pay_code("B", 1, 9), 9, "t")) is Code.NOT_AUTHORISED


def test_nobody_pays_a_merchant_whose_key_he_holds() -> None:
    market = Market(genesis_of(extra_keys={"u": (AccountKey(PUBLIC["B"], "pos"),)}))
    market.issue("hA", 10)
    assert market.do("u", market.redeem("B", 1, "b1")) is Code.NOT_AUTHORISED
    assert market.do("u", Authorize(ADDRESS["B"], 1, 60)) is Code.NOT_AUTHORISED
    market.ok("u", market.redeem("C", 1, "c1"))


def test_keys_act_in_their_role_only() -> None:
    market = Market(genesis_of(extra_keys=pos_key()))
    market.issue("hA", 100)
    market.ok("u", market.redeem("B", 50, "b1"))
    market.ok("B", Refund("b1", "r1", 10), signers=["B.pos"])
    assert market.do("B", class_of("new"), signers=["B.pos"]) is Code.NOT_AUTHORISED
    assert market.do("B", Refund("b1", "r2", 1), signers=["C"]) is Code.BAD_SIGNATURE
    assert market.do("B", Refund("b1", "r2", 1), signers=["B", "C"]) is Code.BAD_SIGNATURE
    assert market.do("w", Refund("b1", "r2", 1)) is Code.ACCOUNT_UNKNOWN


def test_daily_limit_of_a_key() -> None:
    market = Market(genesis_of(extra_keys=pos_key(30)))
    market.issue("hA", 100)
    market.ok("u", market.redeem("B", 50, "b1"))
    market.ok("B", Refund("b1", "r1", 30), signers=["B.pos"])
    assert market.do("B", Refund("b1", "r2", 1), signers=["B.pos"]) is Code.KEY_LIMIT
    market.ok("B", Refund("b1", "r2", 1), signers=["B"])
    market.advance(DAY)
    market.ok("B", Refund("b1", "r3", 1), signers=["B.pos"])
    market.advance(DAY)
    assert len([key for key in market.view.records if key[:1] == b"D"]) == 0


def test_an_unsigned_or_foreign_request_is_refused() -> None:
    market = Market()
    market.issue("hA", 100)


    assert market.do("u", Redeem(market.request("B", 5, "b1", signer="C"), 5)) is Code.BAD_SIGNATURE
    request = market.request("B", 5, "b1")


    assert market.do("u", Redeem(replace(request, value=4), 5)) is Code.BAD_SIGNATURE
    assert market.do("u", Redeem(request, 4)) is Code.BAD_AMOUNT
    market.ok("u", Redeem(request, 5))
    late = market.request("B", 5, "b2", expires_at=market.time + DAY + 1)
    assert market.do("u", Redeem(late, 5)) is Code.TTL_TOO_LONG
    gone = market.request("B", 5, "b2", expires_at=market.time)
    assert market.do("u", Redeem(gone, 5)) is Code.REQUEST_EXPIRED


def test_open_an_account() -> None:
    market = Market(genesis_of(sponsor_day=2))
    for sender, body, signers, code in (
        ("u", market.opening(["w"], "A"), None, Code.BAD_KEY),
        ("w", market.opening(["w", "w.2"], "A"), ["w.2"], Code.BAD_SIGNATURE),
        ("w", market.opening(["w"], "x"), None, Code.ACCOUNT_UNKNOWN),
        ("w", market.opening(["w"], "v"), None, Code.NOT_AUTHORISED),
        ("u", market.opening(["u"], "A"), None, Code.ACCOUNT_EXISTS),
        ("w", market.opening(["w", *(f"w.{i}" for i in range(8))], "A"), None, Code.TOO_MANY_KEYS),
        ("w", market.opening(["w", "w"], "A"), None, Code.BAD_KEY),
        ("w", market.opening(["w"], "A", threshold=2), None, Code.BAD_THRESHOLD),
        ("w", market.opening(["w"], "A"), None, Code.OK),
        ("w", market.opening(["w"], "A"), None, Code.ACCOUNT_EXISTS),
        ("x", market.opening(["x"], "A"), None, Code.OK),
        ("y", market.opening(["y"], "A"), None, Code.SPONSOR_LIMIT),
        ("y", market.opening(["y"], "operator"), None, Code.OK),
    ):
        assert market.do(sender, body, signers) is code, (sender, code)
    assert market.issue("hA", 5, to="w") is Code.OK


def test_add_and_revoke_keys() -> None:
    market = Market()
    new = key_of("u.2").public_key
    market.ok("u", KeyAdd(new, "owner"))
    assert market.do("u", KeyAdd(new, "owner")) is Code.KEY_EXISTS
    assert market.do("u", KeyAdd(b"\x01" + bytes(31), "owner")) is Code.BAD_KEY
    market.ok("u", KeyRevoke(PUBLIC["u"]), signers=["u.2"])
    assert market.do("u", KeyRevoke(new), signers=["u.2"]) is Code.LAST_KEY
    assert market.do("u", KeyRevoke(PUBLIC["u"]), signers=["u.2"]) is Code.KEY_UNKNOWN
    assert market.do("u", KeyAdd(PUBLIC["u"], "owner")) is Code.BAD_SIGNATURE
    assert address("u") == address_of(PUBLIC["u"])


def test_tiers_are_attested_and_expire() -> None:
    market = Market(genesis_of(tiers={"u": 0}, kyc0_lifetime=10))
    market.issue("hA", 1000)
    assert market.do("u", market.redeem("B", 11, "b1")) is Code.KYC_REQUIRED
    market.ok("attester", KycAttest(ADDRESS["u"], 1, market.time + 100, bytes(32)))
    market.ok("u", market.redeem("B", 11, "b1"))
    market.advance(100)
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.KYC_REQUIRED
    assert market.do("attester", KycAttest(ADDRESS["u"], 3, 0, bytes(32))) is Code.BAD_AMOUNT


def test_reserve_needs_custodian_and_merchant() -> None:
    market = Market()
    body = ReserveAttest(ADDRESS["A"], 800_000, START, bytes(32))
    assert market.do("custodian", body) is Code.NOT_AUTHORISED
    assert market.do("A", body) is Code.NOT_AUTHORISED
    assert market.do("custodian", body, signers=["custodian", "B"]) is Code.NOT_AUTHORISED
    assert market.do("custodian", body, signers=["custodian", "A", "B"]) is Code.BAD_SIGNATURE
    market.ok("custodian", body, signers=["custodian", "A"])
    assert market.exposure("A")["cap"] == 2_000_000
    market.ok("A", ReserveAttest(ADDRESS["A"], 0, START, bytes(32)), signers=["custodian", "A"])
    assert market.exposure("A")["cap"] == 0
    for as_of in (START - 1, START + 1):
        stale = ReserveAttest(ADDRESS["A"], 1, as_of, bytes(32))
        assert market.do("A", stale, signers=["custodian", "A"]) is Code.STALE_ATTESTATION
    nobody = ReserveAttest(ADDRESS["u"], 1, START, bytes(32))
    assert market.do("custodian", nobody, signers=["custodian", "A"]) is Code.MERCHANT_UNKNOWN


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"uv": 0}, Code.BAD_CLASS),
        ({"uv": 10_001}, Code.BAD_CLASS),
        ({"validity_days": 0}, Code.BAD_CLASS),
        ({"validity_days": 1096}, Code.BAD_CLASS),
        ({"uv": 9_999, "kind": "COMMON"}, Code.BAD_CLASS),
        ({"pending_days": 366}, Code.BAD_CLASS),
        ({"max_per_order": 0}, Code.BAD_AMOUNT),
        ({}, Code.OK),
    ],
)
def test_class_terms(fields: dict[str, int], code: Code) -> None:
    market = Market()
    assert market.do("A", class_of("new", **fields)) is code
    if code is Code.OK:
        assert market.do("B", class_of("new")) is Code.CLASS_EXISTS


def test_a_retired_class_is_spent_but_not_issued() -> None:
    market = Market()
    market.issue("hA", 100)
    assert market.do("B", ClassRetire("hA")) is Code.NOT_ISSUER
    market.ok("A", ClassRetire("hA"))
    assert market.issue("hA", 1) is Code.BAD_CLASS
    market.ok("u", market.redeem("B", 100, "b1"))
    assert isinstance(class_of("x"), ClassCreate)


def test_a_paused_class_is_passed_over_until_it_ends() -> None:
    market = Market()
    market.issue("hA", 100)
    market.ok("regulator", PauseClass("hA", START + 100))
    assert market.do("u", market.redeem("B", 1, "b1")) is Code.CLASS_PAUSED
    market.issue("hC", 1)
    market.ok("u", market.redeem("B", 1, "b1"))
    market.at(START + 100)
    market.ok("u", market.redeem("B", 100, "b2"))
