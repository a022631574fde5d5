"""Errata: the committee makes good what a transaction did wrong, by entries that compensate; none deletes (INV-17).

errata: ALREADY_APPLIED, ERRATA_BOUNDS (number), ORDER_UNKNOWN (no such order, or of another transaction) or
ERRATA_BOUNDS (the receipt's proof is not anchored, or by a party), then per entry BAD_AMOUNT, then
of a credit ACCOUNT_UNKNOWN, NOT_AUTHORISED (no tourist, D3), CLASS_UNKNOWN, ERRATA_BOUNDS (the
issuer left, expiry, cap), of a sandbox's class what that allows, ERRATA_BOUNDS (lots),
of a debit ACCOUNT_UNKNOWN, CLASS_UNKNOWN, ERRATA_BOUNDS (units that are not there, or held),
of a debt ERRATA_BOUNDS (to itself), MERCHANT_UNKNOWN, ERRATA_BOUNDS (the party left);
ERRATA_BOUNDS (cap), OVERFLOW.

The cap bounds what all errata of one transaction move together, so that none is cut into pieces. Like a refund, an
erratum may leave an issuer above its own cap: then it cannot issue (INV-7).
"""

from typing import Final, assert_never

from points.asset_records import Anchored
from points.authority import is_tourist
from points.clearing import book, bucket_moves, count, owe
from points.days import DAY_SECONDS, UTC8_SECONDS, issue_expiry
from points.errata_records import ClassNet, DebtNet, Erratum
from points.issuing import with_lots
from points.keys import account_key, anchor_key, class_key, erratum_key, holdings_key, merchant_key
from points.lots import LOTS_MAX, add_units, touched
from points.orders import find_order
from points.sandbox_limits import check_grant
from points.state import FUND, NO_HOLDINGS, UY_PER_FEN, Class, Holdings, Merchant, MerchantStatus
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds_errata import Credit, Debit, Debt, Entry, Errata, OrderOriginal
from primitives.receipt import Event

NAMESPACE: Final = "errata"  # of the anchors that prove what is corrected
ERRATA_DAYS: Final = 1096  # the trial's three years: as long a record tells what was done for a transaction
ERRATA_MOST: Final = 8  # of one transaction: its record stays small
_GONE: Final = (MerchantStatus.APPLIED, MerchantStatus.EXITED)


def apply_errata(turn: Turn, payload: Errata) -> Code:
    """Carry out all entries, or none (the caller takes the writes back)."""
    tx = payload.original.tx
    found: Erratum | None = turn.get(erratum_key(tx))
    before = found if found is not None and found.lives(turn.time) else None
    code = _check_number(turn, payload.number, before) or _check_original(turn, payload)
    if code:
        return code
    expires = turn.time + ERRATA_DAYS * DAY_SECONDS
    record = before or Erratum(0, payload.reason, b"", b"", 0, 0)
    gross, units, debts = record.gross, list(record.units), list(record.debts)
    for entry in payload.entries:
        value = _apply_entry(turn, entry, payload)
        if isinstance(value, Code):
            return value
        gross += value
        if gross > turn.params.errata_cap * UY_PER_FEN:
            detail = f"{gross} uY for this transaction, limit {turn.params.errata_cap} fen"
            return turn.refuse(Code.ERRATA_BOUNDS, detail)
        _sum(units, debts, entry)
    turn.put(
        erratum_key(tx),
        Erratum(
            payload.number, payload.reason, payload.evidence_hash, turn.sender, turn.time, expires, gross,
            tuple(units), tuple(debts),
        ),
    )  # fmt: skip
    fields: Fields = (
        ("number", payload.number), ("reason", payload.reason), ("entries", len(payload.entries)),
        ("value", gross - record.gross),
    )  # fmt: skip
    hashes = (("original", tx), ("evidence", payload.evidence_hash))
    turn.events.append(Event("ErrataApplied", fields, (("by", turn.sender),), hashes))
    return Code.OK


