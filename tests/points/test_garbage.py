"""Nobody can keep what has lapsed in the state: neither by making lists collide nor by making many of them."""

from points.escrows import escrow_id
from points.keys import campaign_key, hold_key, order_key
from primitives.codes import Code
from primitives.kinds import Void
from primitives.kinds_assets import OfflineEscrow
from primitives.kinds_campaigns import BatchIssue, CampaignCreate
from tests.points.market import ADDRESS, DAY, START, Market

UB = escrow_id(ADDRESS["u"], ADDRESS["B"])
RETENTION = 180 * DAY


def test_an_escrow_closed_twice_in_one_second_hides_no_other_list() -> None:
    """Two blocks of one second list the same hold first, for the same second: the later list adds to the earlier."""
    market = Market()
    market.issue("hA", 1000, "grant")
    market.advance(DAY)
    market.ok("u", OfflineEscrow(ADDRESS["B"], 100, 3600))
    redeem = market.redeem("C", 10, "kept")
    assert market.many(("B", Void(UB)), ("u", redeem)) == ["OK", "OK"]
    again = OfflineEscrow(ADDRESS["B"], 100, 3600)
    assert market.many(("u", again), ("B", Void(UB))) == ["OK", "OK"]
    market.advance(RETENTION + 2)
    assert market.view.get(order_key(ADDRESS["C"], "kept")) is None
    assert market.view.get(hold_key(UB)) is None


def test_many_lists_of_one_record_do_not_hold_up_the_others() -> None:
    """Campaigns that end at different seconds make a list each; what one block removes is counted in keys."""
    market = Market()
    number = 40
    for n in range(number):
        market.ok("A", CampaignCreate(f"c{n}", "hA", 10, 10, 0, START + DAY + n))
    assert market.view.get(campaign_key("c0")) is not None
    market.at(START + DAY + number + RETENTION + 2)
    left = [n for n in range(number) if market.view.get(campaign_key(f"c{n}")) is not None]
    assert left == []


def test_a_campaign_made_again_in_the_block_that_removes_the_old_one_leaves_too() -> None:
    """Whoever tries in every block succeeds first in that one."""
    market = Market()
    market.ok("A", CampaignCreate("c", "hA", 10, 10, 0, START + DAY))
    market.ok("A", BatchIssue("c", "hA", ((ADDRESS["u"], 1),), "g1"))
    gone = START + DAY + RETENTION + 1
    market.at(gone - 1)
    create = market.transaction("A", CampaignCreate("c", "hA", 10, 10, 0, gone + DAY))
    batch = market.transaction("A", BatchIssue("c", "hA", ((ADDRESS["u"], 1),), "g2"))
    assert market.block([create, batch], gone)[0].code == Code.OK  # type: ignore[union-attr]
    assert market.view.get(campaign_key("c")).ends == gone + DAY
    market.at(gone + DAY + RETENTION + 1)
    assert market.view.get(campaign_key("c")) is None
    assert not list(market.view.range(b"b", b"c"))
