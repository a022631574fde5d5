"""Issue and its reversal: a merchant grants points for a real purchase, or takes back what was not earned.

issue: OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (issuer), BAD_AMOUNT, MEMO_*, ACCOUNT_UNKNOWN (to),
NOT_AUTHORISED (to is no tourist, D3), ACCOUNT_FROZEN (to, mode ALL), CLASS_UNKNOWN, NOT_ISSUER, MERCHANT_SUSPENDED,
PROGRAM_ENDED, BAD_CLASS (retired, or RESTRICTED), ORDER_MAXIMUM, KEY_LIMIT, RESERVE_EXCEEDED, QUOTA_EXCEEDED, EARN_CAP,
SANDBOX_LIMIT, HOLDER_LIMIT, OVERFLOW (D17).
reverse_issue: ACCOUNT_FROZEN, BAD_AMOUNT, MEMO_*, ORDER_UNKNOWN, RETURN_WINDOW, REVERSAL_EXCEEDS, OVERFLOW.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from points.alerts import raise_alert
from points.authority import charge_keys, is_tourist
from points.clearing import book, bucket_moves, count
from points.days import DAY_SECONDS, issue_expiry
from points.keys import account_key, books_key, class_key, holdings_key, merchant_key, order_key
from points.lot_events import LotUnits, taken_events
from points.lots import LOTS_MAX, add_units, touched
from points.memo import check_memo, memo_field
from points.orders import find_order
from points.sandbox_limits import apart, check_grant, free_reserve
from points.state import (
    BPS,
    NO_BOOKS,
    NO_HOLDINGS,
    UY_PER_FEN,
    Account,
    Books,
    Class,
    Frozen,
    Holdings,
    IssueOrder,
    Lot,
    Merchant,
    MerchantStatus,
)
from points.turn import Fields, Turn, frozen_mode
from primitives.codes import Code
from primitives.kinds import Issue, ReverseIssue
from primitives.receipt import Event

ISSUING: Final = (MerchantStatus.ACTIVE, MerchantStatus.ACCEPT_SUSPENDED)  # 2.8


def apply_issue(turn: Turn, body: Issue) -> Code:
    """A merchant grants points of its own class for an order."""
    order = find_order(turn, turn.sender, body.order_id)
    if order is not None:
        same = isinstance(order, IssueOrder) and (
            order.to, order.class_id, order.units, order.reason, order.cash_value,
        ) == (body.to, body.class_id, body.units, body.reason, body.cash_value)  # fmt: skip
        return turn.repeated(same, order)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.units:
        return Code.BAD_AMOUNT
    code = check_memo(body.memo)
    if code:
        return code
    to: Account | None = turn.get(account_key(body.to))
    if to is None:
        return Code.ACCOUNT_UNKNOWN
    if not is_tourist(to):
        return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    if frozen_mode(to, turn.time) is Frozen.ALL:
        return Code.ACCOUNT_FROZEN
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    if of.issuer != turn.sender:
        return Code.NOT_ISSUER
    return _check_limits(turn, body, of) or _grant(turn, body, of)


def _check_limits(turn: Turn, body: Issue, of: Class) -> Code:
    """Everything that bounds how much a merchant may issue (2.7)."""
    code = check_open(turn, of)
    if code:
        return code
    if of.kind == "RESTRICTED":
        return turn.refuse(Code.BAD_CLASS, "points of a RESTRICTED class are claimed from a campaign's list")
    if body.units > of.max_per_order:
        return Code.ORDER_MAXIMUM
    value = body.units * of.uv
    if not charge_keys(turn, turn.sender, turn.signers, -(-value // UY_PER_FEN)):
        return Code.KEY_LIMIT
    code = check_room(turn, of, value)
    if code:
        return code
    if of.earn_cap_bps and value * BPS > body.cash_value * UY_PER_FEN * of.earn_cap_bps:
        return Code.EARN_CAP
    return Code.OK


def check_open(turn: Turn, of: Class) -> Code:
    """Whether anything may be issued in a class now: MERCHANT_SUSPENDED, PROGRAM_ENDED, BAD_CLASS (retired)."""
    merchant: Merchant = turn.get(merchant_key(of.issuer))
    end = turn.params.program_end
    if merchant.status not in ISSUING:
        return turn.refuse(Code.MERCHANT_SUSPENDED, merchant.status.name)
    if end and turn.time >= end:
        return Code.PROGRAM_ENDED
    if of.retired:
        return turn.refuse(Code.BAD_CLASS, "the class is retired")
    return Code.OK


def check_room(turn: Turn, of: Class, value: int) -> Code:
    """Whether so many uY more may be issued in a class: RESERVE_EXCEEDED (INV-7), QUOTA_EXCEEDED."""
    merchant: Merchant = turn.get(merchant_key(of.issuer))
    books: Books = turn.get(books_key(of.issuer)) or NO_BOOKS
    if not within_cap(turn, merchant, books.outstanding + books.payable + value, bool(of.sandbox)):
        return Code.RESERVE_EXCEEDED
    quota = merchant.quota or turn.params.quota
    if quota:
        issued = value + (books.period_issued if books.period == turn.window else 0)
        if issued > quota * UY_PER_FEN:
            return Code.QUOTA_EXCEEDED
    return Code.OK


def within_cap(turn: Turn, merchant: Merchant, used: int, in_sandbox: bool) -> bool:
    """Whether a merchant's outstanding and payable may be `used` uY (INV-7); ordinary points only by what is not set
    apart for its sandboxes, whose own are carried by that."""
    if used > cap_of(turn, merchant):
        return False
    if in_sandbox or not merchant.sandboxes:
        return True
    free = replace(merchant, reserve=free_reserve(turn, merchant))
    return used - apart(turn, merchant) <= cap_of(turn, free)


def cap_of(turn: Turn, merchant: Merchant) -> int:
    """The uY that a merchant's outstanding and payable may reach (INV-7)."""
    return merchant.reserve * UY_PER_FEN * BPS // ratio_of(turn, merchant) + merchant.credit_limit * UY_PER_FEN


