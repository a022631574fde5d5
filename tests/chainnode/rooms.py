"""One validator's rooms without sockets: real core, journal on a disk in memory, real ledger in memory, real rules.

What it sends is recorded together with what the disk would still hold after a power cut at that very moment.
"""

import asyncio
import atexit
from collections.abc import Callable
from functools import partial

from chainnode.announcements import Announcements
from chainnode.batches import BatchLimits, BatchStore
from chainnode.block_checks import BlockChecks
from chainnode.bodies import Bodies
from chainnode.builder import BlockBuilder
from chainnode.clock import TestClock, monotonic_ms
from chainnode.devnet_layout import PEOPLE, devnet_genesis, vote_key
from chainnode.disk_thread import DiskThread
from chainnode.driver import Driver
from chainnode.execution_queue import ExecutionQueue, Timing
from chainnode.executor import Execution, Executor
from chainnode.journal_entries import JournalContent, read_entries
from chainnode.membership import Membership, place_at
from chainnode.restart import restore
from chainnode.signatures import verify_each
from chainnode.turns import run_driver, run_queue
from chainnode.vote_desk import VoteDesk
from consensus.events import CatchUp, Decided, Executed, Received, Tick
from consensus.evidence import Evidence
from consensus.messages import COUNTER_MAX, Message, Proposal, Status, Vote
from consensus.settings import ReplicaConfig
from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.genesis_block import genesis_block
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from points.state import encode_value
from points.transition import genesis_state
from primitives import merkle
from primitives.block import Batch, Block, Header, batch_digest, batches_root, header_digest, tx_root
from primitives.certificate import Certificate, Phase, build_certificate, vote_bytes
from primitives.codec import encode
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.hashing import ZERO_DIGEST, Digest, tagged_hash
from primitives.keys import SigningKey, address_of, verify
from primitives.kinds import Issue
from primitives.transaction import Decoded, Envelope, decode_transaction, sign_transaction
from primitives.validators import Height, NodeId

SEED = bytes(range(32))
TIME = 1_760_000_000
KEYS = {person.name: SigningKey.from_seed(tagged_hash(b"test/person", person.name.encode())) for person in PEOPLE}
GENESIS: Genesis = devnet_genesis(SEED, TIME, 4, KEYS, test_clock=True)
CHAIN_ID = chain_id(GENESIS)
MEMBERS = validator_set(GENESIS)
NOW_MS = TIME * 1000 + 1_000


def issue(order: str, valid_s: int = 300) -> Decoded:
    """The hotel grants alice one point; until `valid_s` after genesis."""
    hotel, alice = (address_of(KEYS[name].public_key) for name in ("hotel", "alice"))
    nonce = tagged_hash(b"test/nonce", order.encode())[:16]
    body = Issue("hotel", alice, 1, order, "EARN", 100)
    return decode_transaction(sign_transaction(Envelope(CHAIN_ID, hotel, nonce, TIME + valid_s, body), [KEYS["hotel"]]))


def batch_of(origin: int, *orders: str, valid_s: int = 300) -> tuple[bytes, tuple[Decoded, ...]]:
    """Raw batch and its transactions."""
    decoded = tuple(issue(order, valid_s) for order in orders)
    return encode(Batch(origin, 1, tuple(one.raw for one in decoded))), decoded


_RUNNER = asyncio.Runner()  # one loop for all rooms: a room that works twice waits on the same events
atexit.register(_RUNNER.close)


