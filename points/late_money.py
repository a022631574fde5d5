"""Money that arrives: what the fund has, and what a late payer's money gives back to those who stood in for it.

A leg of a default is paid late to its payee. What others had borne of it, the payee then owes them in the open window:
the fund its advance, the other creditors their help in proportion to what came back, rounded down on the running sum.
"""

from msgspec.structs import replace

from points.clearing import book, owe
from points.clearing_records import NO_MONEY, FundMoney, Help, Loss
from points.keys import FUND_MONEY_KEY, books_key, loss_key
from points.state import FUND, NO_BOOKS, UY_PER_FEN, Books, Leg
from points.turn import Turn
from primitives.codec import U64_MAX
from primitives.receipt import Event


def add_money(turn: Turn, *, received: int = 0, committed: int = 0, advanced: int = 0) -> None:
    """Add fen to what the fund got, had to pay, or paid in another's place."""
    if received or committed or advanced:
        old: FundMoney = turn.get(FUND_MONEY_KEY) or NO_MONEY
        turn.put(
            FUND_MONEY_KEY,
            FundMoney(
                turn.add(old.received, received), turn.add(old.committed, committed), turn.add(old.advanced, advanced)
            ),
        )


def fund_available(turn: Turn) -> int:
    """Fen that the fund can spend on a default now."""
    money: FundMoney = turn.get(FUND_MONEY_KEY) or NO_MONEY
    return max(0, money.received - money.committed - money.advanced)


def can_owe(turn: Turn, debtor: bytes, fen: int) -> bool:
    """Whether the books of a merchant have room for so much more debt: time, unlike a transaction, cannot OVERFLOW."""
    books: Books = turn.get(books_key(debtor)) or NO_BOOKS
    return books.payable + fen * UY_PER_FEN <= U64_MAX


def owe_fen(turn: Turn, debtor: bytes, creditor: bytes, fen: int, reason: str, of_window: int) -> None:
    """An obligation in the open window that a default in `of_window` caused; it counts against the debtor's cap."""
    value = owe(turn, debtor, creditor, fen * UY_PER_FEN)
    if value:
        book(turn, debtor, payable=value)
        fields = (("window", turn.window), ("value", value), ("reason", reason), ("of_window", of_window))
        turn.events.append(Event("ObligationAdded", fields, (("debtor", debtor), ("creditor", creditor))))


def money_arrived(turn: Turn, window: int, payer: bytes, payee: bytes, leg: Leg) -> None:
    """The payee confirmed a leg. What a reserve or the fund had given for it arrived at T+2 already."""
    arrived = leg.fen - leg.drawn
    if payee == FUND:
        add_money(turn, received=arrived)
    elif leg.defaulted and payer != FUND:  # what FUND owes was shared by nobody
        owe_fen(turn, payee, FUND, leg.advanced, "advance_returned", window)
        _pass_on(turn, window, payee, arrived - leg.advanced)


def _pass_on(turn: Turn, window: int, payee: bytes, fen: int) -> None:
    where = loss_key(window, payee)
    loss: Loss | None = turn.get(where)
    if loss is None:  # nobody had helped
        return
    recovered = loss.recovered + fen
    turn.put(where, replace(loss, recovered=recovered))
    for key, record in list(turn.draft.range(where + b"\x00", where + b"\xff" * 21)):
        given: Help = record
        returned = given.fen * recovered // loss.fen
        turn.put(key, replace(given, returned=returned))
        owe_fen(turn, payee, key[len(where) :], returned - given.returned, "loss_returned", window)
