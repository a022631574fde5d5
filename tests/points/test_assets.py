"""Hash evidence, registration of assets, and their sale for points."""

import pytest
from msgspec.structs import replace

from points import queries_assets
from points.anchors import ANCHOR_DAYS, ANCHORS_PER_DAY, is_namespace
from points.asset_invariants import asset_faults
from points.assets import ASSET_DAYS, ASSETS_PER_DAY
from points.keys import anchor_key, asset_key, daily_key, merchant_key, order_key
from points.queries import text
from points.state import Daily, MerchantStatus
from primitives.codes import Code
from primitives.kinds import AccountKey, BatchOperations, Freeze, KycRevoke, Refund, Transfer, Unfreeze
from primitives.kinds_assets import Anchor, AssetLock, AssetOffer, AssetRegister, AssetReturn, AssetSwap, AssetUnlock
from tests.points.market import ADDRESS, DAY, PUBLIC, START, Market, class_of, genesis_of, key_of

HASH = bytes(range(32))


def with_offer(price: int = 300, points: int = 1000, order_id: str | None = "d1") -> Market:
    """D offers the asset "print-7"; u has points of hA."""
    market = Market(genesis_of(extra_keys={"A": (AccountKey(PUBLIC["v"]),)}))
    market.issue("hA", points)
    market.ok("D", AssetRegister("print-7", HASH, "copyright"))
    market.ok("D", AssetOffer("print-7", price, order_id))
    return market


def set_status(market: Market, merchant: str, status: MerchantStatus) -> None:
    key = merchant_key(ADDRESS[merchant])
    market.view.apply({key: replace(market.view.get(key), status=status)})


# ---- evidence


def test_precedence_of_an_anchor() -> None:
    market = Market()
    rows = [
        ("u", Anchor("Bad Name!".replace(" ", "_"), HASH * 2), Code.NOT_AUTHORISED),
        ("A", Anchor("Elderly", HASH * 2), Code.PAYLOAD_TOO_LARGE),
        ("A", Anchor("Elderly", HASH), Code.BAD_NAMESPACE),
        ("A", Anchor("elderly-care", HASH), Code.OK),
        ("B", Anchor("elderly-care", HASH), Code.ANCHOR_EXISTS),
        ("B", Anchor("education", HASH), Code.OK),
        ("regulator", Anchor("employment", HASH), Code.OK),
    ]
    for sender, body, expected in rows:
        assert market.do(sender, body) is expected, body
    market.ok("regulator", Freeze(ADDRESS["A"], "OUT", b"", START + DAY))
    assert market.do("A", Anchor("Elderly", HASH * 2)) is Code.ACCOUNT_FROZEN


@pytest.mark.parametrize("name", ["a", "elderly-care", "poverty.relief/2026", "project_7", "a" * 32, "n1234567890"])
def test_namespaces(name: str) -> None:
    assert is_namespace(name)


@pytest.mark.parametrize(
    "name", ["", "A", "7a", "a b", "a--b", "a-.b", "-a", "a-", "a" * 33, "n13800138000", "a:b", "海", "aé"]
)
def test_names_that_are_no_namespace(name: str) -> None:
    """One spelling per name, no other script, and no telephone number."""
    assert not is_namespace(name)