def parties(turn: Turn, payload: Errata) -> tuple[bytes, ...]:
    """Whom an erratum is about: accounts, debtors, creditors, issuers of the classes. They do not vote on it."""
    found: list[bytes] = [payload.original.merchant] if isinstance(payload.original, OrderOriginal) else []
    for entry in payload.entries:
        match entry:
            case Debt():
                found += (entry.debtor, entry.creditor)
            case Credit() | Debit():
                of: Class | None = turn.get(class_key(entry.class_id))
                found += (entry.to if isinstance(entry, Credit) else entry.account,)
                found += (of.issuer,) if of is not None else ()
    return tuple(dict.fromkeys(party for party in found if party != FUND))


def _check_number(turn: Turn, number: int, before: Erratum | None) -> Code:
    """A second run of the same decision finds its number used."""
    done = before.number if before is not None else 0
    if 1 <= number <= done:
        return turn.refuse(Code.ALREADY_APPLIED, f"number {number} of this transaction, {done} were carried out")
    if number != done + 1 or number > ERRATA_MOST:
        return turn.refuse(Code.ERRATA_BOUNDS, f"number {number}, expected {done + 1}, at most {ERRATA_MOST}")
    return Code.OK


def _check_original(turn: Turn, payload: Errata) -> Code:
    """What is corrected has happened: its order is in the state, or a witness anchored the proof of its receipt."""
    original = payload.original
    if isinstance(original, OrderOriginal):
        order = find_order(turn, original.merchant, original.order_id)
        if order is None or order.tx != original.tx:
            return turn.refuse(Code.ORDER_UNKNOWN, "no such order, or another transaction made it")
        return Code.OK
    anchored: Anchored | None = turn.get(anchor_key(NAMESPACE, original.proof))
    if anchored is None or not anchored.lives(turn.time):
        return turn.refuse(Code.ERRATA_BOUNDS, f"the proof of the receipt is not anchored under {NAMESPACE}")
    if anchored.by in parties(turn, payload):
        return turn.refuse(Code.ERRATA_BOUNDS, "the proof of the receipt was anchored by a party")
    return Code.OK


def _apply_entry(turn: Turn, entry: Entry, payload: Errata) -> int | Code:
    """The uY that an entry moves, or why it cannot be."""
    match entry:
        case Credit():
            return _credit(turn, entry, payload)
        case Debit():
            return _debit(turn, entry, payload)
        case Debt():
            return _book(turn, entry)
        case _:
            assert_never(entry)


def _credit(turn: Turn, entry: Credit, payload: Errata) -> int | Code:
    """New units, marked as extended once: no refund gives them a longer life (D13)."""
    of = _class_for(turn, entry.units, entry.to, entry.class_id)
    if isinstance(of, Code):
        return of
    if not is_tourist(turn.get(account_key(entry.to))):
        return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    issuer: Merchant = turn.get(merchant_key(of.issuer))
    if issuer.status in _GONE:
        return turn.refuse(Code.ERRATA_BOUNDS, f"the issuer of {entry.class_id} is {issuer.status.name}")
    latest = issue_expiry(turn.day, of.validity_days, of.bucket)
    if not turn.time < entry.expires <= latest or (entry.expires + UTC8_SECONDS) % DAY_SECONDS:
        detail = f"expires {entry.expires}, expected a midnight of UTC+8 behind {turn.time}, at most {latest}"
        return turn.refuse(Code.ERRATA_BOUNDS, detail)
    value = entry.units * of.uv
    if value > turn.params.errata_cap * UY_PER_FEN:
        return turn.refuse(Code.ERRATA_BOUNDS, f"{value} uY, limit {turn.params.errata_cap} fen")
    code = check_grant(turn, entry.class_id, of, entry.to, entry.units) if of.sandbox else Code.OK
    if code:
        return code
    where = holdings_key(entry.to)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    add_units(lots, entry.expires, entry.class_id, 1, 0, entry.units)
    if len(lots) > LOTS_MAX:
        return turn.refuse(Code.ERRATA_BOUNDS, f"{LOTS_MAX} lots in one account")
    turn.put(where, with_lots(holdings, lots))
    bucket_moves(turn, entry.class_id, entry.expires, entry.units)
    count(turn, entry.class_id, issued=entry.units)
    book(turn, of.issuer, outstanding=value, issued=value)
    fields: Fields = (
        ("class", entry.class_id), ("units", entry.units), ("value", value), ("bucket", entry.expires),
        ("reason", payload.reason),
    )  # fmt: skip
    accounts = (("to", entry.to), ("merchant", of.issuer))
    turn.events.append(Event("ErrataCredited", fields, accounts, (("original", payload.original.tx),)))
    return value


