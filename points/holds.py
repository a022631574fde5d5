"""Authorise, capture, void, and release: points set aside for one merchant (D9).

authorize: ACCOUNT_FROZEN (payer), NOT_AUTHORISED (no tourist), ACCOUNT_UNKNOWN and MERCHANT_UNKNOWN (payee),
NOT_AUTHORISED (shared key), BAD_AMOUNT, MEMO_*, BAD_TTL, ACCOUNT_FROZEN (payee), MERCHANT_SUSPENDED, HOLD_LIMIT,
KYC_REQUIRED, KEY_LIMIT, SCOPE_DENIED, CLASS_PAUSED, ISSUER_RESERVE_EXHAUSTED, INSUFFICIENT, OVERFLOW.
capture: OK_DUPLICATE or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (merchant), BAD_AMOUNT, HOLD_UNKNOWN, NOT_AUTHORISED (hold
of another merchant), HOLD_NOT_OPEN, ACCOUNT_FROZEN (payer, mode ALL), MERCHANT_SUSPENDED, CAPTURE_EXCEEDS_HOLD,
KYC_REQUIRED, KEY_LIMIT, OVERFLOW. An offline escrow, which is spent by codes (escrows.py): NOT_AUTHORISED.
void: ACCOUNT_FROZEN, HOLD_UNKNOWN, NOT_AUTHORISED, HOLD_NOT_OPEN. The payer may void only what has expired, and that is
no longer open: so for him it is NOT_AUTHORISED, then HOLD_NOT_OPEN.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from points.authority import charge_keys, charge_kyc, shares_key
from points.clearing import book, bucket_moves, count
from points.keys import account_key, due_hold_key, hold_key, holdings_key, merchant_key
from points.lot_events import held_events
from points.lots import add_units, after_spending, legs_of, touched
from points.memo import check_memo, memo_field
from points.orders import find_order, operation_digest
from points.redemption import check_payee, record_order, repeated_payment
from points.selection import Purse
from points.state import (
    NO_HOLDINGS,
    UY_PER_FEN,
    Account,
    Due,
    Hold,
    Holdings,
    HoldLeg,
    HoldState,
    Lot,
    Merchant,
    MerchantStatus,
)
from points.turn import Turn, is_shut
from primitives.codes import Code
from primitives.kinds import Authorize, Capture, Void
from primitives.receipt import Event

TTL_MIN: Final = 60
TTL_MAX: Final = 30 * 86_400
OPEN_HOLDS_MAX: Final = 64  # per payer (D9)
CAPTURING: Final = (
    MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.ACCEPT_SUSPENDED, MerchantStatus.WIND_DOWN,
)  # fmt: skip


class Aside(NamedTuple):
    """What makes an offline escrow of a hold: its id (b"": H(tx id, operation)), its longest ttl, who signs codes."""

    hold_id: bytes = b""
    ttl_max: int = TTL_MAX
    code_key: bytes = b""


def apply_authorize(turn: Turn, body: Authorize) -> Code:
    """Set the sender's points aside for a merchant, for at most 30 days."""
    return authorize(turn, body, Aside())


def authorize(turn: Turn, body: Authorize, aside: Aside) -> Code:
    """As apply_authorize; `aside` tells an escrow from an ordinary hold."""
    payee: Account | None = turn.get(account_key(body.merchant))
    merchant: Merchant | None = turn.get(merchant_key(body.merchant))
    if payee is None or merchant is None:
        return Code.ACCOUNT_UNKNOWN if payee is None else Code.MERCHANT_UNKNOWN
    if shares_key(turn.account, payee):
        return Code.NOT_AUTHORISED
    if not body.value:
        return Code.BAD_AMOUNT
    code = check_memo(body.memo)
    if code:
        return code
    if not TTL_MIN <= body.ttl <= aside.ttl_max:
        return turn.refuse(Code.BAD_TTL, f"ttl {body.ttl} s, expected {TTL_MIN} to {aside.ttl_max}")
    return check_payee(turn, payee, merchant) or _set_aside(turn, body, merchant, aside)


