"""The sums that every movement of points keeps: class counters, buckets, a merchant's books, obligations.

All of them are commutative adds. Both sides of INV-1 and INV-4 must fit 64 bits, so that what only time moves (expiry,
release) can never overflow: a credit that would break this ends its transaction with OVERFLOW. Below zero is a bug.
"""

from msgspec.structs import replace

from points.clearing_records import NO_BREAKAGE, Breakage
from points.days import date_of
from points.keys import books_key, breakage_key, closed_agg_key, counters_key, open_agg_key
from points.state import BPS, FUND, NO_BOOKS, NO_COUNTERS, Agg, Books, Counters, Obligation
from points.turn import Turn
from primitives.codec import U64_MAX


def count(
    turn: Turn, class_id: str, *, issued: int = 0, exch_in: int = 0, restored: int = 0, redeemed: int = 0,
    expired: int = 0, burned: int = 0,
) -> None:  # fmt: skip
    """Add units to the counters of a class (INV-1), expired ones to its breakage of the month too."""
    key = counters_key(class_id)
    old: Counters = turn.get(key) or NO_COUNTERS
    issued += old.issued
    exch_in += old.exch_in
    restored += old.restored
    if issued + exch_in + restored > U64_MAX:
        turn.overflow = True
    turn.put(
        key,
        Counters(
            issued, exch_in, restored, old.redeemed + redeemed, old.expired + expired, old.burned + burned,
            old.exch_window, old.exch_in_window,
        ),
    )  # fmt: skip
    if expired:
        _count_breakage(turn, class_id, expired)


def _count_breakage(turn: Turn, class_id: str, units: int) -> None:
    year, month, _ = date_of(turn.day)
    key = breakage_key(class_id, year, month)
    old: Breakage = turn.get(key) or NO_BREAKAGE
    share = fund_share(turn, units * turn.class_of(class_id).uv)
    turn.put(key, Breakage(turn.add(old.units, units), turn.add(old.share, share)))


def fund_share(turn: Turn, value: int) -> int:
    """The part of expired uY that is due to the fund: reported, not booked (2.1)."""
    return value * turn.params.breakage_share_bps // BPS


def bucket_moves(turn: Turn, class_id: str, bucket: int, avail: int, held: int = 0) -> None:
    """Add to the units of a class with one expiry; both may be negative. Empty buckets leave the state."""
    key = open_agg_key(bucket, class_id)
    old: Agg | None = turn.get(key)
    if old is None and bucket <= turn.time:  # closed while holds on it were open
        key = closed_agg_key(bucket, class_id)
        old = turn.get(key)
    if old is not None:
        avail += old.avail
        held += old.held
    assert avail >= 0 and held >= 0, "a bucket fell below zero"
    if avail > U64_MAX or held > U64_MAX:
        turn.overflow = True
    turn.put(key, Agg(avail, held) if avail or held else None)


def count_spent(turn: Turn, class_id: str, units: int) -> None:
    """count() of a payment; it only moves units to the other side of INV-1, so it cannot overflow."""
    key = counters_key(class_id)
    old: Counters = turn.get(key)
    turn.put(key, replace(old, redeemed=old.redeemed + units))


def book_spent(turn: Turn, issuer: bytes, value: int, debt: int, own: int) -> None:
    """book() of a payment with `value` uY of an issuer's points: it owes `debt`, and took `own` uY of them itself."""
    key = books_key(issuer)
    old: Books = turn.get(key)
    outstanding, payable = old.outstanding - value, old.payable + debt
    assert outstanding >= 0, "a merchant's books fell below zero"
    if payable > U64_MAX:
        turn.overflow = True
    iss_out, self_redeemed = old.iss_out + debt, old.self_redeemed + own
    turn.put(
        key,
        replace(old, outstanding=outstanding, payable=payable, iss_out=iss_out, self_redeemed=self_redeemed),
    )


def book(
    turn: Turn, merchant: bytes, *, outstanding: int = 0, payable: int = 0, issued: int = 0, iss_in: int = 0,
    iss_out: int = 0, self_redeemed: int = 0, self_refunded: int = 0, expired: int = 0, revoked: int = 0,
) -> None:  # fmt: skip
    """Add uY to a merchant's books (INV-4). FUND keeps none: it issues nothing and has no cap."""
    if merchant == FUND:
        return
    key = books_key(merchant)
    old: Books = turn.get(key) or NO_BOOKS
    outstanding += old.outstanding
    payable += old.payable
    issued += old.issued
    iss_in += old.iss_in
    self_refunded += old.self_refunded
    assert outstanding >= 0 and payable >= 0, "a merchant's books fell below zero"
    if issued + iss_in + self_refunded > U64_MAX or payable > U64_MAX:
        turn.overflow = True
    turn.put(
        key,
        Books(
            outstanding, payable, issued, iss_in, old.iss_out + iss_out, old.self_redeemed + self_redeemed,
            self_refunded, old.expired + expired, old.revoked + revoked, old.period, old.period_issued,
        ),
    )  # fmt: skip


def owe(turn: Turn, debtor: bytes, creditor: bytes, value: int) -> int:
    """Book an obligation of uY in the open window; nobody owes himself.

    Returns: the uY booked, for the caller to add to the debtor's `payable` together with its other sums.
    """
    if not value or debtor == creditor:
        return 0
    key = turn.obligations + debtor + creditor
    old: Obligation | None = turn.get(key)
    turn.put(key, Obligation(value if old is None else turn.add(old.value, value)))
    return value
