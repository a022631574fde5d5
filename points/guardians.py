"""Who may give an account new keys: its guardians, or two offices together where it has none.

guardians_set: ACCOUNT_FROZEN, NOT_AUTHORISED (neither tourist nor merchant), NOT_GUARDIAN (the account itself),
ACCOUNT_UNKNOWN (a guardian), BAD_THRESHOLD (one named twice, or not 1 to their number; 0 for none).
A change of an account's guardians, or one that asks for more of them, waits 7 days: who stole an owner's key shall not
shut out those who can give it back, nor put friends beside them, who would always be first to give themselves the keys.
Until then the present ones can do so, and by that end what waits; the owner ends it by naming them again. The first
guardians, and fewer that must agree, hold at once.
An account has at most 8 guardians. Those of account_open count once each and never the account itself; until the owner
sets a threshold, more than half of them decide. Offices: an operator and a member of the committee, and for tourists
only, at the end too: neither can do it alone. Naming guardians shuts both out, the first ones after the same 7 days.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.authority import is_tourist
from points.days import DAY_SECONDS
from points.identity_records import Recovery
from points.keys import account_key
from points.open_recoveries import end_recoveries, open_recoveries
from points.state import NEVER, Account, Role
from points.turn import Turn
from points.view import View
from primitives.codes import Code
from primitives.kinds_identity import GuardiansSet
from primitives.receipt import Event

WEAKENING_SECONDS: Final = 7 * DAY_SECONDS  # a recovery takes three of them, from the approval that suffices


def apply_guardians_set(turn: Turn, body: GuardiansSet) -> Code:
    """Other guardians. Whoever signs as the owner has not lost the keys: open recoveries end."""
    if turn.sender in body.guardians:
        return turn.refuse(Code.NOT_GUARDIAN, "an account is no guardian of itself")
    for address in body.guardians:
        guardian: Account | None = turn.get(account_key(address))
        if guardian is None or not guardian.keys:
            return turn.refuse(Code.ACCOUNT_UNKNOWN, f"guardian {address.hex()}")
    count = len(set(body.guardians))
    if count != len(body.guardians):
        return turn.refuse(Code.BAD_THRESHOLD, "a guardian is named twice")
    if not min(1, count) <= body.threshold <= count:
        return turn.refuse(Code.BAD_THRESHOLD, f"threshold {body.threshold} of {count} guardians")
    account = guarded_now(turn.draft, turn.sender, turn.account, turn.time)
    delayed = _weakens(turn.sender, account, body)
    if delayed:
        starts = turn.time + WEAKENING_SECONDS
        changed = replace(
            account, next_guardians=body.guardians, next_threshold=body.threshold, next_from=starts
        )
    else:
        starts = turn.time
        changed = replace(_settled(account), guardians=body.guardians, guardian_threshold=body.threshold)
        if not guardians_of(turn.sender, account):
            changed = replace(changed, offices_until=turn.time + WEAKENING_SECONDS)
    turn.put(account_key(turn.sender), changed)
    accounts = (("account", turn.sender), *((f"guardian_{n}", who) for n, who in enumerate(body.guardians, 1)))
    fields = (("guardians", count), ("threshold", body.threshold), ("from", starts))
    turn.events.append(Event("GuardiansChanged", fields, accounts))
    end_recoveries(turn, turn.sender, "keys")
    return Code.OK


def guarded_now(view: View, address: bytes, account: Account, time_s: int) -> Account:
    """The account with the guardians that count at this second; every rule about them asks for it first.

    A change whose time has come still waits for open recoveries: they end by the guardians that began them.
    """
    if time_s < account.next_from or open_recoveries(view, address, time_s):
        return account
    return replace(_settled(account), guardians=account.next_guardians, guardian_threshold=account.next_threshold)


def _settled(account: Account) -> Account:
    """Without a change that waits."""
    return replace(account, next_guardians=(), next_threshold=0, next_from=NEVER)


def recovered(address: bytes, account: Account, recovery: Recovery) -> Account:
    """With new keys and the guardians that gave them: what the old keys had planned for these is void.

    If two offices gave them, guardians that the old keys had just named are void too.
    """
    after = replace(_settled(account), keys=recovery.keys, threshold=recovery.threshold, offices_until=0)
    if _by_guardians(address, account, recovery.approvals):
        return after
    return replace(after, guardians=(), guardian_threshold=0)


def _weakens(address: bytes, account: Account, body: GuardiansSet) -> bool:
    """Whether others could recover the account than until now, or the same only with more of them."""
    before = guardians_of(address, account)
    asks_more = bool(before) and body.threshold > approvals_needed(address, account)
    return asks_more or (bool(before) and set(before) != set(body.guardians))


def guardians_of(address: bytes, account: Account) -> tuple[bytes, ...]:
    """Those that count: each once, never the account itself."""
    return tuple(guardian for guardian in dict.fromkeys(account.guardians) if guardian != address)


def approvals_needed(address: bytes, account: Account) -> int:
    """Guardians that must agree; 0 where there are none."""
    count = len(guardians_of(address, account))
    return account.guardian_threshold or (count // 2 + 1 if count else 0)


def check_guardian(turn: Turn, address: bytes, account: Account) -> Code:
    """Whether the sender may speak for an account whose owner has lost the keys."""
    guardians = guardians_of(address, account)
    if turn.sender in guardians:
        return Code.OK
    offices = is_tourist(account) and (not guardians or turn.time < account.offices_until)
    if offices and turn.account.roles & (Role.OPERATOR | Role.COMMITTEE):
        return Code.OK
    if guardians:
        return Code.NOT_GUARDIAN
    return turn.refuse(Code.NO_GUARDIANS, "only an operator and the committee together can recover this account")


def _by_guardians(address: bytes, account: Account, approvals: Sequence[bytes]) -> bool:
    guardians = guardians_of(address, account)
    backing = sum(approver in guardians for approver in approvals)
    return bool(guardians) and backing >= approvals_needed(address, account)


def suffices(view: View, address: bytes, account: Account, approvals: Sequence[bytes]) -> bool:
    """Whether these accounts together may give it new keys."""
    if _by_guardians(address, account, approvals):
        return True
    if not is_tourist(account) or (guardians_of(address, account) and not account.offices_until):
        return False
    bits = [view.get(account_key(approver)).roles for approver in approvals]
    operators = sum(bool(bit & Role.OPERATOR) for bit in bits)
    members = sum(bool(bit & Role.COMMITTEE) for bit in bits)
    return operators > 0 and members > 0 and len(approvals) > 1
