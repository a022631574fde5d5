"""An account whose owner lost the keys gets new ones: guardians agree, 72 hours pass, the address and its points stay.

recovery_start: ACCOUNT_FROZEN (sender), ACCOUNT_UNKNOWN, NO_GUARDIANS or NOT_GUARDIAN, ACCOUNT_FROZEN (account, ALL),
RECOVERY_OPEN (the sender stands behind another, these keys were proposed, or 8 are open), TOO_MANY_KEYS, BAD_KEY,
BAD_THRESHOLD. recovery_approve: ACCOUNT_FROZEN (sender), ACCOUNT_UNKNOWN, NO_GUARDIANS or NOT_GUARDIAN, ACCOUNT_FROZEN
(account, ALL), RECOVERY_UNKNOWN, RECOVERY_OPEN (several, none named; or the sender stands behind another),
ALREADY_APPROVED. recovery_cancel: ACCOUNT_FROZEN (sender), NOT_AUTHORISED, ACCOUNT_UNKNOWN, RECOVERY_UNKNOWN.
recovery_finish: ACCOUNT_FROZEN (sender), ACCOUNT_UNKNOWN, RECOVERY_UNKNOWN, ACCOUNT_FROZEN (account, ALL),
RECOVERY_DELAY.

The delay runs from the approval that made them enough, so the owner has 72 hours to object however long ago it began;
what is taken back below that number starts again. Each guardian may stand behind one set of keys: a guardian who
proposes the keys of a thief cannot keep the others from proposing the right ones. The owner ends all of them, by
recovery_cancel or by any change of keys, limits or guardians. A freeze OUT stops none: it is how a stolen device is
kept from cancelling; a freeze ALL stops them. Holds, points, tier, freeze and guardians stay as they are.
"""

from typing import Final

from msgspec.structs import replace

from points.accounts import check_key_set
from points.days import DAY_SECONDS
from points.guardians import check_guardian, guarded_now, recovered, suffices
from points.identity_records import Recovery
from points.keys import account_key
from points.open_recoveries import (
    RECOVERIES_MAX,
    RECOVERY_SECONDS_MAX,
    end_recoveries,
    open_recoveries,
    put_recoveries,
    recovery_cancelled,
)
from points.state import NEVER, Account
from points.turn import Turn, is_shut
from primitives.codes import Code
from primitives.kinds import RecoveryStart
from primitives.kinds_identity import RecoveryApprove, RecoveryCancel, RecoveryFinish
from primitives.receipt import Event
from primitives.recovery import recovery_id

RECOVERY_DELAY_SECONDS: Final = 3 * DAY_SECONDS


def apply_recovery_start(turn: Turn, body: RecoveryStart) -> Code:
    """Propose keys for another account; it counts as the sender's approval."""
    account = _guarded(turn, body.account)
    if isinstance(account, Code):
        return account
    found = open_recoveries(turn.draft, body.account, turn.time)
    if any(turn.sender in recovery.approvals for recovery in found):
        return turn.refuse(Code.RECOVERY_OPEN, "the sender stands behind another: recovery_cancel takes it back")
    name = recovery_id(body.account, body.keys, body.threshold)
    if any(recovery.id == name for recovery in found):
        return turn.refuse(Code.RECOVERY_OPEN, "these keys are proposed: approve that recovery")
    if len(found) >= RECOVERIES_MAX:
        return turn.refuse(Code.RECOVERY_OPEN, f"limit {RECOVERIES_MAX}")
    code = check_key_set(turn, body.account, body.keys, body.threshold)
    if code:
        return code
    started = Recovery(name, body.keys, body.threshold, (), NEVER, turn.time)
    _approved(turn, "RecoveryStarted", (body.account, account), found, started)
    return Code.OK


def apply_recovery_approve(turn: Turn, body: RecoveryApprove) -> Code:
    """Stand behind keys that another one proposed."""
    account = _guarded(turn, body.account)
    if isinstance(account, Code):
        return account
    found = open_recoveries(turn.draft, body.account, turn.time)
    named = [recovery for recovery in found if body.recovery in (None, recovery.id)]
    if not named:
        return Code.RECOVERY_UNKNOWN
    if len(named) > 1:
        return turn.refuse(Code.RECOVERY_OPEN, f"{len(named)} are open: name one")
    if any(turn.sender in recovery.approvals for recovery in found if recovery is not named[0]):
        return turn.refuse(Code.RECOVERY_OPEN, "the sender stands behind another: recovery_cancel takes it back")
    if turn.sender in named[0].approvals:
        return Code.ALREADY_APPROVED
    _approved(turn, "RecoveryApproved", (body.account, account), found, named[0])
    return Code.OK


