"""What a sandbox allows, asked wherever points of its classes move; nothing is written here (INV-16).

Its value is not counted twice: it follows from the counters of its classes (INV-1). `value` = issued + exchanged in
- expired - burned, in uY: what was spent stays in it, since it may be refunded. So it bounds what is outstanding, and
no order of payments and refunds brings more into the world than the committee allowed.
"""

from points.keys import class_key, counters_key, enrolled_key, merchant_key, sandbox_key
from points.sandbox_records import Over, Sandbox
from points.state import BPS, NO_COUNTERS, UY_PER_FEN, Class, Counters, Merchant, MerchantStatus
from points.turn import Turn
from points.view import View
from primitives.codes import Code

_ENDING = (MerchantStatus.SUSPENDED, MerchantStatus.WIND_DOWN, MerchantStatus.EXITED)


def sandbox_of(turn: Turn, class_id: str, of: Class) -> Sandbox | None:
    """The sandbox of one of its classes; None once it has left the state, whoever has opened one of its name since."""
    found: Sandbox | None = turn.get(sandbox_key(of.sandbox))
    return found if found is not None and class_id in found.classes else None


def counted(view: View | Turn, found: Sandbox) -> list[tuple[Counters, int]]:
    """(counters, uY per unit) of its classes."""
    rows = []
    for class_id in found.classes:
        of: Class = view.get(class_key(class_id))
        rows.append((view.get(counters_key(class_id)) or NO_COUNTERS, of.uv))
    return rows


def value_of(view: View | Turn, found: Sandbox) -> int:
    """uY granted, less what expired or was taken back: the number that max_value bounds."""
    return sum((c.issued + c.exch_in - c.expired - c.burned) * uv for c, uv in counted(view, found))


def granted_of(view: View | Turn, found: Sandbox) -> int:
    """Units that its classes brought into the world, modulo 2**64: a sum of counters may pass what can be stored."""
    return sum(c.issued + c.exch_in for c, _ in counted(view, found)) % 2**64


def moved_of(view: View | Turn, found: Sandbox) -> int:
    """Units spent and returned, modulo 2**64: compared with an earlier look only."""
    return sum(c.redeemed + c.restored for c, _ in counted(view, found)) % 2**64


def outstanding_of(view: View | Turn, found: Sandbox) -> int:
    """uY with holders, held ones included; at most value_of."""
    return sum(
        (c.issued + c.exch_in + c.restored - c.redeemed - c.expired - c.burned) * uv for c, uv in counted(view, found)
    )


def strict_ratio(turn: Turn, merchant: Merchant) -> int:
    """bps of what a sandbox grants that its loss reserve must hold: no less than the network's, and no less than the
    merchant's own, since a trial is no way around what the committee asks of who runs it."""
    return max(turn.params.reserve_ratio_bps, merchant.reserve_ratio_bps)


def carried(turn: Turn, found: Sandbox, merchant: Merchant) -> int:
    """uY that its loss reserve carries."""
    return found.loss_reserve * UY_PER_FEN * BPS // strict_ratio(turn, merchant)


def fenced(turn: Turn, merchant: Merchant) -> int:
    """fen of a merchant's reserve that stand for its sandboxes alone."""
    return sum(turn.get(sandbox_key(name)).loss_reserve for name in merchant.sandboxes)


def free_reserve(turn: Turn, merchant: Merchant) -> int:
    """fen of a merchant's reserve that stand for all its other classes."""
    return max(0, merchant.reserve - fenced(turn, merchant)) if merchant.sandboxes else merchant.reserve


def apart(turn: Turn, merchant: Merchant) -> int:
    """uY outstanding in a merchant's sandboxes, which its loss reserves carry."""
    return sum(outstanding_of(turn, turn.get(sandbox_key(name))) for name in merchant.sandboxes)


def paid_of(view: View | Turn, found: Sandbox) -> int:
    """uY ever spent modulo 2**64, whatever of it was refunded: debts are counted gross as well (D12)."""
    return sum(c.redeemed * uv for c, uv in counted(view, found)) % 2**64


def draws_left(turn: Turn, merchant: Merchant, payable: int, found: Sandbox | None) -> int:
    """uY for which a suspended issuer's points still pay elsewhere (D12), those of a sandbox or all its others.

    What sandboxes have drawn since the suspension their loss reserves answer for, and nothing else does: so neither
    side lives on what stands for the other, in whichever order they come.
    """
    whole = merchant.reserve * UY_PER_FEN - payable
    if found is not None:
        return min(whole, found.loss_reserve * UY_PER_FEN - _drawn(turn, found))
    if not merchant.sandboxes:
        return whole
    drawn = 0
    for name in merchant.sandboxes:
        own: Sandbox = turn.get(sandbox_key(name))
        drawn += min(_drawn(turn, own), own.loss_reserve * UY_PER_FEN)
    return min(whole, free_reserve(turn, merchant) * UY_PER_FEN + drawn - payable)


def _drawn(turn: Turn, found: Sandbox) -> int:
    return (paid_of(turn, found) - found.paid) % 2**64 if found.over else 0


def why_over(turn: Turn, found: Sandbox) -> Over:
    """Whether the sandbox is over by now, and why; NO before its start too."""
    merchant: Merchant = turn.get(merchant_key(found.merchant))
    if found.over:
        return found.over
    if turn.time >= found.ends:
        return Over.ENDED
    if merchant.status in _ENDING:
        return Over.ISSUER
    if merchant.reserve < fenced(turn, merchant):
        return Over.UNCOVERED
    most = carried(turn, found, merchant)  # below max_value only if a ratio rose: each block asks, so the sum is rare
    uncovered = most < found.max_value * UY_PER_FEN and value_of(turn, found) > most
    return Over.UNCOVERED if uncovered else Over.NO


def check_grant(turn: Turn, class_id: str, of: Class, to: bytes, units: int) -> Code:
    """Whether an account may get new units of a class now: SANDBOX_LIMIT for all that its sandbox forbids."""
    code = check_receiver(turn, class_id, of, to)
    if code:
        return code
    found: Sandbox = turn.get(sandbox_key(of.sandbox))
    value = value_of(turn, found) + units * of.uv
    most = min(found.max_value * UY_PER_FEN, carried(turn, found, turn.get(merchant_key(found.merchant))))
    if value > most:
        return turn.refuse(Code.SANDBOX_LIMIT, f"{value} uY in the sandbox {of.sandbox}, limit {most}")
    return Code.OK


def check_receiver(turn: Turn, class_id: str, of: Class, to: bytes) -> Code:
    """Whether the sandbox of a class runs and the account is on its list: SANDBOX_LIMIT."""
    found = sandbox_of(turn, class_id, of)
    if found is None or why_over(turn, found):
        return turn.refuse(Code.SANDBOX_LIMIT, f"the sandbox {of.sandbox} is over")
    if turn.time < found.starts:
        return turn.refuse(Code.SANDBOX_LIMIT, f"the sandbox {of.sandbox} starts at {found.starts}, now {turn.time}")
    if turn.get(enrolled_key(of.sandbox, to)) is None:
        return turn.refuse(Code.SANDBOX_LIMIT, f"the account is not on the list of the sandbox {of.sandbox}")
    return Code.OK


def pays_at(turn: Turn, class_id: str, of: Class, payee: bytes, aside: bool) -> bool:
    """Whether points of a sandbox pay this merchant. `aside`: they would be set aside, which ends with the sandbox."""
    found = sandbox_of(turn, class_id, of)
    if found is None:
        return payee == of.issuer and not aside
    if aside and why_over(turn, found):
        return False
    return payee == of.issuer or payee in found.merchants