def _set_aside(turn: Turn, body: Authorize, merchant: Merchant, aside: Aside) -> Code:
    where = holdings_key(turn.sender)
    holdings: Holdings = turn.get(where) or NO_HOLDINGS
    if holdings.open_holds >= OPEN_HOLDS_MAX:
        return Code.HOLD_LIMIT
    hold_id = aside.hold_id or operation_digest(turn)
    before: Hold | None = turn.get(hold_key(hold_id))
    if before is not None and before.state is HoldState.OPEN:
        return turn.refuse(Code.HOLD_LIMIT, "one escrow per payer and merchant")
    if charge_kyc(turn, turn.account, holdings, body.value) is None:  # counted at capture
        return Code.KYC_REQUIRED
    if not charge_keys(turn, turn.sender, turn.signers, body.value):
        return Code.KEY_LIMIT
    lots = touched(holdings.lots, turn.time, turn.day)
    spends = Purse(turn, body.merchant, merchant, lots, aside=True).choose(body.value * UY_PER_FEN)
    if isinstance(spends, Code):
        return spends
    legs = tuple(legs_of(lots, spends))
    for leg in legs:
        bucket_moves(turn, leg.class_id, leg.bucket, -leg.units, leg.units)
    left = tuple(after_spending(lots, spends, hold=True))
    turn.put(
        where,
        Holdings(left, holdings.open_holds + 1, holdings.redeemed, holdings.year, holdings.redeemed_year),
    )
    expires_at = turn.time + body.ttl
    hold = Hold(turn.sender, body.merchant, body.value, expires_at, HoldState.OPEN, legs, aside.code_key)
    turn.put(hold_key(hold_id), hold)
    turn.put(due_hold_key(expires_at, hold_id), Due())
    fields = (("value", body.value), ("expires_at", expires_at), *memo_field(body.memo))
    accounts = (("payer", turn.sender), ("merchant", body.merchant))
    turn.events.append(Event("HoldOpened", fields, accounts, (("hold", hold_id),)))
    turn.events += held_events(legs)
    return Code.OK


def apply_capture(turn: Turn, body: Capture) -> Code:
    """The merchant takes all or part of a hold; the rest is released."""
    hold: Hold | None = turn.get(hold_key(body.hold_id))
    order = find_order(turn, turn.sender, body.order_id)
    if order is not None:
        payer = hold.payer if hold is not None else b""
        return repeated_payment(turn, order, "capture", payer, body.value, body.hold_id)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.value:
        return Code.BAD_AMOUNT
    if hold is None:
        return Code.HOLD_UNKNOWN
    if hold.merchant != turn.sender:
        return Code.NOT_AUTHORISED
    if hold.code_key:
        return turn.refuse(Code.NOT_AUTHORISED, "an offline escrow is spent by pay codes")
    if hold.state is not HoldState.OPEN:
        return turn.refuse(Code.HOLD_NOT_OPEN, hold.state.name)
    payer_account: Account = turn.get(account_key(hold.payer))
    if is_shut(payer_account, turn.time):
        return Code.ACCOUNT_FROZEN
    merchant: Merchant = turn.get(merchant_key(turn.sender))
    if merchant.status not in CAPTURING:
        return Code.MERCHANT_SUSPENDED
    if body.value > hold.value:
        return turn.refuse(Code.CAPTURE_EXCEEDS_HOLD, f"{body.value} fen of {hold.value} authorised")
    return _capture(turn, body, hold, payer_account)


class Taken(NamedTuple):
    """What a merchant takes out of a hold, not yet written: the payer's lots without it, its redeemed fen with it."""

    parts: list[HoldLeg]
    rest: list[HoldLeg]  # still held
    lots: list[Lot]
    redeemed: int
    redeemed_year: int


def take_held(turn: Turn, hold: Hold, payer: Account, fen: int) -> Taken | Code:
    """Split `fen`, at most the hold's value, off its legs, charged to the payer's tier and the merchant's signing keys.

    Returns: KYC_REQUIRED or KEY_LIMIT, in this order, if one of these does not allow it.
    """
    holdings: Holdings = turn.get(holdings_key(hold.payer))
    charged = charge_kyc(turn, payer, holdings, fen)
    if charged is None:
        return Code.KYC_REQUIRED
    if not charge_keys(turn, turn.sender, turn.signers, fen):
        return Code.KEY_LIMIT
    parts, rest = split_hold(turn, hold.legs, fen * UY_PER_FEN)
    lots = list(holdings.lots)
    for part in parts:
        add_units(lots, part.bucket, part.class_id, part.ext, 0, 0, -part.units)
    return Taken(parts, rest, lots, *charged)


def put_taken(turn: Turn, hold: Hold, taken: Taken, closed: bool) -> None:
    """The payer's holdings after it; `closed`: the hold is open no longer."""
    where = holdings_key(hold.payer)
    open_holds = turn.get(where).open_holds - (1 if closed else 0)
    left = tuple(touched(taken.lots, turn.time, turn.day))
    turn.put(where, Holdings(left, open_holds, taken.redeemed, turn.year, taken.redeemed_year))


