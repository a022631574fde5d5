"""Offline escrow: points promised to one merchant, spent by codes that arrive hours later."""

from msgspec.structs import replace

from points.escrows import escrow_id
from points.keys import account_key, holdings_key, merchant_key, used_key
from points.state import HoldState, MerchantStatus
from primitives.codes import Code
from primitives.kinds import AccountKey, Capture, Freeze, KeyAdd, KeyRevoke, PayCode, RedeemByToken, Refund, Void
from primitives.kinds_assets import OfflineEscrow
from tests.points.market import ADDRESS, DAY, PUBLIC, START, Market, class_of, genesis_of, key_of

HOUR = 3600
UB = escrow_id(ADDRESS["u"], ADDRESS["B"])


def with_escrow(value: int = 800, ttl: int = 10 * HOUR, points: int = 1000) -> Market:
    """u has `points` of hA and `value` fen of them in escrow at B."""
    market = Market()
    market.issue("hA", points)
    market.ok("u", OfflineEscrow(ADDRESS["B"], value, ttl))
    return market


def code(market: Market, seq: int, most: int, after: int = 9 * HOUR, merchant: str | None = "B") -> PayCode:
    """u's code, shown at START without a network, good for 9 hours."""
    return market.pay_code("u", seq, most, merchant, START + after)


def take(market: Market, seq: int, value: int, order: str = "", merchant: str | None = "B") -> Code:
    return market.do("B", RedeemByToken(code(market, seq, value, merchant=merchant), value, order or f"s{seq}"))


def set_status(market: Market, merchant: str, status: MerchantStatus) -> None:
    key = merchant_key(ADDRESS[merchant])
    market.view.apply({key: replace(market.view.get(key), status=status)})


def test_codes_shown_offline_are_paid_from_the_escrow_hours_later() -> None:
    market = with_escrow()
    assert market.spendable() == 200
    codes = [code(market, seq, 300) for seq in (1, 2)]
    market.advance(8 * HOUR)
    assert market.do("B", RedeemByToken(codes[0], 300, "s1")) is Code.OK
    assert market.do("B", RedeemByToken(codes[1], 250, "s2")) is Code.OK
    assert market.hold(UB).value == 250
    assert market.spendable() == 200
    assert market.owed() == {"A->B": 5_472_500, "A->FUND": 27_500}
    market.at(START + 10 * HOUR)
    assert market.hold(UB).state is HoldState.EXPIRED
    assert market.spendable() == 450
    market.ok("B", Refund("s1", "r", 300))
    assert market.spendable() == 750


def test_the_last_fen_closes_the_escrow() -> None:
    market = with_escrow()
    assert take(market, 1, 800) is Code.OK
    assert market.hold(UB).state is HoldState.CAPTURED
    assert market.view.get(holdings_key(ADDRESS["u"])).open_holds == 0
    market.ok("u", OfflineEscrow(ADDRESS["B"], 100, HOUR))
    assert market.hold(UB).value == 100


def test_precedence_of_an_escrow() -> None:
    """Each row repairs the fault above it."""
    market = Market(genesis_of(extra_keys={"u": (AccountKey(PUBLIC["D"]),)}))
    rows = [
        ("A", OfflineEscrow(ADDRESS["B"], 0, 1), Code.NOT_AUTHORISED),
        ("u", OfflineEscrow(key_of("nobody").public_key[:20], 0, 1), Code.ACCOUNT_UNKNOWN),
        ("u", OfflineEscrow(ADDRESS["v"], 0, 1), Code.MERCHANT_UNKNOWN),
        ("u", OfflineEscrow(ADDRESS["D"], 0, 1), Code.NOT_AUTHORISED),
        ("u", OfflineEscrow(ADDRESS["B"], 0, 1), Code.BAD_AMOUNT),
        ("u", OfflineEscrow(ADDRESS["B"], 10, 59), Code.BAD_TTL),
        ("u", OfflineEscrow(ADDRESS["B"], 10, DAY + 1), Code.BAD_TTL),
        ("u", OfflineEscrow(ADDRESS["B"], 10, DAY), Code.INSUFFICIENT),
    ]
    for sender, body, expected in rows:
        assert market.do(sender, body) is expected, body
    market.issue("hA", 100)
    assert market.do("u", OfflineEscrow(ADDRESS["B"], 10, DAY)) is Code.OK
    assert market.do("u", OfflineEscrow(ADDRESS["B"], 10, DAY)) is Code.HOLD_LIMIT
    assert market.do("u", OfflineEscrow(ADDRESS["C"], 10, DAY)) is Code.OK
    set_status(market, "A", MerchantStatus.SUSPENDED)
    assert market.do("u", OfflineEscrow(ADDRESS["A"], 10, DAY)) is Code.MERCHANT_SUSPENDED


