"""A node put together: its rooms (rooms.py), its links, doors and threads, run in one TaskGroup."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from chainnode.admissions import Admissions
from chainnode.backend import (
    BULKS_DECODED_MAX,
    Admission,
    ExactBlock,
    NodeRole,
    NodeStatus,
    PeerStatus,
    PendingState,
)
from chainnode.clock import Clock, TestClock, WallClock, monotonic_ms
from chainnode.commit_feed import CommitFeed
from chainnode.config import NodeConfig
from chainnode.dialing import PeersConfig
from chainnode.disk_thread import DiskThread
from chainnode.exact_blocks import ExactBlocks
from chainnode.execution_queue import Timing
from chainnode.executor import Execution
from chainnode.failures import BadConfiguration, PortTaken
from chainnode.fork_file import write_fork
from chainnode.handshake import TransportIdentity
from chainnode.intake import BatchIntake
from chainnode.invariant_watch import InvariantWatch
from chainnode.listeners import Listeners
from chainnode.maintenance import Maintenance
from chainnode.membership import Place
from chainnode.mempool import MempoolLimits
from chainnode.mesh import Mesh
from chainnode.metrics import Metrics
from chainnode.peers import Peers
from chainnode.rooms import Ledger, Rooms
from chainnode.signatures import BulkVerifier, SignatureCache, build_bulk_verifier
from chainnode.turns import run_driver, run_evidence, run_queue
from chainnode.voting_keys import adopt_key, read_keys
from chainnode.wire import Message
from consensus.events import Decided
from consensus.evidence import KINDS, Evidence, evidence_id, statements
from ledger.data_directory import DataDirectory
from primitives.certificate import Certificate
from primitives.codes import Code
from primitives.genesis import Genesis, Limits
from primitives.hashing import Digest
from primitives.keys import SigningKey
from primitives.transaction import Decoded
from primitives.validators import OBSERVER, NodeId, ValidatorSet

LOG: Final = logging.getLogger(__name__)
VERSION: Final = "0.1.0"
TICK_SECONDS: Final = 0.02
JOURNAL_QUICK_SECONDS: Final = 0.002  # of syncs: the loop does them itself
LEDGER_QUICK_SECONDS: Final = 0.01  # of writing a block; executing it has just taken longer

def pool_limits(config: NodeConfig, limits: Limits) -> MempoolLimits:
    """Of the pool: this node's own bounds, and those of a batch."""
    return MempoolLimits(
        limits.batch_transactions, limits.batch_bytes, config.pool_transactions, config.pool_bytes,
        config.sender_transactions,
    )  # fmt: skip


def _intake(verifier: BulkVerifier, rooms: Rooms) -> BatchIntake:
    return BatchIntake(rooms.store, verifier, rooms.identity, monotonic_ms, rooms.batch_held, rooms.batch_bad)


