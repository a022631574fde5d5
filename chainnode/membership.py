"""Where this node stands: the epoch that its ledger has reached, its seat in it, and the key that it signs with.

One object per node, changed between two turns of the core when an epoch begins, and read by every room that asks who
the validators are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from consensus.epochs import EpochContext
from ledger.chain import Chain
from points.validators import register
from points.view import View
from primitives.block import header_digest
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.handover import decode_handover
from primitives.hashing import Digest
from primitives.keys import Signature, SigningKey
from primitives.validators import OBSERVER, Epoch, Height, NodeId, ValidatorSet


@dataclass(frozen=True, slots=True)
class Place:
    """`me` is OBSERVER while the node has no seat, or none of its keys is the seat's. `addresses`: "host:port" by seat
    as the chain knows them, "" where genesis leaves them to the configuration."""

    context: EpochContext
    me: NodeId
    key: SigningKey | None
    addresses: tuple[str, ...]

    @property
    def members(self) -> ValidatorSet:
        """The set of the epoch."""
        return self.context.members

    @property
    def sign(self) -> Callable[[bytes], Signature]:
        """The pen; a node without a seat has none, and its core never asks for it."""
        return _no_pen if self.key is None else self.key.sign


def _no_pen(message: bytes) -> Signature:
    raise AssertionError(f"an observer signs nothing, {len(message)} bytes were asked for")


def place_at(genesis: Genesis, chain: Chain, view: View, keys: Sequence[SigningKey]) -> Place:
    """The place after the head of the ledger: `view` is the state there (C8, S11)."""
    found = register(view)
    members = ValidatorSet(found.seats)
    start = chain.header(found.start_height)
    assert start is not None, "the block that an epoch starts from is never pruned"
    context = EpochContext(
        Digest(chain_id(genesis)), Epoch(found.epoch), members, Height(found.start_height), header_digest(start),
        tuple(NodeId(node) for node in found.leaders),
    )  # fmt: skip
    for key in keys:
        seat = members.index_of(key.public_key)
        if seat is not None:
            return Place(context, seat, key, found.addresses)
    return Place(context, OBSERVER, None, found.addresses)


def members_of_epoch(genesis: Genesis, chain: Chain, epoch: int) -> ValidatorSet | None:
    """The set of any epoch that this ledger has begun; None for a later one. Costs a read of the handover."""
    if epoch == 0:
        return validator_set(genesis)
    raw = chain.handover(epoch - 1)
    return None if raw is None else ValidatorSet(decode_handover(raw).seats)


class Membership:
    """The present place. `turn` is called by the node alone, between two turns of its core."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._watchers: Final[list[Callable[[Place], None]]] = []

    @property
    def me(self) -> NodeId:
        """The own seat, or OBSERVER."""
        return self.place.me

    @property
    def members(self) -> ValidatorSet:
        """The validators of the epoch."""
        return self.place.context.members

    def name_of(self, node: int) -> str:
        """For people: the name on a seat, or its number if it is free now."""
        return self.members.at(node).name if node in self.members else f"seat {node}"

    def watch(self, told: Callable[[Place], None]) -> None:
        """`told` hears every new place."""
        self._watchers.append(told)

    def turn(self, place: Place) -> None:
        """A new epoch begins."""
        self.place = place
        for told in self._watchers:
            told(place)
