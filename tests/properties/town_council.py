"""What the committee of a town would decide, how it votes, and who joins the validators.

A payload has an act of its own where its fields must fit the state; any other is filled by the names of its fields, so
that a new action is proposed and carried out without a line here.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from points.governance_actions import PARAMETERS
from points.governance_records import ProposalState
from points.state import MerchantStatus, Role
from points.validators import register
from primitives import kinds_governance
from primitives.kinds import MerchantApply
from primitives.kinds_governance import (
    Admit,
    GovExecute,
    GovPropose,
    GovVote,
    ParameterValue,
    ProgramEnd,
    SetParameters,
    SetStatus,
)
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorRemove, ValidatorReplace
from tests.properties import town_contests, town_rooms
from tests.properties.town import DAY, NO_SIGNATURE, Act, Town, key_of
from tests.properties.town_filling import fill, fresh, likely, merchant, name_address

PAYLOADS: dict[str, type] = {
    str(kind.__struct_config__.tag): kind for kind in kinds_governance.Payload.__args__
}  # action -> its type
_IDLE = (MerchantStatus.SUSPENDED, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.ACCEPT_SUSPENDED)
_LIKELY = {
    "fee_bps": (0, 50), "exchange_fee_bps": (0, 100), "reserve_ratio_bps": (1_000, 9_000), "settle_days": (1, 2),
    "refund_window_days": (1, 3), "attestation_days": (2, 90), "sponsor_day": (1, 9), "waterfall": (0, 2),
    "holder_limit": (0, 900), "quota": (0, 5_000), "breakage_share_bps": (0, 500), "kyc0_lifetime": (60, 10**6),
}  # fmt: skip


def admit(town: Town, dice: Random) -> Any:
    waiting = [key[1:] for key, of in town.rows(b"M") if of.status is MerchantStatus.APPLIED]
    who = dice.choice(waiting) if waiting else merchant(town, dice)
    return fill(Admit, town, dice, merchant=who, credit_limit=dice.choice([0, 500]), quota=0)


def set_status(town: Town, dice: Random) -> Any:
    """Mostly back to work: a town in which everything stands still is a dull one."""
    waiting = [key[1:] for key, of in town.rows(b"M") if of.status in _IDLE]
    who = dice.choice(waiting) if waiting and dice.random() < 0.6 else merchant(town, dice)
    of = town.view.get(b"M" + who)
    idle = of is None or of.status in (MerchantStatus.ACTIVE, MerchantStatus.APPLIED)
    sort = dice.random()
    if of is not None and of.status is MerchantStatus.WIND_DOWN:
        status = "EXITED" if sort < 0.8 else "SUSPENDED"
    elif idle:
        status = dice.choice(["ISSUE_SUSPENDED", "ACCEPT_SUSPENDED", "SUSPENDED", "WIND_DOWN"])
    else:
        status = "ACTIVE" if sort < 0.7 else dice.choice(["SUSPENDED", "WIND_DOWN"])
    return SetStatus(who, status, 90 if status == "WIND_DOWN" else 0)  # type: ignore[arg-type]


def set_parameters(town: Town, dice: Random) -> Any:
    names = dice.sample(sorted(set(_LIKELY) & PARAMETERS), dice.randint(1, 3))
    return SetParameters(tuple(ParameterValue(name, dice.choice(_LIKELY[name])) for name in names))


def program_end(town: Town, dice: Random) -> Any:
    return ProgramEnd(dice.choice([0, 0, 0, town.now + 2 * DAY, town.now + 400 * DAY, 1]))


def _newcomer(town: Town, dice: Random, kind: type, **fixed: Any) -> Any:
    name = f"n{dice.randint(0, 9)}"
    return fill(
        kind, town, dice, name=name, vote_key=key_of(name), transport_certificate=b"\x30" + name.encode(),
        address="node.example:7000", possession=NO_SIGNATURE, **fixed,
    )  # fmt: skip


def _seated(town: Town, dice: Random) -> Any:
    return dice.choice([seat for seat in register(town.view).seats if seat is not None])


def validator_add(town: Town, dice: Random) -> Any:
    return _newcomer(town, dice, ValidatorAdd)


def validator_remove(town: Town, dice: Random) -> Any:
    return ValidatorRemove(_seated(town, dice).name)


def validator_replace(town: Town, dice: Random) -> Any:
    return _newcomer(town, dice, ValidatorReplace, old=_seated(town, dice).name)


def validator_rekey(town: Town, dice: Random) -> Any:
    seat = _seated(town, dice)
    key = key_of(f"r{dice.randint(0, 9)}")
    return ValidatorRekey(seat.name, seat.vote_key, key, NO_SIGNATURE, NO_SIGNATURE)


BODIES: dict[str, Callable[[Town, Random], Any]] = {
    act.__name__: act
    for act in (
        admit, set_status, set_parameters, program_end, validator_add, validator_remove, validator_replace
    )
} | town_rooms.BODIES | town_contests.BODIES


def payload(town: Town, dice: Random, action: str) -> Any:
    """What a member might propose."""
    found = BODIES.get(action)
    return found(town, dice) if found is not None else fill(PAYLOADS[action], town, dice)


def _member(town: Town, dice: Random) -> bytes:
    return dice.choice(town.holding(Role.COMMITTEE) or [name_address("m1")])


def gov_propose(town: Town, dice: Random) -> Act:
    body = payload(town, dice, dice.choice(list(PAYLOADS)))
    return likely(town, dice, GovPropose, proposal=fresh(dice, "p"), payload=body)


def gov_vote(town: Town, dice: Random) -> Act:
    choice: Any = dice.choice(["YES", "YES", "YES", "YES", "NO", "RECUSE"])
    opened = town.open_proposals()
    if not opened:
        return likely(town, dice, GovVote, choice=choice)
    return likely(town, dice, GovVote, proposal=dice.choice(opened)[0], choice=choice)


def gov_execute(town: Town, dice: Random) -> Act:
    failed = [key[1:].decode() for key, of in town.rows(b"h") if of.state is ProposalState.FAILED]
    if not failed:
        return likely(town, dice, GovExecute)
    return likely(town, dice, GovExecute, proposal=dice.choice(failed))


def merchant_apply(town: Town, dice: Random) -> Act:
    who = dice.choice([name_address("n"), *(key[1:] for key, of in town.rows(b"A") if of.kind == 0)])
    return likely(town, dice, MerchantApply, who)


def _as_body(make: Callable[[Town, Random], Any], kind: type) -> Callable[[Town, Random], Act]:
    def act(town: Town, dice: Random) -> Act:
        body = make(town, dice)
        return likely(town, dice, kind, **{name: getattr(body, name) for name in kind.__struct_fields__})

    return act


ACTS: dict[str, Callable[[Town, Random], Act]] = {
    "gov_propose": gov_propose, "gov_vote": gov_vote, "gov_execute": gov_execute, "merchant_apply": merchant_apply,
    "validator_add": _as_body(validator_add, ValidatorAdd),
    "validator_remove": _as_body(validator_remove, ValidatorRemove),
    "validator_replace": _as_body(validator_replace, ValidatorReplace),
    "validator_rekey": _as_body(validator_rekey, ValidatorRekey),
}  # fmt: skip


def decide(town: Town, dice: Random, action: str) -> str:
    """Propose, win, and wait until it is carried out; the state in which the proposal ends, or why it did not begin."""
    idle = [of for _, of in town.rows(b"M") if of.status in _IDLE]
    if len(idle) > 1 and dice.random() < 0.4:
        action = "set_status"  # mostly back to work
    if action == "challenge_award":
        if not town.rows(b"n"):
            decide(town, dice, "challenge_open")
        town_contests.stage(town, dice)
    first = town_rooms.prepare(town, dice, action)
    if first is not None:
        town.attempt(first)
    name = f"d{len(town.log)}"
    proposer = _member(town, dice)
    body = GovPropose(name, payload(town, dice, action), bytes(32))
    code = town.attempt(Act(proposer, body, town.keys_for(proposer, "owner", dice)))
    if code != "OK":
        return code
    members = town.holding(Role.COMMITTEE)
    for who in dice.sample(members, len(members)):
        town.attempt(Act(who, GovVote(name, "YES"), town.keys_for(who, "owner", dice)))
    found = town.view.get(b"h" + name.encode())
    if found is None or not found.ready_at:
        return "OPEN"
    town.move(found.ready_at, dice)
    found = town.view.get(b"h" + name.encode())
    if found is not None and found.state is ProposalState.FAILED and dice.random() < 0.8:
        town.move(town.now + dice.choice([1, DAY]), dice)
        town.attempt(Act(proposer, GovExecute(name), town.keys_for(proposer, "owner", dice)))
    return "" if found is None else found.state.name
