"""What governance remembers: the committee, its proposals and votes, and merchants' papers."""

from enum import IntEnum

from primitives.codec import Record
from primitives.kinds_governance import Choice, Payload


class ProposalState(IntEnum):
    OPEN = 0  # votes count; the timelock runs while the thresholds are met
    EXECUTED = 1
    REJECTED = 2  # voted down, or its time was over
    FAILED = 3  # passed, but its payload was refused when it was due; gov_execute may try again until `due`
    EXPIRED = 4  # failed, and nobody could carry it out in time


class Committee(Record, tag="c"):
    """Who votes, in order of addresses. Invariant: weights are above 0, their sum fits 63 bits."""

    members: tuple[tuple[bytes, int], ...]


class OfficeHeld(Record):
    """An account has an office; its key names both."""

    since: int


class Papers(Record, tag="p"):
    """Of a merchant that applied on chain, or that winds down. `due`: the application lapses; 0 once it is admitted."""

    name_zh: str = ""
    name_en: str = ""
    docs_hash: bytes = b""
    applied: int = 0
    due: int = 0
    wind_down_until: int = 0  # end of the notice; 0 = none was given


Standing = Committee | Papers


class Proposal(Record):
    """Leaves the state, with its votes, some days after it was decided; `due` is the second of its timer."""

    proposer: bytes
    payload: Payload
    reasons_hash: bytes
    created: int
    closes: int  # no votes from this second on, but while a timelock runs
    due: int
    state: ProposalState = ProposalState.OPEN
    ready_at: int = 0  # end of the timelock; 0 while the thresholds are not met
    yes: int = 0  # weights
    no: int = 0
    recused: int = 0
    failure: int = 0  # code of the last attempt that failed
    decided: int = 0  # second; 0 while OPEN or FAILED


class Vote(Record):
    choice: Choice
    weight: int
    reasons_hash: bytes | None


class Timer(Record):
    """Only its key matters."""
