"""Who may give an account new keys: its guardians, or two offices together where it has none.

guardians_set: ACCOUNT_FROZEN, NOT_AUTHORISED (neither tourist nor merchant), NOT_GUARDIAN (the account itself),
ACCOUNT_UNKNOWN (a guardian), BAD_THRESHOLD (one named twice, or not 1 to their number; 0 for none).
An account has at most 8 guardians. Those of account_open count once each and never the account itself; until the owner
sets a threshold, more than half of them decide. Offices: an operator and a member of the committee, and for tourists
only, at the end too: neither can do it alone, and naming guardians shuts both out.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from points.authority import is_tourist
from points.keys import account_key
from points.open_recoveries import end_recoveries
from points.state import Account, Role
from points.turn import Turn
from points.view import View
from primitives.codes import Code
from primitives.kinds_identity import GuardiansSet
from primitives.receipt import Event


def apply_guardians_set(turn: Turn, body: GuardiansSet) -> Code:
    """Other guardians from now on. Whoever signs as the owner has not lost the keys: open recoveries end."""
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
    changed = replace(turn.account, guardians=body.guardians, guardian_threshold=body.threshold)
    turn.put(account_key(turn.sender), changed)
    accounts = (("account", turn.sender), *((f"guardian_{n}", who) for n, who in enumerate(body.guardians, 1)))
    turn.events.append(Event("GuardiansChanged", (("guardians", count), ("threshold", body.threshold)), accounts))
    end_recoveries(turn, turn.sender, "keys")
    return Code.OK


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
    if guardians:
        return Code.OK if turn.sender in guardians else Code.NOT_GUARDIAN
    if is_tourist(account) and turn.account.roles & (Role.OPERATOR | Role.COMMITTEE):
        return Code.OK
    return turn.refuse(Code.NO_GUARDIANS, "only an operator and the committee together can recover this account")


def suffices(view: View, address: bytes, account: Account, approvals: Sequence[bytes]) -> bool:
    """Whether these accounts together may give it new keys."""
    if guardians_of(address, account):
        return len(approvals) >= approvals_needed(address, account)
    if not is_tourist(account):
        return False
    bits = [view.get(account_key(approver)).roles for approver in approvals]
    operators = sum(bool(bit & Role.OPERATOR) for bit in bits)
    members = sum(bool(bit & Role.COMMITTEE) for bit in bits)
    return operators > 0 and members > 0 and len(approvals) > 1
