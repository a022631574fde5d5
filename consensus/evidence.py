"""Proof that a validator signed two things where it may sign one (S1, pitfall 9)."""

from consensus.messages import Proposal, Vote
from primitives.codec import Record
from primitives.validators import NodeId


class Evidence(Record):
    """Two messages with valid signatures of `accused` for one slot and different blocks; anybody can check it."""

    accused: NodeId
    first: Proposal | Vote
    second: Proposal | Vote
