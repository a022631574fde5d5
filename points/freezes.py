"""What a regulator may stop: an account, or a class everywhere (D19). Both end by themselves at `until`.

freeze: ACCOUNT_FROZEN (sender), NOT_REGULATOR, MEMO_* (reason), ACCOUNT_UNKNOWN, BAD_TTL, NOT_AUTHORISED (too much of
the committee would be frozen). unfreeze: ACCOUNT_FROZEN, NOT_REGULATOR, ACCOUNT_UNKNOWN. pause_class: ACCOUNT_FROZEN,
NOT_REGULATOR, CLASS_UNKNOWN.
"""

from msgspec.structs import replace

from points.governance_records import Committee
from points.keys import COMMITTEE_KEY, account_key, class_key
from points.memo import check_memo, memo_field
from points.offices import SHARE_PERCENT
from points.state import NEVER, Account, Class, Frozen
from points.turn import Fields, Turn, frozen_mode
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
    if _silences(turn, body.target):
        return turn.refuse(Code.NOT_AUTHORISED, f"more than {SHARE_PERCENT} % of the committee would be frozen")
    turn.put(account_key(body.target), replace(account, frozen=Frozen[body.mode], frozen_until=body.until))
    fields: Fields = (("mode", body.mode), ("until", body.until), *memo_field(body.reason))
    turn.events.append(Event("Frozen", fields, (("account", body.target), ("regulator", turn.sender))))
    return Code.OK


def _silences(turn: Turn, target: bytes) -> bool:
    """Whether the members that are not frozen would be too few to decide: they are who takes an office from a
    regulator, so none may stop them."""
    committee: Committee | None = turn.get(COMMITTEE_KEY)
    members = committee.members if committee is not None else ()
    if all(member != target for member, _ in members):
        return False
    stopped = sum(
        weight for member, weight in members
        if member == target or frozen_mode(turn.get(account_key(member)), turn.time) is not Frozen.NO
    )  # fmt: skip
    return 100 * stopped > SHARE_PERCENT * sum(weight for _, weight in members)


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