def test_the_day_of_a_sender_has_an_end() -> None:
    market = Market()
    where = daily_key((START + 28_800) // DAY, b"a", ADDRESS["A"])
    market.view.apply({where: Daily(ANCHORS_PER_DAY - 1)})
    assert market.do("A", Anchor("a", HASH)) is Code.OK
    assert market.do("A", Anchor("b", HASH)) is Code.VELOCITY
    assert market.do("B", Anchor("b", HASH)) is Code.OK
    market.advance(DAY)
    assert market.do("A", Anchor("c", HASH)) is Code.OK


def test_an_anchor_leaves_the_state() -> None:
    market = Market()
    market.ok("A", Anchor("a", HASH))
    market.at(START + ANCHOR_DAYS * DAY - 1)
    assert market.do("B", Anchor("a", HASH)) is Code.ANCHOR_EXISTS
    market.advance(1)
    assert market.view.get(anchor_key("a", HASH)) is None
    assert market.do("B", Anchor("a", HASH)) is Code.OK


# ---- registration


def test_precedence_of_a_registration() -> None:
    market = Market()
    set_status(market, "B", MerchantStatus.SUSPENDED)
    rows = [
        ("u", AssetRegister("x", HASH * 2, "r"), Code.NOT_AUTHORISED),
        ("A", AssetRegister("x", HASH * 2, "r"), Code.PAYLOAD_TOO_LARGE),
        ("A", AssetRegister("x", HASH, "r"), Code.OK),
        ("B", AssetRegister("x", HASH, "r"), Code.ASSET_EXISTS),
        ("B", AssetRegister("y", HASH, "r"), Code.MERCHANT_SUSPENDED),
    ]
    for sender, body, expected in rows:
        assert market.do(sender, body) is expected, body
    where = daily_key((START + 28_800) // DAY, b"r", ADDRESS["A"])
    market.view.apply({where: Daily(ASSETS_PER_DAY)})
    assert market.do("A", AssetRegister("y", HASH, "r")) is Code.VELOCITY


def test_an_asset_leaves_the_state_unless_it_is_disputed() -> None:
    market = Market()
    for name in ("x", "y"):
        market.ok("A", AssetRegister(name, HASH, "r"))
    market.ok("regulator", AssetLock("y", b"two claim it"))
    end = START + ASSET_DAYS * DAY
    market.at(end - 1)
    assert market.do("B", AssetRegister("x", HASH, "r")) is Code.ASSET_EXISTS
    market.at(end)
    assert market.view.get(asset_key("x")) is None
    assert market.do("B", AssetRegister("x", HASH, "r")) is Code.OK
    assert market.do("B", AssetRegister("y", HASH, "r")) is Code.ASSET_EXISTS
    market.advance(10 * DAY)
    market.ok("regulator", AssetUnlock("y"))
    market.advance(DAY - 1)
    assert market.do("A", AssetOffer("y", 5)) is Code.OK
    market.advance(1)
    assert market.view.get(asset_key("y")) is None
    assert market.view.get(asset_key("x")).owner == ADDRESS["B"]


# ---- sale


def test_precedence_of_an_offer() -> None:
    market = with_offer()
    market.ok("u", market.redeem("D", 10, "used"))
    market.ok("regulator", AssetLock("print-7"))
    rows = [
        ("u", AssetOffer("print-8", 0), Code.NOT_AUTHORISED),
        ("B", AssetOffer("print-8", 0), Code.BAD_AMOUNT),
        ("B", AssetOffer("print-8", 5), Code.ASSET_UNKNOWN),
        ("B", AssetOffer("print-7", 5), Code.NOT_OWNER),
        ("D", AssetOffer("print-7", 5, "used"), Code.ASSET_LOCKED),
        ("D", AssetOffer("print-7"), Code.OK),  # what is disputed may be withdrawn
        ("D", AssetOffer("print-7"), Code.NOT_FOR_SALE),
    ]
    for sender, body, expected in rows:
        assert market.do(sender, body) is expected, body
    market.ok("regulator", AssetUnlock("print-7"))
    assert market.do("D", AssetOffer("print-7", 5, "used")) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("D", AssetOffer("print-7", 5, "free")) is Code.OK


def test_precedence_of_a_swap() -> None:
    market = with_offer()
    market.ok("regulator", AssetLock("print-7"))
    market.ok("regulator", Freeze(ADDRESS["u"], "OUT", b"", START + DAY))
    set_status(market, "D", MerchantStatus.SUSPENDED)
    swap = AssetSwap("print-7", 301, "nope")
    assert market.do("B", AssetSwap("print-8", 0)) is Code.NOT_AUTHORISED
    assert market.do("u", AssetSwap("print-8", 0)) is Code.ASSET_UNKNOWN
    assert market.do("u", AssetSwap("print-7", 0)) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Unfreeze(ADDRESS["u"]))
    assert market.do("u", AssetSwap("print-7", 0)) is Code.BAD_AMOUNT
    assert market.do("u", swap) is Code.ASSET_LOCKED
    market.ok("regulator", AssetUnlock("print-7"))
    market.ok("D", AssetOffer("print-7"))
    assert market.do("u", swap) is Code.NOT_FOR_SALE
    market.ok("D", AssetOffer("print-7", 300, "d1"))
    assert market.do("u", swap) is Code.PRICE_CHANGED
    assert market.do("u", replace(swap, price=300)) is Code.CLASS_UNKNOWN
    swap = AssetSwap("print-7", 300, "hB")
    market.ok("regulator", Freeze(ADDRESS["D"], "ALL", b"", START + DAY))
    assert market.do("u", swap) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Unfreeze(ADDRESS["D"]))
    assert market.do("u", swap) is Code.MERCHANT_SUSPENDED
    set_status(market, "D", MerchantStatus.ACTIVE)
    market.ok("u", market.redeem("D", 10, "d1"))
    assert market.do("u", swap) is Code.IDEMPOTENCY_CONFLICT
    market.ok("D", AssetOffer("print-7", 300, "d2"))
    assert market.do("u", swap) is Code.INSUFFICIENT  # there are points, of another class
    assert market.do("u", AssetSwap("print-7", 300, "hA")) is Code.OK


