"""A validator, put together: every room built complete, wired here and nowhere else, run in one TaskGroup."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from chainnode.admissions import Admissions
from chainnode.announcements import Announcements
from chainnode.backend import BULKS_DECODED_MAX, Admission, ExactBlock, NodeStatus, PeerStatus, PendingState
from chainnode.batches import BatchLimits, BatchStore, Candidate, HeldBatch
from chainnode.block_checks import BlockChecks
from chainnode.bodies import Bodies
from chainnode.builder import BlockBuilder
from chainnode.catchup import CatchUpClient
from chainnode.clock import Clock, TestClock, WallClock, monotonic_ms
from chainnode.commit_feed import CommitFeed
from chainnode.config import NodeConfig
from chainnode.driver import Driver
from chainnode.exact_blocks import ExactBlocks
from chainnode.execution_queue import ExecutionQueue, Timing
from chainnode.executor import Execution, Executor
from chainnode.failures import PortTaken
from chainnode.handshake import TransportIdentity
from chainnode.inbound import Inbound
from chainnode.intake import BatchIntake
from chainnode.listeners import Listeners
from chainnode.mempool import Mempool, MempoolLimits, Packed
from chainnode.mesh import Mesh
from chainnode.metrics import Metrics
from chainnode.peer_messages import BATCHES_ASKED_MAX, BATCHES_TOLD_MAX, BatchBytes, BatchesHeld, BatchRequest
from chainnode.peers import Peers, PeersConfig
from chainnode.restart import restore
from chainnode.signatures import SignatureCache, build_bulk_verifier
from chainnode.wire import Message
from consensus.epochs import EpochContext
from consensus.events import CatchUp, CheckBlock, Decided, Executed, Pending, Tick
from consensus.evidence import Evidence
from consensus.settings import ReplicaConfig
from consensus.settings import Timing as Timers
from ledger.data_directory import DataDirectory
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, verify_certificate
from primitives.codec import encode
from primitives.codes import Code
from primitives.genesis import Genesis, Limits, chain_id, validator_set
from primitives.hashing import Digest
from primitives.keys import SigningKey
from primitives.transaction import Decoded
from primitives.validators import Epoch, Height, NodeId

LOG: Final = logging.getLogger(__name__)
VERSION: Final = "0.1.0"
TICK_SECONDS: Final = 0.02
VIOLATION_COST: Final = 100  # of a peer's budget of 1,000: ten broken rules within seconds end the link


def batch_limits(limits: Limits, validators: int) -> BatchLimits:
    """Of the batch store: what the network allows, and what may be asked for at once."""
    wanted = limits.window * limits.block_batches + BATCHES_TOLD_MAX * validators
    return BatchLimits(limits.batch_transactions, limits.batch_bytes, wanted=wanted)


def pool_limits(config: NodeConfig, limits: Limits) -> MempoolLimits:
    """Of the pool: this node's own bounds, and those of a batch."""
    return MempoolLimits(
        limits.batch_transactions, limits.batch_bytes, config.pool_transactions, config.pool_bytes,
        config.sender_transactions,
    )  # fmt: skip


