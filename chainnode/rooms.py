"""All rooms of a node, wired: what happens between a message that came in and the ledger that has its effect.

Nothing here waits, reads a clock or owns a thread. The node (node.py) and the simulator run the same rooms: they call
`tick`, the driver's turns and the queue's work, and bring what came from links and clients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from chainnode.announcements import Announcements
from chainnode.batches import BatchLimits, BatchStore, Candidate, HeldBatch
from chainnode.block_checks import BlockChecks
from chainnode.bodies import Bodies
from chainnode.builder import BlockBuilder
from chainnode.catchup import CatchUpClient
from chainnode.clock import Clock
from chainnode.driver import Driver
from chainnode.evidence_book import EvidenceBook
from chainnode.execution_queue import ExecutionQueue, Timing
from chainnode.executor import Execution, Executor
from chainnode.inbound import Inbound, Intake
from chainnode.membership import Membership, Place, members_of_epoch, place_at
from chainnode.mempool import Mempool, MempoolLimits, Packed
from chainnode.peer_messages import BATCHES_ASKED_MAX, BATCHES_TOLD_MAX, BatchBytes, BatchesHeld, BatchRequest
from chainnode.restart import ledger_head, restore
from chainnode.signatures import VerifyAll, verify_each
from chainnode.vote_desk import VoteDesk
from chainnode.wire import Message
from consensus.epochs import EpochContext
from consensus.events import CatchUp, CheckBlock, Decided, Executed, Pending, Received, Tick
from consensus.evidence import Evidence
from consensus.messages import ViewChange
from consensus.replica import Replica
from consensus.settings import ReplicaConfig
from consensus.settings import Timing as Timers
from ledger.chain import Chain
from ledger.evidence_shelf import EvidenceShelf
from ledger.journal import Journal
from ledger.state_tree import StateTree
from primitives.block import Block
from primitives.certificate import Certificate, Verify, verify_certificate
from primitives.genesis import Genesis, Limits, chain_id
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import SigningKey
from primitives.validators import OBSERVER, VALIDATORS_MAX, Epoch, Height, NodeId

FLUSH_MS: Final = 25  # above what transactions wait for company, so that under a steady load no block is empty
VIOLATION_COST: Final = 100  # of a peer's budget of 1,000: ten broken rules within seconds end the link


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the rooms stand on, open and checked. `abstains_in`: the directory is a copy without memory of the votes up
    to this epoch, so the node must not sign in any of them (S9, pitfall 44)."""

    chain: Chain
    tree: StateTree
    journal: Journal
    journal_records: Sequence[bytes]
    abstains_in: int | None = None


class Links(Protocol):
    """What the rooms need of the mesh."""

    def send(self, node: NodeId, message: Message) -> bool: ...

    def broadcast(self, message: Message) -> int: ...

    def connected(self) -> list[NodeId]: ...

    def charge(self, node: NodeId, cost: int, reason: str) -> bool: ...

    def ban(self, node: NodeId, reason: str) -> None: ...


class Surroundings(Protocol):
    """What happens around the rooms; called from inside them, so it must be quick."""

    def driver_due(self) -> None:
        """A turn of the driver is due."""
        ...

    def queue_due(self) -> None:
        """A decided block may be ready to execute."""
        ...

    def pack_due(self) -> None:
        """There may be room for another batch of this node."""
        ...

    def executed(self, execution: Execution, decided: Decided, took: Timing, expired: Sequence[Digest]) -> None:
        """A block is in the ledger; the pool gave up `expired`."""
        ...

    def blamed(self, name: str, reason: str) -> None:
        """A validator broke a rule."""
        ...

    def accused(self, name: str, evidence: Evidence) -> None:
        """A validator signed what it must not."""
        ...

    def forked(self, certificate: Certificate) -> None:
        """A quorum certified another chain than the one that is decided here: stop, and keep the proof (T24)."""
        ...

    def starved(self, name: str, batch: Digest) -> None:
        """A validator leaves a view whose leader passed over this batch (L7)."""
        ...

    def turned(self, place: Place) -> None:
        """An epoch begins."""
        ...


_NO_MEMORY: Final = (
    "this directory is a copy without memory of the votes of this epoch; the node votes again in the next one, "
    "or after hnchain node rotate-key"
)


def batch_limits(limits: Limits) -> BatchLimits:
    """Of the batch store: what the network allows, and what may be asked for at once."""
    wanted = limits.window * limits.block_batches + BATCHES_TOLD_MAX * VALIDATORS_MAX
    return BatchLimits(limits.batch_transactions, limits.batch_bytes, wanted=wanted)


