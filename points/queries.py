"""Questions about the state, answered as plain JSON values: addresses as bech32m text, hashes as hex.

`time_s` is the block time of the last block. Units and rounding are those of the public contract: spendable, pending,
held and exposure in fen; by_class, lots, class and supply in units; obligations in uY. None: there is no such thing.
Freezes, scopes and pauses are ignored: they say where points may be spent, not how many there are.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from points.applications import papers_plain
from points.campaign_records import BatchOrder
from points.days import DAY_SECONDS, day_of
from points.issuing import cap_of, ratio_of
from points.keys import (
    HEAD_KEY,
    PARAMS_KEY,
    account_key,
    books_key,
    class_key,
    counters_key,
    hold_key,
    holdings_key,
    merchant_key,
    order_key,
    window_key,
)
from points.sandbox_limits import apart, fenced, free_reserve
from points.state import (
    BPS,
    NEVER,
    NO_BOOKS,
    NO_COUNTERS,
    NO_HOLDINGS,
    UY_PER_FEN,
    Account,
    Books,
    Class,
    Counters,
    Hold,
    Holdings,
    HoldLeg,
    IssueOrder,
    Lot,
    Merchant,
    Order,
    OrderLeg,
    Window,
    WindowState,
)
from points.turn import Turn, frozen_mode
from points.view import Overlay, View
from primitives.address import encode_address
from primitives.keys import Address

Plain = Any
BUCKETS_START, BUCKETS_STOP = b"G", b"H"


def text(address: bytes) -> str:
    """The bech32m text of an address."""
    return encode_address(Address(address))


def reading(view: View, time_s: int) -> Turn:
    """A turn that only reads, for the rules that quotes and exposure share with transactions."""
    return Turn(Overlay(view), time_s, 0, b"", None)


def _fen(value: int) -> int:
    return value // UY_PER_FEN


def _fen_up(value: int) -> int:
    return -(-value // UY_PER_FEN)


def _uv(view: View, class_id: str) -> int:
    uv: int = view.get(class_key(class_id)).uv
    return uv


def account(view: View, time_s: int, address: bytes) -> Plain:
    """Spendable, pending and held value in fen, and the same per class in units."""
    record: Account | None = view.get(account_key(address))
    if record is None:
        return None
    holdings: Holdings = view.get(holdings_key(address)) or NO_HOLDINGS
    today = day_of(time_s)
    sums = {"spendable": 0, "pending": 0, "held": 0}
    units: dict[str, dict[str, int]] = {}
    for lot in holdings.lots:
        uv = _uv(view, lot.class_id)
        row = units.setdefault(lot.class_id, {"spendable": 0, "pending": 0, "held": 0})
        state = "pending" if lot.from_day > today else "spendable"
        for name, count in ((state, lot.avail if lot.bucket > time_s else 0), ("held", lot.held)):
            sums[name] += count * uv
            row[name] += count
    return {
        "address": text(address),
        "kind": record.kind.name,
        **{name: _fen(value) for name, value in sums.items()},
        "by_class": units,
        "open_holds": holdings.open_holds,
        "tier": record.tier if time_s < record.tier_expires else 0,
        "tier_expires": _moment(record.tier_expires),
        "frozen": frozen_mode(record, time_s).name,
        "frozen_until": _moment(record.frozen_until) if frozen_mode(record, time_s) else None,
        "threshold": record.threshold,
        "keys": [{"key": k.key.hex(), "role": k.role, "daily_limit": k.daily_limit} for k in record.keys],
        "redeemed": holdings.redeemed,
    }


def _moment(time_s: int) -> int | None:
    return None if time_s == NEVER else time_s


def lots(view: View, time_s: int, address: bytes) -> Plain:
    """Available units by class, pending included; under "lots" each lot in order of expiry, with its held units."""
    if view.get(account_key(address)) is None:
        return None
    today = day_of(time_s)
    holdings: Holdings = view.get(holdings_key(address)) or NO_HOLDINGS
    rows = [_lot(view, lot, time_s, today) for lot in holdings.lots if lot.held or lot.bucket > time_s]
    totals: dict[str, Plain] = {}
    for row in rows:
        totals[row["class"]] = totals.get(row["class"], 0) + row["units"]
    return {**totals, "lots": rows}


def _lot(view: View, lot: Lot, time_s: int, today: int) -> Plain:
    units = lot.avail if lot.bucket > time_s else 0
    return {
        "class": lot.class_id,
        "issuer": text(view.get(class_key(lot.class_id)).issuer),
        "expires": lot.bucket,
        "from_day": lot.from_day if lot.from_day > today else 0,
        "ext": lot.ext,
        "units": units,
        "held": lot.held,
        "value": _fen(units * _uv(view, lot.class_id)),
    }


def expiring(view: View, time_s: int, address: bytes, within_days: int = 3650) -> Plain:
    """What expires when: one row per moment and class, soonest first."""
    if view.get(account_key(address)) is None:
        return None
    holdings: Holdings = view.get(holdings_key(address)) or NO_HOLDINGS
    rows: dict[tuple[int, str], int] = {}
    for lot in holdings.lots:
        if time_s < lot.bucket <= time_s + within_days * DAY_SECONDS and lot.avail:
            rows[lot.bucket, lot.class_id] = rows.get((lot.bucket, lot.class_id), 0) + lot.avail
    return [
        {"expires": bucket, "class": class_id, "units": units, "value": _fen(units * _uv(view, class_id))}
        for (bucket, class_id), units in sorted(rows.items())
    ]


def merchant(view: View, time_s: int, address: bytes) -> Plain:
    """Status and limits of a merchant."""
    record: Merchant | None = view.get(merchant_key(address))
    if record is None:
        return None
    return {
        "merchant": text(address), "category": record.category, "status": record.status.name,
        "reserve": record.reserve, "attested": record.attested, "credit_limit": record.credit_limit,
        "quota": record.quota, "reserve_ratio_bps": record.reserve_ratio_bps,
        "stale": _stale(view, time_s, record), **papers_plain(view, address),
    }  # fmt: skip


def _stale(view: View, time_s: int, record: Merchant) -> bool:
    return bool(time_s > record.attested + view.get(PARAMS_KEY).attestation_days * DAY_SECONDS)


def merchants(view: View, time_s: int) -> Plain:
    """All merchants in order of their addresses."""
    return [merchant(view, time_s, key[1:]) for key, _ in view.range(b"M", b"N")]


def exposure(view: View, time_s: int, address: bytes) -> Plain:
    """A merchant's cap and what uses it, in fen: the cap rounded down, the rest up, room between them (INV-7)."""
    record: Merchant | None = view.get(merchant_key(address))
    if record is None:
        return None
    books: Books = view.get(books_key(address)) or NO_BOOKS
    turn = reading(view, time_s)
    cap, used = cap_of(turn, record), books.outstanding + books.payable
    room = cap - used
    if record.sandboxes:  # what ordinary points may still use
        room = min(room, cap_of(turn, replace(record, reserve=free_reserve(turn, record))) + apart(turn, record) - used)
    return {
        "merchant": text(address),
        "cap": _fen(cap),
        "outstanding": _fen_up(books.outstanding),
        "payable": _fen_up(books.payable),
        "room": max(0, _fen(room)),
        "set_apart": fenced(turn, record),
        "used_bps": (books.outstanding + books.payable) * BPS // cap if cap else 0,
        "over_cap": books.outstanding + books.payable > cap,
        "reserve": record.reserve,
        "ratio_bps": ratio_of(turn, record),
        "stale": _stale(view, time_s, record),
        "status": record.status.name,
    }


