"""The queries of scenario files over one state: amounts in fen, units or uY as each name says, addresses as text.

An answer is a plain JSON value; None where there is no such account, order, hold, window or class.
"""

from collections.abc import Iterator
from typing import Any, Final

from points.days import DAY_SECONDS, day_of
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
from points.state import (
    BPS,
    NO_BOOKS,
    NO_COUNTERS,
    NO_HOLDINGS,
    UY_PER_FEN,
    Books,
    Class,
    Counters,
    Frozen,
    Hold,
    HoldState,
    IssueOrder,
    Leg,
    LegState,
    Lot,
    Merchant,
    Position,
    Window,
    WindowState,
)
from points.view import View
from primitives.address import decode_address, encode_address
from primitives.codec import Malformed
from primitives.keys import Address

Plain = Any
ADDRESS_BYTES: Final = 20


def answer_query(view: View, now: int, name: str, of: str | None) -> Plain:
    """The answer as of block time `now` (seconds). Raises: Malformed for an `of` that names nothing."""
    match name:
        case "account":
            return _account(view, now, _address(of))
        case "lots":
            return _lots(view, now, _address(of))
        case "exposure":
            return _exposure(view, now, _address(of))
        case "obligations":
            return _obligations(view, None if of is None else _number(of))
        case "window":
            newest_closed = view.get(HEAD_KEY).window - 1
            return _window(view, newest_closed if of is None else _number(of))
        case "order":
            merchant, _, order_id = str(of).partition("/")
            return _order(view.get(order_key(_address(merchant), order_id)))
        case "hold":
            return _hold(view.get(hold_key(_hex(of))))
        case "class":
            return _class(view.get(class_key(str(of))))
        case "supply":
            return _supply(view, of)
        case _:
            raise Malformed(f"no query {name!r}")


def _address(of: str | None) -> Address:
    return decode_address(of or "")


def _number(of: str) -> int:
    if not of.isascii() or not of.isdigit() or len(of) > 19:
        raise Malformed(f"{of[:40]!r} is not a window id")
    return int(of)


def _hex(of: str | None) -> bytes:
    try:
        return bytes.fromhex(of or "")
    except ValueError as error:
        raise Malformed(f"{str(of)[:40]!r} is not hex") from error


def _text(address: bytes) -> str:
    return encode_address(Address(address))


def _live(view: View, now: int, address: bytes) -> Iterator[tuple[Lot, int]]:
    """Each lot with its available units: 0 once it has expired, whatever a purge has left in it."""
    for lot in (view.get(holdings_key(address)) or NO_HOLDINGS).lots:
        yield lot, lot.avail if lot.bucket > now else 0


