"""What a replica knows, and the one place where it signs. The rules that move it are in the modules around."""

from dataclasses import dataclass, field
from typing import Final

from consensus.block_tree import BlockTree
from consensus.detection import Watch
from consensus.epochs import EpochContext
from consensus.events import ALL, Effects
from consensus.journal_records import Committed, JournalRecord, Prepared, Proposed
from consensus.liveness import Clock, InclusionTimer, ProgressTimer
from consensus.messages import BlockRequest, NewView, ViewChange, Vote
from consensus.probation import Place, Probation
from consensus.settings import ReplicaConfig
from consensus.slots import SlotTable
from consensus.view_change import Base, Rank
from primitives.block import Block
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from primitives.validators import Height, NodeId, View

FIRST_VIEW: Final = View(0)
VIEWS_AHEAD: Final = 16  # votes and proposals are kept for views up to here above the current one (S12)
VIEWS_BEHIND: Final = 1  # late COMMITs of the view just left still decide (pitfall 23)


@dataclass(frozen=True, slots=True)
class Tip:
    """The last block prepared, adopted or decided in this view; fresh proposals extend it (S2, C10, C12)."""

    height: Height
    digest: Digest


@dataclass(frozen=True, slots=True)
class Promise:
    """A journaled signature for a block; the record outlives rotations until the ledger has the height (C15)."""

    height: int
    digest: Digest
    record: JournalRecord


@dataclass(slots=True)
class Want:
    """A block that a certificate names and that is not here; asked of one peer after the other."""

    height: Height
    asked: int
    tries: int


