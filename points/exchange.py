"""Exchange points of one class for another: value never rises, life never lengthens (D8, INV-10, INV-11).

Precedence: ACCOUNT_FROZEN, NOT_AUTHORISED (no tourist), BAD_AMOUNT, BAD_CLASS (same class), CLASS_UNKNOWN,
EXCHANGE_DISABLED (not exchangeable, retired, programme ended; one of the classes RESTRICTED or of a sandbox),
MERCHANT_SUSPENDED (issuer of to_class), CLASS_PAUSED, INSUFFICIENT, AMOUNT_TOO_SMALL, MIN_OUT,
EXCHANGE_DISABLED (quota), ISSUER_RESERVE_EXHAUSTED, KEY_LIMIT, RESERVE_EXCEEDED, OVERFLOW.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from points.authority import charge_keys
from points.clearing import book, bucket_moves, count, owe
from points.days import issue_expiry
from points.issuing import ISSUING, cap_of, tell_near_cap, with_lots, within_fences
from points.keys import books_key, class_key, counters_key, holdings_key, merchant_key
from points.lot_events import LotUnits, taken_events
from points.lots import add_units, touched
from points.sandbox_limits import draws_left
from points.state import (
    BPS,
    FUND,
    NO_BOOKS,
    NO_COUNTERS,
    NO_HOLDINGS,
    UY_PER_FEN,
    Books,
    Class,
    Counters,
    Holdings,
    Lot,
    Merchant,
    MerchantStatus,
)
from points.turn import Turn
from primitives.codes import Code
from primitives.kinds import Exchange
from primitives.receipt import Event


class Terms(NamedTuple):
    """What an exchange gives: `units` leave, `out` arrive; value = out * uv(to) + fee + dust, exactly (uY)."""

    units: int
    out: int
    value: int
    fee: int
    dust: int
    bucket: int
    ext: int


def terms_of(turn: Turn, body: Exchange, source: Class, target: Class, lots: Sequence[Lot]) -> Terms | Code:
    """The terms for the units that the spending order takes; INSUFFICIENT, AMOUNT_TOO_SMALL or MIN_OUT."""
    left, ext, earliest = body.units, 0, 0
    for lot in _usable(body.class_id, lots):
        taken = min(left, lot.avail)
        if taken:
            left -= taken
            ext |= lot.ext
            earliest = earliest or lot.bucket
    if left:
        return Code.INSUFFICIENT
    value = body.units * source.uv
    fee = -(-value * turn.params.exchange_fee_bps // BPS)
    out = (value - fee) // target.uv
    if out < 1:
        return Code.AMOUNT_TOO_SMALL
    if out < body.min_out:
        return turn.refuse(Code.MIN_OUT, f"{out} units, {body.min_out} asked for")
    bucket = min(earliest, issue_expiry(turn.day, target.validity_days, target.bucket))
    return Terms(body.units, out, value, fee, value - fee - out * target.uv, bucket, ext)


def _usable(class_id: str, lots: Sequence[Lot]) -> list[Lot]:
    return [lot for lot in lots if lot.class_id == class_id and lot.avail and not lot.from_day]


def apply_exchange(turn: Turn, body: Exchange) -> Code:
    """The sender's units of one class become units of another at their fixed values, less the fee."""
    if not body.units:
        return Code.BAD_AMOUNT
    if body.class_id == body.to_class:
        return Code.BAD_CLASS
    source: Class | None = turn.get(class_key(body.class_id))
    target: Class | None = turn.get(class_key(body.to_class))
    if source is None or target is None:
        return Code.CLASS_UNKNOWN
    end = turn.params.program_end
    if not target.exchangeable or target.retired or (end and turn.time >= end):
        return Code.EXCHANGE_DISABLED
    if "RESTRICTED" in (source.kind, target.kind) or source.sandbox or target.sandbox:
        # who may hold them and where they pay would be open to all
        return Code.EXCHANGE_DISABLED
    taker: Merchant = turn.get(merchant_key(target.issuer))
    if taker.status not in ISSUING:
        return Code.MERCHANT_SUSPENDED
    if turn.time < source.paused_until or turn.time < target.paused_until:
        return Code.CLASS_PAUSED
    where = holdings_key(turn.sender)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    terms = terms_of(turn, body, source, target, lots)
    if isinstance(terms, Code):
        return terms
    if not _count_quota(turn, body.to_class, target, terms.out):
        return Code.EXCHANGE_DISABLED
    if not _covered(turn, source.issuer, target.issuer, terms.value):
        return Code.ISSUER_RESERVE_EXHAUSTED
    if not charge_keys(turn, turn.sender, turn.signers, -(-terms.value // UY_PER_FEN)):
        return Code.KEY_LIMIT
    taken = _move(turn, body, lots, terms)
    turn.put(where, with_lots(holdings, lots))
    _book(turn, body, source, target, terms)
    turn.events += taken_events(taken)
    books: Books = turn.get(books_key(target.issuer))
    used, cap = books.outstanding + books.payable, cap_of(turn, taker)
    if used > cap or not within_fences(turn, taker, used, in_sandbox=False):
        return Code.RESERVE_EXCEEDED
    if source.issuer != target.issuer:
        tell_near_cap(turn, target.issuer, cap, terms.out * target.uv)
    return Code.OK


def _count_quota(turn: Turn, class_id: str, target: Class, out: int) -> bool:
    """Count units exchanged into a class in this window; False beyond its quota (D5)."""
    key = counters_key(class_id)
    counters: Counters = turn.get(key) or NO_COUNTERS
    total = turn.add(counters.exch_in_window if counters.exch_window == turn.window else 0, out)
    if total > target.exchange_in_quota:
        return False
    turn.put(key, replace(counters, exch_window=turn.window, exch_in_window=total))
    return True


def _covered(turn: Turn, giver: bytes, taker: bytes, value: int) -> bool:
    """A suspended issuer's points move elsewhere only while its reserve covers what it owes (D12)."""
    merchant: Merchant = turn.get(merchant_key(giver))
    if giver == taker or merchant.status is not MerchantStatus.SUSPENDED:
        return True
    books: Books = turn.get(books_key(giver)) or NO_BOOKS
    return value <= draws_left(turn, merchant, books.payable, None)


def _move(turn: Turn, body: Exchange, lots: list[Lot], terms: Terms) -> list[LotUnits]:
    """Burn the units in order of spending and mint one lot. Returns: what was burned, lot by lot."""
    left, burned = terms.units, []
    for lot in _usable(body.class_id, lots):
        taken = min(left, lot.avail)
        if taken:
            add_units(lots, lot.bucket, lot.class_id, lot.ext, 0, -taken)
            bucket_moves(turn, lot.class_id, lot.bucket, -taken)
            burned.append((lot.class_id, lot.bucket, taken))
            left -= taken
    add_units(lots, terms.bucket, body.to_class, terms.ext, 0, terms.out)
    bucket_moves(turn, body.to_class, terms.bucket, terms.out)
    count(turn, body.class_id, burned=terms.units)
    count(turn, body.to_class, exch_in=terms.out)
    return burned


def _book(turn: Turn, body: Exchange, source: Class, target: Class, terms: Terms) -> None:
    """The old issuer owes the new one the value it took on, and FUND fee and dust."""
    giver, taker, value = source.issuer, target.issuer, terms.value
    taken_on = terms.out * target.uv
    debt = owe(turn, giver, taker, taken_on) + owe(turn, giver, FUND, terms.fee + terms.dust)
    if giver == taker:
        book(turn, giver, outstanding=taken_on - value, payable=debt, iss_out=debt)
    else:
        book(turn, giver, outstanding=-value, payable=debt, iss_out=debt)
        book(turn, taker, outstanding=taken_on, iss_in=taken_on)
    fields = (
        ("class", body.class_id), ("units", terms.units), ("to_class", body.to_class), ("out", terms.out),
        ("value", value), ("fee", terms.fee), ("dust", terms.dust), ("bucket", terms.bucket), ("ext", terms.ext),
        ("window", turn.window),
    )  # fmt: skip
    accounts = (("holder", turn.sender), ("issuer", giver), ("to_issuer", taker))
    turn.events.append(Event("Exchanged", fields, accounts))