class Room:
    """`sent`: (recipient, message, what survives a power cut now). Everything else as in chainnode.node."""

    def __init__(self, me: int, disk: MemoryDisk | None = None, chain: Chain | None = None) -> None:
        self.me = NodeId(me)
        self.disk = disk or MemoryDisk()
        self.chain = chain or new_chain()
        tree = StateTree(self.chain.state().reader, self.chain.head.state_root)
        if self.disk.exists("journal"):
            self.journal, entries = Journal.open(self.disk, "journal", CHAIN_ID)
        else:
            self.journal, entries = Journal.create(self.disk, "journal", CHAIN_ID), []
        self.sent: list[tuple[int, Message, JournalContent]] = []
        self.blamed: list[str] = []
        self.failed: list[BaseException] = []
        self.wanted: list[Digest] = []
        limits = GENESIS.limits
        self.clock = TestClock(NOW_MS)
        self.store = BatchStore(self.me, BatchLimits(limits.batch_transactions, limits.batch_bytes))
        self.executor = Executor(self.chain, tree, CHAIN_ID)
        self.membership = Membership(place_at(GENESIS, self.chain, self.executor.cache, [vote_key(SEED, me)]))
        self.bodies = Bodies(self.store, self.chain)
        place = self.membership.place
        config = ReplicaConfig(place.context, place.me, place.sign, limits.window)
        replica, digests = restore(config, self.chain, entries, self.store, monotonic_ms())
        self.checks = BlockChecks(
            self.executor, self.store, self.bodies, limits, self.clock, lambda check, why: self.blamed.append(why)
        )
        self.pool = DiskThread("disk", 0.001)
        self.wake, self.queue_wake = asyncio.Event(), asyncio.Event()
        self.driver = Driver(
            replica, self.journal, self.store, self.bodies, self.checks,
            BlockBuilder(self.membership, limits, self.executor), Announcements(self.store), self.clock, monotonic_ms,
            self,
            VoteDesk(partial(verify_each, verify), lambda: place.context, lambda node, why: self.blamed.append(why)),
            on_work=self.wake.set, on_decided=self._decided, on_missing=self._missing, on_catch_up=self._catch_up,
            on_violation=lambda node, why: self.blamed.append(why), on_evidence=self._evidence,
            on_fork=lambda certificate: self.blamed.append(f"a fork at {certificate.height}"),
        )  # fmt: skip
        for node in place.context.members.nodes:  # past its probation: nobody remembers more than it does (S9)
            if node != self.me:
                self.hear(Status(0, COUNTER_MAX, True, COUNTER_MAX, 0, ()), node)
        self.driver.restored(digests)
        self.queue = ExecutionQueue(self.executor, self.bodies, self.queue_wake.set, self._missing, self._executed)

    # ---- Links

    def send(self, node: NodeId, message: Message) -> bool:
        self.sent.append((node, message, self.surviving()))
        return True

    def broadcast(self, message: Message) -> int:
        self.sent.append((-1, message, self.surviving()))
        return 3

    # ---- what a test does

    def surviving(self) -> JournalContent:
        """What a restart after a power cut now would find."""
        image = MemoryDisk()
        raw = self.disk.durable("journal")
        image.create("journal").write_at(0, raw)
        return read_entries(Journal.open(image, "journal", CHAIN_ID)[1])

    def hold(self, raw: bytes, decoded: tuple[Decoded, ...]) -> Digest:
        """A foreign batch came in and verified."""
        digest = batch_digest(raw)
        self.store.restore(raw, 0)
        self.driver.bodies_changed()
        self.queue.body_came()
        return digest

    def hear(self, message: Message, sender: int) -> None:
        """A message whose signatures are right."""
        self.driver.post(Received(NodeId(sender), message))

    def votes(self, phase: Phase) -> list[Vote]:
        """Own votes that were sent, in order."""
        return [m for _, m, _ in self.sent if isinstance(m, Vote) and m.phase is phase and m.signer == self.me]

    def work(self, until: Callable[[], bool], seconds: float = 10.0) -> None:
        """Run driver and executor until the condition holds; an exception of theirs is kept in `failed`."""
        _RUNNER.run(self._work(until, seconds))

    async def _work(self, until: Callable[[], bool], seconds: float) -> None:
        tasks = [
            asyncio.create_task(run_driver(self.driver, self.journal, self.pool, self.wake)),
            asyncio.create_task(run_queue(self.queue, self.pool, self.queue_wake)),
        ]
        self.driver.post(Tick(1))
        async with asyncio.timeout(seconds):
            while not until():
                for task in tasks:
                    if task.done():
                        self.failed.append(task.exception() or RuntimeError("ended"))
                        return
                await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()

    # ---- wiring

    def _decided(self, decided: Decided) -> None:
        self.queue.put(decided)

    def _executed(self, execution: Execution, decided: Decided, took: Timing) -> None:
        self.driver.post(Executed(Height(execution.block.header.height), execution.changed))
        self.driver.executed(decided)

    def _missing(self, block: Block, digests: list[Digest]) -> None:
        self.wanted += digests

    def _catch_up(self, request: CatchUp) -> None:
        raise AssertionError("no test here falls behind")

    def _evidence(self, evidence: Evidence) -> None:
        self.blamed.append(f"evidence against {evidence.accused}")


def new_chain(database: MemoryStore | None = None) -> Chain:
    changes = {key: encode_value(record) for key, record in genesis_state(GENESIS).items() if record is not None}
    store, tree = database or MemoryStore(), StateTree(MemoryStore()).update(changes)
    block = genesis_block(GENESIS, tree.root)
    disk = MemoryDisk()
    anchor = HeadAnchor.create(disk, CHAIN_ID, header_digest(block.header))
    return Chain.create(store, disk, anchor, CHAIN_ID, block, changes, tree)


def header_at(chain: Chain, height: int) -> Header:
    header = chain.header(height)
    assert header is not None
    return header


def child_of(
    parent: Header, proposer: int, bodies: list[tuple[bytes, tuple[Decoded, ...]]], **changes: object
) -> Block:
    """A block on `parent` that names what was executed at genesis; `changes` plant a fault."""
    digests = [batch_digest(raw) for raw, _ in bodies]
    fields: dict[str, object] = {
        "epoch": 0, "height": parent.height + 1, "parent": header_digest(parent), "batches_root": batches_root(digests),
        "tx_root": tx_root([d.id for _, decoded in bodies for d in decoded]), "exec_height": 0,
        "state_root": header_at(new_chain(), 0).state_root, "receipts_root": merkle.EMPTY_ROOT, "cert_height": 0,
        "cert_hash": ZERO_DIGEST, "valset_hash": MEMBERS.hash, "next_valset_hash": None,
        "time_ms": max(NOW_MS, parent.time_ms + 1), "proposer": proposer,
    }  # fmt: skip
    return Block(Header(**{**fields, **changes}), tuple(digests), None)  # type: ignore[arg-type]


def propose(block: Block, view: int = 0) -> Proposal:
    """The leader's own signature on it."""
    return Proposal(view, block, vote_of(view % 4, Phase.PREPARE, block, view).signature)


def vote_of(signer: int, phase: Phase, block: Block, view: int = 0) -> Vote:
    digest = header_digest(block.header)
    signed = vote_bytes(CHAIN_ID, 0, MEMBERS.hash, phase, view, block.header.height, digest)
    signature = vote_key(SEED, signer).sign(signed)
    return Vote(phase, 0, view, block.header.height, digest, NodeId(signer), signature)


def certificate_of(block: Block, phase: Phase = Phase.COMMIT, view: int = 0) -> Certificate:
    votes = {i: vote_of(i, phase, block, view).signature for i in range(3)}
    return build_certificate(phase, 0, view, block.header.height, header_digest(block.header), votes, 3)
