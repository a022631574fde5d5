"""Contradictions in what the other validators sign, found while their messages come in; bounded memory.

Two messages that contradict each other need not meet in one slot: a COMMIT and the VIEWCHANGE that hides it are seconds
apart. So of each signer a trail is kept: per view its highest votes and its VIEWCHANGE, for the views around one's own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from consensus.block_tree import BlockTree
from consensus.epochs import EpochContext
from consensus.evidence import (
    LINKS_MAX,
    BrokenChain,
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    Evidence,
    HiddenCommit,
    LateVote,
    Proof,
    accuse,
    place_of,
    votes_in,
)
from consensus.messages import NewView, Summary, Vote
from consensus.slots import SlotTable
from primitives.block import Block, Header
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from primitives.validators import NodeId

VIEWS_KEPT: Final = 16  # on either side of the own view, as for votes (S12)
FOUND_MAX: Final = 4096  # offences remembered as reported; one that is reported again does no harm


@dataclass(slots=True)
class _Trail:
    """One signer. `votes`: the highest per view and phase."""

    votes: dict[tuple[int, Phase], Vote] = field(default_factory=dict)
    changes: dict[int, Summary] = field(default_factory=dict)

    def forget(self, low: int, high: int) -> None:
        self.votes = {key: vote for key, vote in self.votes.items() if low <= key[0] <= high}
        self.changes = {view: change for view, change in self.changes.items() if low <= view <= high}


class Watch:
    """Everything given here has a valid signature and is of the epoch. Each offence is reported once."""

    def __init__(self, context: EpochContext) -> None:
        self._context: Final = context
        self._trails: Final[dict[int, _Trail]] = {}
        self._new_views: dict[int, NewView] = {}
        self._found: dict[tuple[int, ...], None] = {}
        self._view = 0

    def entered(self, view: int) -> None:
        """The own view changed: forget what is far from it."""
        self._view = view
        low, high = view - VIEWS_KEPT, view + VIEWS_KEPT
        for trail in self._trails.values():
            trail.forget(low, high)
        self._new_views = {v: message for v, message in self._new_views.items() if low <= v <= high}
        self._found = {place: None for place in self._found if low <= place[2] <= high}

    def _near(self, view: int) -> bool:
        return abs(view - self._view) <= VIEWS_KEPT

    def double_vote(self, first: Vote, second: Vote) -> list[Evidence]:
        """Two votes of one signer that met in one slot, for different blocks (S1)."""
        return self._report(second.signer, DoubleVote(first, second))

    def certificate(self, certificate: Certificate, slots: SlotTable) -> list[Evidence]:
        """A valid certificate: its signatures are votes, and who voted otherwise in the slot voted twice (S1)."""
        slot = slots.get(certificate.view, certificate.height)
        known = {} if slot is None else slot.votes(certificate.phase)
        others = {node: vote for node, vote in known.items() if vote.digest != certificate.digest}
        found: list[Evidence] = []
        for node, vote in votes_in(certificate).items() if others else ():
            if node in others:
                found += self.double_vote(others[node], vote)
        return found

    def vote(self, vote: Vote) -> list[Evidence]:
        """The first vote of its signer in its slot."""
        if not self._near(vote.view):
            return []
        trail = self._trails.setdefault(vote.signer, _Trail())
        highest = trail.votes.get((vote.view, vote.phase))
        if highest is not None and highest.height >= vote.height:
            return []
        trail.votes[vote.view, vote.phase] = vote
        found: list[Evidence] = []
        for change in list(trail.changes.values()):
            found += self._compare(vote, change)
        return found

    def change(self, change: Summary) -> list[Evidence]:
        """The summary of a VIEWCHANGE, alone or in a NEWVIEW."""
        if not self._near(change.view):
            return []
        trail = self._trails.setdefault(change.signer, _Trail())
        held = trail.changes.setdefault(change.view, change)
        if held is not change:
            differs = (held.high_view, held.high_height, held.high_digest, held.tip_height, held.tip_digest) != (
                change.high_view, change.high_height, change.high_digest, change.tip_height, change.tip_digest,
            )  # fmt: skip
            return self._report(change.signer, DoubleViewChange(held, change)) if differs else []
        found: list[Evidence] = []
        for vote in list(trail.votes.values()):
            found += self._compare(vote, change)
        return found

    def _compare(self, vote: Vote, change: Summary) -> list[Evidence]:
        found: list[Evidence] = []
        hidden = (change.high_view, change.high_height) < (vote.view, vote.height)
        if vote.phase is Phase.COMMIT and vote.view < change.view and hidden:
            found += self._report(vote.signer, HiddenCommit(vote, change))
        if change.view == vote.view + 1 and change.tip_height < vote.height:
            found += self._report(vote.signer, LateVote(vote, change))
        return found

    def new_view(self, message: NewView) -> list[Evidence]:
        """A NEWVIEW with the leader's signature, and the summaries in it."""
        found: list[Evidence] = []
        for summary in message.summaries:
            found += self.change(summary)
        if self._near(message.view):
            held = self._new_views.setdefault(message.view, message)
            if (held.summaries, held.certificate) != (message.summaries, message.certificate):
                found += self._report(self._context.leader(message.view), DoubleNewView(held, message))
        return found

    def decided(self, blocks: tuple[Block, ...], slots: SlotTable, tree: BlockTree) -> list[Evidence]:
        """These heights are decided and their slots about to be forgotten: compare each vote in them with the next one
        of its signer in the same view and phase (S2)."""
        found: list[Evidence] = []
        for block in blocks:
            for view in slots.views_at(block.header.height):
                for lower, higher in _neighbours(slots, view, block.header.height):
                    headers = _links(tree, higher, lower)
                    if headers and headers[-1].parent != lower.digest:
                        found += self._report(lower.signer, BrokenChain(lower, higher, headers))
        return found

    def _report(self, accused: int, proof: Proof) -> list[Evidence]:
        kind, view, *rest = place_of(proof)
        place = (accused, kind, view, *rest)
        if place in self._found:
            return []
        if len(self._found) >= FOUND_MAX:
            del self._found[next(iter(self._found))]
        self._found[place] = None
        return [accuse(self._context, accused, proof)]


def _neighbours(slots: SlotTable, view: int, height: int) -> Iterator[tuple[Vote, Vote]]:
    """Each vote at the height with the next higher one of its signer and phase in the view."""
    above = [slot for slot in slots.of_view(view) if slot.height >= height]
    for phase in Phase:
        votes = [slot.votes(phase) for slot in above]
        for signer in votes[0] if votes and above[0].height == height else {}:
            own = [held[NodeId(signer)] for held in votes if signer in held]
            if len(own) > 1:
                yield own[0], own[1]


def _links(tree: BlockTree, higher: Vote, lower: Vote) -> tuple[Header, ...]:
    """The headers from the higher vote's block down to the height above the lower one; empty if one is not known."""
    if higher.height - lower.height > LINKS_MAX:
        return ()
    headers: list[Header] = []
    digest = Digest(higher.digest)
    for height in range(higher.height, lower.height, -1):
        block = tree.get(digest)
        if block is None or block.header.height != height:
            return ()
        headers.append(block.header)
        digest = Digest(block.header.parent)
    return tuple(headers)
