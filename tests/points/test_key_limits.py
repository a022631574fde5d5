"""Daily limits of keys: the owner sets them, each key for itself, and no key sets its own."""

from points.keys import account_key
from primitives.codes import Code
from primitives.kinds import AccountKey, Capture, RedeemByToken
from primitives.kinds_assets import OfflineEscrow
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryCancel
from tests.points.market import ADDRESS, DAY, START, Market, address, genesis_of, key_of


def test_limit_of_a_key() -> None:
    market = Market()
    market.issue("hA", 1000)
    key = key_of("u").public_key
    assert market.do("u", KeyLimit(key_of("v").public_key, 1)) is Code.KEY_UNKNOWN
    market.ok("u", KeyLimit(key, 30))
    market.ok("u", market.redeem("B", 30, "b1"))
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.KEY_LIMIT
    market.ok("u", KeyLimit(key, 31))
    market.ok("u", market.redeem("B", 1, "b2"))
    assert market.do("u", market.redeem("B", 1, "b3")) is Code.KEY_LIMIT
    market.ok("u", KeyLimit(key, None))
    market.ok("u", market.redeem("B", 100, "b3"))
    market.ok("u", KeyLimit(key, 0))
    assert market.do("u", market.redeem("B", 1, "b4")) is Code.KEY_LIMIT


def test_a_key_of_the_till_does_not_raise_its_own_limit() -> None:
    till = AccountKey(key_of("B.pos").public_key, "pos", 30)
    market = Market(genesis_of(extra_keys={"B": (till,)}))
    for body in (KeyLimit(till.key, None), GuardiansSet((), 0), RecoveryCancel()):
        assert market.do("B", body, signers=["B.pos"]) is Code.NOT_AUTHORISED
    market.ok("B", KeyLimit(till.key, 0))
    limits = {key.role: key.daily_limit for key in market.view.get(account_key(address("B"))).keys}
    assert limits == {"owner": None, "pos": 0}


def limited_till() -> Market:
    """The till of B may take 30 fen a day; u has points of A."""
    till = AccountKey(key_of("B.pos").public_key, "pos", 30)
    market = Market(genesis_of(extra_keys={"B": (till,)}))
    market.issue("hA", 1000)
    return market


def test_the_limit_of_a_till_bounds_what_it_captures() -> None:
    market = limited_till()
    first, second = market.authorize("B", 100, 3 * DAY), market.authorize("B", 100, 3 * DAY)
    assert market.do("B", Capture(first, 31, "c1"), signers=["B.pos"]) is Code.KEY_LIMIT
    market.ok("B", Capture(first, 20, "c1"), signers=["B.pos"])
    assert market.do("B", Capture(second, 11, "c2"), signers=["B.pos"]) is Code.KEY_LIMIT
    market.advance(DAY)
    market.ok("B", Capture(second, 30, "c2"), signers=["B.pos"])
    assert market.owed() == {"A->B": 497_500, "A->FUND": 2_500}


def test_the_limit_of_a_till_bounds_the_offline_codes_that_it_charges() -> None:
    market = limited_till()
    market.ok("u", OfflineEscrow(ADDRESS["B"], 100, 10 * 3600))

    def charge(seq: int, fen: int) -> Code:
        code = market.pay_code("u", seq, 100, "B", START + 9 * 3600)
        return market.do("B", RedeemByToken(code, fen, f"s{seq}"), signers=["B.pos"])

    assert charge(1, 31) is Code.KEY_LIMIT
    assert charge(1, 20) is Code.OK
    assert charge(2, 11) is Code.KEY_LIMIT
    assert charge(2, 10) is Code.OK
