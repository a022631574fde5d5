"""What must hold of merchants beside their books: nothing comes back to one that has left (2.8)."""

from collections.abc import Iterator

from points.days import day_of
from points.keys import books_key, class_key, traded_key
from points.merchant_records import Traded
from points.state import NO_BOOKS, Books, Class, MerchantStatus, SpendOrder
from points.view import View


def merchant_faults(view: View) -> Iterator[str]:
    """Merchants that left with points or debts, and trade that an exit would not know of. One pass over the orders."""
    for key, merchant in view.range(b"M", b"N"):
        if merchant.status is MerchantStatus.EXITED:
            books: Books = view.get(books_key(key[1:])) or NO_BOOKS
            if books.outstanding or books.payable:
                yield f"2.8: {key[1:].hex()} left: {books.outstanding} uY outstanding, {books.payable} payable"
    traded: dict[bytes, int] = {}
    for key, order in view.range(b"O", b"P"):
        if isinstance(order, SpendOrder):
            day = day_of(order.created)
            for who in {key[1:21], *(_issuer(view, leg.class_id) for leg in order.legs)}:
                traded[who] = max(day, traded.get(who, 0))
    for who, day in traded.items():
        found: Traded | None = view.get(traded_key(who))
        if found is None or found.day < day:
            left: bool = view.get(b"M" + who).status is MerchantStatus.EXITED
            if not left:
                yield f"2.8: {who.hex()} traded on day {day}, noted is {found.day if found else None}"


def _issuer(view: View, class_id: str) -> bytes:
    of: Class = view.get(class_key(class_id))
    return of.issuer