def class_(view: View, time_s: int, class_id: str) -> Plain:
    """A class with its terms and its counters."""
    record: Class | None = view.get(class_key(class_id))
    if record is None:
        return None
    return {
        "class": class_id, "issuer": text(record.issuer), "uv": record.uv, "kind": record.kind,
        "scope": list(record.scope), "validity_days": record.validity_days, "bucket": record.bucket,
        "pending_days": record.pending_days, "refund_policy": record.refund_policy, "grace_days": record.grace_days,
        "transferable": record.transferable, "exchangeable": record.exchangeable,
        "exchange_in_quota": _moment(record.exchange_in_quota), "max_per_order": _moment(record.max_per_order),
        "earn_cap_bps": record.earn_cap_bps, "display_decimals": record.display_decimals,
        "sandbox": record.sandbox or None,
        "status": "RETIRED" if record.retired else "PAUSED" if time_s < record.paused_until else "ACTIVE",
        "paused_until": record.paused_until if time_s < record.paused_until else None,
        **_counters(view, class_id),
    }  # fmt: skip


def classes(view: View, time_s: int) -> Plain:
    """All classes in order of their ids."""
    return [class_(view, time_s, key[1:].decode()) for key, _ in view.range(b"C", b"D")]


def _counters(view: View, class_id: str) -> dict[str, int]:
    c: Counters = view.get(counters_key(class_id)) or NO_COUNTERS
    outstanding = c.issued + c.exch_in + c.restored - c.redeemed - c.expired - c.burned
    return {
        "issued": c.issued, "exch_in": c.exch_in, "restored": c.restored, "redeemed": c.redeemed,
        "expired": c.expired, "burned": c.burned, "outstanding": outstanding,
    }  # fmt: skip


