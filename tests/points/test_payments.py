"""Issue, redeem, refund, hold, token, exchange: the numbers of the acceptance scenarios, and what must not happen."""

from points.keys import books_key, counters_key, holdings_key, obligation_key, order_key
from points.state import FUND, Books, HoldState
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    Capture,
    Exchange,
    Issue,
    Redeem,
    RedeemByToken,
    Refund,
    ReverseIssue,
    Transfer,
    Void,
    WindowClose,
)

from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of, leg


def issue(class_id: str, units: int, order_id: str, to: str = "u", cash_value: int = 0) -> Issue:
    return Issue(class_id, ADDRESS[to], units, order_id, "EARN", cash_value)


def owed(market: Market, debtor: str, creditor: str, window: int = 1) -> int:
    found = market.view.get(obligation_key(window, ADDRESS[debtor], ADDRESS[creditor]))
    return found.value if found else 0


def avail(market: Market, class_id: str, of: str = "u") -> int:
    return sum(lot.avail for lot in market.view.get(holdings_key(ADDRESS[of])).lots if lot.class_id == class_id)


def test_cross_redemption_books_and_settles_and_refunds_into_the_next_window() -> None:
    """Scenarios 2 to 5."""
    market = Market()
    market.ok("A", issue("hA", 10_000, "o1"))
    market.ok("u", market.redeem("B", 3000, "b1"))
    first = market.receipt
    assert avail(market, "hA") == 7000
    assert (owed(market, "A", "B"), owed(market, "A", "FUND")) == (29_850_000, 150_000)
    books: Books = market.view.get(books_key(ADDRESS["A"]))
    assert (books.outstanding, books.payable) == (70_000_000, 30_000_000)

    assert market.do("u", market.redeem("B", 3000, "b1")) is Code.OK_DUPLICATE
    assert market.receipt and market.receipt.first and first
    assert (market.receipt.first.tx, market.receipt.first.height) == (first.tx, first.height)
    assert market.do("u", market.redeem("B", 3001, "b1")) is Code.IDEMPOTENCY_CONFLICT
    assert avail(market, "hA") == 7000