class Node:
    """One validator or observer over an open data directory. Implements backend.NodeBackend. `run` it once."""

    def __init__(
        self, config: NodeConfig, genesis: Genesis, data: DataDirectory, keys: Sequence[SigningKey],
        identity: TransportIdentity, admin_token: bytes,
    ) -> None:  # fmt: skip
        """`keys`: the voting key, and the next one if there is one; `identity`: of the own seat, if it has one."""
        self.config: Final = config
        self.genesis: Final = genesis
        self.chain: Final = data.chain
        self._data: Final = data
        self._keys = tuple(keys)
        self._started_ms: Final = monotonic_ms()
        self._stopping: Final = asyncio.Event()
        self._failure: Exception | None = None
        self._journal_disk: Final = DiskThread("journal", JOURNAL_QUICK_SECONDS)
        self._ledger_disk: Final = DiskThread("ledger", LEDGER_QUICK_SECONDS)
        self._driver_wake: Final = asyncio.Event()
        self._queue_wake: Final = asyncio.Event()
        self._evidence_wake: Final = asyncio.Event()
        self._pack: Final = asyncio.Event()
        self.metrics: Final = Metrics()
        self.clock: Final[Clock] = TestClock(genesis.time * 1000) if genesis.test_clock else WallClock()
        self.commits: Final = CommitFeed(data.chain.head.height)
        self.decoding: Final = asyncio.Semaphore(BULKS_DECODED_MAX)
        self.signatures: Final = SignatureCache()
        verifier = build_bulk_verifier(self.signatures, config.lanes)
        self._mesh: Final = Mesh()
        ledger = Ledger(data.chain, data.tree, data.journal, data.journal_records, data.abstains_in)
        self.rooms: Final = Rooms(
            genesis, ledger, self._known_keys, pool_limits(config, genesis.limits), self.clock, monotonic_ms,
            self._mesh, self, self.signatures.verify, partial(_intake, verifier), verifier.verify_votes,
        )  # fmt: skip
        rooms = self.rooms
        self.admissions: Final = Admissions(rooms, verifier, self.clock, monotonic_ms, self._pack.set)
        self.exact: Final = ExactBlocks(
            rooms.membership, genesis.limits, self.admissions, data.chain, self.commits, self.clock, rooms.publish
        )
        self._mesh.attach(
            Peers(rooms.membership.me, rooms.membership.members, rooms.identity, identity, self._peers_config(),
                  self._receive)
        )  # fmt: skip
        self.maintenance: Final = Maintenance(
            data.chain, data.snapshots, self._ledger_disk, config.snapshot_every_blocks, config.prune_keep_blocks
        )
        self._watch: Final = InvariantWatch(
            config.check_invariants_blocks, monotonic_ms, self.fail, self.metrics.observe_check
        )
        self._view = rooms.driver.replica.view
        self.metrics.watch(self)
        self._listeners: Final = Listeners(config, self, self.metrics, admin_token)

    @property
    def members(self) -> ValidatorSet:
        """The validators of the present epoch."""
        return self.rooms.membership.members

    def _known_keys(self) -> Sequence[SigningKey]:
        """The voting keys on disk; those of before if the files cannot be read now."""
        try:
            self._keys = read_keys(Path(self.config.vote_key))
        except BadConfiguration as error:
            LOG.error("voting keys: %s", error)
        return self._keys

    def _addresses(self, place: Place) -> dict[NodeId, tuple[str, int]]:
        """Where the members are: what this node's configuration says goes before what the chain says."""
        found = {}
        for node in place.members.nodes:
            on_chain = place.addresses[node] if node < len(place.addresses) else ""
            address = self.config.peers.get(place.members.at(node).name, on_chain)
            host, _, port = address.rpartition(":")
            if host:
                found[node] = (host, int(port))
        return found

    def _peers_config(self) -> PeersConfig:
        return PeersConfig(
            self.config.peer.host, self.config.peer.port, self._addresses(self.rooms.membership.place),
            backoff_max_seconds=self.config.reconnect_ms_max / 1000,
        )  # fmt: skip

    # ---- running

    async def run(self) -> None:
        """Work until `stop`, then leave everything closed. Raises: NodeFailure, FatalError."""
        config = self.config
        try:
            self._mesh.peers.listen()
        except OSError as error:
            raise PortTaken(f"cannot listen on {config.peer.host}:{config.peer.port}: {error.strerror}") from error
        try:
            self.rooms.start()
            await self._listeners.start()
            rooms, intake = self.rooms, self.rooms.intake
            assert isinstance(intake, BatchIntake), "made by this node"
            await self._work((
                self._mesh.peers.run(), intake.run(), self._listeners.run(), self._tick(), self._pack_batches(),
                self.maintenance.run(),
                run_driver(rooms.driver, self._data.journal, self._journal_disk, self._driver_wake),
                run_queue(rooms.queue, self._ledger_disk, self._queue_wake),
                run_evidence(rooms.evidence, self._ledger_disk, self._evidence_wake),
            ))  # fmt: skip
        finally:
            self._mesh.peers.close()
            await self._listeners.stop()
            self._journal_disk.shutdown(wait=True)
            self._ledger_disk.shutdown(wait=True)

    async def _work(self, rooms: Sequence[Coroutine[Any, Any, None]]) -> None:
        """All rooms until `stop`; the first failure of one ends all and is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(room) for room in rooms]
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if self._failure is not None:
            raise self._failure

    async def _tick(self) -> None:
        while True:
            self.rooms.tick()
            replica = self.rooms.driver.replica
            if replica.view != self._view:
                self._view = replica.view
                self.metrics.observe_view_change()
                LOG.info("view %d, leader %s", self._view, self.rooms.membership.name_of(replica.leader))
            await asyncio.sleep(TICK_SECONDS)

    async def _pack_batches(self) -> None:
        """Turn pooled transactions into batches as soon as they are due and this node has room for one (C5)."""
        pool, store = self.rooms.mempool, self.rooms.store
        while True:
            due = pool.due_ms(store.own_busy) if store.own_room() else None
            if due is None or due > monotonic_ms():
                delay = None if due is None else (due - monotonic_ms()) / 1000
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._pack.wait(), delay)
                self._pack.clear()
            if self.rooms.pack():
                await asyncio.sleep(0)

    def _receive(self, sender: NodeId, message: Message) -> None:
        if sender not in self._mesh.dropped:
            self.rooms.inbound.receive(sender, message)

    # ---- rooms.Surroundings

    def driver_due(self) -> None:
        """See Surroundings."""
        self._driver_wake.set()

    def queue_due(self) -> None:
        """See Surroundings."""
        self._queue_wake.set()

    def pack_due(self) -> None:
        """See Surroundings."""
        self._pack.set()

    def executed(self, execution: Execution, decided: Decided, took: Timing, expired: Sequence[Digest]) -> None:
        """See Surroundings: tell those who wait."""
        height = decided.block.header.height
        self.admissions.expired(expired)
        self.commits.publish(height, execution.ids, execution.encoded)
        self.exact.executed(height, decided.block.batch_digests)
        self._listeners.executed(execution.receipts, expired)
        self.maintenance.executed(height)
        executor = self.rooms.executor
        self._watch.executed(height, executor.cache, executor.time_s, execution.changed)
        self._count(execution, took)

    def blamed(self, name: str, reason: str) -> None:
        """See Surroundings."""
        LOG.warning("node %s broke a rule: %s", name, reason)
        self.metrics.observe_violation(name)

    def accused(self, name: str, evidence: Evidence) -> None:
        """See Surroundings."""
        kind, identity = KINDS[type(evidence.proof)], evidence_id(evidence).hex()
        LOG.error("%s broke a rule, %s %s: it signed %s and %s", name, kind, identity, *statements(evidence))
        self.metrics.observe_evidence(name)
        self._evidence_wake.set()

    def forked(self, certificate: Certificate) -> None:
        """See Surroundings."""
        self.fail(write_fork(Path(self.config.data), self.chain, certificate))

    def starved(self, name: str, batch: Digest) -> None:
        """See Surroundings: whose batch it was, and who led, is for the operators to ask."""
        LOG.warning("%s leaves a view: its leader passed over batch %s", name, batch.hex())

    def turned(self, place: Place) -> None:
        """See Surroundings: connect to the new members, and use the next voting key for good if it is the seat's."""
        self._mesh.peers.turn(place.me, place.members, self._addresses(place))
        if place.key is not None:
            adopt_key(Path(self.config.vote_key), place.key)
        if place.me == OBSERVER:  # validators keep no link to it: what it waits for is decided without it
            self.commits.give_up()
        names = ", ".join(member.name for member in place.members.members())
        LOG.info("epoch %d begins after height %d: %s", place.context.epoch, place.context.start_height, names)

    def _count(self, execution: Execution, took: Timing) -> None:
        committed = sum(1 for r in execution.receipts if r is not None and r.code in (Code.OK, Code.OK_DUPLICATE))
        skipped = sum(1 for r in execution.receipts if r is None)
        rejected = len(execution.receipts) - committed - skipped
        self.metrics.observe_block(committed, rejected, skipped, took.execute, took.write)

    # ---- backend.NodeBackend

    def now_ms(self) -> int:
        """See NodeBackend."""
        return self.clock.now_ms()

    def status(self) -> NodeStatus:
        """See NodeBackend."""
        rooms, replica = self.rooms, self.rooms.driver.replica
        connected = set(self._mesh.connected())
        enough = len(connected) + 1 >= self.members.quorum
        role: NodeRole = "abstaining" if replica.abstains else "validator"
        reason = "" if enough else f"in touch with {len(connected)} of {self.members.size - 1} validators"
        if not rooms.has_seat:
            role, reason = "observer", "it has no seat in the validator set: validators take its links once it has one"
        missing = self._certain_height() - self.chain.head.height
        if replica.behind or missing > 2 * self.genesis.limits.window:
            reason = f"catching up with the chain, {missing} blocks to go"
        peers = tuple(
            PeerStatus(
                line.name, line.node in connected, rooms.inbound.heights.get(line.node, 0),
                None if line.round_trip_ms is None else round(line.round_trip_ms),
            )
            for line in self._mesh.peers.statuses()
        )  # fmt: skip
        return NodeStatus(
            self.config.name, VERSION, rooms.membership.place.context.epoch, replica.view,
            rooms.membership.name_of(replica.leader), replica.decided,
            rooms.mempool.counts.held, rooms.mempool.octets, not reason, reason or replica.abstains or "", role,
            monotonic_ms() - self._started_ms, peers,
        )  # fmt: skip

    def _certain_height(self) -> int:
        """What at least one honest validator has decided: the (f+1)-th highest reported height, or the own one."""
        reported = sorted(self.rooms.inbound.heights.values(), reverse=True)
        faulty = self.members.faulty
        return max(self.rooms.driver.replica.decided, reported[faulty] if len(reported) > faulty else 0)

    async def submit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """See NodeBackend."""
        return await self.admissions.submit(transactions)

    def pending_state(self, transaction_id: bytes) -> PendingState:
        """See NodeBackend."""
        identity = Digest(transaction_id)
        if identity in self.rooms.mempool or self.rooms.store.mentions(identity):
            return "pending"
        return "expired" if self.admissions.was_expired(identity) else "unknown"

    def set_clock(self, time_ms: int) -> None:
        """See NodeBackend. Every node wants a block at the new time; the leader makes it, even if it is empty."""
        assert isinstance(self.clock, TestClock), "the edge asks only on a network with a test clock"
        self.clock.set(time_ms)
        head = self.chain.header(self.chain.head.height)
        self.rooms.driver.force_block = head is not None and head.time_ms < time_ms
        self.rooms.driver.bodies_changed()

    async def submit_block(self, transactions: Sequence[Decoded], timeout_ms: int) -> ExactBlock:
        """See NodeBackend."""
        return await self.exact.submit(transactions, timeout_ms)

    def drop_peers(self, names: frozenset[str]) -> None:
        """See NodeBackend."""
        self._mesh.dropped = frozenset(node for node in self.members.nodes if self.members.at(node).name in names)

    def fail(self, error: Exception) -> None:
        """See NodeBackend."""
        self._failure = self._failure or error
        self._stopping.set()

    def stop(self) -> None:
        """See NodeBackend."""
        self._stopping.set()