def test_a_swap_is_a_redemption_at_the_seller() -> None:
    """Same legs, fee, order and refund as any payment; and the asset has changed hands."""
    market = with_offer()
    receipt = market.ok("u", AssetSwap("print-7", 300))
    assert [event.kind for event in receipt.events] == ["Redeemed", "RedeemedLeg", "AssetSold"]
    assert market.avail("hA") == 700
    assert market.owed() == {"A->D": 2_985_000, "A->FUND": 15_000}
    asset = market.view.get(asset_key("print-7"))
    assert (asset.owner, asset.seller, asset.price) == (ADDRESS["u"], ADDRESS["D"], 0)
    assert market.view.get(order_key(ADDRESS["D"], "d1")).kind == "asset_swap"
    market.ok("D", Refund("d1", "r1", 300))
    assert market.avail("hA") == 1000


def test_a_repeated_swap_pays_once() -> None:
    market = with_offer(points=1000)
    market.issue("hA", 1000, to="v")
    first = market.ok("u", AssetSwap("print-7", 300))
    assert market.do("u", AssetSwap("print-7", 300)) is Code.OK_DUPLICATE
    assert market.receipt is not None and market.receipt.first is not None
    assert market.receipt.first.tx == first.tx
    assert market.do("u", AssetSwap("print-7", 299)) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("v", AssetSwap("print-7", 300)) is Code.NOT_FOR_SALE
    assert market.avail("hA") == 700


def test_of_two_buyers_in_one_block_one_pays() -> None:
    market = with_offer()
    market.issue("hB", 1000, to="v")
    codes = market.many(("u", AssetSwap("print-7", 300)), ("v", AssetSwap("print-7", 300)))
    assert codes == ["OK", "NOT_FOR_SALE"]
    assert market.avail("hB", "v") == 1000


def test_a_price_raised_in_the_same_block_is_not_paid() -> None:
    market = with_offer()
    codes = market.many(("D", AssetOffer("print-7", 900)), ("u", AssetSwap("print-7", 300)))
    assert codes == ["OK", "PRICE_CHANGED"]


def test_one_order_id_for_two_assets_sells_one() -> None:
    """Paying the second with the first's order would be a payment without delivery, or a delivery without payment."""
    market = with_offer(order_id="same")
    market.ok("D", AssetRegister("print-8", HASH, "copyright"))
    market.ok("D", AssetOffer("print-8", 300, "same"))
    market.ok("u", AssetSwap("print-7", 300))
    assert market.do("u", AssetSwap("print-8", 300)) is Code.IDEMPOTENCY_CONFLICT
    assert market.view.get(asset_key("print-8")).owner == ADDRESS["D"]