def _capture(turn: Turn, body: Capture, hold: Hold, payer_account: Account) -> Code:
    taken = take_held(turn, hold, payer_account, body.value)
    if isinstance(taken, Code):
        return taken
    record_order(
        turn, "capture", hold.payer, turn.sender, body.order_id, body.value, taken.parts, hold.value, body.hold_id
    )
    give_back(turn, taken.lots, taken.rest)
    put_taken(turn, hold, taken, closed=True)
    close_hold(turn, body.hold_id, hold, HoldState.CAPTURED)
    return Code.OK


def split_hold(turn: Turn, legs: Sequence[HoldLeg], value: int) -> tuple[list[HoldLeg], list[HoldLeg]]:
    """The parts that pay `value` uY by the rule of redeem over the held units, and the units left over (D9).

    value is at most what the hold pays, so the held units always suffice.
    """
    remaining = value
    taken = [0] * len(legs)
    unit_values = [turn.class_of(leg.class_id).uv for leg in legs]
    for i, leg in enumerate(legs):
        taken[i] = min(leg.units, remaining // unit_values[i])
        remaining -= taken[i] * unit_values[i]
    overshoot = -1
    if remaining:
        left = [i for i, leg in enumerate(legs) if taken[i] < leg.units and unit_values[i] > remaining]
        overshoot = min(left, key=lambda i: (unit_values[i], i))
        taken[overshoot] += 1
    parts, rest = [], []
    for i, leg in enumerate(legs):
        over = unit_values[i] - remaining if i == overshoot else 0
        if taken[i]:
            pay = taken[i] * unit_values[i] - over
            parts.append(HoldLeg(leg.class_id, leg.bucket, leg.ext, taken[i], pay, over))
        if taken[i] < leg.units:
            rest.append(HoldLeg(leg.class_id, leg.bucket, leg.ext, leg.units - taken[i], 0, 0))
    return parts, rest


def apply_void(turn: Turn, body: Void) -> Code:
    """The merchant gives a hold up."""
    hold: Hold | None = turn.get(hold_key(body.hold_id))
    if hold is None:
        return Code.HOLD_UNKNOWN
    if turn.sender != hold.merchant and (turn.sender != hold.payer or hold.state is HoldState.OPEN):
        return Code.NOT_AUTHORISED
    if hold.state is not HoldState.OPEN:
        return turn.refuse(Code.HOLD_NOT_OPEN, hold.state.name)
    release_hold(turn, body.hold_id, hold, HoldState.VOIDED)
    return Code.OK


def release_hold(turn: Turn, hold_id: bytes, hold: Hold, state: HoldState) -> None:
    """Give everything held back to the payer; what has expired meanwhile expires now."""
    holdings: Holdings = turn.get(holdings_key(hold.payer))
    lots = list(holdings.lots)
    give_back(turn, lots, hold.legs)
    left = tuple(touched(lots, turn.time, turn.day))
    turn.put(
        holdings_key(hold.payer),
        Holdings(left, holdings.open_holds - 1, holdings.redeemed, holdings.year, holdings.redeemed_year),
    )
    close_hold(turn, hold_id, hold, state)


def give_back(turn: Turn, lots: list[Lot], legs: Sequence[HoldLeg]) -> None:
    """Make held units available again, in place; those whose expiry has passed expire now."""
    for leg in legs:
        units = leg.units
        if leg.bucket > turn.time:
            add_units(lots, leg.bucket, leg.class_id, leg.ext, 0, units, -units)
            bucket_moves(turn, leg.class_id, leg.bucket, units, -units)
        else:
            of = turn.class_of(leg.class_id)
            add_units(lots, leg.bucket, leg.class_id, leg.ext, 0, 0, -units)
            bucket_moves(turn, leg.class_id, leg.bucket, 0, -units)
            count(turn, leg.class_id, expired=units)
            book(turn, of.issuer, outstanding=-units * of.uv, expired=units * of.uv)
            fields = (("class", leg.class_id), ("bucket", leg.bucket), ("units", units), ("value", units * of.uv))
            turn.events.append(Event("HeldExpired", fields, (("issuer", of.issuer),)))


_CLOSED_EVENT: Final = {
    HoldState.CAPTURED: "HoldCaptured", HoldState.VOIDED: "HoldVoided", HoldState.EXPIRED: "HoldExpired",
}  # fmt: skip


def close_hold(turn: Turn, hold_id: bytes, hold: Hold, state: HoldState) -> None:
    """The hold is over; it stays known by its state for as long as an order."""
    turn.put(hold_key(hold_id), Hold(hold.payer, hold.merchant, hold.value, hold.expires_at, state, ()))
    turn.put(due_hold_key(hold.expires_at, hold_id), None)
    accounts = (("payer", hold.payer), ("merchant", hold.merchant))
    turn.events.append(Event(_CLOSED_EVENT[state], (("value", hold.value),), accounts, (("hold", hold_id),)))