def _account(view: View, now: int, address: Address) -> Plain:
    account = view.get(account_key(address))
    if account is None:
        return None
    units: dict[str, dict[str, int]] = {}
    for lot, avail in _live(view, now, address):
        row = units.setdefault(lot.class_id, {"spendable": 0, "pending": 0, "held": 0})
        row["pending" if lot.from_day > day_of(now) else "spendable"] += avail
        row["held"] += lot.held
    worth = dict.fromkeys(("spendable", "pending", "held"), 0)
    for class_id, row in units.items():
        uv = view.get(class_key(class_id)).uv
        for column in worth:
            worth[column] += row[column] * uv
    frozen = account.frozen if now < account.frozen_until else Frozen.NO
    fen = {column: uy // UY_PER_FEN for column, uy in worth.items()}
    return {**fen, "by_class": units, "kind": account.kind.name, "tier": account.tier, "frozen": frozen.name}


def _lots(view: View, now: int, address: Address) -> Plain:
    """Available units by class, and under "lots" each lot that is not empty, in order of spending."""
    totals: dict[str, int] = {}
    lots = []
    for lot, avail in _live(view, now, address):
        if avail or lot.held:
            totals[lot.class_id] = totals.get(lot.class_id, 0) + avail
            lots.append({
                "class": lot.class_id, "expires": lot.bucket, "from_day": lot.from_day, "ext": lot.ext,
                "units": avail, "held": lot.held,
            })  # fmt: skip
    return {**totals, "lots": lots}


def _exposure(view: View, now: int, address: Address) -> Plain:
    merchant: Merchant | None = view.get(merchant_key(address))
    if merchant is None:
        return None
    books: Books = view.get(books_key(address)) or NO_BOOKS
    cap = _cap(view, now, merchant)
    return {
        "cap": cap // UY_PER_FEN,
        "outstanding": -(-books.outstanding // UY_PER_FEN),
        "payable": -(-books.payable // UY_PER_FEN),
        "room": max(0, (cap - books.outstanding - books.payable) // UY_PER_FEN),
        "status": merchant.status.name,
        "reserve": merchant.reserve,
    }


def _cap(view: View, now: int, merchant: Merchant) -> int:
    """uY; a stale reserve counts in full (D12)."""
    params = view.get(PARAMS_KEY)
    stale = now > merchant.attested + params.attestation_days * DAY_SECONDS
    ratio = BPS if stale else params.reserve_ratio_bps
    return merchant.reserve * UY_PER_FEN * BPS // ratio + merchant.credit_limit * UY_PER_FEN


def _gross(view: View, window: int) -> Iterator[tuple[str, str, int]]:
    start, stop = (b"Y" + number.to_bytes(8, "big") for number in (window, window + 1))
    for key, obligation in view.range(start, stop):
        pair = key[len(start) :]
        yield _text(pair[:ADDRESS_BYTES]), _text(pair[ADDRESS_BYTES:]), obligation.value


def _obligations(view: View, window: int | None) -> Plain:
    """Gross uY of one window, or of all that are not SETTLED."""
    found: dict[str, int] = {}
    for number in range(1, view.get(HEAD_KEY).window + 1) if window is None else (window,):
        stored: Window | None = view.get(window_key(number))
        if window is None and (stored is None or stored.state is WindowState.SETTLED):
            continue
        for debtor, creditor, value in _gross(view, number):
            pair = f"{debtor}->{creditor}"
            found[pair] = found.get(pair, 0) + value
    return found


def _window(view: View, number: int) -> Plain:
    window: Window | None = view.get(window_key(number))
    if window is None:
        return None
    if window.state is WindowState.OPEN:
        nets: dict[str, int] = {}
        for debtor, creditor, value in _gross(view, number):
            nets[debtor] = nets.get(debtor, 0) - value
            nets[creditor] = nets.get(creditor, 0) + value
        return {"window": number, "state": "OPEN", "nets": {who: net // UY_PER_FEN for who, net in nets.items()}}
    ids = (number.to_bytes(8, "big"), (number + 1).to_bytes(8, "big"))
    positions: list[tuple[str, Position]] = [
        (_text(key[9:]), position) for key, position in view.range(b"N" + ids[0], b"N" + ids[1])
    ]
    legs: list[tuple[str, Leg]] = [
        (f"{_text(key[9:29])}->{_text(key[29:])}", leg) for key, leg in view.range(b"E" + ids[0], b"E" + ids[1])
    ]
    return {
        "window": number,
        "state": window.state.name,
        "nets": {who: _net(position) // UY_PER_FEN for who, position in positions},
        "fen": {who: position.fen for who, position in positions},
        "carry": {who: position.carry for who, position in positions},
        "instructions": {pair: leg.fen for pair, leg in legs},
        "legs": {pair: LegState(leg.state).name for pair, leg in legs},
    }


def _net(position: Position) -> int:
    """uY before carry."""
    return position.fen * UY_PER_FEN + position.carry - position.carry_in


def _order(order: Any) -> Plain:
    if order is None:
        return None
    if isinstance(order, IssueOrder):
        return {
            "kind": "issue", "to": _text(order.to), "class": order.class_id, "units": order.units,
            "reason": order.reason, "cash_value": order.cash_value, "expires": order.bucket,
            "reversed": order.reversed, "shortfall": order.shortfall, "created": order.created, "tx": order.tx.hex(),
        }  # fmt: skip
    legs = [
        {"class": leg.class_id, "units": leg.units, "pay": leg.pay, "fee": leg.fee, "over": leg.over,
         "refunded": leg.refunded}
        for leg in order.legs
    ]  # fmt: skip
    return {
        "kind": order.kind, "payer": _text(order.payer), "value": order.value, "refunded": order.refunded,
        "window": order.window, "legs": legs, "created": order.created, "tx": order.tx.hex(),
    }  # fmt: skip


def _hold(hold: Hold | None) -> Plain:
    if hold is None:
        return None
    legs = [{"class": leg.class_id, "units": leg.units, "pay": leg.pay, "over": leg.over} for leg in hold.legs]
    return {
        "state": HoldState(hold.state).name, "payer": _text(hold.payer), "merchant": _text(hold.merchant),
        "value": hold.value, "expires_at": hold.expires_at, "legs": legs,
    }  # fmt: skip


def _class(of: Class | None) -> Plain:
    if of is None:
        return None
    fields = {name: getattr(of, name) for name in of.__struct_fields__ if name not in ("issuer", "scope")}
    return {**fields, "issuer": _text(of.issuer), "scope": list(of.scope)}


def _supply(view: View, class_id: str | None) -> Plain:
    """Units of a class by what became of them (INV-1); of all classes as a map."""
    if class_id is None:
        ids = [key[1:].decode() for key, _ in view.range(b"C", b"D")]
        return {found: _supply(view, found) for found in ids}
    if view.get(class_key(class_id)) is None:
        return None
    c: Counters = view.get(counters_key(class_id)) or NO_COUNTERS
    return {
        "issued": c.issued, "exch_in": c.exch_in, "restored": c.restored, "redeemed": c.redeemed,
        "expired": c.expired, "burned": c.burned,
        "outstanding": c.issued + c.exch_in + c.restored - c.redeemed - c.expired - c.burned,
    }  # fmt: skip
