"""Transfer between tourists, where a class allows it: lots keep their expiry and their mark (D16, INV-11).

Precedence: ACCOUNT_FROZEN (sender), NOT_AUTHORISED (no tourist), BAD_AMOUNT, MEMO_*, SELF_TRANSFER, ACCOUNT_UNKNOWN,
NOT_AUTHORISED (to is no tourist, shared key), ACCOUNT_FROZEN (to, mode ALL), CLASS_UNKNOWN, TRANSFER_DISABLED,
CLASS_PAUSED, SANDBOX_LIMIT, KYC_REQUIRED (tier 0 on either side), INSUFFICIENT, VELOCITY, KEY_LIMIT, HOLDER_LIMIT,
OVERFLOW.
"""

from points.authority import charge_daily, charge_keys, is_tourist, shares_key, tier_of
from points.issuing import value_of, with_lots
from points.keys import account_key, class_key, daily_key, holdings_key
from points.lot_events import taken_events
from points.lots import LOTS_MAX, add_units, touched
from points.memo import check_memo, memo_field
from points.sandbox_limits import check_receiver
from points.state import NO_HOLDINGS, UY_PER_FEN, Account, Class, Holdings
from points.turn import Fields, Turn, is_shut
from primitives.codes import Code
from primitives.kinds import Transfer
from primitives.receipt import Event


def apply_transfer(turn: Turn, body: Transfer) -> Code:
    """The sender's spendable units of one class go to another tourist, without fee."""
    if not body.units:
        return Code.BAD_AMOUNT
    code = check_memo(body.memo)
    if code:
        return code
    if body.to == turn.sender:
        return Code.SELF_TRANSFER
    to: Account | None = turn.get(account_key(body.to))
    if to is None:
        return Code.ACCOUNT_UNKNOWN
    if not is_tourist(to):
        return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    if shares_key(turn.account, to):
        return Code.NOT_AUTHORISED
    if is_shut(to, turn.time):
        return Code.ACCOUNT_FROZEN
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    if not of.transferable:
        return Code.TRANSFER_DISABLED
    if turn.time < of.paused_until:
        return Code.CLASS_PAUSED
    if of.sandbox:
        code = check_receiver(turn, body.class_id, of, body.to)
        if code:
            return code
    if tier_of(turn.account, turn.time) < 1 or tier_of(to, turn.time) < 1:
        return Code.KYC_REQUIRED
    return _move(turn, body, of)


def _move(turn: Turn, body: Transfer, of: Class) -> Code:
    giver: Holdings = turn.get(holdings_key(turn.sender)) or NO_HOLDINGS
    taker: Holdings = turn.get(holdings_key(body.to)) or NO_HOLDINGS
    from_lots = list(touched(giver.lots, turn.time, turn.day))
    to_lots = list(touched(taker.lots, turn.time, turn.day))
    left, moved = body.units, []
    for lot in tuple(from_lots):
        if lot.class_id == body.class_id and not lot.from_day:
            taken = min(left, lot.avail)
            if taken:
                add_units(from_lots, lot.bucket, lot.class_id, lot.ext, 0, -taken)
                add_units(to_lots, lot.bucket, lot.class_id, lot.ext, 0, taken)
                moved.append((lot.class_id, lot.bucket, taken))
                left -= taken
    if left:
        return Code.INSUFFICIENT
    value = body.units * of.uv
    fen = -(-value // UY_PER_FEN)
    params = turn.params
    if params.transfer_day and not charge_daily(turn, daily_key(turn.day, b"t", turn.sender), fen, params.transfer_day):
        return Code.VELOCITY
    if not charge_keys(turn, turn.sender, turn.signers, fen):
        return Code.KEY_LIMIT
    if len(to_lots) > LOTS_MAX:
        return turn.refuse(Code.HOLDER_LIMIT, f"{LOTS_MAX} lots in one account")
    if params.holder_limit and value_of(turn, to_lots) > params.holder_limit * UY_PER_FEN:
        return Code.HOLDER_LIMIT
    turn.put(holdings_key(turn.sender), with_lots(giver, from_lots))
    turn.put(holdings_key(body.to), with_lots(taker, to_lots))
    fields: Fields = (("class", body.class_id), ("units", body.units), ("value", value), *memo_field(body.memo))
    turn.events.append(Event("Transferred", fields, (("from", turn.sender), ("to", body.to))))
    turn.events += taken_events(moved)
    return Code.OK
