"""A batch of grants is done once under its order id (D2), and nobody fills the state with campaigns."""

from points.campaigns import CAMPAIGNS_PER_DAY
from points.keys import order_key
from points.queries import order as order_query
from primitives.codes import Code
from primitives.kinds import Freeze, Issue, Refund, ReverseIssue
from primitives.kinds_campaigns import CampaignCreate
from tests.points.campaign_list import LIST, batch, running
from tests.points.market import ADDRESS, DAY, START, Market


def test_a_batch_that_is_sent_again_is_answered_not_granted() -> None:
    """Another transaction, the same order: the first receipt; other entries, class or campaign: a conflict."""
    market = running()
    first = market.ok("A", batch(("u", 5), ("v", 6), order_id="g"))
    assert market.do("A", batch(("u", 5), ("v", 6), order_id="g")) is Code.OK_DUPLICATE
    assert market.receipt is not None and market.receipt.first is not None
    assert market.receipt.first.tx == first.tx
    for other in (
        batch(("v", 6), ("u", 5), order_id="g"), batch(("u", 5), order_id="g"),
        batch(("u", 5), ("v", 6), campaign="x", order_id="g"), batch(("u", 5), ("v", 6), class_id="hB", order_id="g"),
    ):  # fmt: skip
        assert market.do("A", other) is Code.IDEMPOTENCY_CONFLICT
    assert (market.avail("hA"), market.avail("hA", "v")) == (5, 6)
    market.ok("A", batch(("u", 5), ("v", 6), order_id="h"))


def test_one_order_id_for_every_kind() -> None:
    market = running()
    market.ok("A", batch(("u", 5), order_id="g"))
    assert market.do("A", Issue("hA", ADDRESS["u"], 5, "g", "CAMPAIGN", 0)) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("u", market.redeem("A", 5, "g")) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("A", Refund("g", "r", 5)) is Code.ORDER_UNKNOWN
    assert market.do("A", ReverseIssue("g", 5, b"")) is Code.ORDER_UNKNOWN
    market.issue("hA", 3, "i")
    assert market.do("A", batch(("u", 3), order_id="i")) is Code.IDEMPOTENCY_CONFLICT
    assert order_query(market.view, market.time, ADDRESS["A"], "g")["kind"] == "batch_issue"


def test_the_answer_comes_before_a_freeze_and_the_end() -> None:
    """D2: whoever lost the first answer still hears it."""
    market = running()
    market.ok("A", batch(("u", 5), order_id="g"))
    market.ok("regulator", Freeze(ADDRESS["A"], "OUT", b"", START + 99 * DAY))
    assert market.do("A", batch(("u", 5), order_id="g")) is Code.OK_DUPLICATE
    assert market.do("A", batch(("u", 5), order_id="h")) is Code.ACCOUNT_FROZEN
    market.advance(11 * DAY)
    assert market.do("A", batch(("u", 5), order_id="g")) is Code.OK_DUPLICATE


def test_a_batch_order_leaves_like_any_order() -> None:
    market = running()
    market.ok("A", batch(("u", 5), order_id="g"))
    market.advance(180 * DAY)
    assert market.view.get(order_key(ADDRESS["A"], "g")) is not None
    market.advance(1)
    assert market.view.get(order_key(ADDRESS["A"], "g")) is None


def test_a_merchant_creates_so_many_campaigns_a_day() -> None:
    market = Market()
    for number in range(CAMPAIGNS_PER_DAY):
        market.ok("A", CampaignCreate(f"c{number}", "hA", 10, 10, 0, START + 9 * DAY))
    assert market.do("A", LIST.create()) is Code.VELOCITY
    market.advance(DAY)
    market.ok("A", LIST.create())
