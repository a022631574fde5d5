"""All rooms of one validator over a ledger in memory, with nobody around: what a client meets at the door."""

from collections.abc import Sequence

from chainnode.admissions import Admissions
from chainnode.clock import TestClock
from chainnode.execution_queue import Timing
from chainnode.executor import Execution
from chainnode.membership import Place
from chainnode.mempool import MempoolLimits
from chainnode.rooms import Ledger, Rooms
from chainnode.signatures import BulkVerifier, SignatureCache, VerifyAll
from chainnode.wire import Message
from consensus.events import Decided
from consensus.evidence import Evidence
from ledger.journal import Journal
from ledger.memory_disk import MemoryDisk
from ledger.state_tree import StateTree
from primitives.certificate import Certificate
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.transaction import Decoded
from primitives.validators import NodeId
from tests.chainnode.rooms import CHAIN_ID, GENESIS, NOW_MS, SEED, child_of, header_at, new_chain, vote_key


class Nobody:
    """Links that reach nobody, and surroundings that do not listen."""

    def send(self, node: NodeId, message: Message) -> bool:
        return False

    def broadcast(self, message: Message) -> int:
        return 0

    def connected(self) -> list[NodeId]:
        return []

    def charge(self, node: NodeId, cost: int, reason: str) -> bool:
        return True

    def ban(self, node: NodeId, reason: str) -> None: ...

    def driver_due(self) -> None: ...

    def queue_due(self) -> None: ...

    def pack_due(self) -> None: ...

    def executed(self, execution: Execution, decided: Decided, took: Timing, expired: Sequence[Digest]) -> None: ...

    def blamed(self, name: str, reason: str) -> None: ...

    def accused(self, name: str, evidence: Evidence) -> None: ...

    def forked(self, certificate: Certificate) -> None: ...

    def starved(self, name: str, batch: Digest) -> None: ...

    def turned(self, place: Place) -> None: ...

    def receive(self, sender: NodeId, raw: bytes) -> object: ...


class House:
    """`admissions` is its door; a test executes blocks by hand."""

    def __init__(self, limits: MempoolLimits | None = None, bulk: VerifyAll | None = None) -> None:
        chain, nobody = new_chain(), Nobody()
        tree = StateTree(chain.state().reader, chain.head.state_root)
        ledger = Ledger(chain, tree, Journal.create(MemoryDisk(), "journal", CHAIN_ID), [])
        self.clock = TestClock(NOW_MS)
        batch = GENESIS.limits
        self.rooms = Rooms(
            GENESIS, ledger, lambda: [vote_key(SEED, 1)],
            limits or MempoolLimits(batch.batch_transactions, batch.batch_bytes), self.clock, self.clock.now_ms,
            nobody, nobody, verify, lambda rooms: nobody,
        )  # fmt: skip
        self.admissions = Admissions(
            self.rooms, BulkVerifier(SignatureCache(), bulk=bulk), self.clock, self.clock.now_ms, lambda: None
        )

    def execute(self, *transactions: Decoded, at_ms: int) -> None:
        """A block of this time is decided and in the ledger."""
        executor, chain = self.rooms.executor, self.rooms.chain
        block = child_of(header_at(chain, executor.height), 0, [], time_ms=at_ms)
        execution = executor.execute(block, transactions)
        executor.commit(execution, None, {})
        executor.finish(execution)
        self.rooms.mempool.settle(execution.ids, self.clock.now_ms())
        self.clock.set(at_ms)
