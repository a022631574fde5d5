"""The validator set: who votes, how many votes decide, who leads a view."""

from typing import Final, NewType

from primitives.codec import Blob, Bytes32, Identifier, Record, encode
from primitives.hashing import TAG_VALIDATORS, Digest, tagged_hash
from primitives.keys import PublicKey

NodeId = NewType("NodeId", int)  # position in the set of the epoch
View = NewType("View", int)
Height = NewType("Height", int)  # genesis is 0
Epoch = NewType("Epoch", int)

VALIDATORS_MIN: Final = 4  # below that f = 0 and there is nothing to tolerate
VALIDATORS_MAX: Final = 22  # full mesh; a certificate stays near 1 kB


class Validator(Record):
    """One voting member: its name, its voting key, and the DER certificate of its transport key (kept apart, T17)."""

    name: Identifier
    vote_key: Bytes32
    transport_certificate: Blob


class ValidatorSet:
    """The members of one epoch in their fixed order. Any size >= 1 is accepted here; genesis demands 4 to 22."""

    def __init__(self, members: tuple[Validator, ...]) -> None:
        if not members:
            raise ValueError("a validator set has at least one member")
        self.members: Final = members
        self.size: Final = len(members)
        self.hash: Final[Digest] = tagged_hash(TAG_VALIDATORS, encode(members))
        self._index: Final = {PublicKey(m.vote_key): NodeId(i) for i, m in enumerate(members)}
        if len(self._index) != self.size:
            raise ValueError("two validators share a voting key")

    @property
    def faulty(self) -> int:
        """f, the Byzantine members that are tolerated: floor((n - 1) / 3)."""
        return (self.size - 1) // 3

    @property
    def quorum(self) -> int:
        """Votes needed so that any two quorums share at least one honest member: 3 of 4, 4 of 5, 5 of 7.

        floor((n + f) / 2) + 1, own vote included. Not 2f + 1: for n = 5 that is 3, and two quorums of 3 may share only
        the faulty one (S10, pitfall 1).
        """
        return (self.size + self.faulty) // 2 + 1

    def index_of(self, key: bytes) -> NodeId | None:
        """The member with this voting key, or None."""
        return self._index.get(PublicKey(key))

    def key_of(self, node: int) -> PublicKey:
        """The voting key of a member; IndexError for a node that is none."""
        if node < 0:
            raise IndexError(f"node {node}")
        return PublicKey(self.members[node].vote_key)

    def leader(self, view: int, start: int = 0) -> NodeId:
        """leader(epoch, view) = members[(start + view) mod n] (L6, C11; the blacklist comes with epochs)."""
        return NodeId((start + view) % self.size)
