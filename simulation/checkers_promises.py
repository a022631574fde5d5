"""What one honest member has made durable, over all its lives in one epoch, and the rules between these promises."""

from dataclasses import dataclass, field
from typing import assert_never

from consensus.epochs import EpochContext
from consensus.journal_records import (
    Abstained,
    Committed,
    EnteredView,
    JournalRecord,
    LeftView,
    OnProbation,
    Position,
    Prepared,
    Proposed,
    SawCertificate,
    Strayed,
    Trusted,
)
from consensus.messages import Message, NewView, Proposal, ViewChange, Vote
from primitives.block import header_digest
from primitives.certificate import Certificate, Phase, Verify, verify_certificate
from primitives.codec import encode
from primitives.hashing import Digest

Slot = tuple[int, int, int]  # phase, view, height
Rank = tuple[int, int]  # view, height


def tell(vote: Vote) -> str:
    """A vote in a few words."""
    return f"{vote.phase.name} {vote.view}/{vote.height} {vote.digest.hex()[:8]}"


def epoch_of(record: JournalRecord) -> int:
    """The epoch that a record belongs to."""
    match record:
        case Proposed(proposal):
            return proposal.block.header.epoch
        case Prepared(vote) | Committed(vote):
            return vote.epoch
        case LeftView(view_change):
            return view_change.summary.epoch
        case EnteredView(new_view):
            return new_view.epoch
        case SawCertificate(certificate):
            return certificate.epoch
        case Position() | Strayed() | OnProbation() | Trusted() | Abstained():
            return record.epoch


