"""What the committee decides about sandboxes and pauses. Checked when proposed, and again when carried out.

sandbox_open: BAD_SANDBOX (numbers, times, somebody listed twice, or the id is taken), SANDBOX_LIMIT (more accounts than
max_accounts, or too many sandboxes), MERCHANT_UNKNOWN, MERCHANT_SUSPENDED, ACCOUNT_UNKNOWN, NOT_AUTHORISED (no
tourist), RESERVE_EXCEEDED (the reserve does not carry it beside the merchant's other points). sandbox_close:
SANDBOX_UNKNOWN, BAD_SANDBOX (another merchant's, or over). ratify_pause: BAD_PAUSE.
"""

from typing import Final, assert_never

from msgspec.structs import replace

from points.authority import is_tourist
from points.days import DAY_SECONDS
from points.issuing import ISSUING, cap_of
from points.keys import account_key, books_key, merchant_key, sandbox_key
from points.pauses import ratify
from points.sandbox_limits import apart, fenced, strict_ratio, why_over
from points.sandbox_records import Over, Sandbox
from points.sandboxes import ACCOUNTS_MAX, enrol, stop
from points.state import BPS, NO_BOOKS, Account, Books, Merchant
from points.turn import Fields, Turn
from primitives.codes import Code
from primitives.kinds_sandbox import RatifyPause, SandboxClose, SandboxOpen
from primitives.receipt import Event

SANDBOXES_MAX: Final = 64  # in the state: each block looks at all of them
OWN_MAX: Final = 4  # of one merchant: each of its issues sums over them
DAYS_MAX: Final = 1095
VALUE_MAX: Final = 10**12  # fen

SandboxPayload = SandboxOpen | SandboxClose | RatifyPause


def execute_sandbox_payload(turn: Turn, payload: SandboxPayload) -> Code:
    """Carry a decision out; the caller takes its writes back on any code but OK."""
    match payload:
        case SandboxOpen():
            return _open(turn, payload)
        case SandboxClose():
            return _close(turn, payload)
        case RatifyPause():
            return ratify(turn, payload)
        case _:
            assert_never(payload)


def _open(turn: Turn, payload: SandboxOpen) -> Code:
    fault = _fault(turn, payload)
    if fault:
        return turn.refuse(Code.BAD_SANDBOX, fault)
    if len(payload.accounts) > payload.max_accounts:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{len(payload.accounts)} accounts, limit {payload.max_accounts}")
    if sum(1 for _ in turn.draft.range(b"s", b"t")) >= SANDBOXES_MAX:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{SANDBOXES_MAX} sandboxes in the state")
    code = _check_parties(turn, payload)
    if code:
        return code
    merchant: Merchant = turn.get(merchant_key(payload.merchant))
    if not _carries(turn, payload, merchant):
        return turn.refuse(Code.RESERVE_EXCEEDED, "the reserve does not carry it beside the merchant's other points")
    opened = Sandbox(
        payload.merchant, payload.merchants, payload.max_accounts, payload.max_value, payload.starts, payload.ends,
        payload.loss_reserve, payload.exit_hash, turn.time,
    )  # fmt: skip
    turn.put(merchant_key(payload.merchant), replace(merchant, sandboxes=(*merchant.sandboxes, payload.sandbox)))
    turn.put(sandbox_key(payload.sandbox), opened)
    fields: Fields = (
        ("sandbox", payload.sandbox), ("max_accounts", payload.max_accounts), ("max_value", payload.max_value),
        ("starts", payload.starts), ("ends", payload.ends), ("loss_reserve", payload.loss_reserve),
    )  # fmt: skip
    accounts = (("merchant", payload.merchant),)
    turn.events.append(Event("SandboxOpened", fields, accounts, (("exit", payload.exit_hash),)))
    return enrol(turn, payload.sandbox, opened, payload.accounts) if payload.accounts else Code.OK


def _fault(turn: Turn, payload: SandboxOpen) -> str:
    bounds = (
        ("max_accounts", payload.max_accounts, 1, ACCOUNTS_MAX), ("max_value", payload.max_value, 1, VALUE_MAX),
        ("loss_reserve", payload.loss_reserve, 1, VALUE_MAX),
        ("ends", payload.ends, turn.time + 1, turn.time + DAYS_MAX * DAY_SECONDS),
    )  # fmt: skip
    for name, value, low, high in bounds:
        if not low <= value <= high:
            return f"{name} {value}, expected {low} to {high}"
    if payload.starts >= payload.ends:
        return f"ends {payload.ends} is not after starts {payload.starts}"
    merchant: Merchant | None = turn.get(merchant_key(payload.merchant))
    ratio = turn.params.reserve_ratio_bps if merchant is None else strict_ratio(turn, merchant)
    needed = -(-payload.max_value * ratio // BPS)
    if payload.loss_reserve < needed:
        return f"loss_reserve {payload.loss_reserve} fen, {needed} carry max_value at a ratio of {ratio} bps"
    for name, listed in (("merchants", payload.merchants), ("accounts", payload.accounts)):
        if len(set(listed)) != len(listed):
            return f"somebody stands twice in {name}"
    return f"the id {payload.sandbox!r} is taken" if turn.get(sandbox_key(payload.sandbox)) is not None else ""


def _check_parties(turn: Turn, payload: SandboxOpen) -> Code:
    merchant: Merchant | None = turn.get(merchant_key(payload.merchant))
    if merchant is None or any(turn.get(merchant_key(other)) is None for other in payload.merchants):
        return Code.MERCHANT_UNKNOWN
    if merchant.status not in ISSUING:
        return turn.refuse(Code.MERCHANT_SUSPENDED, merchant.status.name)
    if len(merchant.sandboxes) >= OWN_MAX:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{OWN_MAX} sandboxes of this merchant in the state")
    for address in payload.accounts:
        account: Account | None = turn.get(account_key(address))
        if account is None:
            return Code.ACCOUNT_UNKNOWN
        if not is_tourist(account):
            return turn.refuse(Code.NOT_AUTHORISED, "only tourists hold points")
    return Code.OK


def _carries(turn: Turn, payload: SandboxOpen, merchant: Merchant) -> bool:
    """Whether the rest of the reserve carries what the merchant has out and owes: who holds its other points must not
    pay for the trial."""
    books: Books = turn.get(books_key(payload.merchant)) or NO_BOOKS
    left = merchant.reserve - fenced(turn, merchant) - payload.loss_reserve
    if left < 0:
        return False
    used = books.outstanding + books.payable - apart(turn, merchant)
    return not used or used <= cap_of(turn, replace(merchant, reserve=left))


def _close(turn: Turn, payload: SandboxClose) -> Code:
    found: Sandbox | None = turn.get(sandbox_key(payload.sandbox))
    if found is None:
        return Code.SANDBOX_UNKNOWN
    if found.merchant != payload.merchant:
        return turn.refuse(Code.BAD_SANDBOX, "the sandbox is another merchant's")
    over = why_over(turn, found)
    if over:
        return turn.refuse(Code.BAD_SANDBOX, f"the sandbox is over: {over.name}")
    stop(turn, payload.sandbox, found, Over.CLOSED)
    return Code.OK