def _account(turn: Turn, address: bytes) -> Account | None:
    """The account with the guardians that it has now, stored: a recovery that begins now must not bring others back."""
    found: Account | None = turn.get(account_key(address))
    if found is None:
        return None
    account = guarded_now(turn.draft, address, found, turn.time)
    if account is not found:
        turn.put(account_key(address), account)
    return account


def _guarded(turn: Turn, address: bytes) -> Account | Code:
    """The account, if the sender may give it new keys now."""
    account = _account(turn, address)
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    code = check_guardian(turn, address, account) or _check_not_stopped(turn, account)
    return code or account


def _approved(
    turn: Turn, event: str, whose: tuple[bytes, Account], found: tuple[Recovery, ...], before: Recovery
) -> None:
    """Count the sender's approval; the one that makes them enough starts the delay."""
    address, account = whose
    approvals = (*before.approvals, turn.sender)
    ready_at = before.ready_at
    if ready_at == NEVER and suffices(turn.draft, address, account, approvals):
        ready_at = turn.time + RECOVERY_DELAY_SECONDS
    after = replace(before, approvals=approvals, ready_at=ready_at, expires=turn.time + RECOVERY_SECONDS_MAX)
    put_recoveries(turn, address, (*(recovery for recovery in found if recovery is not before), after))
    fields = (("approvals", len(approvals)), *((("ready_at", ready_at),) if ready_at != NEVER else ()))
    accounts = (("account", address), ("by", turn.sender))
    turn.events.append(Event(event, fields, accounts, _hashes(after)))


def apply_recovery_cancel(turn: Turn, body: RecoveryCancel) -> Code:
    """The owner ends all recoveries of the account; or a guardian takes its approval back."""
    if body.account is None:
        return Code.OK if end_recoveries(turn, turn.sender, "owner") else Code.RECOVERY_UNKNOWN
    account = _account(turn, body.account)
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    found = open_recoveries(turn.draft, body.account, turn.time)
    mine = [recovery for recovery in found if turn.sender in recovery.approvals]
    if not mine:
        return turn.refuse(Code.RECOVERY_UNKNOWN, "the sender has approved none")
    approvals = tuple(approver for approver in mine[0].approvals if approver != turn.sender)
    ready_at = mine[0].ready_at if suffices(turn.draft, body.account, account, approvals) else NEVER
    kept = (replace(mine[0], approvals=approvals, ready_at=ready_at),) if approvals else ()
    put_recoveries(turn, body.account, (*(recovery for recovery in found if recovery is not mine[0]), *kept))
    recovery_cancelled(turn, body.account, mine[0].id, "withdrawn")
    return Code.OK


def apply_recovery_finish(turn: Turn, body: RecoveryFinish) -> Code:
    """The new keys take the place of the old; anybody may say so, for everything that counts stands in the state."""
    account = _account(turn, body.account)
    if account is None:
        return Code.ACCOUNT_UNKNOWN
    found = open_recoveries(turn.draft, body.account, turn.time)
    named = [recovery for recovery in found if body.recovery in (None, recovery.id)]
    if not named:
        return Code.RECOVERY_UNKNOWN
    code = _check_not_stopped(turn, account)
    if code:
        return code
    first = min(named, key=lambda recovery: recovery.ready_at)
    if first.ready_at == NEVER or not suffices(turn.draft, body.account, account, first.approvals):
        return turn.refuse(Code.RECOVERY_DELAY, "too few approvals: the delay has not begun")
    if turn.time < first.ready_at:
        return turn.refuse(Code.RECOVERY_DELAY, f"until {first.ready_at}, now {turn.time}")
    turn.put(account_key(body.account), recovered(body.account, account, first))
    accounts = (("account", body.account), ("by", turn.sender))
    turn.events.append(Event("RecoveryFinished", (("threshold", first.threshold),), accounts, _hashes(first)))
    end_recoveries(turn, body.account, "finished", first.id)
    return Code.OK


def _check_not_stopped(turn: Turn, account: Account) -> Code:
    return Code.ACCOUNT_FROZEN if is_shut(account, turn.time) else Code.OK


def _hashes(recovery: Recovery) -> tuple[tuple[str, bytes], ...]:
    """Which recovery, and its keys as key_1, key_2, ...: the public form of an event has one value per name."""
    return ("recovery", recovery.id), *((f"key_{n}", key.key) for n, key in enumerate(recovery.keys, 1))
