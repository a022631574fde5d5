"""Reading and writing the recoveries of an account; their rules stand in account_recovery.py."""

from collections.abc import Iterator, Sequence
from typing import Final

from points.days import DAY_SECONDS
from points.identity_records import NO_RECOVERIES, Recoveries, Recovery
from points.keys import recoveries_key
from points.turn import Turn
from points.view import View
from primitives.receipt import Event

RECOVERIES_MAX: Final = 8  # per account: as many as it can have guardians
RECOVERY_SECONDS_MAX: Final = 30 * DAY_SECONDS  # after its last approval: nobody keeps a way in for later


def open_recoveries(view: View, address: bytes, time_s: int) -> tuple[Recovery, ...]:
    """Those that count at this second, the oldest first."""
    record: Recoveries = view.get(recoveries_key(address)) or NO_RECOVERIES
    return tuple(recovery for recovery in record.open if time_s < recovery.expires)


def put_recoveries(turn: Turn, address: bytes, recoveries: Sequence[Recovery]) -> None:
    """Store what is open from now on."""
    record: Recoveries = turn.get(recoveries_key(address)) or NO_RECOVERIES
    expires = max(record.expires, *(recovery.expires for recovery in recoveries), 0)
    turn.put(recoveries_key(address), Recoveries(expires, tuple(recoveries)))


def end_recoveries(turn: Turn, address: bytes, reason: str, finished: bytes = b"") -> bool:
    """Close every recovery of an account, all but `finished` with an event; False if there was none."""
    found = open_recoveries(turn.draft, address, turn.time)
    if not found:
        return False
    put_recoveries(turn, address, ())
    for recovery in found:
        if recovery.id != finished:
            recovery_cancelled(turn, address, recovery.id, reason)
    return True


def recovery_cancelled(turn: Turn, address: bytes, recovery: bytes, reason: str) -> None:
    """`reason`: owner, keys (the owner changed keys or guardians), finished (another one was), withdrawn."""
    accounts = (("account", address), ("by", turn.sender))
    turn.events.append(Event("RecoveryCancelled", (("reason", reason),), accounts, (("recovery", recovery),)))


def recovery_faults(view: View) -> Iterator[str]:
    """What can only be a bug: a recovery nobody stands behind, an approval that counts twice, more than the bound."""
    for key, record in view.range(b"d", b"e"):
        approvers = [approver for recovery in record.open for approver in recovery.approvals]
        name = f"recoveries of {key[1:].hex()}"
        if len(record.open) > RECOVERIES_MAX or any(not recovery.approvals for recovery in record.open):
            yield f"{name}: {len(record.open)} open, limit {RECOVERIES_MAX}, or one without approval"
        if len(set(approvers)) != len(approvers) or key[1:] in approvers:
            yield f"{name}: somebody stands behind two of them, or the account behind its own"
        if any(recovery.expires > record.expires for recovery in record.open):
            yield f"{name}: one outlives the record"
