"""What a regulator may stop: an account, or a class everywhere (D19). Both end by themselves at `until`.

freeze: ACCOUNT_FROZEN (sender), NOT_REGULATOR, MEMO_* (reason), ACCOUNT_UNKNOWN, BAD_TTL. unfreeze: ACCOUNT_FROZEN,
NOT_REGULATOR, ACCOUNT_UNKNOWN. pause_class: ACCOUNT_FROZEN, NOT_REGULATOR, CLASS_UNKNOWN.
"""

from msgspec.structs import replace

from points.keys import account_key, class_key
from points.memo import check_memo, memo_field
from points.state import NEVER, Account, Class, Frozen
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds import Freeze, PauseClass, Unfreeze
from primitives.receipt import Event


def apply_freeze(turn: Turn, body: Freeze) -> Code:
    """Stop an account's outgoing payments (OUT), or all but refunds and expiry (ALL), until a time."""
    code = check_memo(body.reason)
    if code:
        return code
    account: Account | None = turn.get(account_key(body.target))
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    if body.until <= turn.time:
        return turn.refuse(Code.BAD_TTL, f"until {body.until}, now {turn.time}")
    turn.put(account_key(body.target), replace(account, frozen=Frozen[body.mode], frozen_until=body.until))
    fields: Fields = (("mode", body.mode), ("until", body.until), *memo_field(body.reason))
    turn.events.append(Event("Frozen", fields, (("account", body.target), ("regulator", turn.sender))))
    return Code.OK


def apply_unfreeze(turn: Turn, body: Unfreeze) -> Code:
    """End a freeze; without one nothing changes."""
    account: Account | None = turn.get(account_key(body.target))
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    turn.put(account_key(body.target), replace(account, frozen=Frozen.NO, frozen_until=NEVER))
    turn.events.append(Event("Unfrozen", (), (("account", body.target), ("regulator", turn.sender))))
    return Code.OK


def apply_pause_class(turn: Turn, body: PauseClass) -> Code:
    """Nobody spends, exchanges or transfers it before `until`; a time that has passed ends a pause."""
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    turn.put_class(body.class_id, replace(of, paused_until=body.until))
    fields = (("class", body.class_id), ("until", body.until))
    turn.events.append(Event("ClassPaused", fields, (("regulator", turn.sender),)))
    return Code.OK