def _debit(turn: Turn, entry: Debit, payload: Errata) -> int | Code:
    """Burn what is there and not held, pending units too; all of it, or the erratum is refused."""
    of = _class_for(turn, entry.units, entry.account, entry.class_id)
    if isinstance(of, Code):
        return of
    where = holdings_key(entry.account)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    left = entry.units
    taken: list[tuple[int, int]] = []
    for lot in tuple(lots):
        units = min(left, lot.avail) if lot.class_id == entry.class_id else 0
        if units:
            add_units(lots, lot.bucket, lot.class_id, lot.ext, lot.from_day, -units)
            bucket_moves(turn, lot.class_id, lot.bucket, -units)
            taken.append((lot.bucket, units))
            left -= units
    if left:
        detail = f"{entry.units} units of {entry.class_id}, {entry.units - left} are there and not held"
        return turn.refuse(Code.ERRATA_BOUNDS, detail)
    value = entry.units * of.uv
    turn.put(where, with_lots(holdings, lots))
    count(turn, entry.class_id, burned=entry.units)
    book(turn, of.issuer, outstanding=-value, revoked=value)
    fields: Fields = (
        ("class", entry.class_id), ("units", entry.units), ("value", value), ("reason", payload.reason),
    )  # fmt: skip
    accounts = (("from", entry.account), ("merchant", of.issuer))
    turn.events.append(Event("ErrataDebited", fields, accounts, (("original", payload.original.tx),)))
    turn.events += (
        Event("UnitsTaken", (("class", entry.class_id), ("bucket", bucket), ("units", units)))
        for bucket, units in taken
    )
    return value


def _book(turn: Turn, entry: Debt) -> int | Code:
    """An obligation beside those of payments; it is in nobody's issuer role (INV-4), and counts against the cap."""
    if not entry.value:
        return Code.BAD_AMOUNT
    if entry.debtor == entry.creditor:
        return turn.refuse(Code.ERRATA_BOUNDS, "a debt to itself")
    if entry.value > turn.params.errata_cap * UY_PER_FEN:
        return turn.refuse(Code.ERRATA_BOUNDS, f"{entry.value} uY, limit {turn.params.errata_cap} fen")
    for party in (entry.debtor, entry.creditor):
        merchant: Merchant | None = turn.get(merchant_key(party))
        if merchant is None and party != FUND:
            return Code.MERCHANT_UNKNOWN
        if merchant is not None and merchant.status in _GONE:
            return turn.refuse(Code.ERRATA_BOUNDS, f"a party is {merchant.status.name}")
    book(turn, entry.debtor, payable=owe(turn, entry.debtor, entry.creditor, entry.value))
    fields: Fields = (("window", turn.window), ("value", entry.value))
    accounts = (("debtor", entry.debtor), ("creditor", entry.creditor))
    turn.events.append(Event("ObligationAdded", fields, accounts))
    return entry.value


def _class_for(turn: Turn, units: int, account: bytes, class_id: str) -> Class | Code:
    if not units:
        return Code.BAD_AMOUNT
    if turn.get(account_key(account)) is None:
        return Code.ACCOUNT_UNKNOWN
    found: Class | None = turn.get(class_key(class_id))
    return Code.CLASS_UNKNOWN if found is None else found


def _sum(units: list[ClassNet], debts: list[DebtNet], entry: Entry) -> None:
    """Add an entry to the sums of its transaction, kept in order."""
    if isinstance(entry, Debt):
        pair = (entry.debtor, entry.creditor)
        value = entry.value + sum(debt.value for debt in debts if (debt.debtor, debt.creditor) == pair)
        debts[:] = [debt for debt in debts if (debt.debtor, debt.creditor) != pair]
        debts.append(DebtNet(*pair, value))
        debts.sort(key=lambda debt: (debt.debtor, debt.creditor))
        return
    credited = entry.units if isinstance(entry, Credit) else 0
    old = next((net for net in units if net.class_id == entry.class_id), ClassNet(entry.class_id, 0, 0))
    units[:] = [net for net in units if net.class_id != entry.class_id]
    units.append(ClassNet(entry.class_id, old.credited + credited, old.debited + entry.units - credited))
    units.sort(key=lambda net: net.class_id)
