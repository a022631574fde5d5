"""Issue and its reversal: a merchant grants points for a real purchase, or takes back what was not earned.

issue: OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (issuer), BAD_AMOUNT, MEMO_*, ACCOUNT_UNKNOWN (to),
NOT_AUTHORISED (to is no tourist, D3), ACCOUNT_FROZEN (to, mode ALL), CLASS_UNKNOWN, NOT_ISSUER, MERCHANT_SUSPENDED,
PROGRAM_ENDED, BAD_CLASS (retired, or RESTRICTED), ORDER_MAXIMUM, KEY_LIMIT, RESERVE_EXCEEDED, QUOTA_EXCEEDED, EARN_CAP,
SANDBOX_LIMIT, HOLDER_LIMIT, OVERFLOW (D17).
reverse_issue: ACCOUNT_FROZEN, BAD_AMOUNT, MEMO_*, ORDER_UNKNOWN, RETURN_WINDOW, REVERSAL_EXCEEDS, OVERFLOW.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.alerts import raise_alert
from points.authority import charge_keys, is_tourist
from points.clearing import book, bucket_moves, count
from points.days import DAY_SECONDS, issue_expiry
from points.keys import account_key, books_key, counters_key, holdings_key, merchant_key, open_agg_key, order_key
from points.lot_events import LotUnits, taken_events
from points.lots import LOTS_MAX, add_units, touched
from points.memo import check_memo, memo_field
from points.orders import find_order, order_at
from points.sandbox_limits import apart, check_grant, free_reserve
from points.state import (
    BPS,
    NO_AGG,
    NO_BOOKS,
    NO_COUNTERS,
    NO_HOLDINGS,
    UY_PER_FEN,
    Account,
    Agg,
    Books,
    Class,
    Counters,
    Holdings,
    IssueOrder,
    Lot,
    Merchant,
    MerchantStatus,
)
from points.turn import Fields, Turn, is_shut
from primitives.codec import U64_MAX, Record
from primitives.codes import OK, Code
from primitives.kinds import Issue, ReverseIssue
from primitives.receipt import Event

ISSUING: Final = (MerchantStatus.ACTIVE, MerchantStatus.ACCEPT_SUSPENDED)  # 2.8


def apply_issue(turn: Turn, body: Issue) -> Code:
    """A merchant grants points of its own class for an order."""
    where = order_key(turn.sender, body.order_id)
    order = order_at(turn, where)
    if order is not None:
        same = isinstance(order, IssueOrder) and (
            order.to, order.class_id, order.units, order.reason, order.cash_value,
        ) == (body.to, body.class_id, body.units, body.reason, body.cash_value)  # fmt: skip
        return turn.repeated(same, order)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.units:
        return Code.BAD_AMOUNT
    code = check_memo(body.memo) if body.memo else OK
    if code:
        return code
    to: Account | None = turn.get(account_key(body.to))
    if to is None:
        return Code.ACCOUNT_UNKNOWN
    if not is_tourist(to):
        return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    if is_shut(to, turn.time):
        return Code.ACCOUNT_FROZEN
    row = _row_of(turn, body.class_id)
    if isinstance(row, Code):
        return row
    return _check_limits(turn, body, row) or _grant(turn, body, row, where)


class Program(Record):
    """A class with its issuer, and what follows from both for every grant of a block."""

    class_id: str
    of: Class
    merchant: Merchant
    cap: int  # uY that the issuer's outstanding and payable may reach (INV-7)
    bucket: int  # of lots granted now
    from_day: int
    agg: bytes  # keys of all that a grant adds to
    counters: bytes
    books: bytes
    fenced: bool  # limits that look at sums of several classes
    told_class: tuple[str, str]  # of every event of a grant
    told_bucket: tuple[str, int]
    told_from_day: tuple[str, int]
    told_merchant: tuple[str, bytes]


def program_of(turn: Turn, class_id: str, of: Class) -> Program:
    """The class with its issuer as of now; made anew when either, the parameters or the time is another."""
    merchant: Merchant = turn.get(merchant_key(of.issuer))
    program: Program | None = turn.programs.get(class_id)
    if program is None or program.of is not of or program.merchant is not merchant:
        bucket = issue_expiry(turn.day, of.validity_days, of.bucket)
        from_day = turn.day + of.pending_days if of.pending_days else 0
        program = Program(
            class_id, of, merchant, cap_of(turn, merchant), bucket, from_day, open_agg_key(bucket, class_id),
            counters_key(class_id), books_key(of.issuer), bool(of.sandbox or merchant.sandboxes), ("class", class_id),
            ("bucket", bucket), ("from_day", from_day), ("merchant", of.issuer),
        )  # fmt: skip
        turn.programs[class_id] = program
    return program


class Row:
    """Issues of one class in a row, in one transaction: their sums are read before the first and written behind the
    last, by `settle`. No other rule runs before that."""

    __slots__ = ("books", "most", "program", "units")

    def __init__(self, turn: Turn, program: Program) -> None:
        agg: Agg = turn.get(program.agg) or NO_AGG
        counters: Counters = turn.get(program.counters) or NO_COUNTERS
        books: Books = turn.get(program.books) or NO_BOOKS
        self.program: Final = program
        self.books: Final = books  # before the first of them
        self.units = 0  # of all of them so far
        # Units until a sum would pass 64 bits (D17)
        self.most: Final = min(
            U64_MAX - agg.avail,
            U64_MAX - counters.issued - counters.exch_in - counters.restored,
            (U64_MAX - books.issued - books.iss_in - books.self_refunded) // program.of.uv,
        )


def _row_of(turn: Turn, class_id: str) -> Row | Code:
    """The row to which an issue of this class belongs; a new one if it is the first, or why there can be none."""
    row: Row | None = turn.row
    if row is not None and row.program.class_id == class_id and not row.program.fenced:
        return row
    of: Class | None = turn.class_of(class_id)  # of any name
    if of is None:
        return Code.CLASS_UNKNOWN
    if of.issuer != turn.sender:
        return Code.NOT_ISSUER
    program = program_of(turn, class_id, of)
    code = check_open(turn, program)
    if code:
        return code
    if of.kind == "RESTRICTED":
        return turn.refuse(Code.BAD_CLASS, "points of a RESTRICTED class are claimed from a campaign's list")
    settle(turn)
    row = turn.row = Row(turn, program)
    return row


def settle(turn: Turn) -> None:
    """Write the sums of a row of issues: before any other rule of the envelope, and at its end."""
    row: Row | None = turn.row
    if row is not None:
        turn.row = None
        if row.units:
            _count(turn, row.program, row.units)


def _check_limits(turn: Turn, body: Issue, row: Row) -> Code:
    """Everything that bounds how much a merchant may issue (2.7) and is not said of its class already."""
    program = row.program
    of = program.of
    if body.units > of.max_per_order:
        return Code.ORDER_MAXIMUM
    value = body.units * of.uv
    if not charge_keys(turn, turn.sender, turn.signers, -(-value // UY_PER_FEN)):
        return Code.KEY_LIMIT
    code = check_room(turn, program, row.books, value + row.units * of.uv)
    if code:
        return code
    if of.earn_cap_bps and value * BPS > body.cash_value * UY_PER_FEN * of.earn_cap_bps:
        return Code.EARN_CAP
    return OK


def check_open(turn: Turn, program: Program) -> Code:
    """Whether anything may be issued in a class now: MERCHANT_SUSPENDED, PROGRAM_ENDED, BAD_CLASS (retired)."""
    status, end = program.merchant.status, turn.params.program_end
    if status not in ISSUING:
        return turn.refuse(Code.MERCHANT_SUSPENDED, status.name)
    if end and turn.time >= end:
        return Code.PROGRAM_ENDED
    if program.of.retired:
        return turn.refuse(Code.BAD_CLASS, "the class is retired")
    return OK


def check_room(turn: Turn, program: Program, books: Books, value: int) -> Code:
    """Whether so many uY more than in its issuer's books may be issued in a class: RESERVE_EXCEEDED (INV-7),
    QUOTA_EXCEEDED."""
    of, merchant = program.of, program.merchant
    used = books.outstanding + books.payable + value
    if used > program.cap or (merchant.sandboxes and not within_fences(turn, merchant, used, bool(of.sandbox))):
        return Code.RESERVE_EXCEEDED
    quota = merchant.quota or turn.params.quota
    if quota:
        issued = value + (books.period_issued if books.period == turn.window else 0)
        if issued > quota * UY_PER_FEN:
            return Code.QUOTA_EXCEEDED
    return OK


def within_fences(turn: Turn, merchant: Merchant, used: int, in_sandbox: bool) -> bool:
    """Whether a merchant whose cap allows `used` uY may have them outstanding and payable (INV-7).

    Ordinary points only by what is not set apart for its sandboxes, whose own are carried by that.
    """
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


def tell_near_cap(turn: Turn, issuer: bytes, cap: int, value: int) -> None:
    """Alert if the last `value` uY made a merchant cross the line below its cap; its issue was counted already."""
    books: Books = turn.get(books_key(issuer))
    _tell_crossing(turn, issuer, cap, books.outstanding + books.payable, value)


def _tell_crossing(turn: Turn, issuer: bytes, cap: int, used: int, value: int) -> None:
    bps = turn.params.alert_cap_bps
    used, line = used * BPS, cap * bps
    if bps and used - value * BPS < line <= used:
        raise_alert(turn, "NEAR_CAP", issuer, used // BPS // UY_PER_FEN, line // BPS // UY_PER_FEN)


def _grant(turn: Turn, body: Issue, row: Row, where: bytes) -> Code:
    program = row.program
    to, units, reason, cash_value = body.to, body.units, body.reason, body.cash_value
    code = _hand_over(turn, program, to, units)
    if code:
        return code
    row.units += units
    if row.units > row.most:
        turn.overflow = True
    turn.put(where, IssueOrder(
        to, program.class_id, units, reason, cash_value, program.bucket, program.from_day, turn.time, turn.tx,
        turn.height, turn.index,
    ))  # fmt: skip
    uv = program.of.uv
    fields: Fields = (
        ("order_id", body.order_id), program.told_class, ("units", units), ("value", units * uv), ("reason", reason),
        ("cash_value", cash_value), program.told_bucket, program.told_from_day,
    )  # fmt: skip
    if body.memo:
        fields += memo_field(body.memo)
    turn.events.append(Event("Issued", fields, (program.told_merchant, ("to", to))))
    used = row.books.outstanding + row.books.payable + row.units * uv
    _tell_crossing(turn, turn.sender, program.cap, used, units * uv)
    return OK


def credit(turn: Turn, program: Program, to: bytes, units: int) -> Code:
    """New units for a tourist, with everything that counts them; SANDBOX_LIMIT or HOLDER_LIMIT if the account may not
    have them."""
    code = _hand_over(turn, program, to, units)
    if code:
        return code
    if units > Row(turn, program).most:
        turn.overflow = True
    _count(turn, program, units)
    return OK


def _hand_over(turn: Turn, program: Program, to: bytes, units: int) -> Code:
    """New units for a tourist, not counted yet."""
    class_id, of = program.class_id, program.of
    code = check_grant(turn, class_id, of, to, units) if of.sandbox else OK
    if code:
        return code
    where = holdings_key(to)
    old: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(old.lots, turn.time, turn.day))
    add_units(lots, program.bucket, class_id, 0, program.from_day, units)
    limit = turn.params.holder_limit
    if len(lots) > LOTS_MAX:
        return turn.refuse(Code.HOLDER_LIMIT, f"{LOTS_MAX} lots in one account")
    if limit and value_of(turn, lots) > limit * UY_PER_FEN:
        return Code.HOLDER_LIMIT
    turn.put(where, Holdings(tuple(lots), old.open_holds, old.redeemed, old.year, old.redeemed_year))
    return OK


def _count(turn: Turn, program: Program, units: int) -> None:
    """Add new units to the sums of clearing.py: their bucket, the class's counters, its issuer's books and quota."""
    agg: Agg = turn.get(program.agg) or NO_AGG
    counters: Counters = turn.get(program.counters) or NO_COUNTERS
    books: Books = turn.get(program.books) or NO_BOOKS
    value = units * program.of.uv
    if program.merchant.quota or turn.params.quota:  # its period is the settlement window
        counted = turn.add(books.period_issued if books.period == turn.window else 0, value)
        books = replace(books, period=turn.window, period_issued=counted)
    turn.put(program.agg, Agg(agg.avail + units, agg.held))
    turn.put(program.counters, replace(counters, issued=counters.issued + units))
    turn.put(program.books, replace(books, outstanding=books.outstanding + value, issued=books.issued + value))


def value_of(turn: Turn, lots: Sequence[Lot]) -> int:
    """uY of all units in the lots, pending and held included."""
    return sum((lot.avail + lot.held) * turn.class_of(lot.class_id).uv for lot in lots)


def with_lots(holdings: Holdings, lots: Sequence[Lot]) -> Holdings:
    """The same holdings with other lots."""
    return replace(holdings, lots=tuple(lots))


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
