"""What stands between the core and the world: events in, effects out, in the order persist, send, decide (S9).

A turn steps the core with everything that waits and writes all its promises to the journal (`begin`); whoever runs the
turn then syncs the journal, and only then lets the rest happen (`end`). While the disk works, the next turn's events
gather: that is the group commit. There is no clock, thread or socket here; turns.py and the simulator run the turns.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from chainnode.announcements import Announcements
from chainnode.batches import BatchStore
from chainnode.block_checks import BlockChecks
from chainnode.bodies import Bodies
from chainnode.builder import BlockBuilder
from chainnode.clock import Clock
from chainnode.journal_entries import ROTATE_BYTES, batch_entry, record_entry
from chainnode.namings import Naming
from chainnode.vote_desk import VoteDesk
from consensus.events import (
    ALL,
    BlockBuilt,
    BlockChecked,
    BuildBlock,
    CatchUp,
    CheckBlock,
    Decided,
    Effects,
    Event,
    Pending,
    Received,
)
from consensus.evidence import Evidence
from consensus.journal_records import SawCertificate
from consensus.messages import Message, Vote
from consensus.replica import Replica
from ledger.journal import Journal
from primitives.block import Block, header_digest
from primitives.certificate import Certificate
from primitives.hashing import Digest
from primitives.validators import NodeId

TURN_EVENTS_MAX: Final = 512  # then sync and send, however much still waits

Watch = Callable[[Replica, Event, Effects], None]


class Links(Protocol):
    """What the driver needs of the mesh."""

    def send(self, node: NodeId, message: Message) -> bool: ...

    def broadcast(self, message: Message) -> int: ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn came to. `written`: the journal has records that are not synced yet."""

    effects: Effects
    written: bool