def test_a_seller_cannot_buy_from_itself() -> None:
    """D3: whoever shares a key with the payee cannot pay it. Here v holds a key of A."""
    market = with_offer()
    market.ok("A", AssetRegister("room-5", HASH, "ticket"))
    market.ok("A", AssetOffer("room-5", 10))
    market.issue("hB", 100, to="v")
    assert market.do("v", AssetSwap("room-5", 10)) is Code.NOT_AUTHORISED
    assert market.do("u", AssetSwap("room-5", 10)) is Code.OK


def test_who_bought_cannot_sell() -> None:
    """No second market: a tourist posts no price, hands nothing on, and the merchant no longer owns it."""
    market = with_offer()
    market.ok("u", AssetSwap("print-7", 300))
    assert market.do("u", AssetOffer("print-7", 500)) is Code.NOT_AUTHORISED
    assert market.do("D", AssetOffer("print-7", 500)) is Code.NOT_OWNER
    assert market.do("v", AssetReturn("print-7")) is Code.NOT_OWNER


def test_precedence_of_a_return() -> None:
    market = with_offer()
    market.ok("u", AssetSwap("print-7", 300))
    market.ok("regulator", AssetLock("print-7"))
    assert market.do("D", AssetReturn("print-8")) is Code.NOT_AUTHORISED
    assert market.do("v", AssetReturn("print-8")) is Code.ASSET_UNKNOWN
    assert market.do("v", AssetReturn("print-7")) is Code.NOT_OWNER
    assert market.do("u", AssetReturn("print-7")) is Code.ASSET_LOCKED
    market.ok("regulator", AssetUnlock("print-7"))
    market.ok("u", AssetReturn("print-7"))
    market.ok("D", Refund("d1", "r", 300))
    assert market.do("D", AssetOffer("print-7", 200, "d1")) is Code.IDEMPOTENCY_CONFLICT
    market.ok("D", AssetOffer("print-7", 200, "d2"))
    market.ok("u", AssetSwap("print-7", 200))
    assert market.avail("hA") == 800


def test_precedence_of_a_lock() -> None:
    market = with_offer()
    rows = [
        ("D", AssetLock("print-8", b"\xff"), Code.NOT_REGULATOR),
        ("regulator", AssetLock("print-8", b"\xff"), Code.MEMO_CHARSET),
        ("regulator", AssetLock("print-8", b"x" * 129), Code.MEMO_TOO_LONG),
        ("regulator", AssetLock("print-8"), Code.ASSET_UNKNOWN),
        ("regulator", AssetLock("print-7"), Code.OK),
        ("regulator", AssetLock("print-7"), Code.ASSET_LOCKED),
        ("D", AssetUnlock("print-7"), Code.NOT_REGULATOR),
        ("regulator", AssetUnlock("print-8"), Code.ASSET_UNKNOWN),
        ("regulator", AssetUnlock("print-7"), Code.OK),
    ]
    for sender, body, expected in rows:
        assert market.do(sender, body) is expected, body


def test_a_lock_outlives_nothing_it_should_not() -> None:
    """The posted price stands again after the dispute; unlocking shortens no life."""
    market = with_offer()
    before = market.view.get(asset_key("print-7"))
    market.ok("regulator", AssetLock("print-7"))
    market.ok("regulator", AssetUnlock("print-7"))
    assert market.view.get(asset_key("print-7")) == before
    market.ok("u", AssetSwap("print-7", 300))


def test_limits_of_a_payment_hold_for_a_swap() -> None:
    """A class with another scope does not pay; tier 0 may redeem so much in its life and no more."""
    scoped = [("A", class_of("hA", scope=("HOTEL",)))]
    market = Market(genesis_of(scoped, kyc0_lifetime=250))
    market.issue("hA", 1000)
    market.ok("D", AssetRegister("x", HASH, "r"))
    market.ok("D", AssetOffer("x", 200))
    assert market.do("u", AssetSwap("x", 200)) is Code.SCOPE_DENIED
    market.issue("hB", 1000)
    market.ok("attester", KycRevoke(ADDRESS["u"]))
    market.ok("D", AssetOffer("x", 251))
    assert market.do("u", AssetSwap("x", 251)) is Code.KYC_REQUIRED
    market.ok("D", AssetOffer("x", 250))
    assert market.do("u", AssetSwap("x", 250)) is Code.OK