def ratio_of(turn: Turn, merchant: Merchant) -> int:
    """Reserve per value issued, in bps: the merchant's own or the network's; a stale reserve counts in full (D12)."""
    params = turn.params
    stale = turn.time > merchant.attested + params.attestation_days * DAY_SECONDS
    return BPS if stale else merchant.reserve_ratio_bps or params.reserve_ratio_bps


def tell_near_cap(turn: Turn, issuer: bytes, value: int) -> None:
    """Alert if the last `value` uY made a merchant cross the line below its cap; its issue was counted already."""
    bps = turn.params.alert_cap_bps
    books: Books = turn.get(books_key(issuer))
    used = (books.outstanding + books.payable) * BPS
    line = cap_of(turn, turn.get(merchant_key(issuer))) * bps
    if bps and used - value * BPS < line <= used:
        raise_alert(turn, "NEAR_CAP", issuer, used // BPS // UY_PER_FEN, line // BPS // UY_PER_FEN)


class Credited(NamedTuple):
    """The lot that a grant became."""

    bucket: int
    from_day: int


def _grant(turn: Turn, body: Issue, of: Class) -> Code:
    lot = credit(turn, body.class_id, of, body.to, body.units)
    if isinstance(lot, Code):
        return lot
    value = body.units * of.uv
    turn.put(
        order_key(turn.sender, body.order_id),
        IssueOrder(
            body.to, body.class_id, body.units, body.reason, body.cash_value, lot.bucket, lot.from_day, turn.time,
            turn.tx, turn.height, turn.index,
        ),
    )  # fmt: skip
    fields: Fields = (
        ("order_id", body.order_id), ("class", body.class_id), ("units", body.units), ("value", value),
        ("reason", body.reason), ("cash_value", body.cash_value), ("bucket", lot.bucket), ("from_day", lot.from_day),
        *memo_field(body.memo),
    )  # fmt: skip
    turn.events.append(Event("Issued", fields, (("merchant", turn.sender), ("to", body.to))))
    tell_near_cap(turn, turn.sender, value)
    return Code.OK


def credit(turn: Turn, class_id: str, of: Class, to: bytes, units: int) -> Credited | Code:
    """New units for a tourist, with everything that counts them; SANDBOX_LIMIT or HOLDER_LIMIT if the account may not
    have them."""
    code = check_grant(turn, class_id, of, to, units) if of.sandbox else Code.OK
    if code:
        return code
    bucket = issue_expiry(turn.day, of.validity_days, of.bucket)
    from_day = turn.day + of.pending_days if of.pending_days else 0
    where = holdings_key(to)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    add_units(lots, bucket, class_id, 0, from_day, units)
    limit = turn.params.holder_limit
    if len(lots) > LOTS_MAX:
        return turn.refuse(Code.HOLDER_LIMIT, f"{LOTS_MAX} lots in one account")
    if limit and value_of(turn, lots) > limit * UY_PER_FEN:
        return Code.HOLDER_LIMIT
    turn.put(where, with_lots(holdings, lots))
    value = units * of.uv
    bucket_moves(turn, class_id, bucket, units)
    count(turn, class_id, issued=units)
    book(turn, of.issuer, outstanding=value, issued=value)
    _count_period(turn, of.issuer, value)
    return Credited(bucket, from_day)


def _count_period(turn: Turn, issuer: bytes, value: int) -> None:
    """The quota's period is the settlement window."""
    key = books_key(issuer)
    books: Books = turn.get(key)
    if not (turn.params.quota or turn.get(merchant_key(issuer)).quota):
        return
    issued = turn.add(books.period_issued if books.period == turn.window else 0, value)
    turn.put(key, replace(books, period=turn.window, period_issued=issued))


def value_of(turn: Turn, lots: Sequence[Lot]) -> int:
    """uY of all units in the lots, pending and held included."""
    return sum((lot.avail + lot.held) * turn.class_of(lot.class_id).uv for lot in lots)


def with_lots(holdings: Holdings, lots: Sequence[Lot]) -> Holdings:
    """The same holdings with other lots."""
    return Holdings(tuple(lots), holdings.open_holds, holdings.redeemed, holdings.year, holdings.redeemed_year)


def apply_reverse_issue(turn: Turn, body: ReverseIssue) -> Code:
    """Take back units of an order, as far as they are there; the rest is a shortfall for good (D14)."""
    if not body.units:
        return Code.BAD_AMOUNT
    code = check_memo(body.reason)
    if code:
        return code
    order = find_order(turn, turn.sender, body.order_id)
    if not isinstance(order, IssueOrder):
        return Code.ORDER_UNKNOWN
    if turn.time > order.created + turn.params.return_window_days * DAY_SECONDS:
        return Code.RETURN_WINDOW
    if body.units > order.units - order.reversed:
        return turn.refuse(Code.REVERSAL_EXCEEDS, f"{body.units} of {order.units - order.reversed} units left")
    taken = _reclaim(turn, order, body.units)
    reclaimed = sum(units for _, _, units in taken)
    shortfall = body.units - reclaimed
    done, short = order.reversed + body.units, order.shortfall + shortfall
    turn.put(order_key(turn.sender, body.order_id), replace(order, reversed=done, shortfall=short))
    fields: Fields = (
        ("order_id", body.order_id), ("class", order.class_id), ("units", body.units), ("reclaimed", reclaimed),
        ("shortfall", shortfall), *memo_field(body.reason),
    )  # fmt: skip
    turn.events.append(Event("Reversed", fields, (("merchant", turn.sender), ("from", order.to))))
    turn.events += taken_events(taken)
    return Code.OK


def _reclaim(turn: Turn, order: IssueOrder, wanted: int) -> list[LotUnits]:
    """Take back at most `wanted` units: from the order's own lot first, then the same class by expiry (D14).

    Held units stay with their hold. Returns what was taken, lot by lot.
    """
    where = holdings_key(order.to)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    from_day = order.from_day if order.from_day > turn.day else 0
    own = (order.bucket, order.class_id, 0, from_day)
    candidates = [lot for lot in lots if lot.class_id == order.class_id and lot.avail]
    candidates.sort(key=lambda lot: (lot.bucket, lot.class_id, lot.ext, lot.from_day) != own)  # stable: FEFO behind it
    left, rows = wanted, []
    for lot in candidates:
        units = min(left, lot.avail)
        if units:
            add_units(lots, lot.bucket, lot.class_id, lot.ext, lot.from_day, -units)
            bucket_moves(turn, lot.class_id, lot.bucket, -units)
            rows.append((lot.class_id, lot.bucket, units))
            left -= units
    if left != wanted:
        taken = wanted - left
        uv = turn.class_of(order.class_id).uv
        turn.put(where, with_lots(holdings, lots))
        count(turn, order.class_id, burned=taken)
        book(turn, turn.sender, outstanding=-taken * uv, revoked=taken * uv)
    return rows