def supply(view: View, time_s: int, class_id: str | None = None) -> Plain:
    """Counters and outstanding units: of one class, or of all as {class: ...} (INV-1)."""
    if class_id is not None:
        return _counters(view, class_id) if view.get(class_key(class_id)) is not None else None
    return {key[1:].decode(): _counters(view, key[1:].decode()) for key, _ in view.range(b"C", b"D")}


def ageing(view: View, time_s: int, issuer: bytes) -> Plain:
    """Outstanding units of an issuer by class and expiry, soonest first."""
    rows = []
    for prefix, stop in ((b"g", b"h"), (BUCKETS_START, BUCKETS_STOP)):
        for key, agg in view.range(prefix, stop):
            class_id = key[9:].decode()
            record: Class = view.get(class_key(class_id))
            if record.issuer == issuer:
                units = agg.avail + agg.held
                rows.append({
                    "class": class_id, "expires": int.from_bytes(key[1:9], "big"), "avail": agg.avail,
                    "held": agg.held, "value": _fen(units * record.uv),
                })  # fmt: skip
    return rows


def order(view: View, time_s: int, merchant_address: bytes, order_id: str) -> Plain:
    """An order while it can still be refunded or reversed. A payment by static request has its transaction id (D18)."""
    record: Order | None = view.get(order_key(merchant_address, order_id))
    if record is None or not reading(view, time_s).active(record):
        return None
    first = {
        "merchant": text(merchant_address), "order_id": order_id, "created": record.created, "tx": record.tx.hex(),
        "height": record.height, "index": record.index,
    }  # fmt: skip
    if isinstance(record, BatchOrder):
        return first | {
            "kind": "batch_issue", "campaign": record.campaign, "accounts": record.accounts, "units": record.units,
        }  # fmt: skip
    if isinstance(record, IssueOrder):
        return first | {
            "kind": "issue", "to": text(record.to), "class": record.class_id, "units": record.units,
            "reason": record.reason, "cash_value": record.cash_value, "reversed": record.reversed,
            "shortfall": record.shortfall, "expires": record.bucket,
        }  # fmt: skip
    return first | {
        "kind": record.kind, "payer": text(record.payer), "value": record.value, "refunded": record.refunded,
        "authorised": record.authorised, "window": record.window,
        "hold": record.hold_id.hex() if record.hold_id else None,
        "fee": sum(leg.fee for leg in record.legs), "legs": list(_legs(view, record.legs)),
    }  # fmt: skip