def test_precedence_of_a_code_against_an_escrow() -> None:
    market = with_escrow(value=100)
    assert take(market, 1, 0) is Code.BAD_AMOUNT
    set_status(market, "B", MerchantStatus.SUSPENDED)
    market.ok("regulator", Freeze(ADDRESS["u"], "ALL", b"", START + DAY))
    assert take(market, 1, 101) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Freeze(ADDRESS["u"], "OUT", b"", START + DAY))
    assert take(market, 1, 101) is Code.MERCHANT_SUSPENDED
    set_status(market, "B", MerchantStatus.ACCEPT_SUSPENDED)  # open holds may still be captured (2.8)
    late = code(market, 1, 101, after=10 * HOUR + 1)
    assert market.do("B", RedeemByToken(late, 101, "o")) is Code.TOKEN_CAP
    assert market.do("B", RedeemByToken(code(market, 1, 101, after=0), 101, "o")) is Code.TOKEN_EXPIRED
    assert market.do("B", RedeemByToken(code(market, 1, 99), 100, "o")) is Code.TOKEN_CAP
    assert take(market, 1, 101) is Code.CAPTURE_EXCEEDS_HOLD
    assert take(market, 1, 60) is Code.OK
    assert take(market, 1, 60) is Code.OK_DUPLICATE
    assert take(market, 1, 59) is Code.IDEMPOTENCY_CONFLICT
    assert take(market, 1, 40, order="other") is Code.TOKEN_USED
    assert take(market, 2, 41) is Code.CAPTURE_EXCEEDS_HOLD


def test_no_second_merchant_gets_what_one_was_promised() -> None:
    """A code for B is nothing to C, and C's own code finds only what is not in escrow."""
    market = with_escrow(value=900)
    body = RedeemByToken(code(market, 1, 500), 500, "c1")
    assert market.do("C", body) is Code.NOT_AUTHORISED
    for_c = market.pay_code("u", 2, 500, "C", START + 60)
    assert market.do("C", RedeemByToken(for_c, 500, "c2")) is Code.INSUFFICIENT
    late = market.pay_code("u", 3, 50, "C", START + HOUR)
    assert market.do("C", RedeemByToken(late, 50, "c3")) is Code.TOKEN_CAP
    assert take(market, 1, 500) is Code.OK


def test_a_code_for_any_merchant_is_not_paid_from_the_escrow() -> None:
    market = with_escrow(value=900)
    online = market.pay_code("u", 1, 150, None, START + 60)
    assert market.do("B", RedeemByToken(online, 150, "o1")) is Code.INSUFFICIENT
    assert take(market, 2, 150, merchant=None) is Code.TOKEN_CAP  # as late as an offline code, but for anybody


def test_the_merchant_takes_nothing_without_a_code() -> None:
    """A capture needs no signature of the payer: it is refused, also for what is left."""
    market = with_escrow()
    assert market.do("B", Capture(UB, 100, "c")) is Code.NOT_AUTHORISED
    assert market.do("C", Void(UB)) is Code.NOT_AUTHORISED
    assert market.do("u", Void(UB)) is Code.NOT_AUTHORISED
    market.ok("B", Void(UB))
    assert market.spendable() == 1000
    assert take(market, 1, 100) is Code.TOKEN_CAP  # the escrow is closed: an hour ahead is too far again


def test_a_revoked_key_still_pays_what_it_has_shown_offline() -> None:
    """Otherwise a tourist pays on the boat, revokes the key ashore, and keeps the points."""
    market = with_escrow()
    shown = code(market, 1, 300)
    market.ok("u", KeyAdd(PUBLIC["w"], "owner"))
    market.ok("u", KeyRevoke(PUBLIC["u"]), ["w"])
    assert market.do("B", RedeemByToken(shown, 300, "s1")) is Code.OK
    online = market.pay_code("u", 2, 10, None, START + 60)
    assert market.do("B", RedeemByToken(online, 10, "s2")) is Code.BAD_SIGNATURE


def test_another_key_of_the_payer_does_not_reach_the_escrow() -> None:
    market = with_escrow(value=900)
    market.ok("u", KeyAdd(PUBLIC["w"], "owner"))
    other = market.pay_code("u", 1, 150, "B", START + 60, signer="w")
    assert market.do("B", RedeemByToken(other, 150, "o1")) is Code.INSUFFICIENT
    assert market.hold(UB).value == 900


