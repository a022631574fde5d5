"""When a merchant may leave: its notice is over, its points are gone, nothing is owed, no order can be refunded (2.8).

A refund of an order that it took would make a debt without a reserve behind it, and a refund elsewhere would bring its
points back to holders whom nobody serves any more. So the exit also waits until no such order can be refunded, counted
from the last day on which it traded, by the longer of the two windows: what has lapsed can then never live again.
"""

from points.days import DAY_SECONDS, expiry_after
from points.keys import books_key, traded_key
from points.merchant_records import Traded
from points.state import NO_BOOKS, Books, WindowState
from points.turn import Turn


def note_trade(turn: Turn, merchant: bytes) -> None:
    """The merchant was paid, or its points paid; written once a day, read by every payment."""
    key = traded_key(merchant)
    found: Traded | None = turn.get(key)
    if found is None or found.day < turn.day:
        turn.put(key, Traded(turn.day))


def unfinished(turn: Turn, merchant: bytes, until: int) -> str:
    """Why a merchant whose notice runs until this second cannot leave yet, or ""."""
    if turn.time < until:
        return f"the notice runs until {until}, now {turn.time}"
    books: Books = turn.get(books_key(merchant)) or NO_BOOKS
    if books.outstanding:
        return f"{books.outstanding} uY of its points are outstanding"
    if books.payable:
        return f"it owes {books.payable} uY"
    return _open_window(turn, merchant) or _open_order(turn, merchant)


def _open_window(turn: Turn, merchant: bytes) -> str:
    for window_key, window in turn.draft.range(b"W", b"X"):
        if window.state is WindowState.SETTLED:
            continue
        number = window_key[1:]
        following = (int.from_bytes(number, "big") + 1).to_bytes(8, "big")
        for prefix in (b"Y", b"E"):  # obligations while it is open, payments once it is closed
            if prefix == b"Y" and window.state is not WindowState.OPEN:
                continue
            for key, _ in turn.draft.range(prefix + number, prefix + following):
                if merchant in (key[9:29], key[29:49]):
                    return f"window {int.from_bytes(number, 'big')} is not settled"
    return ""


def _open_order(turn: Turn, merchant: bytes) -> str:
    found: Traded | None = turn.get(traded_key(merchant))
    if found is None:
        return ""
    days = max(turn.params.refund_window_days, turn.params.return_window_days)
    last = expiry_after(found.day) + days * DAY_SECONDS
    return f"its last order may be refunded until {last}, now {turn.time}" if turn.time <= last else ""
