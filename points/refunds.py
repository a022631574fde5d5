"""Refund: a merchant gives back what was paid, wholly or in part; units return, obligations go the other way (D7).

Precedence: OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (merchant), BAD_AMOUNT, ORDER_UNKNOWN, REFUND_WINDOW,
REFUND_EXCEEDS, KEY_LIMIT, OVERFLOW.
"""

from typing import NamedTuple

from msgspec.structs import replace

from points.authority import charge_keys
from points.clearing import book, bucket_moves, count, owe
from points.days import DAY_SECONDS, expiry_after
from points.issuing import with_lots
from points.keys import holdings_key, order_key, refund_key
from points.lots import add_units, touched
from points.orders import find_order
from points.state import FUND, NO_HOLDINGS, UY_PER_FEN, Class, Holdings, Lot, OrderLeg, RefundDone, SpendOrder
from points.turn import Turn
from primitives.codes import Code
from primitives.kinds import Refund
from primitives.receipt import Event


class Returned(NamedTuple):
    """What a leg gave back in all when `c` uY of it were refunded: units, their uY of pay, and uY of fee."""

    units: int
    gross: int
    fee: int


def returned(leg: OrderLeg, uv: int, c: int) -> Returned:
    """n(c), g(c), fb(c) of D7: whole units only, everything with the last uY, fees floored on the cumulative sum."""
    if c == leg.pay:
        return Returned(leg.units, leg.pay, leg.fee)
    units = c // uv
    return Returned(units, units * uv, leg.fee * units * uv // leg.pay)


def apply_refund(turn: Turn, body: Refund) -> Code:
    """The sender gives back part or all of an order's value."""
    key = refund_key(turn.sender, body.order_id, body.refund_id)
    done: RefundDone | None = turn.get(key)
    order = find_order(turn, turn.sender, body.order_id)
    if done is not None and order is not None and done.height >= order.height:  # else of an order that lapsed before
        return turn.repeated(done.value == body.value, done)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.value:
        return Code.BAD_AMOUNT
    if not isinstance(order, SpendOrder):
        return Code.ORDER_UNKNOWN
    if turn.time > order.created + turn.params.refund_window_days * DAY_SECONDS:
        return Code.REFUND_WINDOW
    if body.value > order.value - order.refunded:
        return turn.refuse(Code.REFUND_EXCEEDS, f"{body.value} of {order.value - order.refunded} fen left")
    if not charge_keys(turn, turn.sender, turn.signers, body.value):
        return Code.KEY_LIMIT
    fields = (
        ("order_id", body.order_id), ("refund_id", body.refund_id), ("value", body.value), ("window", turn.window),
    )  # fmt: skip
    turn.events.append(Event("Refunded", fields, (("merchant", turn.sender), ("payer", order.payer))))
    legs = _refund_legs(turn, order, body.value * UY_PER_FEN)
    turn.put(order_key(turn.sender, body.order_id), replace(order, legs=legs, refunded=order.refunded + body.value))
    turn.put(key, RefundDone(body.value, turn.tx, turn.height, turn.index))
    return Code.OK


def _refund_legs(turn: Turn, order: SpendOrder, value: int) -> tuple[OrderLeg, ...]:
    """Fill the legs from the last to the first with `value` uY."""
    where = holdings_key(order.payer)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    lots = list(touched(holdings.lots, turn.time, turn.day))
    legs = list(order.legs)
    for i in range(len(legs) - 1, -1, -1):
        leg = legs[i]
        part = min(value, leg.pay - leg.refunded)
        if part:
            value -= part
            legs[i] = replace(leg, refunded=leg.refunded + part)
            _refund_leg(turn, lots, leg, leg.refunded + part)
    assert value == 0, "the legs of an order add up to its value"
    turn.put(where, with_lots(holdings, lots))
    return tuple(legs)


def _refund_leg(turn: Turn, lots: list[Lot], leg: OrderLeg, c: int) -> None:
    """Book the difference between what `c` uY refunded make and what was booked before (D7)."""
    of = turn.class_of(leg.class_id)
    before, now = returned(leg, of.uv, leg.refunded), returned(leg, of.uv, c)
    over = leg.over if c == leg.pay else 0
    units, gross, fee = now.units - before.units, now.gross - before.gross, now.fee - before.fee
    merchant, issuer = turn.sender, of.issuer
    _owe_signed(turn, merchant, issuer, gross - fee)
    _owe_signed(turn, FUND, issuer, fee + over)
    _owe_signed(turn, merchant, FUND, (c - now.gross) - (leg.refunded - before.gross))
    value = units * of.uv
    if issuer == merchant:
        book(turn, issuer, outstanding=value, self_refunded=gross, iss_in=over)
    else:
        book(turn, issuer, outstanding=value, iss_in=gross + over)
    if units:
        _return_units(turn, lots, leg, of, units)


def _owe_signed(turn: Turn, debtor: bytes, creditor: bytes, value: int) -> None:
    """An obligation of the merchant's side; a negative one is booked in the opposite direction."""
    if value < 0:
        debtor, creditor, value = creditor, debtor, -value
    if owe(turn, debtor, creditor, value):
        book(turn, debtor, payable=value)
        fields = (("window", turn.window), ("value", value))
        turn.events.append(Event("ObligationAdded", fields, (("debtor", debtor), ("creditor", creditor))))


def _return_units(turn: Turn, lots: list[Lot], leg: OrderLeg, of: Class, units: int) -> None:
    """Units return to their own bucket; expired ones are re-dated once under GRACE, else forfeited (D13)."""
    bucket, ext = leg.bucket, leg.ext
    if bucket <= turn.time and of.refund_policy == "GRACE" and not ext:
        bucket, ext = expiry_after(turn.day + of.grace_days), 1
    alive = bucket > turn.time
    count(turn, leg.class_id, restored=units, expired=0 if alive else units)
    if alive:
        add_units(lots, bucket, leg.class_id, ext, 0, units)
        bucket_moves(turn, leg.class_id, bucket, units)
    else:
        book(turn, of.issuer, outstanding=-units * of.uv, expired=units * of.uv)
    fields = (("class", leg.class_id), ("units", units), ("bucket", bucket if alive else 0), ("ext", ext))
    turn.events.append(Event("UnitsReturned", fields, (("issuer", of.issuer),)))
