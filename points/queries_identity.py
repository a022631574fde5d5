"""Questions about who guards an account and who is about to give it new keys; forms as in queries.py."""

from typing import Any

from points.guardians import approvals_needed, guarded_now, guardians_of
from points.identity_records import Recovery
from points.keys import account_key
from points.open_recoveries import open_recoveries
from points.queries import text
from points.state import NEVER, Account
from points.view import View

Plain = Any


def recovery(view: View, time_s: int, address: bytes) -> Plain:
    """Guardians, how many must agree (0: an office of each kind), those to come, and every recovery, the oldest first.

    `ready_at`: from this second on it may be finished; None while too few have approved.
    """
    found: Account | None = view.get(account_key(address))
    if found is None:
        return None
    account = guarded_now(view, address, found, time_s)
    return {
        "account": text(address),
        "guardians": [text(guardian) for guardian in guardians_of(address, account)],
        "needed": approvals_needed(address, account),
        "next": _next(account),
        "recoveries": [_recovery(found) for found in open_recoveries(view, address, time_s)],
    }


def _next(account: Account) -> Plain:
    """The guardians that the owner has chosen and that do not count yet."""
    if account.next_from == NEVER:
        return None
    return {
        "guardians": [text(guardian) for guardian in account.next_guardians],
        "threshold": account.next_threshold,
        "from": account.next_from,
    }


def _recovery(found: Recovery) -> Plain:
    return {
        "recovery": found.id.hex(),
        "keys": [{"key": key.key.hex(), "role": key.role, "daily_limit": key.daily_limit} for key in found.keys],
        "threshold": found.threshold,
        "approvals": [text(approver) for approver in found.approvals],
        "ready_at": None if found.ready_at == NEVER else found.ready_at,
        "expires": found.expires,
    }
