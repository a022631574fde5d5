"""What time does stands in no receipt: the feed and the history tell it all the same, for a week."""

import asyncio

from chainnode.block_events import block_events
from chainnode.event_feed import Cursor
from chainnode.history import account_history
from points.queries import text
from tests.chainnode.solo import Town, ask
from tests.chainnode.test_event_feed import first
from tests.points.market import ADDRESS, DAY

ZERO = bytes(32)


def settled_town() -> Town:
    """u pays B with A's points; then the daily cut closes the window."""
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 100))
    town.node.set_clock(town.node.now_ms() + DAY * 1000)
    return town


def test_the_feed_tells_what_a_block_did_by_itself() -> None:
    town = settled_town()
    height = town.node.chain.head.height
    ((kind, _, data),) = asyncio.run(first(town, Cursor(height, 0), 1))
    assert kind == "block"
    assert [event["kind"] for event in data["events"]] == ["WindowClosed", "InstructionCreated", "InstructionCreated"]
    ((_, _, data),) = asyncio.run(first(town, Cursor(height, 0), 1, ADDRESS["B"]))
    assert [event["kind"] for event in data["events"]] == ["InstructionCreated"]
    ((_, _, data), *_) = asyncio.run(first(town, Cursor(height - 1, 1), 1))
    assert data["events"] == []


def test_the_history_shows_it_in_its_place() -> None:
    town = settled_town()
    height = town.node.chain.head.height
    page = asyncio.run(account_history(town.node.chain, ADDRESS["A"], None, 9, of_blocks=True))
    newest, before = page.receipts[0][0], page.receipts[1][0]
    assert (newest.height, newest.tx) == (height, ZERO)
    assert (before.height, before.tx == ZERO) == (height - 1, False)
    assert [event.kind for event in newest.events] == ["InstructionCreated"] * 2, "what names the account"
    below = asyncio.run(account_history(town.node.chain, ADDRESS["A"], Cursor(height, 0), 9, of_blocks=True))
    assert [receipt.tx == ZERO for receipt, _ in below.receipts] == [False, False]
    one = asyncio.run(account_history(town.node.chain, ADDRESS["A"], None, 1, of_blocks=True))
    assert one.next == Cursor(height, 0)
    proven = asyncio.run(account_history(town.node.chain, ADDRESS["A"], None, 9))
    assert all(receipt.tx != ZERO for receipt, _ in proven.receipts)


def test_the_page_of_a_merchant_links_to_the_block() -> None:
    town = settled_town()
    page = asyncio.run(ask(town, "GET", f"/merchants/{text(ADDRESS['A'])}")).body.decode()
    assert f'href="/blocks/{town.node.chain.head.height}' in page
    assert "0" * 20 not in page


def test_after_a_week_the_state_forgets_it() -> None:
    town = settled_town()
    height = town.node.chain.head.height
    town.node.set_clock(town.node.now_ms() + 7 * DAY * 1000)
    assert block_events(town.node.chain, height)
    town.node.set_clock(town.node.now_ms() + 2000)
    town.node.flush()
    assert block_events(town.node.chain, height) == ()