@dataclass(slots=True)
class State:
    """Invariants: executed <= decided <= tip.height while active; high is the greatest by (view, height) ever held."""

    config: ReplicaConfig
    decided: Height
    decided_digest: Digest
    decided_certificate: Certificate | None  # of the decided height; after a restart perhaps of one below
    executed: Height
    changed: Height
    tip: Tip
    base: Base
    view: View = FIRST_VIEW
    active: bool = True
    new_view: NewView | None = None
    high: Certificate | None = None
    pending_commit: Certificate | None = None  # decides as soon as its chain is here
    highest_certified: int = 0  # height of any certificate seen: tells how far this node is behind (C12)
    strayed: set[Phase] = field(default_factory=set)  # phases in which this view has seen the last own vote (S2)
    base_vote_due: bool = False  # the base is this view's first vote, and nothing is voted yet (S2, S8)
    tree: BlockTree = field(default_factory=BlockTree)
    slots: SlotTable = field(default_factory=SlotTable)
    view_changes: dict[NodeId, ViewChange] = field(default_factory=dict)  # the highest of each signer (L2)
    verdicts: dict[Digest, bool | None] = field(default_factory=dict)  # of CheckBlock; None: asked
    wants: dict[Digest, Want] = field(default_factory=dict)
    promises: list[Promise] = field(default_factory=list)  # what was signed above the ledger (C15)
    first_seen: dict[Height, int] = field(default_factory=dict)  # clock at the first proposal for the height
    clock: Clock = field(default_factory=Clock)
    pending_batches: int = 0
    ask_build: bool = False
    building: tuple[View, Height, Digest] | None = None
    asked_build: int = 0
    proposed: int = 0  # clock at the last own proposal
    activated: int = 0
    progressed: int = 0
    caught_up_at: int | None = None
    last_status: int | None = None
    status_due: bool = False
    closed: bool = False  # the close block is decided (C8)
    abstains: str | None = None  # why nothing is signed in this epoch (S9, pitfall 44)
    handover_due: bool = False  # a multiple of R was decided in this active view (C11)
    answers: dict[NodeId, tuple[int, int]] = field(default_factory=dict)  # peer -> (clock, count) of STATUS answers
    watch: Watch = field(init=False)
    timer: ProgressTimer = field(init=False)
    inclusion: InclusionTimer = field(init=False)
    probation: Probation = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(self.config.context)
        self.timer = ProgressTimer(self.config.timing)
        self.inclusion = InclusionTimer(self.config.timing)
        self.abstains = self.config.abstains
        needed = self.context.members.quorum - 1 if self.context.is_member(self.me) else 0
        self.probation = Probation(Place(self.view, self.decided), needed)

    @property
    def context(self) -> EpochContext:
        """The epoch."""
        return self.config.context

    @property
    def me(self) -> NodeId:
        """This validator."""
        return self.config.me

    @property
    def votes(self) -> bool:
        """Whether this replica signs at all: a member that does not abstain, in an epoch that is not closed, when
        enough others have spoken since its start (S9, C8)."""
        member = self.context.is_member(self.me)
        return member and self.abstains is None and not self.closed and self.probation.over

    @property
    def window(self) -> int:
        """W (S12)."""
        return self.config.window

    @property
    def behind(self) -> bool:
        """A certificate exists beyond the window: sync and abstain (L8, C12)."""
        return self.highest_certified > self.decided + self.window

    @property
    def leads(self) -> bool:
        """Whether this validator leads the current view."""
        return self.context.leader(self.view) == self.me

    @property
    def certified(self) -> int:
        """The height that a leader can prove by an embedded certificate; the start of the epoch needs none (C9)."""
        known = self.decided_certificate
        start = self.context.start_height
        return start if known is None else max(start, known.height)

    @property
    def high_rank(self) -> Rank:
        """Rank of the highest certificate, (-1, start) without one (C9)."""
        if self.high is None:
            return Rank(-1, self.context.start_height)
        return Rank(self.high.view, self.high.height)

    def raise_high(self, certificate: Certificate) -> None:
        """Remember the certificate if it is the highest by (view, height) (S6, pitfall 21)."""
        if Rank(certificate.view, certificate.height) > self.high_rank:
            self.high = certificate
        self.highest_certified = max(self.highest_certified, certificate.height)

    def move_tip(self, height: int, digest: bytes) -> None:
        """Set the vote tip; the caller made sure that it goes forward (C10)."""
        self.tip = Tip(Height(height), Digest(digest))
        self.progressed = self.clock.now

    def enter(self, view: int, active: bool, new_view: NewView | None) -> None:
        """Stand in another view, or become active in this one. The journal record is the caller's."""
        self.view, self.active, self.new_view = View(view), active, new_view
        self.building = None
        self.ask_build = self.pending_batches > 0
        self.base_vote_due = False
        self.handover_due = False
        self.strayed.clear()
        self.watch.entered(view)
        self.first_seen.clear()
        self.inclusion.restart()
        self.progressed = self.activated = self.clock.now
        self.slots.prune(view - VIEWS_BEHIND, self.decided)
        self.view_changes = {n: m for n, m in self.view_changes.items() if m.summary.view >= view}

    def want(self, height: int, digest: bytes, effects: Effects) -> None:
        """Fetch a certified block by hash, from one peer at a time (S8, pitfall 11)."""
        if Digest(digest) in self.wants or digest in self.tree or height <= self.decided:
            return
        self.wants[Digest(digest)] = want = Want(Height(height), self.clock.now, 0)
        self.ask(Digest(digest), want, effects)

    def ask(self, digest: Digest, want: Want, effects: Effects) -> None:
        """Send the request to the next peer, the leader first."""
        nodes = self.context.members.nodes
        first = nodes.index(self.context.leader(self.view))
        others = [node for node in nodes[first:] + nodes[:first] if node != self.me]
        if others:
            effects.send.append((others[want.tries % len(others)], BlockRequest(digest, self.decided)))
        want.tries, want.asked = want.tries + 1, self.clock.now

    def may_sign(self, phase: Phase, height: int) -> bool:
        """S1, S3, C12, C15: active, not behind, above the decided height, nothing signed in this slot and phase yet."""
        slot = self.slots.get(self.view, height)
        free = slot is None or self.me not in slot.votes(phase)
        return self.votes and self.active and not self.behind and height > self.decided and free

    def _sign(self, phase: Phase, height: int, digest: bytes) -> Vote:
        assert self.may_sign(phase, height), f"S1: a second signature for {phase.name} at {self.view}, {height}"
        draft = Vote(phase, self.context.epoch, self.view, height, digest, self.me, bytes(64))
        signature = self.config.sign(self.context.signed_vote_bytes(draft))
        vote = Vote(phase, self.context.epoch, self.view, height, digest, self.me, signature)
        self.slots.open(self.view, height).votes(phase)[self.me] = vote
        self.probation.signed(self.view, height)
        return vote

    def _promise(self, height: int, digest: bytes, record: JournalRecord, effects: Effects) -> None:
        effects.persist.append(record)
        self.promises.append(Promise(height, Digest(digest), record))

    def prepare(self, height: int, digest: Digest, block: Block | None, effects: Effects) -> None:
        """Sign PREPARE and make the block the tip. block is None only for the base (S2, C13)."""
        vote = self._sign(Phase.PREPARE, height, digest)
        self._promise(height, digest, Prepared(vote, block), effects)
        effects.send.append((ALL, vote))
        self.move_tip(height, digest)

    def commit(self, lock: Certificate, effects: Effects) -> None:
        """Sign COMMIT under the PREPARE certificate that is journaled with it (S4)."""
        vote = self._sign(Phase.COMMIT, lock.height, lock.digest)
        self._promise(lock.height, lock.digest, Committed(vote, lock), effects)
        effects.send.append((ALL, vote))

    def propose(self, record: Proposed, digest: Digest, effects: Effects) -> None:
        """Journal and send an own proposal; its signature is the PREPARE (S0, C1). The caller put it in its slot."""
        height = record.proposal.block.header.height
        self._promise(height, digest, record, effects)
        self.probation.signed(record.proposal.view, height)
        self.proposed = self.clock.now
        effects.send.append((ALL, record.proposal))
        self.move_tip(height, digest)
