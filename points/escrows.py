"""Offline escrow: a hold for one merchant, spent by pay codes that reach the chain hours after they were shown (2.10).

A tourist and a merchant without a network have no way to ask whether the points are there. So they are set aside
beforehand, for this merchant alone: no second merchant can be promised the same ones. One escrow per payer and
merchant; its id follows from the two. A pay code that names the merchant and is signed by the escrow's key is paid from
the escrow while it is open, and may expire as late as the escrow. Once that is spent or given up nothing else pays such
a code (TOKEN_CAP); any other code follows points/paycodes.py.

offline_escrow: as authorize, with a ttl up to 24 h; HOLD_LIMIT also for a second one at the same merchant.
redeem_by_token from an escrow: ACCOUNT_UNKNOWN (payer), BAD_SIGNATURE (code), NOT_AUTHORISED (shared key), OK_DUPLICATE
or IDEMPOTENCY_CONFLICT, ACCOUNT_FROZEN (merchant), BAD_AMOUNT, ACCOUNT_FROZEN (payer, mode ALL: the points were set
aside before), MERCHANT_SUSPENDED, TOKEN_USED, TOKEN_EXPIRED, TOKEN_CAP, CAPTURE_EXCEEDS_HOLD, KYC_REQUIRED, KEY_LIMIT
(of the merchant's key), OVERFLOW.
"""

from typing import Final

from points.holds import CAPTURING, Aside, authorize, close_hold, give_back, put_taken, split_hold, take_held
from points.keys import hold_key, merchant_key
from points.lot_events import released_events
from points.redemption import record_order
from points.state import UY_PER_FEN, Account, Hold, HoldLeg, HoldState, Merchant
from points.turn import Turn, is_shut
from primitives.codes import Code
from primitives.hashing import TAG_ESCROW, tagged_hash
from primitives.kinds import Authorize, RedeemByToken
from primitives.kinds_assets import OfflineEscrow
from primitives.receipt import Event

ESCROW_SECONDS_MAX: Final = 86_400


def escrow_id(payer: bytes, merchant: bytes) -> bytes:
    """The hold id of the payer's escrow at a merchant."""
    return tagged_hash(TAG_ESCROW, payer, merchant)


def open_escrow(turn: Turn, payer: bytes, merchant: bytes) -> Hold | None:
    """The payer's open escrow at the merchant."""
    hold: Hold | None = turn.get(hold_key(escrow_id(payer, merchant)))
    return hold if hold is not None and hold.state is HoldState.OPEN else None


def apply_offline_escrow(turn: Turn, body: OfflineEscrow) -> Code:
    """Set the sender's points aside for codes to come, for at most a day.

    The first owner key signs them: a signature that anybody with a lesser key adds on the way must not take its place.
    """
    owner = next(key for key in turn.signers if key.role == "owner")
    aside = Aside(escrow_id(turn.sender, body.merchant), ESCROW_SECONDS_MAX, owner.key)
    return authorize(turn, Authorize(body.merchant, body.value, body.ttl), aside)


def check_escrow(turn: Turn, hold: Hold, payer: Account) -> Code:
    """Whether the sender may take from the escrow now; the rules of a capture (D9, D19)."""
    if is_shut(payer, turn.time):
        return Code.ACCOUNT_FROZEN
    merchant: Merchant = turn.get(merchant_key(hold.merchant))
    return Code.OK if merchant.status in CAPTURING else Code.MERCHANT_SUSPENDED


def pay_from_escrow(turn: Turn, hold: Hold, payer: Account, body: RedeemByToken) -> Code:
    """Take the code's value from what is held; the rest stays held, less what rounding costs (under one fen)."""
    if body.value > hold.value:
        return turn.refuse(Code.CAPTURE_EXCEEDS_HOLD, f"{body.value} fen of {hold.value} left in escrow")
    taken = take_held(turn, hold, payer, body.value)
    if isinstance(taken, Code):
        return taken
    hold_id = escrow_id(hold.payer, hold.merchant)
    payee, order_id = hold.merchant, body.order_id
    record_order(turn, "redeem_by_token", hold.payer, payee, order_id, body.value, taken.parts, hold.value, hold_id)
    left, kept, spare = _remainder(turn, taken.rest)
    give_back(turn, taken.lots, spare)
    fields = (("value", body.value), ("left", left))
    accounts = (("payer", hold.payer), ("merchant", hold.merchant))
    turn.events.append(Event("EscrowSpent", fields, accounts, (("hold", hold_id),)))
    turn.events += released_events(spare)
    if left:
        still = Hold(hold.payer, payee, left, hold.expires_at, HoldState.OPEN, tuple(kept), hold.code_key)
        turn.put(hold_key(hold_id), still)
    else:
        close_hold(turn, hold_id, hold, HoldState.CAPTURED)
    put_taken(turn, hold, taken, closed=not left)
    return Code.OK


def _remainder(turn: Turn, rest: list[HoldLeg]) -> tuple[int, list[HoldLeg], list[HoldLeg]]:
    """(fen still held, the legs that pay it, units that are no longer needed).

    As many whole fen as the units are worth. Beyond the value less than one fen was held, so this is the value less the
    code, or one fen less after a code whose last unit overshot.
    """
    left = sum(leg.units * turn.class_of(leg.class_id).uv for leg in rest) // UY_PER_FEN
    if not left:
        return 0, [], rest
    kept, spare = split_hold(turn, rest, left * UY_PER_FEN)
    return left, kept, spare