def _legs(view: View, legs: Iterable[OrderLeg | HoldLeg]) -> Iterator[Plain]:
    for leg in legs:
        row = {
            "issuer": text(view.get(class_key(leg.class_id)).issuer), "class": leg.class_id, "expires": leg.bucket,
            "units": leg.units, "pay": leg.pay, "over": leg.over,
        }  # fmt: skip
        if isinstance(leg, OrderLeg):
            row |= {"fee": leg.fee, "refunded": leg.refunded}
        yield row


def hold(view: View, time_s: int, hold_id: bytes) -> Plain:
    """A hold; one that is closed is remembered as long as an order."""
    record: Hold | None = view.get(hold_key(hold_id))
    if record is None:
        return None
    return {
        "hold": hold_id.hex(), "payer": text(record.payer), "merchant": text(record.merchant), "value": record.value,
        "expires_at": record.expires_at, "state": record.state.name, "legs": list(_legs(view, record.legs)),
        "code_key": record.code_key.hex() if record.code_key else None,
    }  # fmt: skip


def obligations(view: View, time_s: int, window_id: int | None = None) -> Plain:
    """Gross uY as {"debtor->creditor": uY}: of one window, or of all windows that are not SETTLED."""
    if window_id is not None:
        if _window(view, window_id) is None:
            return None
        numbers = [window_id]
    else:
        numbers = [
            int.from_bytes(key[1:], "big")
            for key, window in view.range(b"W", b"X")
            if window.state is not WindowState.SETTLED
        ]
    sums: dict[str, int] = {}
    for number in numbers:
        for parties, found in _of_window(view, b"Y", number):
            name = f"{text(parties[:20])}->{text(parties[20:])}"
            sums[name] = sums.get(name, 0) + found.value
    return sums


def _window(view: View, window_id: int) -> Window | None:
    found: Window | None = view.get(window_key(window_id)) if 0 < window_id <= NEVER else None
    return found


def _of_window(view: View, prefix: bytes, number: int) -> Iterator[tuple[bytes, Any]]:
    """(rest of the key, record) of everything that belongs to a window under a prefix."""
    start, stop = prefix + number.to_bytes(8, "big"), prefix + (number + 1).to_bytes(8, "big")
    for key, record in view.range(start, stop):
        yield key[9:], record


def window(view: View, time_s: int, window_id: int | None = None) -> Plain:
    """A window, by default the last closed: nets in fen before carry (floor), carry before, fen and carry after."""
    number = view.get(HEAD_KEY).window - 1 if window_id is None else window_id
    record = _window(view, number)
    if record is None:
        return None
    positions = {text(who): position for who, position in _of_window(view, b"N", number)}
    instructions, states, drawn, advanced = {}, {}, {}, {}
    for parties, leg in _of_window(view, b"E", number):
        name = f"{text(parties[:20])}->{text(parties[20:])}"
        instructions[name], states[name] = leg.fen, leg.state.name
        if leg.drawn:
            drawn[name] = leg.drawn
        if leg.advanced:
            advanced[name] = leg.advanced
    return {
        "window": number,
        "state": record.state.name,
        "opened": record.opened,
        "closed": record.closed or None,
        "nets": {who: _fen(p.fen * UY_PER_FEN + p.carry - p.carry_in) for who, p in positions.items()},
        "fen": {who: p.fen for who, p in positions.items()},
        "carry_in": {who: p.carry_in for who, p in positions.items()},
        "carry": {who: p.carry for who, p in positions.items()},
        "instructions": instructions,
        "legs": states,
        "drawn": drawn,
        "advanced": advanced,
    }


def windows(view: View, time_s: int) -> Plain:
    """All windows, the newest first, without their nets and legs."""
    rows = [
        {
            "window": int.from_bytes(key[1:], "big"), "state": record.state.name, "opened": record.opened,
            "closed": record.closed or None, "open_legs": record.open_legs,
        }
        for key, record in view.range(b"W", b"X")
    ]  # fmt: skip
    return rows[::-1]


def parameters(view: View) -> Plain:
    """The on-chain parameters by name (D20)."""
    params = view.get(PARAMS_KEY)
    return {name: getattr(params, name) for name in params.__struct_fields__}