class Rooms:
    """The rooms of one node. Its attributes are public: the shells and the tests look into them."""

    def __init__(
        self, genesis: Genesis, ledger: Ledger, keys: Callable[[], Sequence[SigningKey]], pool: MempoolLimits,
        clock: Clock, clock_ms: Callable[[], int], links: Links, around: Surroundings, verify: Verify,
        make_intake: Callable[["Rooms"], Intake], verify_votes: VerifyAll | None = None,
    ) -> None:  # fmt: skip
        """`clock` is the wall clock of block times, `clock_ms` the monotonic one of timers; `verify` may remember;
        `keys` are asked for whenever an epoch begins: the next key may have come meanwhile; `verify_votes`: a faster
        way to the verdicts of `verify` on several."""
        limits = genesis.limits
        self.genesis: Final = genesis
        self.chain: Final = ledger.chain
        self._keys: Final = keys
        self._clock: Final = clock
        self._clock_ms: Final = clock_ms
        self._links: Final = links
        self._around: Final = around
        self._verify: Final = verify
        self._abstains_in: Final = ledger.abstains_in
        self.identity: Final = Digest(chain_id(genesis))
        self.executor: Final = Executor(ledger.chain, ledger.tree, self.identity)
        self.membership: Final = Membership(place_at(genesis, ledger.chain, self.executor.cache, keys()))
        me = self.membership.me
        self.store: Final = BatchStore(me, batch_limits(limits))
        self.store.namings.load(ledger.chain)
        self.store.expire(self.executor.time_s)
        self.mempool: Final = Mempool(me, pool, first_sequence=clock.now_ms())
        self.bodies: Final = Bodies(self.store, ledger.chain)
        self.announcements: Final = Announcements(self.store)
        self.checks: Final = BlockChecks(self.executor, self.store, self.bodies, limits, clock, self._block_refused)
        self.evidence: Final = EvidenceBook(
            EvidenceShelf(ledger.chain.store), self.context_of, verify, links, self._accused
        )
        replica, restored = restore(
            self._config(self.membership.place), ledger.chain, list(ledger.journal_records), self.store, clock_ms()
        )
        self.votes: Final = VoteDesk(
            verify_votes or partial(verify_each, verify), lambda: self.membership.place.context, links.ban
        )
        self.driver: Final = Driver(
            replica, ledger.journal, self.store, self.bodies, self.checks,
            BlockBuilder(self.membership, limits, self.executor), self.announcements, clock, clock_ms, links,
            self.votes, on_work=around.driver_due, on_decided=self._decided, on_missing=self._ask_for,
            on_catch_up=self._catch_up, on_violation=self._violation, on_evidence=self.evidence.found,
            on_fork=around.forked,
        )  # fmt: skip
        self.driver.restored(restored)
        self.queue: Final = ExecutionQueue(
            self.executor, self.bodies, around.queue_due, self._ask_for, self._executed
        )
        self.catchup: Final = CatchUpClient(
            links, self.store, self.certificate_valid, decided=lambda: self.driver.replica.decided,
            executed=lambda: self.executor.height, on_synced=self.driver.post, on_liar=self._violation,
            on_bodies=self._bodies_came,
        )  # fmt: skip
        self.intake: Final = make_intake(self)
        self.inbound: Final = Inbound(
            self.membership, verify, self.intake, self.store, self.bodies, ledger.chain, self.catchup,
            self.announcements, self.evidence, links,
            decided=lambda: self.driver.replica.decided, post=self._heard, hear_vote=self.driver.hear_vote,
            clock_ms=clock_ms,
        )  # fmt: skip

    def _config(self, place: Place) -> ReplicaConfig:
        limits = self.genesis.limits
        forgot = self._abstains_in is not None and place.context.epoch <= self._abstains_in
        return ReplicaConfig(
            place.context, place.me, place.sign, limits.window,
            Timers(progress_ms=limits.progress_ms, inclusion_ms=limits.inclusion_ms, flush_ms=FLUSH_MS),
            handover_blocks=limits.handover_blocks, abstains=_NO_MEMORY if forgot else None,
        )  # fmt: skip

    # ---- what the shell brings

    def start(self) -> None:
        """Give the core its first events; once, before anything else."""
        self.driver.post(Tick(self._clock_ms()))
        self.driver.post(Pending(0))
        self.driver.bodies_changed()

    def tick(self) -> None:
        """Time passes: at least every 25 ms."""
        now = self._clock_ms()
        self.votes.tick()
        self.driver.post(Tick(now))
        for node, digests in self.store.requests(now, BATCHES_ASKED_MAX):
            self._links.send(node, BatchRequest(digests))
        self.catchup.tick(now)
        told = self.driver.due_announcement(now)
        if told:
            self._links.broadcast(BatchesHeld(told))
            self.driver.tell_pending()
        self.evidence.tick(now)

    def pack(self) -> bool:
        """Turn pooled transactions into a batch if one is due and this node has room for it (C5). Whether it did."""
        if not self.store.own_room():
            return False
        packed = self.mempool.pack(self._clock_ms(), self.store.own_busy)
        if packed is not None:
            self.publish(packed)
        return packed is not None

    def publish(self, packed: Packed) -> None:
        """A batch of this node goes to everybody."""
        self.store.add_own(packed, self._clock_ms())
        self._links.broadcast(BatchBytes(packed.raw))
        self.driver.bodies_changed()

    def batch_held(self, held: HeldBatch) -> None:
        """A batch of another node is verified and in the store."""
        self.mempool.carry(held.ids, self._clock_ms())
        self._bodies_came()

    def batch_bad(self, candidate: Candidate, reason: str) -> None:
        """A batch does not verify; unless it was asked for, its carrier answers for it."""
        if not candidate.wanted:
            self._links.ban(candidate.sender, reason)
        self.driver.bodies_changed()

    def certificate_valid(self, certificate: Certificate) -> bool:
        """Whether a quorum of the present epoch signed it."""
        context = self.membership.place.context
        if certificate.epoch != context.epoch:
            return False
        return verify_certificate(certificate, self.identity, context.members, self._verify)

    def context_of(self, epoch: int) -> EpochContext | None:
        """An epoch as far as signatures need it; None if this node has not reached it."""
        present = self.membership.place.context
        if epoch == present.epoch:
            return present
        members = members_of_epoch(self.genesis, self.chain, epoch)
        return None if members is None else EpochContext(self.identity, Epoch(epoch), members, Height(0), ZERO_DIGEST)

    @property
    def has_seat(self) -> bool:
        """Whether this node is a validator now."""
        return self.membership.me != OBSERVER

    @property
    def leaves(self) -> bool:
        """Whether its ledger already gives its seat up or to somebody else, with the close of this epoch (C8)."""
        me = self.membership.me
        if me == OBSERVER:
            return False
        member = self.executor.seats_to_come[me]
        return member is None or member.name != self.membership.members.at(me).name

    @property
    def takes_transactions(self) -> bool:
        """Whether clients may bring transactions: a batch of a node that leaves may come too late for everybody."""
        return self.has_seat and not self.leaves

    # ---- what the rooms tell each other

    def _bodies_came(self) -> None:
        self.driver.bodies_changed()
        self.queue.body_came()

    def _heard(self, event: Received) -> None:
        """A message whose signatures are right. Who leaves a view because of one batch says so (L7)."""
        message = event.message
        if isinstance(message, ViewChange) and message.starved is not None:
            self._around.starved(self.membership.name_of(message.summary.signer), Digest(message.starved))
        self.driver.post(event)

    def _block_refused(self, check: CheckBlock, reason: str) -> None:
        self.driver.refused(check, reason)

    def _ask_for(self, block: Block, digests: list[Digest]) -> None:
        likely = [NodeId(block.header.proposer), self.driver.replica.leader]
        self.store.want(digests, [*likely, *self.membership.members.nodes], self._clock_ms())

    def _decided(self, decided: Decided) -> None:
        if self.driver.force_block and decided.block.header.time_ms >= self._clock.now_ms():
            self.driver.force_block = False
            self.driver.tell_pending()
        self.queue.put(decided)
        self.catchup.tick(self._clock_ms())  # the next piece travels while this one is executed

    def _executed(self, execution: Execution, decided: Decided, took: Timing) -> None:
        header = decided.block.header
        time_s = header.time_ms // 1000
        self.driver.post(Executed(Height(header.height), execution.changed, self._is_full(decided.block)))
        self.mempool.settle(execution.ids, self._clock_ms())
        expired = self.mempool.expire(time_s)
        self.driver.executed(decided)
        self.store.expire(time_s)
        self._around.executed(execution, decided, took, expired)
        self._around.pack_due()
        if self.leaves:
            self._empty_pool()
        if header.next_valset_hash is not None:
            self.driver.between_turns(self._open_epoch)

    def _empty_pool(self) -> None:
        """What clients brought goes to the others while they still listen: a batch that they hold outlives the seat."""
        while self.store.own_room(last=True):
            packed = self.mempool.pack(self._clock_ms(), at_once=True)
            if packed is None:
                return
            self.publish(packed)

    def _is_full(self, block: Block) -> bool:
        limits = self.genesis.limits
        octets = sum(len(self.bodies.raw(Digest(d)) or b"") for d in block.batch_digests)
        return len(block.batch_digests) >= limits.block_batches or octets + limits.batch_bytes > limits.block_bytes

    def _open_epoch(self) -> None:
        """The close block is in the ledger: from here on the next set votes, and all old votes are void (C8, S11)."""
        place = place_at(self.genesis, self.chain, self.executor.cache, self._keys())
        self.store.take_seat(place.me)
        self.mempool.take_seat(place.me)
        self.membership.turn(place)
        self.driver.open_epoch(Replica.restore(self._config(place), (), ledger_head(self.chain)))
        self._around.turned(place)
        self.driver.post(Tick(self._clock_ms()))
        self._around.pack_due()

    def _catch_up(self, request: CatchUp) -> None:
        self.catchup.start(request, self._clock_ms())

    def _violation(self, node: NodeId, reason: str) -> None:
        self._around.blamed(self.membership.name_of(node), reason)
        if node != self.membership.me:
            self._links.charge(node, VIOLATION_COST, reason)

    def _accused(self, evidence: Evidence) -> None:
        context = self.context_of(evidence.epoch)
        assert context is not None, "evidence is kept only of epochs whose members are known"
        self._around.accused(context.members.at(evidence.accused).name, evidence)