def test_an_overshooting_code_costs_less_than_a_fen_of_the_escrow() -> None:
    """Units of 3,000 uY: a code of 1 fen takes 4, and 2,000 uY of the last go to FUND; nothing is promised twice."""
    market = Market(genesis_of([("A", class_of("hA", uv=3000))]))
    market.issue("hA", 20)
    market.ok("u", OfflineEscrow(ADDRESS["B"], 3, HOUR))
    assert market.avail("hA") == 10
    assert market.do("B", RedeemByToken(market.pay_code("u", 1, 1, "B", START + 60), 1, "o1")) is Code.OK
    assert (market.hold(UB).value, market.avail("hA")) == (1, 12)  # 6 units left are worth 1.8 fen, 2 of them are over
    assert market.do("B", RedeemByToken(market.pay_code("u", 2, 1, "B", START + 60), 1, "o2")) is Code.OK
    assert market.hold(UB).state is HoldState.CAPTURED
    assert market.avail("hA") == 12


def test_points_that_expire_in_escrow_are_still_paid() -> None:
    """2.5: promised in time; what is released afterwards is expired."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=1))]))
    market.issue("hA", 100)
    bucket = market.lots()[0].bucket
    market.at(bucket - HOUR)
    market.ok("u", OfflineEscrow(ADDRESS["B"], 100, DAY))
    market.at(bucket)
    shown = market.pay_code("u", 1, 60, "B", bucket + HOUR)
    assert market.do("B", RedeemByToken(shown, 60, "s1")) is Code.OK
    market.advance(DAY)
    assert market.hold(UB).state is HoldState.EXPIRED
    assert market.lots() == ()


def test_used_offline_codes_leave_the_state_after_the_escrow_is_over() -> None:
    market = with_escrow(ttl=DAY)
    shown = code(market, 1, 100, after=DAY - 1)
    assert market.do("B", RedeemByToken(shown, 100, "s1")) is Code.OK
    where = used_key(ADDRESS["u"], PUBLIC["u"], 1)
    market.advance(DAY - 2)
    assert market.do("B", RedeemByToken(shown, 90, "s2")) is Code.TOKEN_USED
    market.advance(10)
    assert market.view.get(where) is None


def test_the_account_key_names_nobody_else() -> None:
    """An escrow is bound to its payer: v's key signs no code for u's escrow."""
    market = with_escrow()
    forged = market.pay_code("u", 1, 100, "B", START + HOUR, signer="v")
    assert market.view.get(account_key(ADDRESS["v"])) is not None
    assert market.do("B", RedeemByToken(forged, 100, "s1")) is Code.BAD_SIGNATURE


def test_free_points_pay_no_code_of_an_escrow_that_is_spent_or_given_up() -> None:
    """Not even in the last minute of the code, when it looks like one that was shown online."""
    for end in (lambda m: m.do("B", RedeemByToken(code(m, 1, 800), 800, "s1")), lambda m: m.do("B", Void(UB))):
        market = with_escrow(800)
        shown = code(market, 2, 150)
        assert end(market) is Code.OK
        market.at(START + 9 * HOUR - 30)
        assert market.do("B", RedeemByToken(shown, 150, "s2")) is Code.TOKEN_CAP
        unnamed = market.pay_code("u", 3, 150)
        assert market.do("B", RedeemByToken(unnamed, 150, "s3")) is Code.OK
        market.at(START + 10 * HOUR)
        assert market.do("B", RedeemByToken(market.pay_code("u", 4, 10, "B"), 10, "s4")) is Code.OK


def test_a_lesser_key_that_signs_too_does_not_sign_the_codes() -> None:
    """Signatures are not in a transaction's id (D1), so whoever relays it may add one."""
    market = Market()
    lesser = AccountKey(key_of("till").public_key, "pos", 1)
    account = market.view.get(account_key(ADDRESS["u"]))
    market.view.apply({account_key(ADDRESS["u"]): replace(account, keys=(lesser, *account.keys))})
    market.issue("hA", 1000)
    signers = sorted(["u", "till"], key=lambda name: key_of(name).public_key)
    market.ok("u", OfflineEscrow(ADDRESS["B"], 1, HOUR), signers)
    assert market.hold(UB).code_key == PUBLIC["u"]


def test_a_number_that_was_used_online_pays_no_offline_code() -> None:
    """A wallet that lost count signs number 5 twice: online in the morning, offline in the evening; one is paid."""
    market = with_escrow()
    shown = market.pay_code("u", 5, 100, None, market.time + 60)
    market.ok("C", RedeemByToken(shown, 100, "online"))
    market.advance(3600)
    assert take(market, 5, 100) is Code.TOKEN_USED
    assert take(market, 6, 100) is Code.OK
    market.advance(24 * HOUR)
    assert market.view.get(used_key(ADDRESS["u"], PUBLIC["u"], 5)) is None


def test_without_an_escrow_a_used_number_is_forgotten_with_its_code() -> None:
    market = Market()
    market.issue("hA", 1000)
    market.ok("C", RedeemByToken(market.pay_code("u", 5, 100, None, market.time + 60), 100, "online"))
    market.advance(62)
    assert market.view.get(used_key(ADDRESS["u"], PUBLIC["u"], 5)) is None
