"""Whether this replica may sign: what others remember of its key, and what it remembers itself (S9, pitfall 44).

A lost or restored disk has forgotten signatures that others hold. So a replica is on probation after every start: it
signs nothing before q - 1 other members have said by STATUS what they have seen of its key. That costs nothing, since
without them nothing is decided either. An honest restart is never caught: all that it signed stands in its journal, or
at heights that its ledger holds in a view not above the journaled one, so no true claim is above its own place.

Claims are unsigned, so f + 1 members must make them; one signature of the own key that this replica did not give, for
a slot that it cannot have forgotten, proves the same alone. What nobody remembers cannot be found out this way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from consensus.messages import Message, NewView, Proposal, Sighting, Status, ViewChange, Vote
from primitives.certificate import Certificate, signer_ids
from primitives.validators import NodeId


class Place(NamedTuple):
    """Order of signatures inside an epoch: by view, then by height; VIEWCHANGE and NEWVIEW stand at height 0."""

    view: int
    height: int


@dataclass(slots=True)
class Probation:
    """Bounded by the members: everything is per seat. Invariant: own is not below any signature of this replica."""

    own: Place
    needed: int  # STATUS of so many others; 0 for one that does not sign anyway
    unvouched: Place | None = None  # the own place of the first start since which nobody vouched for this memory
    recorded: bool = False  # the journal holds that
    heard: set[NodeId] = field(default_factory=set)
    claims: dict[NodeId, Place] = field(default_factory=dict)  # member -> what it has seen of the own seat
    seen: dict[NodeId, Place] = field(default_factory=dict)  # what is told to others

    @property
    def over(self) -> bool:
        """Whether enough others have spoken."""
        return len(self.heard) >= self.needed

    def signed(self, view: int, height: int) -> None:
        """This replica gives a signature."""
        self.own = max(self.own, Place(view, height))

    def sight(self, node: int, view: int, height: int) -> None:
        """A verified signature of a member."""
        place = Place(view, height)
        if place > self.seen.get(NodeId(node), (-1, -1)):
            self.seen[NodeId(node)] = place

    def sight_certificate(self, certificate: Certificate) -> None:
        """The signatures in a verified certificate."""
        for node in signer_ids(certificate.signers):
            self.sight(node, certificate.view, certificate.height)

    def sight_message(self, message: Message, leader: Callable[[int], NodeId]) -> None:
        """What a verified message proves that its signers signed, apart from certificates; `leader` of a view."""
        match message:
            case Proposal():
                self.sight(leader(message.view), message.view, message.block.header.height)
            case Vote():
                self.sight(message.signer, message.view, message.height)
            case ViewChange():
                self.sight(message.summary.signer, message.summary.view, 0)
            case NewView():
                for node in (leader(message.view), *(summary.signer for summary in message.summaries)):
                    self.sight(node, message.view, 0)
            case _:
                pass

    def sightings(self) -> tuple[Sighting, ...]:
        """For STATUS, by seat."""
        return tuple((node, *place) for node, place in sorted(self.seen.items()))

    def hear(self, sender: NodeId, status: Status, me: NodeId) -> None:
        """Another member speaks; its last word about this seat counts."""
        self.heard.add(sender)
        for seat, view, height in status.seen:
            if seat == me:
                self.claims[sender] = Place(view, height)

    def amnesia(self, faulty: int) -> str | None:
        """A sentence if more than f members have seen more of this key than this replica remembers (pitfall 44)."""
        above = {node: place for node, place in self.claims.items() if place > self.own}
        if len(above) <= faulty:
            return None
        lowest = min(above.values())
        return (
            f"S9: nodes {sorted(above)} hold signatures of this voting key up to view {lowest.view} height "
            f"{lowest.height}, this directory knows of none above view {self.own.view} height {self.own.height}: it is "
            "wiped, restored or of another node, so it signs nothing in this epoch"
        )