def test_a_key_with_a_daily_limit_buys_no_more() -> None:
    limited = {"u": (AccountKey(key_of("u.2").public_key, "owner", 299),)}
    market = Market(genesis_of(extra_keys=limited))
    market.issue("hA", 1000)
    market.ok("D", AssetRegister("x", HASH, "r"))
    market.ok("D", AssetOffer("x", 300))
    assert market.do("u", AssetSwap("x", 300), ["u.2"]) is Code.KEY_LIMIT
    market.ok("D", AssetOffer("x", 299))
    assert market.do("u", AssetSwap("x", 299), ["u.2"]) is Code.OK


def test_nothing_of_this_stands_in_a_batch() -> None:
    market = with_offer()
    batch = BatchOperations((AssetSwap("print-7", 300), Transfer("hA", 1, ADDRESS["v"])))
    assert market.do("u", batch) is Code.BAD_BATCH


# ---- questions


def test_assets_are_listed_in_pages_and_by_owner() -> None:
    """Lapsed ones are not shown; every living one stands on exactly one page."""
    market = Market()
    for name in ("a", "b.1", "b", "c"):
        market.ok("A", AssetRegister(name, HASH, "r"))
    market.ok("D", AssetRegister("b-other", HASH, "r"))
    listed, after = [], ""
    while True:
        page = queries_assets.assets(market.view, market.time, after, 2)
        listed += [item["asset"] for item in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert listed == ["a", "b", "b-other", "b.1", "c"]
    of_d = queries_assets.assets(market.view, market.time, "", 50, ADDRESS["D"])
    assert ([item["asset"] for item in of_d["items"]], of_d["next"]) == (["b-other"], None)
    end = START + ASSET_DAYS * DAY
    assert queries_assets.assets(market.view, end, "", 50) == {"items": [], "next": None}


def test_what_is_asked_of_an_asset_and_an_anchor() -> None:
    market = with_offer()
    receipt = market.ok("u", AssetSwap("print-7", 300))
    plain = queries_assets.asset(market.view, market.time, "print-7")
    assert (plain["owner"], plain["seller"]) == (text(ADDRESS["u"]), text(ADDRESS["D"]))
    assert (plain["price"], plain["order_id"], plain["content_hash"]) == (None, "d1", HASH.hex())
    assert queries_assets.asset(market.view, market.time, "print-8") is None
    market.ok("A", Anchor("a/b", HASH))
    plain = queries_assets.anchor(market.view, market.time, "a/b", HASH)
    assert (plain["by"], plain["height"]) == (text(ADDRESS["A"]), receipt.height + 1)
    assert queries_assets.anchor(market.view, market.time, "a", HASH) is None
    assert queries_assets.anchor(market.view, START + ANCHOR_DAYS * DAY, "a/b", HASH) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [({"price": 5, "order_id": "x"}, "no merchant"), ({"seller": b""}, "bought from nobody"),
     ({"expires": START + 9 * 1_095 * DAY}, "lives until")],
)  # fmt: skip
def test_the_audit_sees_a_damaged_asset(change: dict[str, object], word: str) -> None:
    market = with_offer()
    market.ok("u", AssetSwap("print-7", 300))
    key = asset_key("print-7")
    assert list(asset_faults(market.view, market.time)) == []
    market.view.apply({key: replace(market.view.get(key), **change)})
    assert any(word in fault for fault in asset_faults(market.view, market.time))


def test_the_audit_sees_what_would_never_leave() -> None:
    market = with_offer()
    market.ok("A", Anchor("a", HASH))
    lists = {key: None for key, _ in market.view.range(b"P", b"Q")}
    market.view.apply(lists)
    assert len(list(asset_faults(market.view, market.time))) == 2