class Driver:
    """Owns the core and the journal of one node."""

    def __init__(
        self, replica: Replica, journal: Journal, store: BatchStore, bodies: Bodies, checks: BlockChecks,
        builder: BlockBuilder, announcements: Announcements, clock: Clock, clock_ms: Callable[[], int], links: Links,
        votes: VoteDesk, *,
        on_work: Callable[[], None],
        on_decided: Callable[[Decided], None],
        on_missing: Callable[[Block, list[Digest]], None],
        on_catch_up: Callable[[CatchUp], None],
        on_violation: Callable[[NodeId, str], None],
        on_evidence: Callable[[Evidence], None],
        on_fork: Callable[[Certificate], None],
    ) -> None:  # fmt: skip
        """`clock` is that of block times, `clock_ms` that of timers. on_work: a turn is due now; called
        again and again until one begins."""
        self.replica = replica
        self._journal: Final = journal
        self._store: Final = store
        self._bodies: Final = bodies
        self._checks: Final = checks
        self._builder: Final = builder
        self._announcements: Final = announcements
        self._clock: Final = clock
        self._clock_ms: Final = clock_ms
        self._links: Final = links
        self._votes: Final = votes
        self._unheard = False  # votes came since the last turn began
        self._on_work: Final = on_work
        self._on_decided: Final = on_decided
        self._on_missing: Final = on_missing
        self._on_catch_up: Final = on_catch_up
        self._on_violation: Final = on_violation
        self._on_evidence: Final = on_evidence
        self._on_fork: Final = on_fork
        self._inbox: Final[deque[Event]] = deque()
        self._between: Final[deque[Callable[[], None]]] = deque()
        self._journaled: Final[set[Digest]] = set()  # batches in the present journal file
        self._to_journal: Final[list[bytes]] = []  # entries of bodies, for the next append
        self._named: Final[dict[Digest, Block]] = {}  # blocks whose bodies the store must keep
        self._taken: Final[set[Digest]] = set()  # batches of decided blocks that are not executed
        self._told: tuple[int, Digest | None] = (-1, None)
        self._unexecuted: Final[deque[Decided]] = deque()
        self.watch: Watch | None = None  # hears of every step: for who checks what the core promises
        self.rotate_bytes = ROTATE_BYTES  # the journal is rotated above this size
        self.force_block = False  # a set test clock wants a block, even an empty one

    # ---- what others tell it

    def post(self, event: Event) -> None:
        """An event for the core, in the order in which they come."""
        self._inbox.append(event)
        self._on_work()

    def hear_vote(self, sender: NodeId, vote: Vote) -> None:
        """A vote whose signature is not verified yet (verification.vote_fault); one that is known is dropped."""
        if self.replica.holds(vote):
            return
        if self._votes.take(sender, vote, self.replica.votes_missing(vote)):
            self._unheard = True
            self._on_work()

    def between_turns(self, action: Callable[[], None]) -> None:
        """Do this when no turn is open: neither is an event half done nor a record half written."""
        self._between.append(action)
        self._on_work()

    def bodies_changed(self) -> None:
        """A batch came or left: open questions may have an answer, and the core learns what waits."""
        self._answer_checks()
        self.tell_pending()

    def tell_pending(self) -> None:
        """Give the core a Pending if it differs from the last one."""
        told = (self._store.waiting(self._taken) + self.force_block, self._announcements.oldest(self._taken))
        if told != self._told:
            self._told = told
            self.post(Pending(*told))

    def restored(self, batches: list[Digest]) -> None:
        """These bodies are in the journal already; the blocks that the core promised keep them."""
        self._journaled.update(batches)
        for block in self.replica.promised_blocks():
            self._name(block)

    def due_announcement(self, now_ms: int) -> tuple[Digest, ...]:
        """Batches to tell everybody about now; they count for the inclusion timer from then on (C7)."""
        return self._announcements.due(now_ms, self._taken)

    def executed(self, decided: Decided) -> None:
        """The block is in the ledger; its bodies are served from there. The Executed event is posted by the caller."""
        digest = header_digest(decided.block.header)
        digests = [Digest(d) for d in decided.block.batch_digests]
        self._store.executed(digest, digests, Naming(decided.height, decided.block.header.time_ms // 1000))
        self._named.pop(digest, None)
        while self._unexecuted and self._unexecuted[0].height <= decided.height:
            self._unexecuted.popleft()
        self._taken.difference_update(digests)
        self._answer_checks()
        self.tell_pending()

    def refused(self, check: CheckBlock, reason: str) -> None:
        """The content of a proposal is not acceptable; its leader answers for it."""
        self._on_violation(NodeId(check.block.header.proposer), reason)

    # ---- turns

    @property
    def idle(self) -> bool:
        """Nothing waits: no turn would do anything."""
        return not (self._inbox or self._between or self._unheard)

    def begin(self) -> Turn:
        """Step the core with what waits and write its promises. Sync the journal if `written`, then call `end`.

        Raises: FatalError from the journal; then nothing more may be signed or sent, the node stops.
        """
        while self._between:
            self._between.popleft()()
        turn = Effects()
        self._unheard = False
        if len(self._inbox) >= TURN_EVENTS_MAX:  # this turn does not come to the votes behind it, nor might the next
            self._inbox.extendleft(Received(*one) for one in self._votes.due(self.replica))
        for _ in range(TURN_EVENTS_MAX):
            if not self._inbox:
                self._inbox.extend(Received(*one) for one in self._votes.due(self.replica))
            if not self._inbox:
                break
            event = self._inbox.popleft()
            effects = self.replica.step(event)
            if self.watch is not None:
                self.watch(self.replica, event, effects)
            self._merge(turn, effects)
        entries = self._to_journal + [record_entry(record) for record in turn.persist]
        self._to_journal.clear()
        if entries:
            self._journal.append(entries)
        return Turn(turn, bool(entries))

    def end(self, turn: Turn) -> None:
        """The journal is synced: carry the effects out."""
        effects = turn.effects
        for recipient, message in effects.send:
            if recipient == ALL:
                self._links.broadcast(message)
            else:
                self._links.send(recipient, message)
        for decided in effects.decide:
            self._on_decided(decided)
        for catch_up in effects.fetch[-1:]:
            self._on_catch_up(catch_up)
        for sender, reason in effects.violations:
            self._on_violation(sender, reason)
        for evidence in effects.evidence:
            self._on_evidence(evidence)
        for certificate in effects.forks:
            self._on_fork(certificate)
        if self._journal.size > self.rotate_bytes:
            self._rotate()

    def open_epoch(self, replica: Replica) -> None:
        """Go on with the core of the next epoch; call it through `between_turns`, the close block is in the ledger.

        What the old core was told or asked is void (S11): everything undecided is gone, every batch that is held
        waits again. The journal begins anew with the new position, so that a restart forgets the old votes.
        """
        self.replica = replica
        self._inbox.clear()
        self._votes.clear()
        self._checks.clear()
        for digest in list(self._named):
            del self._named[digest]
            self._store.release(digest)
        self._taken.clear()
        self._told = (-1, None)
        self._rotate()
        self.tell_pending()

    def _merge(self, turn: Effects, effects: Effects) -> None:
        """Collect one step's effects; what only concerns this node is answered at once, within the same turn."""
        turn.persist += effects.persist
        turn.send += effects.send
        turn.fetch += effects.fetch
        turn.violations += effects.violations
        turn.evidence += effects.evidence
        turn.forks += effects.forks
        if effects.decide:
            self._decide(turn, effects.decide)
        for check in effects.check:
            self._open(check)
        if effects.check:
            self._answer_checks()
        for build in effects.build:
            self._build(build)

    def _decide(self, turn: Effects, decisions: list[Decided]) -> None:
        turn.decide += decisions
        last = decisions[-1]
        if len(decisions) > 1:  # a crash between the two must not leave a head without any certificate (C15)
            turn.persist.append(SawCertificate(last.certificate))
        for decided in decisions:
            self._name(decided.block)
            self._taken.update(Digest(d) for d in decided.block.batch_digests)
            self._unexecuted.append(decided)
        self._checks.forget_below(last.height)
        final = {header_digest(d.block.header) for d in self._unexecuted}
        for digest in [d for d, b in self._named.items() if b.header.height <= last.height and d not in final]:
            del self._named[digest]
            self._store.release(digest)
        self.tell_pending()

    def _name(self, block: Block) -> None:
        digest = header_digest(block.header)
        self._named[digest] = block
        self._store.name(digest, [Digest(d) for d in block.batch_digests])

    def _open(self, check: CheckBlock) -> None:
        self._checks.add(check)
        self._name(check.block)
        missing = self._bodies.missing(check.block)
        if missing:
            self._on_missing(check.block, missing)

    def _answer_checks(self) -> None:
        for check, acceptable in self._checks.evaluate():
            if acceptable:  # C1: not later than the vote that this answer allows
                acceptable = self._journal_bodies(check.block)
            self.post(BlockChecked(check.digest, acceptable))

    def _build(self, request: BuildBlock) -> None:
        ancestors = {Digest(d) for block in request.undecided for d in block.batch_digests}
        candidates = self._store.candidates(self._taken | ancestors)
        block = self._builder.build(request, candidates, self._clock.now_ms(), self.force_block)
        if block is not None:
            self.force_block = False
            self._name(block)
            journaled = self._journal_bodies(block)
            assert journaled, "it is made of what the store holds"
        self._inbox.appendleft(BlockBuilt(request.view, request.height, block))

    def _journal_bodies(self, block: Block) -> bool:
        """False if one was pruned at this moment: nobody has to keep what an old block brought."""
        now_ms = self._clock_ms()
        for digest in map(Digest, block.batch_digests):
            raw = self._bodies.raw(digest)
            if raw is None:
                return False
            self._store.keep_certified(digest, raw, now_ms)  # of the ledger's: it may prune them before the block comes
            if digest not in self._journaled:
                self._journaled.add(digest)
                self._to_journal.append(batch_entry(raw))
        return True

    def _rotate(self) -> None:
        """A journal with what still matters: bodies and records above the ledger (C15)."""
        digests = {Digest(d): None for block in self._named.values() for d in block.batch_digests}
        held = {digest: raw for digest in digests if (raw := self._bodies.raw(digest)) is not None}
        records = list(self.replica.journal_snapshot())
        if len(self._unexecuted) > 1:
            records.append(SawCertificate(self._unexecuted[-1].certificate))
        entries = [batch_entry(raw) for raw in held.values()] + [record_entry(record) for record in records]
        self._journal.rotate(entries)
        self._journaled.clear()
        self._journaled.update(held)
