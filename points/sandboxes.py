"""Regulatory sandboxes: trials of a merchant with classes of their own, within hard caps (table 1 row 11, INV-16).

The committee opens and closes them (sandbox_actions.py); what points of their classes may do is asked in
sandbox_limits.py. Before the first transaction of a block those are stopped whose time is over, whose merchant was
suspended or leaves, or whose loss reserve carries them no longer; a stopped one never runs again.

sandbox_enrol: ACCOUNT_FROZEN, NOT_AUTHORISED (no merchant), BAD_SANDBOX (no account named), SANDBOX_UNKNOWN,
BAD_SANDBOX (another merchant's, or over), ACCOUNT_UNKNOWN, NOT_AUTHORISED (no tourist), SANDBOX_LIMIT (max_accounts).
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.authority import is_tourist
from points.days import DAY_SECONDS
from points.keys import account_key, enrolled_key, merchant_key, sandbox_key
from points.sandbox_limits import granted_of, moved_of, outstanding_of, paid_of, value_of, why_over
from points.sandbox_records import Enrolled, Over, Sandbox
from points.state import Account, Merchant, MerchantStatus
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds_sandbox import SandboxEnrol
from primitives.receipt import Event

CLASSES_MAX: Final = 8  # of one sandbox: its value is a sum over them
ACCOUNTS_MAX: Final = 10_000
FORGOTTEN_AT_ONCE: Final = 1024  # enrolled accounts removed per block


def apply_sandbox_enrol(turn: Turn, body: SandboxEnrol) -> Code:
    """Further accounts may take part."""
    if not body.accounts:
        return turn.refuse(Code.BAD_SANDBOX, "no account named")
    found = own_running(turn, body.sandbox)
    if isinstance(found, Code):
        return found
    for address in body.accounts:
        account: Account | None = turn.get(account_key(address))
        if account is None:
            return Code.ACCOUNT_UNKNOWN
        if not is_tourist(account):
            return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    return enrol(turn, body.sandbox, found, body.accounts)


def own_running(turn: Turn, name: str) -> Sandbox | Code:
    """The sender's sandbox of this name while it is not over."""
    found: Sandbox | None = turn.get(sandbox_key(name))
    if found is None:
        return Code.SANDBOX_UNKNOWN
    if found.merchant != turn.sender:
        return turn.refuse(Code.BAD_SANDBOX, "the sandbox is another merchant's")
    over = why_over(turn, found)
    return turn.refuse(Code.BAD_SANDBOX, f"the sandbox is over: {over.name}") if over else found


def enrol(turn: Turn, name: str, found: Sandbox, accounts: Sequence[bytes]) -> Code:
    """Put accounts on the list; SANDBOX_LIMIT beyond max_accounts."""
    new = [account for account in dict.fromkeys(accounts) if turn.get(enrolled_key(name, account)) is None]
    total = found.accounts + len(new)
    if total > found.max_accounts:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{total} accounts, limit {found.max_accounts}")
    for account in new:
        turn.put(enrolled_key(name, account), Enrolled())
    turn.put(sandbox_key(name), replace(found, accounts=total))
    fields: Fields = (("sandbox", name), ("enrolled", len(new)), ("accounts", total))
    turn.events.append(Event("SandboxEnrolled", fields, (("merchant", found.merchant),)))
    return Code.OK


def take_class(turn: Turn, name: str, class_id: str) -> Code:
    """A new class of the sender belongs to its sandbox: SANDBOX_UNKNOWN, BAD_SANDBOX, SANDBOX_LIMIT."""
    found = own_running(turn, name)
    if isinstance(found, Code):
        return found
    if len(found.classes) >= CLASSES_MAX:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{len(found.classes)} classes, limit {CLASSES_MAX}")
    turn.put(sandbox_key(name), replace(found, classes=(*found.classes, class_id)))
    return Code.OK


def sandboxes_due(turn: Turn) -> None:
    """Stop what is over at turn.time, and let what is long over leave the state (D10)."""
    for key, record in list(turn.draft.range(b"s", b"t")):
        name, found = key[1:].decode(), record
        if not found.over:
            over = why_over(turn, found)
            if over:
                stop(turn, name, found, over)
        elif turn.time >= found.due:
            _look(turn, name, found)


def stop(turn: Turn, name: str, found: Sandbox, over: Over) -> None:
    """It is over for good."""
    granted, due = granted_of(turn, found), turn.time + DAY_SECONDS
    paid = paid_of(turn, found)
    stopped = replace(found, over=over, over_at=turn.time, granted=granted, due=due, paid=paid)
    turn.put(sandbox_key(name), stopped)
    fields: Fields = (
        ("sandbox", name), ("reason", over.name), ("accounts", found.accounts), ("value", value_of(turn, found)),
        ("outstanding", outstanding_of(turn, found)),
    )  # fmt: skip
    turn.events.append(Event("SandboxStopped", fields, (("merchant", found.merchant),)))


def _look(turn: Turn, name: str, found: Sandbox) -> None:
    """Once a day: it leaves when nothing of it was outstanding or moved for as long as an order is kept, so that no
    refund can bring points back into a class whose sandbox is forgotten."""
    moved = moved_of(turn, found)
    quiet = moved == found.moved and not outstanding_of(turn, found)
    since = (found.quiet_since or turn.time) if quiet else 0
    if since and turn.time > since + (turn.retention() if moved else 0):
        _forget(turn, name, found)
    else:
        due = turn.time + DAY_SECONDS
        suspended = turn.get(merchant_key(found.merchant)).status is MerchantStatus.SUSPENDED
        paid = found.paid if suspended else paid_of(turn, found)
        turn.put(sandbox_key(name), replace(found, moved=moved, quiet_since=since, due=due, paid=paid))


def _forget(turn: Turn, name: str, found: Sandbox) -> None:
    """It leaves the state with its list, as many accounts of it at once as one block may."""
    start = enrolled_key(name, b"")
    rows = turn.draft.range(start, start[:-1] + b"\x01")
    dead = [key for (key, _), _ in zip(rows, range(FORGOTTEN_AT_ONCE), strict=False)]
    for key in dead:
        turn.put(key, None)
    if len(dead) == FORGOTTEN_AT_ONCE:
        turn.put(sandbox_key(name), replace(found, due=turn.time))
        return
    turn.put(sandbox_key(name), None)
    owner = merchant_key(found.merchant)
    merchant: Merchant = turn.get(owner)
    turn.put(owner, replace(merchant, sandboxes=tuple(other for other in merchant.sandboxes if other != name)))
    turn.events.append(Event("SandboxArchived", (("sandbox", name),), (("merchant", found.merchant),)))
