"""Authorise, capture, void, release (D9)."""

from points.state import HoldState
from primitives.codes import Code
from primitives.kinds import Authorize, Capture, Refund, Void
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of


def test_hold_arithmetic() -> None:
    """Scenario 11."""
    market = Market()
    market.issue("hA", 1000)
    hold = market.authorize("B", 800)
    assert market.spendable() == 200
    assert market.do("u", Authorize(ADDRESS["B"], 300, 60)) is Code.INSUFFICIENT
    assert market.do("B", Capture(hold, 801, "c1")) is Code.CAPTURE_EXCEEDS_HOLD
    market.ok("B", Capture(hold, 500, "c1"))
    assert market.spendable() == 500
    assert market.do("B", Capture(hold, 500, "c1")) is Code.OK_DUPLICATE
    assert market.do("B", Capture(hold, 400, "c1")) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("B", Capture(hold, 300, "c2")) is Code.HOLD_NOT_OPEN
    assert market.receipt is not None and market.receipt.detail == "CAPTURED"
    assert market.do("B", Void(hold)) is Code.HOLD_NOT_OPEN
    assert market.owed() == {"A->B": 4_975_000, "A->FUND": 25_000}
    market.ok("B", Refund("c1", "r", 500))
    assert market.spendable() == 1000


def test_capture_splits_legs_as_redeem_would() -> None:
    """Captured: floor units of the first lot and one unit that overshoots; the rest returns."""
    classes = [("A", class_of("hA", uv=3000, validity_days=10)), ("B", class_of("hB", uv=7000, validity_days=20))]
    market = Market(genesis_of(classes))
    market.issue("hA", 5)
    market.issue("hB", 50)
    hold = market.authorize("C", 20)
    assert (market.avail("hA"), market.avail("hB")) == (0, 23)
    market.ok("C", Capture(hold, 1, "c1"))
    assert (market.avail("hA"), market.avail("hB")) == (1, 50)
    assert market.owed()["A->FUND"] == 2000 + 50


def test_release_at_the_second_of_expiry() -> None:
    market = Market()
    market.issue("hA", 1000)
    hold = market.authorize("B", 800, ttl=100)
    market.advance(99)
    assert market.spendable() == 200
    market.advance(1)
    assert market.spendable() == 1000
    assert market.hold(hold).state is HoldState.EXPIRED
    assert market.do("B", Capture(hold, 1, "c1")) is Code.HOLD_NOT_OPEN
    assert market.last is not None
    market.issue("hA", 1)


def test_points_authorised_in_time_may_be_captured_after_their_expiry() -> None:
    """2.5: a released remainder of expired points expires at once."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=1))]))
    market.issue("hA", 100)
    hold = market.authorize("B", 60, ttl=3 * DAY)
    market.at(1_760_025_600)
    assert market.spendable() == 0
    market.ok("B", Capture(hold, 50, "c1"))
    assert market.lots() == ()
    assert market.exposure("A")["outstanding"] == 0
    assert market.owed()["A->B"] == 497_500


def test_hold_and_bucket_that_end_in_the_same_block() -> None:
    """D10: holds are released first, and a released lot whose bucket is due expires."""
    market = Market(genesis_of([("A", class_of("hA", validity_days=1))]))
    market.issue("hA", 100)
    hold = market.authorize("B", 60, ttl=1_760_025_600 - START)
    market.at(1_760_025_600)
    assert market.hold(hold).state is HoldState.EXPIRED
    assert market.lots() == ()
    assert market.exposure("A")["outstanding"] == 0


def test_authorize_and_capture_precedence() -> None:
    market = Market()
    market.issue("hA", 1000)
    for body, code in (
        (Authorize(b"\x01" * 20, 0, 0), Code.ACCOUNT_UNKNOWN),
        (Authorize(ADDRESS["v"], 0, 0), Code.MERCHANT_UNKNOWN),
        (Authorize(ADDRESS["B"], 0, 0), Code.BAD_AMOUNT),
        (Authorize(ADDRESS["B"], 1001, 59), Code.BAD_TTL),
        (Authorize(ADDRESS["B"], 1001, 30 * DAY + 1), Code.BAD_TTL),
        (Authorize(ADDRESS["B"], 1001, 30 * DAY), Code.INSUFFICIENT),
    ):
        assert market.do("u", body) is code, body
    hold = market.authorize("B", 800)
    assert market.do("A", Authorize(ADDRESS["B"], 1, 60)) is Code.NOT_AUTHORISED
    for sender, body_, code in (
        ("u", Capture(hold, 0, "c"), Code.NOT_AUTHORISED),
        ("C", Capture(hold, 0, "c"), Code.BAD_AMOUNT),
        ("C", Capture(bytes(32), 1, "c"), Code.HOLD_UNKNOWN),
        ("C", Capture(hold, 801, "c"), Code.NOT_AUTHORISED),
        ("B", Capture(hold, 801, "c"), Code.CAPTURE_EXCEEDS_HOLD),
    ):
        assert market.do(sender, body_) is code, body_
    assert market.do("u", Void(hold)) is Code.NOT_AUTHORISED
    assert market.do("C", Void(hold)) is Code.NOT_AUTHORISED
    market.ok("B", Void(hold))
    assert market.do("u", Void(hold)) is Code.HOLD_NOT_OPEN


def test_sixty_four_open_holds() -> None:
    market = Market()
    market.issue("hA", 1000)
    for _ in range(64):
        hold = market.authorize("B", 1)
    assert market.do("u", Authorize(ADDRESS["B"], 1, 60)) is Code.HOLD_LIMIT
    market.ok("B", Void(hold))
    market.authorize("B", 1)
