"""A market with a committee: five members m1 to m5, of the weights 30, 25, 20, 15 and 10, and validators v0 to v3."""

from typing import Any

from msgspec.structs import replace

from points.governance_records import Proposal
from points.keys import merchant_key, proposal_key
from points.state import Merchant, MerchantStatus
from primitives.codes import Code
from primitives.genesis import GenesisAccount
from primitives.kinds import AccountKey, MerchantApply
from primitives.kinds_governance import (
    Admit,
    GovExecute,
    GovPropose,
    GovVote,
    ParameterValue,
    Payload,
    SetParameters,
    SetQuota,
    SetStatus,
)
from tests.points.committee import member
from tests.points.market import ADDRESS, DAY, Market, address, genesis_of, key_of

WEIGHTS = {"m1": 30, "m2": 25, "m3": 20, "m4": 15, "m5": 10}
REASONS = bytes(range(32))


class Council(Market):
    """`propose`, `vote` and `pass_` speak of one proposal at a time, by its id."""

    def __init__(self, weights: dict[str, int] | None = None, **parameters: Any) -> None:
        """`parameters`: also what else genesis_of takes, such as classes."""
        plain = genesis_of(**parameters)
        members = tuple(
            GenesisAccount((AccountKey(key_of(name).public_key),), "committee", weight=weight)
            for name, weight in (weights if weights is not None else WEIGHTS).items()
        )
        validators = tuple(member(f"v{seat}") for seat in range(4))
        tourists = tuple(GenesisAccount((AccountKey(key_of(name).public_key),)) for name in ("n", "n2"))
        super().__init__(replace(plain, accounts=(*plain.accounts, *members, *tourists), validators=validators))

    def propose(self, payload: Payload, proposal: str = "p", by: str = "m1") -> Code:
        """A member puts it to the vote."""
        return self.do(by, GovPropose(proposal, payload, REASONS))

    def vote(self, choice: Any, *members: str, proposal: str = "p") -> list[Code]:
        """The same choice by several members; their codes."""
        return [self.do(name, GovVote(proposal, choice)) for name in members]

    def execute(self, proposal: str = "p", by: str = "m1") -> Code:
        """Try again."""
        return self.do(by, GovExecute(proposal))

    def decide(self, payload: Payload, proposal: str = "p") -> None:
        """Propose, win, and wait for the timelock."""
        assert self.propose(payload, proposal) is Code.OK, self.receipt
        assert self.vote("YES", "m1", "m2", "m3", proposal=proposal) == [Code.OK] * 3
        self.advance(DAY)

    def proposal(self, proposal: str = "p") -> Proposal:
        """The stored proposal."""
        found: Proposal = self.view.get(proposal_key(proposal))
        return found

    def merchant(self, name: str) -> Merchant:
        """The stored merchant."""
        found: Merchant = self.view.get(merchant_key(address(name)))
        return found

    def status(self, name: str) -> MerchantStatus:
        """Of a merchant."""
        return self.merchant(name).status

    def apply(self, name: str = "n") -> Code:
        """n wants to be a merchant."""
        return self.do(name, MerchantApply("HOTEL", "新店", "New Inn", bytes(32)))


def quota(name: str = "A", fen: int = 5_000) -> SetQuota:
    """A payload."""
    return SetQuota(ADDRESS[name], quota=fen)


def status(name: str, to: Any, notice_days: int = 0) -> SetStatus:
    """A payload."""
    return SetStatus(address(name), to, notice_days)


def admission(name: str = "n", credit_limit: int = 0) -> Admit:
    """A payload."""
    return Admit(address(name), credit_limit)


def parameters(**values: int) -> SetParameters:
    """A payload."""
    return SetParameters(tuple(ParameterValue(name, value) for name, value in values.items()))
