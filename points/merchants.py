"""Classes and reserves: what a merchant may issue, and how much of it.

class_create: ACCOUNT_FROZEN, NOT_AUTHORISED, BAD_AMOUNT (limits of 0), BAD_CLASS, CLASS_EXISTS, MERCHANT_SUSPENDED,
BAD_CLASS (256 of the merchant: a class stays in the state), and if it names a sandbox SANDBOX_UNKNOWN, BAD_SANDBOX
(another merchant's, or over), SANDBOX_LIMIT (8 classes).
class_retire: ACCOUNT_FROZEN, NOT_AUTHORISED, CLASS_UNKNOWN, NOT_ISSUER, BAD_CLASS (retired already).
reserve_attest: ACCOUNT_FROZEN, NOT_AUTHORISED (custodian and merchant must both sign), MERCHANT_UNKNOWN,
STALE_ATTESTATION.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.authority import custodian_of, is_custodian, may, signing_keys
from points.issuing import ISSUING
from points.keys import account_key, class_key, merchant_key
from points.sandboxes import take_class
from points.state import BPS, NEVER, Account, Class, Merchant
from points.turn import Turn
from primitives.codes import Code
from primitives.genesis import UV_MAX
from primitives.kinds import ClassCreate, ClassRetire, ReserveAttest
from primitives.receipt import Event
from primitives.transaction import KeySignature

VALIDITY_DAYS_MAX: Final = 1095
GRACE_DAYS_MAX: Final = 365
CLASSES_MAX: Final = 256  # of one merchant, retired ones included: nothing of a class ever leaves the state
DISPLAY_DECIMALS_MAX: Final = 8


def class_of(issuer: bytes, body: ClassCreate) -> Class:
    """The record of a class with everything filled in that the body may leave out (D5)."""
    kind = body.kind if body.kind is not None else ("COMMON" if body.uv == UV_MAX else "BRAND")
    return Class(
        issuer, body.uv, kind, body.scope, body.validity_days, body.bucket, body.pending_days, body.refund_policy,
        body.grace_days, body.transferable, body.exchangeable,
        NEVER if body.exchange_in_quota is None else body.exchange_in_quota,
        NEVER if body.max_per_order is None else body.max_per_order,
        body.earn_cap_bps, body.display_decimals, sandbox=body.sandbox or "",
    )  # fmt: skip


def class_fault(body: ClassCreate | Class) -> str:
    """A sentence about the first field out of range of a class to be, or "" (2.10)."""
    bounds = (
        ("uv", body.uv, 1, UV_MAX), ("validity_days", body.validity_days, 1, VALIDITY_DAYS_MAX),
        ("pending_days", body.pending_days, 0, body.validity_days), ("grace_days", body.grace_days, 0, GRACE_DAYS_MAX),
        ("earn_cap_bps", body.earn_cap_bps, 0, BPS),
        ("display_decimals", body.display_decimals, 0, DISPLAY_DECIMALS_MAX),
    )  # fmt: skip
    for name, value, low, high in bounds:
        if not low <= value <= high:
            return f"{name} {value}, expected {low} to {high}"
    if body.kind == "COMMON" and body.uv != UV_MAX:
        return f"a COMMON class has uv {UV_MAX}, not {body.uv}"
    if len(set(body.scope)) != len(body.scope):
        return "a category stands twice in scope"
    if body.kind == "RESTRICTED" and (not body.scope or body.transferable or body.earn_cap_bps):
        return "a RESTRICTED class names the categories it is for, has no earn cap and is not transferable"
    return ""


def apply_class_create(turn: Turn, body: ClassCreate) -> Code:
    """A new class of the sender; its unit value never changes (D5)."""
    if body.max_per_order == 0 or body.exchange_in_quota == 0:
        return turn.refuse(Code.BAD_AMOUNT, "a limit of 0; leave it out for none")
    fault = class_fault(body)
    if fault:
        return turn.refuse(Code.BAD_CLASS, fault)
    if turn.get(class_key(body.class_id)) is not None:
        return Code.CLASS_EXISTS
    merchant: Merchant = turn.get(merchant_key(turn.sender))
    if merchant.status not in ISSUING:
        return turn.refuse(Code.MERCHANT_SUSPENDED, merchant.status.name)
    own = sum(of.issuer == turn.sender for _, of in turn.draft.range(b"C", b"D"))
    if own >= CLASSES_MAX:
        return turn.refuse(Code.BAD_CLASS, f"{own} classes of this merchant, limit {CLASSES_MAX}")
    if body.sandbox is not None:
        code = take_class(turn, body.sandbox, body.class_id)
        if code:
            return code
    turn.put_class(body.class_id, class_of(turn.sender, body))
    named = () if body.sandbox is None else (("sandbox", body.sandbox),)
    fields = (("class", body.class_id), ("uv", body.uv), ("validity_days", body.validity_days), *named)
    turn.events.append(Event("ClassCreated", fields, (("issuer", turn.sender),)))
    return Code.OK


def apply_class_retire(turn: Turn, body: ClassRetire) -> Code:
    """Nothing more is issued in the class; what is out stays good."""
    of: Class | None = turn.get(class_key(body.class_id))
    if of is None:
        return Code.CLASS_UNKNOWN
    if of.issuer != turn.sender:
        return Code.NOT_ISSUER
    if of.retired:
        return turn.refuse(Code.BAD_CLASS, "the class is retired")
    turn.put_class(body.class_id, replace(of, retired=True))
    turn.events.append(Event("ClassRetired", (("class", body.class_id),), (("issuer", turn.sender),)))
    return Code.OK


def apply_reserve_attest(turn: Turn, body: ReserveAttest, signatures: Sequence[KeySignature]) -> Code:
    """The custodian states what it holds for a merchant; both sign the same envelope, either may be its sender."""
    owner: Account | None = turn.get(account_key(body.merchant))
    merchant: Merchant | None = turn.get(merchant_key(body.merchant))
    if owner is None or merchant is None:
        return Code.MERCHANT_UNKNOWN
    if is_custodian(turn.account):
        holder, holder_keys = turn.account, turn.signers
    else:
        _, holder, holder_keys = custodian_of(turn, signatures)
    sides = signing_keys(owner, signatures)
    if not holder_keys or not sides or not (may(holder, holder_keys, "settlement") and may(owner, sides, "owner")):
        return turn.refuse(Code.NOT_AUTHORISED, "custodian and merchant must both sign")
    if len(signatures) != len({key.key for key in (*holder_keys, *sides)}):
        return turn.refuse(Code.BAD_SIGNATURE, "a signature belongs to neither custodian nor merchant")
    if not merchant.attested <= body.as_of <= turn.time:
        return turn.refuse(
            Code.STALE_ATTESTATION, f"as of {body.as_of}, the last one {merchant.attested}, now {turn.time}"
        )
    turn.put(merchant_key(body.merchant), replace(merchant, reserve=body.amount, attested=body.as_of))
    fields = (("amount", body.amount), ("before", merchant.reserve), ("as_of", body.as_of))
    hashes = (("statement", body.statement_hash),)
    turn.events.append(Event("ReserveChanged", fields, (("merchant", body.merchant),), hashes))
    return Code.OK
