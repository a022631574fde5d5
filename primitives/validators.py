"""The validator set: who votes, how many votes decide, who leads a view."""

from typing import Final, NewType

from primitives.codec import Blob, Bytes32, Identifier, Record, encode
from primitives.hashing import TAG_VALIDATORS, TAG_VOTE_KEY, Digest, tagged_hash
from primitives.keys import PublicKey

NodeId = NewType("NodeId", int)  # a seat; a member keeps its seat from epoch to epoch
View = NewType("View", int)
Height = NewType("Height", int)  # genesis is 0
Epoch = NewType("Epoch", int)

VALIDATORS_MIN: Final = 4  # below that f = 0 and there is nothing to tolerate
VALIDATORS_MAX: Final = 22  # full mesh; a certificate stays near 1 kB
OBSERVER: Final = NodeId(255)  # a node that follows the chain and has no seat: it signs nothing


class Validator(Record):
    """One voting member: its name, its voting key, and the DER certificate of its transport key (kept apart, T17)."""

    name: Identifier
    vote_key: Bytes32
    transport_certificate: Blob


Seats = tuple[Validator | None, ...]  # position = NodeId; None: the seat is free


class ValidatorSet:
    """The members of one epoch by their seats. Any size >= 1 is accepted here; genesis demands 4 to 22.

    Genesis fills the seats 0 to n - 1. Who leaves frees a seat, who joins takes the lowest free one, so that a NodeId
    means the same member before and after a change of the set; a bitmap of signers counts seats.
    """

    def __init__(self, seats: Seats) -> None:
        self.seats: Final = seats
        self.nodes: Final = tuple(NodeId(i) for i, member in enumerate(seats) if member is not None)
        if not self.nodes:
            raise ValueError("a validator set has at least one member")
        self.size: Final = len(self.nodes)
        self.hash: Final[Digest] = valset_hash(seats)
        self._index: Final = {PublicKey(self.at(node).vote_key): node for node in self.nodes}
        self._names: Final = {self.at(node).name: node for node in reversed(self.nodes)}
        self._occupied: Final = frozenset(self.nodes)  # asked for every message
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

    def __contains__(self, node: int) -> bool:
        return node in self._occupied

    def at(self, node: int) -> Validator:
        """The member on a seat; IndexError for a node that is none."""
        member = self.seats[node] if 0 <= node < len(self.seats) else None
        if member is None:
            raise IndexError(f"node {node} is no validator of this set")
        return member

    def members(self) -> tuple[Validator, ...]:
        """All members in the order of their seats."""
        return tuple(member for member in self.seats if member is not None)

    def index_of(self, key: bytes) -> NodeId | None:
        """The member with this voting key, or None."""
        return self._index.get(PublicKey(key))

    def named(self, name: str) -> NodeId | None:
        """The member of this name, or None."""
        return self._names.get(name)

    def key_of(self, node: int) -> PublicKey:
        """The voting key of a member; IndexError for a node that is none."""
        return PublicKey(self.at(node).vote_key)


def valset_hash(seats: Seats) -> Digest:
    """What headers and votes say about a set: the hash of all seats in their order, free ones included."""
    return tagged_hash(TAG_VALIDATORS, encode(seats))


def vote_key_digest(chain_id: bytes, name: str, vote_key: bytes) -> Digest:
    """What the owner of a new voting key signs with it, and on a change of keys also with the old one: nobody can
    register a key that nobody holds, or the key of another member."""
    return tagged_hash(TAG_VOTE_KEY, encode((chain_id, name, vote_key)))
