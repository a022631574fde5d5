"""Cores without a network: a test decides who hears what, in which order. For schedules that chance does not find.

Bodies are always there and good; blocks are decided and executed at once. The checkers of the simulator judge the
honest ones; members that are not honest have no core here, a test signs for them.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable

from consensus.epochs import EpochContext
from consensus.events import (
    ALL,
    BlockBuilt,
    BlockChecked,
    BuildBlock,
    CheckBlock,
    Effects,
    Event,
    Executed,
    Received,
    Tick,
)
from consensus.journal_records import JournalRecord
from consensus.messages import COUNTER_MAX, Message, Status
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig
from consensus.verification import check_message
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash
from primitives.certificate import Certificate, Phase, build_certificate, certificate_hash
from primitives.hashing import TAG_GENESIS, ZERO_DIGEST, Digest, tagged_hash
from primitives.keys import Signature
from primitives.validators import Epoch, Height, NodeId, Validator, ValidatorSet
from simulation.checkers import Checkers
from simulation.signatures import Modelled
from simulation.stored import genesis_block, genesis_stored
from simulation.villain import Gang, Villain

TICK_MS = 25
Filter = Callable[[Message], bool]


class Stage:
    """`honest` members have real cores; `villain(i)` is the pen of another one."""

    def __init__(self, size: int, honest: Iterable[int], window: int = 8) -> None:
        self.scheme = Modelled()
        members = ValidatorSet(tuple(Validator(f"node{i}", self.scheme.public_key(i), b"") for i in range(size)))
        self.genesis = genesis_block(members)
        chain_id = tagged_hash(TAG_GENESIS, b"stage")
        self.context = EpochContext(chain_id, Epoch(0), members, Height(0), header_digest(self.genesis.header))
        self.now_ms = dict.fromkeys(honest, 0)
        self.checkers = Checkers(
            self.context, self.scheme.verify, frozenset(self.now_ms), genesis_stored(self.genesis), 10_000
        )
        self.links: dict[tuple[int, int], deque[Message]] = {}
        self.builds: dict[int, BuildBlock] = {}
        self.slow_checks: set[int] = set()  # nodes whose checks the test answers
        self.checks: dict[int, dict[int, CheckBlock]] = {node: {} for node in self.now_ms}  # by height
        self.journals: dict[int, list[JournalRecord]] = {node: [] for node in self.now_ms}
        self._certificates: dict[tuple[int, int], Certificate] = {}
        self._ledgers: dict[int, list[Block]] = {node: [self.genesis] for node in self.now_ms}
        self.decided: dict[int, dict[int, Digest]] = {node: {} for node in self.now_ms}
        self.violations: list[tuple[int, int, str]] = []  # who complains, about whom, the sentence
        self.history: list[tuple[int, Effects]] = []  # what every step gave
        self.replicas: dict[int, Replica] = {}
        self._window = window
        for node in self.now_ms:
            self.restart(node)

    def restart(self, node: int, journal: Iterable[JournalRecord] | None = None) -> None:
        """A core from its journal and ledger; everything that waits on its links is lost."""
        kept = self.journals[node] if journal is None else list(journal)
        blocks = self._ledgers[node]
        own = self._certificates.get((node, blocks[-1].header.height))
        config = ReplicaConfig(self.context, NodeId(node), self.scheme.signer(node), self._window)
        self.checkers.started(node, kept, blocks[-1].header.height)
        self.links = {link: queue for link, queue in self.links.items() if node not in link}
        self.replicas[node] = Replica.restore(config, kept, LedgerHead(tuple(blocks), own, Height(0)))
        self.step(node, Tick(self.now_ms[node]))
        for other in self.context.members.nodes:  # past its probation: nobody remembers more than it does (S9)
            if other != node:
                self.step(node, Received(other, Status(0, COUNTER_MAX, True, COUNTER_MAX, 0, ())))
        self.replicas[node]._state.answers.clear()

    def villain(self, node: int) -> Villain:
        """The pen of a Byzantine member."""
        return Villain(node, self.context, self.scheme.signer(node), random.Random(node), Gang())

    def step(self, node: int, event: Event) -> None:
        """One step of a core; what it asks is answered at once, what it sends waits on its links."""
        effects = self.replicas[node].step(event)
        self.history.append((node, effects))
        self.checkers.synced(node, effects.persist)
        self.journals[node] += effects.persist
        for receiver, message in effects.send:
            self.checkers.sends(node, receiver, message)
            targets = [r for r in range(self.context.members.size) if r != node] if receiver == ALL else [receiver]
            for target in targets:
                self.links.setdefault((node, target), deque()).append(message)
        for decided in effects.decide:
            self.checkers.decided(node, decided)
            self.decided[node][decided.height] = header_digest(decided.block.header)
            self._ledgers[node].append(decided.block)
            self._certificates[node, decided.certificate.height] = decided.certificate
        self.violations += [(node, about, sentence) for about, sentence in effects.violations]
        for build in effects.build:
            self.builds[node] = build
        for decided in effects.decide:
            self.step(node, Executed(decided.height, changed=False))
        for check in effects.check:
            self.checks[node][check.height] = check
            if node not in self.slow_checks:
                self.answer(node, check.height, True)

    def answer(self, node: int, height: int, acceptable: bool) -> None:
        """The verdict on the block that the core asked about last at this height."""
        self.step(node, BlockChecked(self.checks[node][height].digest, acceptable))

    def wait(self, node: int, milliseconds: int) -> None:
        """Time passes for one node."""
        for _ in range(milliseconds // TICK_MS):
            self.now_ms[node] += TICK_MS
            self.step(node, Tick(self.now_ms[node]))

    def deliver(self, sender: int, receiver: int, which: Filter | None = None) -> int:
        """Everything that is on the link now, or what the filter takes; the rest is lost. Returns how many arrived."""
        waiting = self.links.pop((sender, receiver), deque())
        arrived = [m for m in waiting if not isinstance(m, Status) and (which is None or which(m))]
        for message in arrived:
            self.hear(receiver, sender, message)
        return len(arrived)

    def hear(self, receiver: int, sender: int, message: Message) -> str | None:
        """One message from anybody, through the check in front of the core; the fault if that refuses it."""
        fault = check_message(message, NodeId(sender), self.context, self.scheme.verify)
        if fault is None:
            self.step(receiver, Received(NodeId(sender), message))
        return fault

    def build(self, node: int, mark: int) -> Block:
        """Answer the open request of a leader with a block that `mark` makes different; returns the block."""
        request = self.builds.pop(node)
        block = self.child(request, node, mark)
        self.step(node, BlockBuilt(request.view, request.height, block))
        return block

    def child(self, request: BuildBlock, proposer: int, mark: int) -> Block:
        """A block for a request."""
        body, certificate = (Digest(mark.to_bytes(32, "big")),), request.certificate
        header = Header(
            epoch=0, height=request.height, parent=request.parent, batches_root=batches_root(body), tx_root=body[0],
            exec_height=request.exec_height_min, state_root=ZERO_DIGEST, receipts_root=ZERO_DIGEST,
            cert_height=0 if certificate is None else certificate.height,
            cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
            valset_hash=self.context.members.hash, next_valset_hash=None,
            time_ms=request.parent_block.header.time_ms + 1, proposer=proposer,
            new_view_hash=None if request.new_view is None else new_view_hash(request.new_view),
        )  # fmt: skip
        return Block(header, body, certificate, request.new_view)

    def certificate(self, phase: Phase, view: int, block: Block, skip: int | None = None) -> Certificate:
        """A certificate of the first q members save `skip`, whatever their cores did."""
        height, digest = block.header.height, header_digest(block.header)
        votes = {
            node: Signature(self.villain(node).vote(phase, view, height, digest).signature)
            for node in [n for n in range(self.context.members.size) if n != skip][: self.context.members.quorum]
        }
        return build_certificate(phase, 0, view, height, digest, votes, self.context.members.quorum)

    def settle(self, group: Iterable[int]) -> None:
        """Deliver everything between these nodes until nothing but STATUS is left."""
        nodes = list(group)
        while sum(self.deliver(a, b) for a in nodes for b in nodes if a != b):
            pass
