"""Changes of the validator set by transactions; each waits for the close of the epoch (C8, S11).

The committee adds, removes and replaces (governance_actions.py); an operator alone does so only where there is no
committee, or where the parameter operator_validators says so: one stolen key must not swap the validators one by one.
A change of keys may be carried by anybody, because the old and the new key have signed it. At most f of the present
members are touched before the epoch closes, so that the others can still decide the close block and hand over (pitfalls
64, 67). A member has one pending change; but a change of keys does not save it from being removed or replaced, and
comes at most once in REKEY_BLOCKS: a hostile member shall neither end epochs at will nor use up f for ever.

validator_add, validator_remove and validator_replace of an operator: NOT_AUTHORISED where the committee decides.
validator_add: ACCOUNT_FROZEN, NOT_AUTHORISED, VALIDATOR_EXISTS, BAD_VALIDATOR, BAD_SIGNATURE (possession),
TOO_MANY_VALIDATORS. validator_remove: ACCOUNT_FROZEN, NOT_AUTHORISED, VALIDATOR_UNKNOWN, TOO_FEW_VALIDATORS,
TOO_MANY_CHANGES. validator_replace: ACCOUNT_FROZEN, NOT_AUTHORISED, VALIDATOR_UNKNOWN (old), VALIDATOR_EXISTS (new),
BAD_VALIDATOR, BAD_SIGNATURE (possession), TOO_MANY_CHANGES. validator_rekey: ACCOUNT_FROZEN, NOT_AUTHORISED,
VALIDATOR_UNKNOWN (name, or another old key), VALIDATOR_EXISTS (key), BAD_VALIDATOR, BAD_SIGNATURE (approval,
possession), TOO_MANY_CHANGES.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from msgspec.structs import replace

from points.keys import COMMITTEE_KEY, REGISTER_KEY
from points.turn import Fields, Turn
from points.validators import (
    REKEY_BLOCKS,
    PendingChange,
    Register,
    applied,
    changed,
    changes_max,
    members_min,
    occupied,
    register,
)
from primitives.codes import Code
from primitives.keys import admit_public_key
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorRemove, ValidatorReplace
from primitives.receipt import Event
from primitives.validators import VALIDATORS_MAX, Validator, vote_key_digest

PORT_MAX: Final = 65_535
DER_SEQUENCE: Final = 0x30  # first byte of every DER certificate; the nodes parse the rest before they dial

Change = TypeVar("Change", ValidatorAdd, ValidatorRemove, ValidatorReplace)


def by_operator(apply: Callable[[Turn, Change], Code]) -> Callable[[Turn, Change], Code]:
    """The same change as the transaction of an operator, where it needs no vote."""

    def rule(turn: Turn, body: Change) -> Code:
        if turn.get(COMMITTEE_KEY) is not None and not turn.params.operator_validators:
            return turn.refuse(Code.NOT_AUTHORISED, "the committee decides who validates: gov_propose")
        return apply(turn, body)

    return rule


def apply_validator_add(turn: Turn, body: ValidatorAdd) -> Code:
    """A new member takes the lowest seat that is free once all pending changes are done."""
    of = register(turn.draft)
    member = Validator(body.name, body.vote_key, body.transport_certificate)
    code = _check_newcomer(turn, of, member, body.address, body.possession, None)
    if code:
        return code
    seats, _ = applied(of, of.changes)
    size = len(occupied(seats))
    if size >= VALIDATORS_MAX:
        return turn.refuse(
            Code.TOO_MANY_VALIDATORS, f"{size + 1} validators with all pending changes, limit {VALIDATORS_MAX}"
        )
    seat = next((seat for seat, taken in enumerate(seats) if taken is None), len(seats))
    return _accept(turn, of, PendingChange(turn.height, "add", seat, member, body.address), body.name)


def apply_validator_remove(turn: Turn, body: ValidatorRemove) -> Code:
    """A member leaves and its seat becomes free."""
    of = register(turn.draft)
    seat = _seat_of(of, body.name)
    if seat is None:
        return turn.refuse(Code.VALIDATOR_UNKNOWN, f"no validator {body.name!r} in epoch {of.epoch}")
    left = len(occupied(applied(of, of.changes)[0])) - 1
    if left < members_min(of):
        return turn.refuse(
            Code.TOO_FEW_VALIDATORS, f"{left} validators with all pending changes, at least {members_min(of)}"
        )
    return _accept(turn, of, PendingChange(turn.height, "remove", seat, None, ""), body.name)


def apply_validator_replace(turn: Turn, body: ValidatorReplace) -> Code:
    """A new member takes the seat of an old one, by its name or another, with keys of its own."""
    of = register(turn.draft)
    seat = _seat_of(of, body.old)
    if seat is None:
        return turn.refuse(Code.VALIDATOR_UNKNOWN, f"no validator {body.old!r} in epoch {of.epoch}")
    member = Validator(body.name, body.vote_key, body.transport_certificate)
    code = _check_newcomer(turn, of, member, body.address, body.possession, body.old)
    if code:
        return code
    return _accept(turn, of, PendingChange(turn.height, "replace", seat, member, body.address), body.old)


def apply_validator_rekey(turn: Turn, body: ValidatorRekey) -> Code:
    """A member votes with another key from the next epoch on; it keeps its seat, its certificate and its address."""
    of = register(turn.draft)
    seat = _seat_of(of, body.name)
    member = None if seat is None else of.seats[seat]
    if seat is None or member is None or member.vote_key != body.old_key:
        detail = f"no validator {body.name!r} with the voting key {body.old_key.hex()} in epoch {of.epoch}"
        return turn.refuse(Code.VALIDATOR_UNKNOWN, detail)
    if any(other.vote_key == body.vote_key for other in _everyone(of)):
        return turn.refuse(Code.VALIDATOR_EXISTS, f"the voting key {body.vote_key.hex()} is taken")
    if not admit_public_key(body.vote_key):
        return turn.refuse(Code.BAD_VALIDATOR, f"{body.vote_key.hex()} is not an admissible Ed25519 key")
    for key, signature in ((body.old_key, body.approval), (body.vote_key, body.possession)):
        if not _key_signed(turn, body.name, body.vote_key, key, signature):
            return turn.refuse(Code.BAD_SIGNATURE, f"the change of keys is not signed by {key.hex()}")
    young = next((height for at, height in of.rekeyed if at == seat and height + REKEY_BLOCKS > turn.height), None)
    if young is not None:
        detail = (
            f"the key of validator {body.name!r} is of height {young}; {REKEY_BLOCKS} blocks lie between two changes"
        )
        return turn.refuse(Code.TOO_MANY_CHANGES, detail)
    following = replace(member, vote_key=body.vote_key)
    return _accept(turn, of, PendingChange(turn.height, "rekey", seat, following, of.addresses[seat]), body.name)


def _check_newcomer(
    turn: Turn, of: Register, member: Validator, address: str, possession: bytes, old: str | None
) -> Code:  # fmt: skip
    """VALIDATOR_EXISTS, BAD_VALIDATOR, BAD_SIGNATURE; `old` is the name that a replacement may bear again."""
    for other in _everyone(of):
        if other.name == member.name and other.name != old:
            return turn.refuse(Code.VALIDATOR_EXISTS, f"the name {member.name!r} is taken")
        if other.vote_key == member.vote_key:
            return turn.refuse(Code.VALIDATOR_EXISTS, f"the voting key {member.vote_key.hex()} is taken")
        if member.transport_certificate and other.transport_certificate == member.transport_certificate:
            return turn.refuse(Code.VALIDATOR_EXISTS, f"the transport certificate is that of {other.name!r}")
    if not admit_public_key(member.vote_key):
        return turn.refuse(Code.BAD_VALIDATOR, f"{member.vote_key.hex()} is not an admissible Ed25519 key")
    if not member.transport_certificate or member.transport_certificate[0] != DER_SEQUENCE:
        return turn.refuse(Code.BAD_VALIDATOR, "the transport certificate is no DER certificate")
    port = int(address.rpartition(":")[2])  # HostPort guarantees the form
    if not 1 <= port <= PORT_MAX:
        return turn.refuse(Code.BAD_VALIDATOR, f"port {port}, expected 1 to {PORT_MAX}")
    if not _key_signed(turn, member.name, member.vote_key, member.vote_key, possession):
        return turn.refuse(Code.BAD_SIGNATURE, "the voting key has not signed that it wants to vote")
    return Code.OK


def _key_signed(turn: Turn, name: str, vote_key: bytes, key: bytes, signature: bytes) -> bool:
    return turn.signed(key, lambda: vote_key_digest(turn.chain_id, name, vote_key), signature)


def _everyone(of: Register) -> Iterator[Validator]:
    """The present members and those that will come; a name or key of either is taken."""
    yield from (member for member in of.seats if member is not None)
    yield from (change.member for change in of.changes if change.member is not None)


def _seat_of(of: Register, name: str) -> int | None:
    """The seat of a present member; who is only going to join cannot be changed before it has joined."""
    return next((seat for seat, member in enumerate(of.seats) if member is not None and member.name == name), None)


def _touched(of: Register, change: PendingChange) -> bool:
    """Whether the present member of this seat has a pending change that this one cannot go over."""
    mine = [known.change for known in of.changes if known.seat == change.seat and known.change != "add"]
    match change.change:
        case "add":
            return False  # the seat becomes free
        case "rekey":
            return bool(mine)
        case "remove" | "replace":
            return mine not in ([], ["rekey"])


def _accept(turn: Turn, of: Register, change: PendingChange, name: str) -> Code:
    """Keep the change for the close of the epoch, unless it would touch too many present members (C8)."""
    if _touched(of, change):
        detail = f"validator {name!r} has a pending change; wait for epoch {of.epoch + 1}"
        return turn.refuse(Code.TOO_MANY_CHANGES, detail)
    following = replace(of, changes=(*of.changes, change))
    touched = len(changed(following))
    if touched > changes_max(of):
        detail = f"{touched} validators of epoch {of.epoch} would leave or change keys, limit {changes_max(of)}"
        return turn.refuse(Code.TOO_MANY_CHANGES, detail)
    turn.put(REGISTER_KEY, following)
    fields: Fields = (
        ("change", change.change), ("name", name), ("seat", change.seat), ("epoch", of.epoch + 1),
        *((("new_name", change.member.name),) if change.change == "replace" and change.member else ()),
    )  # fmt: skip
    hashes = () if change.member is None else (("vote_key", change.member.vote_key),)
    turn.events.append(Event("ValidatorChangePending", fields, (("by", turn.sender),), hashes))
    return Code.OK
