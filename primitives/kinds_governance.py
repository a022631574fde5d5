"""Bodies of governance: what the committee may decide, and how a member proposes, votes and executes.

In JSON a proposal names its payload's kind beside it: {"proposal", "action": "set_quota", "payload": {...},
"reasons_hash"}. `merchant_apply` stands in kinds.py, with the categories of merchants.
"""

from typing import Annotated, Literal

import msgspec

from primitives.codec import U64, Amount, Bytes20, Bytes32, Identifier, Record
from primitives.kinds_challenges import ChallengeAward, ChallengeOpen
from primitives.kinds_errata import Errata
from primitives.kinds_offices import GrantOffice, RevokeOffice, SetMember
from primitives.kinds_sandbox import RatifyPause, SandboxClose, SandboxOpen
from primitives.kinds_validators import ValidatorAdd, ValidatorRemove, ValidatorReplace

StatusName = Literal["ACTIVE", "ISSUE_SUSPENDED", "ACCEPT_SUSPENDED", "SUSPENDED", "WIND_DOWN", "EXITED"]
Choice = Literal["YES", "NO", "RECUSE"]

PARAMETERS_MAX = 32


class Admit(Record, tag="admit"):
    """An applicant becomes an ACTIVE merchant. Fen; a quota of 0 = the network's."""

    merchant: Bytes20
    credit_limit: Amount = 0
    quota: Amount = 0


class SetStatus(Record, tag="set_status"):
    """`notice_days`: of WIND_DOWN only, counted from the execution; 0 otherwise."""

    merchant: Bytes20
    status: StatusName
    notice_days: U64 = 0


class SetQuota(Record, tag="set_quota"):
    """fen; what is None stays. quota: value issued per settlement window; it and reserve_ratio_bps (reserve per value
    issued, up to 10000) are the network's where they are 0."""

    merchant: Bytes20
    quota: Amount | None = None
    credit_limit: Amount | None = None
    reserve_ratio_bps: U64 | None = None


class SetClass(Record, tag="set_class"):
    """What is None stays. A max_per_order (units) or exchange_in_quota (units per window) of 0 = none. What points are
    worth, how long they live and where they pay cannot be voted on: it would be to the detriment of who holds them."""

    class_id: Identifier = msgspec.field(name="class")
    earn_cap_bps: U64 | None = None
    max_per_order: Amount | None = None
    exchangeable: bool | None = None
    exchange_in_quota: Amount | None = None


class ParameterValue(Record):
    name: Identifier
    value: Amount  # in the unit of the parameter


class SetParameters(Record, tag="set_parameters"):
    """All of them or none; program_end has a payload of its own."""

    changes: Annotated[tuple[ParameterValue, ...], msgspec.Meta(min_length=1, max_length=PARAMETERS_MAX)]


class ProgramEnd(Record, tag="program_end"):
    """From second `at` on nothing is issued; 0: there is no end."""

    at: U64


Payload = (
    Admit | SetStatus | SetQuota | SetClass | SetParameters | ProgramEnd | ValidatorAdd | ValidatorRemove
    | ValidatorReplace | SandboxOpen | SandboxClose | RatifyPause | Errata | SetMember | GrantOffice | RevokeOffice
    | ChallengeOpen | ChallengeAward
)  # fmt: skip


class GovPropose(Record, tag="gov_propose"):
    """`proposal` is the id that its proposer gives it; `reasons_hash` of the document that says why."""

    proposal: Identifier
    payload: Annotated[Payload, msgspec.Meta(extra={"kind_in": "action"})]
    reasons_hash: Bytes32


class GovVote(Record, tag="gov_vote"):
    """RECUSE: the member has an interest in the matter and leaves the count."""

    proposal: Identifier
    choice: Choice
    reasons_hash: Bytes32 | None = None


class GovExecute(Record, tag="gov_execute"):
    """Try again what could not be carried out when its timelock ended."""

    proposal: Identifier