@dataclass
class Promises:
    """`node` names it in sentences, `seat` is its number in the set of the epoch."""

    context: EpochContext
    verify: Verify
    node: int
    seat: int
    records: set[bytes] = field(default_factory=set)
    former: set[bytes] = field(default_factory=set)  # judged before it was forgiven; they bind if they are on its disk
    votes: dict[Slot, bytes] = field(default_factory=dict)
    proposals: dict[tuple[int, int], Digest] = field(default_factory=dict)
    view_changes: dict[int, bytes] = field(default_factory=dict)
    new_views: dict[int, bytes] = field(default_factory=dict)
    before: "Promises | None" = None  # what it signed before it was forgiven
    forgetful: bool = False  # the disk lacks some of these since the last start
    view: int = 0
    left: int = 0  # nothing below this view is signed any more
    base: dict[int, tuple[int, Digest]] = field(default_factory=dict)  # view -> height and digest it starts from
    prepared: dict[int, int] = field(default_factory=dict)  # view -> highest height prepared
    strayed: set[tuple[int, int]] = field(default_factory=set)  # view and phase in which it votes no more
    lock: Rank = (-1, 0)  # the highest lock that it committed under or named in a VIEWCHANGE

    def add(self, record: JournalRecord) -> None:
        """The order of durable promises keeps S1, S2, S3, S4, S6; a record may come again after a restart."""
        raw = encode(record)
        if raw in self.records:
            return
        self.records.add(raw)
        match record:
            case Proposed(proposal):
                self._proposed(proposal)
            case Prepared(vote, block):
                self._prepared(vote, None if block is None else block.header.proposer)
            case Committed(vote, lock):
                self._committed(vote, lock)
            case LeftView(view_change):
                self._left(view_change)
            case EnteredView(new_view):
                self._entered(new_view)
            case SawCertificate(certificate):
                self._moves_to(certificate.view)
            case Strayed(_, view, phase):
                self.strayed.add((view, phase))
            case Position() | OnProbation() | Trusted() | Abstained():
                pass
            case _:
                assert_never(record)

    def find(self, record: JournalRecord) -> None:
        """A disk holds this record at a start. What was judged when it was written binds and is not judged again: a
        rotation changes the order, and an old backup brings what came before later promises."""
        if encode(record) in self.records or encode(record) in self.former:
            self.recall(record)
        else:
            self.add(record)  # written just before a power cut

    def recall(self, record: JournalRecord) -> None:
        """It binds, in whatever order it comes."""
        self.records.add(encode(record))
        match record:
            case Proposed(proposal):
                header = proposal.block.header
                self.proposals[proposal.view, header.height] = header_digest(header)
                self._holds(self._own_prepare(proposal))
            case Prepared(vote):
                self._holds(vote)
            case Committed(vote, lock):
                self._holds(vote)
                self.lock = max(self.lock, (lock.view, lock.height))
            case LeftView(view_change):
                summary = view_change.summary
                self.view_changes[summary.view] = encode(summary)
                self.lock = max(self.lock, (summary.high_view, summary.high_height))
                self._moves_to(summary.view)
            case EnteredView(new_view):
                self.new_views[new_view.view] = encode(new_view)
                self.base[new_view.view] = self._base(new_view.certificate)
                self._moves_to(new_view.view)
            case SawCertificate(certificate):
                self._moves_to(certificate.view)
            case Position():
                self._moves_to(record.view)
            case Strayed(_, view, phase):
                self.strayed.add((view, phase))
            case OnProbation() | Trusted() | Abstained():
                pass
            case _:
                assert_never(record)

    def exceeds(self, disk: "Promises", height: int) -> bool:
        """Whether a machine with this disk and a ledger up to `height` has forgotten any of these promises. In views
        below its own it signs nothing any more, nor at heights of the ledger (S3, C15): a rotation drops those."""
        views = {view for view in self.new_views if view not in disk.new_views}
        views |= {view for view, phase in self.strayed - disk.strayed}
        views |= {view for phase, view, at in self.votes.keys() - disk.votes.keys() if at > height}
        return self.left > disk.left or any(view >= disk.left for view in views)

    def check_sent(self, message: Message) -> None:
        """What it signed itself leaves only as it is on its disk (S1, S9)."""
        if self._signed_before(message):
            return
        node = self.node
        match message:
            case Vote() if message.signer == self.seat:
                durable = self.votes.get((message.phase, message.view, message.height))
                assert durable is not None, f"S9: node {node} sends {tell(message)} that is not on its disk"
                assert durable == encode(message), f"S1: node {node} sends {tell(message)}, another one is on its disk"
            case Proposal() if self.context.leader(message.view) == self.seat:
                height, digest = message.block.header.height, header_digest(message.block.header)
                assert self.proposals.get((message.view, height)) == digest, (
                    f"S9: node {node} sends a proposal for {message.view}/{height} not on its disk"
                )
            case ViewChange() if message.summary.signer == self.seat:
                assert self.view_changes.get(message.summary.view) == encode(message.summary), (
                    f"S9: node {node} sends VIEWCHANGE {message.summary.view} not on its disk"
                )
            case NewView() if self.context.leader(message.view) == self.seat:
                assert self.new_views.get(message.view) == encode(message), (
                    f"S9: node {node} sends NEWVIEW {message.view} not on its disk"
                )
            case _:
                pass

    def _signed_before(self, message: Message) -> bool:
        """It passes on what others brought back: a signature of the time before it was forgiven is no new one."""
        known = self.before
        if known is None:
            return False
        match message:
            case Vote():
                own = known.votes.get((message.phase, message.view, message.height)) == encode(message)
            case Proposal():
                header = message.block.header
                own = known.proposals.get((message.view, header.height)) == header_digest(header)
            case ViewChange():
                own = known.view_changes.get(message.summary.view) == encode(message.summary)
            case NewView():
                own = known.new_views.get(message.view) == encode(message)
            case _:
                own = False
        return own or known._signed_before(message)

    def _moves_to(self, view: int) -> None:
        self.view, self.left = max(self.view, view), max(self.left, view)

    def _proposed(self, proposal: Proposal) -> None:
        header = proposal.block.header
        digest, height = header_digest(header), header.height
        assert self.proposals.setdefault((proposal.view, height), digest) == digest, (
            f"S1: node {self.node} proposes twice at {proposal.view}/{height}"
        )
        self._prepared(self._own_prepare(proposal), header.proposer)

    def _own_prepare(self, proposal: Proposal) -> Vote:
        header = proposal.block.header
        digest = header_digest(header)
        return Vote(Phase.PREPARE, header.epoch, proposal.view, header.height, digest, self.seat, proposal.signature)

    def _holds(self, vote: Vote) -> None:
        self.votes[vote.phase, vote.view, vote.height] = encode(vote)
        if vote.phase is Phase.PREPARE:
            self.prepared[vote.view] = max(self.prepared.get(vote.view, 0), vote.height)

    def _entered(self, new_view: NewView) -> None:
        raw = encode(new_view)
        signs = self.context.leader(new_view.view) == self.seat and self.new_views.get(new_view.view) != raw
        # To enter is to follow, no signature: who forgot its view cannot know better. What it signs is judged as ever.
        follows = self.forgetful and not signs
        assert follows or new_view.view >= self.view, f"S3: node {self.node} goes back to view {new_view.view}"
        assert follows or self.new_views.get(new_view.view, raw) == raw, (
            f"S7: node {self.node} enters {new_view.view} twice"
        )
        self.new_views[new_view.view] = raw
        self.view, self.left = new_view.view, max(self.left, new_view.view)
        self.base[new_view.view] = self._base(new_view.certificate)

    def _base(self, certificate: Certificate | None) -> tuple[int, Digest]:
        if certificate is None:
            return self.context.start_height, self.context.start_digest
        return certificate.height, Digest(certificate.digest)

    def _sign(self, vote: Vote) -> None:
        slot = (vote.phase, vote.view, vote.height)
        before = self.votes.setdefault(slot, encode(vote))
        assert before == encode(vote), f"S1: node {self.node} signs {tell(vote)} and a different one in the same slot"

    def _active_in(self, vote: Vote) -> None:
        assert vote.view >= self.left, f"S3: node {self.node} signs {tell(vote)} after leaving for view {self.left}"
        assert vote.view == 0 or vote.view in self.new_views, (
            f"S3: node {self.node} signs {tell(vote)} without its NEWVIEW"
        )
        assert (vote.view, vote.phase) not in self.strayed, f"S2: node {self.node} signs {tell(vote)} after it strayed"

    def _prepared(self, vote: Vote, proposer: int | None) -> None:
        if (vote.phase, vote.view, vote.height) in self.votes:
            self._sign(vote)
            return
        self._active_in(vote)
        self._sign(vote)
        height, digest = self.base.get(vote.view, (self.context.start_height, self.context.start_digest))
        assert vote.height >= height, f"S2: node {self.node} signs {tell(vote)} below the base at {height}"
        assert vote.height > height or vote.digest == digest, f"S2: node {self.node} signs {tell(vote)}, not the base"
        last = self.prepared.get(vote.view, height - 1)
        assert vote.height > last, f"S2: node {self.node} signs {tell(vote)} after height {last}"
        self.prepared[vote.view] = vote.height
        if vote.height > height and proposer is not None:
            leader = self.context.leader(vote.view)
            assert proposer == leader, f"C13: node {self.node} signs {tell(vote)} of {proposer}, leader is {leader}"

    def _committed(self, vote: Vote, lock: Certificate) -> None:
        if (vote.phase, vote.view, vote.height) not in self.votes:
            self._active_in(vote)
        self._sign(vote)
        same = (lock.view, lock.height, lock.digest) == (vote.view, vote.height, vote.digest)
        assert same and lock.phase is Phase.PREPARE, (
            f"S4: node {self.node} signs {tell(vote)} with a lock for {lock.height}"
        )
        assert verify_certificate(lock, self.context.chain_id, self.context.members, self.verify), f"S4: {tell(vote)}"
        self.lock = max(self.lock, (lock.view, lock.height))

    def _left(self, view_change: ViewChange) -> None:
        summary = view_change.summary
        raw = encode(summary)
        before = self.view_changes.setdefault(summary.view, raw)
        assert before == raw, f"S6: node {self.node} signs two VIEWCHANGEs for view {summary.view}"
        rank = (summary.high_view, summary.high_height)
        late = summary.view < self.left  # of an older view, read again after a restart
        assert rank >= self.lock or late, (
            f"S6: node {self.node} leaves for {summary.view} with {rank}, its lock is {self.lock}"
        )
        self.lock = max(self.lock, rank)
        self._moves_to(summary.view)