class Node:
    """One validator over an open data directory. Implements backend.NodeBackend. `run` it once."""

    def __init__(
        self, config: NodeConfig, genesis: Genesis, data: DataDirectory, key: SigningKey, identity: TransportIdentity,
        admin_token: bytes,
    ) -> None:  # fmt: skip
        self.config: Final = config
        self.genesis: Final = genesis
        self.chain: Final = data.chain
        members = validator_set(genesis)
        me = members.index_of(key.public_key)
        assert me is not None, "the caller checked that the key is a validator's"
        self.me: Final = me
        self.members: Final = members
        self._data: Final = data
        self._started_ms: Final = monotonic_ms()
        self._stopping: Final = asyncio.Event()
        self._failure: Exception | None = None
        self._journal_disk: Final = ThreadPoolExecutor(1, "journal")
        self._ledger_disk: Final = ThreadPoolExecutor(1, "ledger")
        self.metrics: Final = Metrics()
        chain = Digest(chain_id(genesis))
        self.clock: Final[Clock] = TestClock(genesis.time * 1000) if genesis.test_clock else WallClock()
        self.commits: Final = CommitFeed(data.chain.head.height)
        self.decoding: Final = asyncio.Semaphore(BULKS_DECODED_MAX)
        context = EpochContext(chain, Epoch(0), members, Height(0), self._genesis_digest())
        self.signatures: Final = SignatureCache()
        verifier = build_bulk_verifier(self.signatures)
        limits = genesis.limits
        self.store: Final = BatchStore(me, members.size, batch_limits(limits, members.size))
        self.executor: Final = Executor(data.chain, data.tree, chain)
        self.bodies: Final = Bodies(self.store, data.chain)
        self.mempool: Final = Mempool(me, pool_limits(config, limits), first_sequence=self.clock.now_ms())
        self._mesh: Final = Mesh()
        self.intake: Final = BatchIntake(self.store, verifier, chain, monotonic_ms, self._batch_held, self._batch_bad)
        self._pack: Final = asyncio.Event()
        self.admissions: Final = Admissions(
            self.mempool, self.store, verifier, self.executor, chain, self.clock, monotonic_ms, self._pack.set
        )
        announcements = Announcements(self.store)
        checks = BlockChecks(self.executor, self.store, self.bodies, limits, self.clock, self._block_refused)
        timing = Timers(progress_ms=limits.progress_ms, inclusion_ms=limits.inclusion_ms)
        replica, restored = restore(
            ReplicaConfig(context, me, key.sign, limits.window, timing), data.chain, data.journal_records, self.store
        )
        self.driver: Final = Driver(
            replica, data.journal, self.store, self.bodies, checks,
            BlockBuilder(me, limits, members.hash, self.executor), announcements, self.clock, self._mesh,
            self._journal_disk,
            on_decided=self._decided, on_missing=self._ask_for, on_catch_up=self._catch_up,
            on_violation=self._violation, on_evidence=self._evidence,
        )  # fmt: skip
        self.driver.restored(restored)
        self.queue: Final = ExecutionQueue(
            self.executor, self.bodies, self._ledger_disk, self._ask_for, self._executed
        )
        self.catchup: Final = CatchUpClient(
            self._mesh, self.store, self._certificate_valid, decided=lambda: self.driver.replica.decided,
            unexecuted=self.queue.__len__, on_synced=self.driver.post, on_liar=self._violation,
        )  # fmt: skip
        self.inbound: Final = Inbound(
            context, self.signatures, self.intake, self.store, self.bodies, data.chain, self.catchup,
            announcements, self._mesh,
            decided=lambda: self.driver.replica.decided, post=self.driver.post, clock_ms=monotonic_ms,
        )  # fmt: skip
        self.exact: Final = ExactBlocks(
            me, limits, self.admissions, data.chain, self.commits, self.clock, self._publish
        )
        self._mesh.attach(Peers(me, members, chain, identity, self._peers_config(), self._receive))
        self._view = self.driver.replica.view
        self.metrics.watch(self)
        self._listeners: Final = Listeners(config, self, self.metrics, admin_token)

    # ---- putting together

    def _genesis_digest(self) -> Digest:
        block = self.chain.block(0)
        assert block is not None, "a data directory has its genesis block"
        return header_digest(block.header)

    def _peers_config(self) -> PeersConfig:
        index = {self.members.at(node).name: node for node in self.members.nodes}
        addresses = {}
        for name, address in self.config.peers.items():
            host, _, port = address.rpartition(":")
            addresses[index[name]] = (host, int(port))
        return PeersConfig(
            self.config.peer.host, self.config.peer.port, addresses,
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
        self.driver.post(Tick(monotonic_ms()))
        self.driver.post(Pending(0))
        self.driver.bodies_changed()
        try:
            await self._listeners.start()
            await self._work((self._mesh.peers.run(), self.intake.run(), self.driver.run(), self.queue.run(),
                              self._listeners.run(), self._tick(), self._pack_batches()))  # fmt: skip
        finally:
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
            now = monotonic_ms()
            self.driver.post(Tick(now))
            for node, digests in self.store.requests(now, BATCHES_ASKED_MAX):
                self._mesh.send(node, BatchRequest(digests))
            self.catchup.tick(now)
            told = self.driver.due_announcement(now)
            if told:
                self._mesh.broadcast(BatchesHeld(told))
                self.driver.tell_pending()
            if self.driver.replica.view != self._view:
                self._view = self.driver.replica.view
                self.metrics.observe_view_change()
                LOG.info("view %d, leader %s", self._view, self.members.at(self.driver.replica.leader).name)
            await asyncio.sleep(TICK_SECONDS)

    async def _pack_batches(self) -> None:
        """Turn pooled transactions into batches as soon as they are due and this node has room for one (C5)."""
        while True:
            due = self.mempool.due_ms(self.store.own_busy) if self.store.own_room() else None
            if due is None or due > monotonic_ms():
                delay = None if due is None else (due - monotonic_ms()) / 1000
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._pack.wait(), delay)
                self._pack.clear()
            packed = self.mempool.pack(monotonic_ms(), self.store.own_busy) if self.store.own_room() else None
            if packed is not None:
                self._publish(packed)
                await asyncio.sleep(0)

    # ---- what the rooms tell each other

    def _receive(self, sender: NodeId, message: Message) -> None:
        if sender not in self._mesh.dropped:
            self.inbound.receive(sender, message)

    def _publish(self, packed: Packed) -> None:
        self.store.add_own(packed, monotonic_ms())
        self._mesh.broadcast(BatchBytes(packed.raw))
        self.driver.bodies_changed()

    def _batch_held(self, held: HeldBatch) -> None:
        self.mempool.carry(held.ids, monotonic_ms())
        self.driver.bodies_changed()
        self.queue.body_came()

    def _batch_bad(self, candidate: Candidate, reason: str) -> None:
        if not candidate.wanted:
            self._mesh.peers.ban(candidate.sender, reason)
        self.driver.bodies_changed()

    def _block_refused(self, check: CheckBlock, reason: str) -> None:
        self.driver.refused(check, reason)

    def _ask_for(self, block: Block, digests: list[Digest]) -> None:
        likely = [NodeId(block.header.proposer), self.driver.replica.leader]
        self.store.want(digests, [*likely, *self.members.nodes], monotonic_ms())

    def _decided(self, decided: Decided) -> None:
        if self.driver.force_block and decided.block.header.time_ms >= self.clock.now_ms():
            self.driver.force_block = False
            self.driver.tell_pending()
        self.queue.put(decided)

    def _executed(self, execution: Execution, decided: Decided, took: Timing) -> None:
        header, limits = decided.block.header, self.genesis.limits
        octets = sum(len(self.bodies.raw(Digest(d)) or b"") for d in decided.block.batch_digests)
        full = (
            len(decided.block.batch_digests) >= limits.block_batches
            or octets + limits.batch_bytes > limits.block_bytes
        )
        root, receipts = execution.tree.root, self.executor.receipts_root(header.height - 1, header.height)
        self.driver.post(Executed(Height(header.height), root, receipts, execution.changed, full))
        self.mempool.settle(execution.ids)
        gone = self.mempool.expire(header.time_ms // 1000)
        self.admissions.expired(gone)
        self.driver.executed(decided)
        self.store.expire(header.time_ms // 1000)
        self.commits.publish(header.height, execution.ids, execution.encoded)
        self.exact.executed(header.height, decided.block.batch_digests)
        self._listeners.executed(execution.receipts, gone)
        self._count(execution, took)
        self._pack.set()

    def _count(self, execution: Execution, took: Timing) -> None:
        committed = sum(1 for r in execution.receipts if r is not None and r.code in (Code.OK, Code.OK_DUPLICATE))
        skipped = sum(1 for r in execution.receipts if r is None)
        rejected = len(execution.receipts) - committed - skipped
        self.metrics.observe_block(committed, rejected, skipped, took.execute, took.write)

    def _catch_up(self, request: CatchUp) -> None:
        self.catchup.start(request, monotonic_ms())

    def _certificate_valid(self, certificate: Certificate) -> bool:
        return verify_certificate(certificate, chain_id(self.genesis), self.members, self.signatures.verify)

    def _violation(self, node: NodeId, reason: str) -> None:
        name = self.members.at(node).name
        LOG.warning("node %s broke a rule: %s", name, reason)
        self.metrics.observe_violation(name)
        if node != self.me:
            self._mesh.charge(node, VIOLATION_COST, reason)

    def _evidence(self, evidence: Evidence) -> None:
        name = self.members.at(evidence.accused).name
        LOG.error("evidence against %s: %s", name, encode(evidence).hex())

    # ---- backend.NodeBackend

    def now_ms(self) -> int:
        """See NodeBackend."""
        return self.clock.now_ms()

    def status(self) -> NodeStatus:
        """See NodeBackend."""
        replica = self.driver.replica
        connected = set(self._mesh.connected())
        enough = len(connected) + 1 >= self.members.quorum
        reason = "" if enough else f"in touch with {len(connected)} of {self.members.size - 1} validators"
        missing = self._certain_height() - self.chain.head.height
        if replica.behind or missing > 2 * self.genesis.limits.window:
            reason = f"catching up with the chain, {missing} blocks to go"
        peers = tuple(
            PeerStatus(
                line.name, line.node in connected, self.inbound.heights.get(line.node, 0),
                None if line.round_trip_ms is None else round(line.round_trip_ms),
            )
            for line in self._mesh.peers.statuses()
        )  # fmt: skip
        return NodeStatus(
            self.config.name, VERSION, 0, replica.view, self.members.at(replica.leader).name, replica.decided,
            self.mempool.counts.held, self.mempool.octets, not reason, reason,
            monotonic_ms() - self._started_ms, peers,
        )  # fmt: skip

    def _certain_height(self) -> int:
        """What at least one honest validator has decided: the (f+1)-th highest reported height, or the own one."""
        reported = sorted(self.inbound.heights.values(), reverse=True)
        faulty = self.members.faulty
        return max(self.driver.replica.decided, reported[faulty] if len(reported) > faulty else 0)

    async def submit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """See NodeBackend."""
        return await self.admissions.submit(transactions)

    def pending_state(self, transaction_id: bytes) -> PendingState:
        """See NodeBackend."""
        identity = Digest(transaction_id)
        if identity in self.mempool or self.store.mentions(identity):
            return "pending"
        return "expired" if self.admissions.was_expired(identity) else "unknown"

    def set_clock(self, time_ms: int) -> None:
        """See NodeBackend. Every node wants a block at the new time; the leader makes it, even if it is empty."""
        assert isinstance(self.clock, TestClock), "the edge asks only on a network with a test clock"
        self.clock.set(time_ms)
        head = self.chain.header(self.chain.head.height)
        self.driver.force_block = head is not None and head.time_ms < time_ms
        self.driver.bodies_changed()

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
