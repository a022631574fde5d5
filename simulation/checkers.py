"""The rules that every run must keep, looked at with every event: safety first, then honesty, then bounds.

Each broken rule is an AssertionError with a sentence. Byzantine machines are only listened to, never judged.
"""

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from consensus.epochs import EpochContext
from consensus.events import Decided, Effects, Event
from consensus.journal_records import (
    Committed,
    EnteredView,
    JournalRecord,
    LeftView,
    Position,
    Prepared,
    Proposed,
    SawCertificate,
)
from consensus.messages import Message, NewView, Proposal, ViewChange, Vote
from consensus.replica import Replica
from primitives.block import Block, batches_root, header_digest
from primitives.certificate import Certificate, Phase, Verify, certificate_hash, verify_certificate
from primitives.codec import encode
from primitives.hashing import Digest
from simulation.application import Ledger, Stored
from simulation.footprint import elements_of

MEMORY_EVERY: Final = 256  # steps of one node between two looks at its memory
Slot = tuple[int, int, int]  # phase, view, height


@dataclass
class Promises:
    """What one honest node has made durable since its birth, over all its lives."""

    records: set[bytes] = field(default_factory=set)
    votes: dict[Slot, bytes] = field(default_factory=dict)
    proposals: dict[tuple[int, int], Digest] = field(default_factory=dict)
    view_changes: dict[int, bytes] = field(default_factory=dict)
    new_views: dict[int, bytes] = field(default_factory=dict)
    view: int = 0
    left: int = 0  # nothing below this view is signed any more
    base: dict[int, tuple[int, Digest]] = field(default_factory=dict)  # view -> height and digest it starts from
    prepared: dict[int, int] = field(default_factory=dict)  # view -> highest height prepared
    lock: tuple[int, int] = (-1, 0)


class Checkers:
    """One per run. `honest` names the machines that are judged."""

    def __init__(
        self, context: EpochContext, verify: Verify, honest: Container[int], genesis: Ledger, memory_max: int
    ) -> None:
        self._context, self._verify, self._honest, self._memory_max = context, verify, honest, memory_max
        self.agreed: dict[int, Digest] = {0: genesis.blocks[0].digest}  # height -> the one decided block
        self._roots: dict[int, Digest] = {0: genesis.blocks[0].state_root}
        self._certified: dict[int, Digest] = {}  # what certificates claim about heights that nobody decided yet
        self._valid: set[Digest] = set()  # certificates that were found valid
        self._last: dict[int, int] = {}
        self._executed: dict[int, int] = {}
        self._promises: dict[int, Promises] = defaultdict(Promises)
        self._steps: dict[int, int] = defaultdict(int)
        self.memory_seen = 0
        self.evidence_against: set[int] = set()
        self._proposed: set[Digest] = set()  # by honest nodes

    # What the nodes report.

    def started(self, node: int, kept: list[JournalRecord], height: int) -> None:
        """Heights are decided anew from the ledger's height on; records that a crash happened to keep bind as well."""
        self._last[node] = self._executed[node] = height
        self.synced(node, kept)

    def synced(self, node: int, records: list[JournalRecord]) -> None:
        """The order of durable promises keeps S1, S2, S3, S4."""
        if node in self._honest:
            promises = self._promises[node]
            for record in records:
                raw = encode(record)
                if raw not in promises.records:
                    promises.records.add(raw)
                    self._promised(node, promises, record)

    def sends(self, node: int, receiver: int, message: Message) -> None:
        """What a node signed itself leaves only as it is on its disk (S1, S9)."""
        del receiver
        if node not in self._honest:
            return
        promises = self._promises[node]
        match message:
            case Vote() if message.signer == node:
                durable = promises.votes.get((message.phase, message.view, message.height))
                assert durable is not None, f"S9: node {node} sends {_vote(message)} that is not on its disk"
                assert durable == encode(message), f"S1: node {node} sends {_vote(message)}, another one is on its disk"
            case Proposal() if self._context.leader(message.view) == node:
                height, digest = message.block.header.height, header_digest(message.block.header)
                durable_block = promises.proposals.get((message.view, height))
                assert durable_block == digest, (
                    f"S9: node {node} sends a proposal for {message.view}/{height} not on its disk"
                )
            case ViewChange() if message.summary.signer == node:
                durable = promises.view_changes.get(message.summary.view)
                assert durable == encode(message.summary), (
                    f"S9: node {node} sends VIEWCHANGE {message.summary.view} not on its disk"
                )
            case NewView() if self._context.leader(message.view) == node:
                durable = promises.new_views.get(message.view)
                assert durable == encode(message), f"S9: node {node} sends NEWVIEW {message.view} not on its disk"
            case _:
                pass

    def stepped(self, node: int, replica: Replica, event: Event, effects: Effects) -> None:
        """Nobody honest is accused; the core's memory is bounded."""
        del event
        if node not in self._honest:
            return
        for evidence in effects.evidence:
            assert evidence.accused not in self._honest, f"S1: node {node} holds evidence against the honest {evidence}"
            self.evidence_against.add(evidence.accused)
        for sender, sentence in effects.violations:
            assert sender not in self._honest, f"node {node} blames the honest node {sender}: {sentence}"
        self._steps[node] += 1
        if self._steps[node] % MEMORY_EVERY == 0:
            size = elements_of(replica)
            self.memory_seen = max(self.memory_seen, size)
            assert size <= self._memory_max, (
                f"S12: the core of node {node} holds {size} elements, limit {self._memory_max}"
            )

    def decided(self, node: int, decided: Decided) -> None:
        """Agreement, order, exactly once, parent links, certificates (S5)."""
        if node not in self._honest:
            return
        height, block = decided.height, decided.block
        assert height == self._last[node] + 1, f"S5: node {node} decides {height} after {self._last[node]}"
        self._last[node] = height
        digest = header_digest(block.header)
        assert block.header.height == height, f"node {node} decides a block of {block.header.height} at {height}"
        assert batches_root(block.batch_digests) == block.header.batches_root, f"C2: foreign body at {height}"
        agreed = self.agreed.setdefault(height, digest)
        assert agreed == digest, (
            f"FORK at height {height}: node {node} decides {digest.hex()[:8]}, others {agreed.hex()[:8]}"
        )
        assert block.header.parent == self.agreed[height - 1], f"broken parent link at height {height}"
        self._check_certificate(node, height, digest, decided.certificate)

    def executed(self, node: int, stored: Stored) -> None:
        """In order, once, with the same roots everywhere; headers name true roots (C3)."""
        if node not in self._honest:
            return
        header = stored.block.header
        assert header.height == self._executed[node] + 1, (
            f"node {node} executes {header.height} after {self._executed[node]}"
        )
        self._executed[node] = header.height
        root = self._roots.setdefault(header.height, stored.state_root)
        assert root == stored.state_root, f"INV: node {node} has another state root after height {header.height}"
        assert header.exec_height < header.height, f"block {header.height} names the roots of {header.exec_height}"
        assert self._roots[header.exec_height] == header.state_root, (
            f"C3: block {header.height} was decided with a wrong root"
        )

    def refused(self, node: int, block: Block) -> None:
        """What an honest leader builds is good everywhere (C6). Its number in the header can be borrowed by others."""
        if node in self._honest and block.header.proposer in self._honest:
            assert header_digest(block.header) not in self._proposed, (
                f"C6: node {node} refuses an honest {block.header}"
            )

    def durable_votes(self, node: int) -> dict[Slot, bytes]:
        """The own votes that an honest node has on its disk, by (phase, view, height)."""
        return self._promises[node].votes

    def last_decided(self, node: int) -> int:
        """The height that a node decided last."""
        return self._last[node]

    # The rules.

    def _check_certificate(self, node: int, height: int, digest: Digest, certificate: Certificate) -> None:
        identity = certificate_hash(certificate)
        if identity not in self._valid:
            valid = verify_certificate(certificate, self._context.chain_id, self._context.members, self._verify)
            assert valid and certificate.epoch == self._context.epoch, (
                f"C16: node {node} decides {height} by a bad certificate"
            )
            assert certificate.phase is Phase.COMMIT, f"S5: node {node} decides {height} by a PREPARE certificate"
            self._valid.add(identity)
            claimed = self._certified.setdefault(certificate.height, Digest(certificate.digest))
            assert claimed == certificate.digest, f"FORK: two certified blocks at height {certificate.height}"
        assert certificate.height >= height, (
            f"S5: node {node} decides {height} by a certificate for {certificate.height}"
        )
        known = self._certified.get(height)
        assert known is None or known == digest, f"FORK: the block decided at {height} is not the certified one"

    def _promised(self, node: int, promises: Promises, record: JournalRecord) -> None:
        match record:
            case Proposed(proposal):
                digest, height = header_digest(proposal.block.header), proposal.block.header.height
                self._proposed.add(digest)
                assert promises.proposals.setdefault((proposal.view, height), digest) == digest, (
                    f"S1: node {node} proposes twice at {proposal.view}/{height}"
                )
                own = Vote(Phase.PREPARE, self._context.epoch, proposal.view, height, digest, node, proposal.signature)
                self._prepared(node, promises, own, proposal.block.header.proposer)
            case Prepared(vote, block):
                self._prepared(node, promises, vote, None if block is None else block.header.proposer)
            case Committed(vote, lock):
                self._committed(node, promises, vote, lock)
            case LeftView(view_change):
                self._left(node, promises, view_change)
            case EnteredView(new_view):
                assert new_view.view >= promises.view, f"S3: node {node} goes back to view {new_view.view}"
                raw = encode(new_view)
                assert promises.new_views.setdefault(new_view.view, raw) == raw, (
                    f"S7: node {node} enters {new_view.view} twice"
                )
                promises.view = promises.left = new_view.view
                promises.base[new_view.view] = self._base(new_view.certificate)
            case SawCertificate(certificate):
                promises.view = max(promises.view, certificate.view)
                promises.left = max(promises.left, certificate.view)
            case Position():
                pass

    def _base(self, certificate: Certificate | None) -> tuple[int, Digest]:
        if certificate is None:
            return self._context.start_height, self._context.start_digest
        return certificate.height, Digest(certificate.digest)

    def _sign(self, node: int, promises: Promises, vote: Vote) -> None:
        slot = (vote.phase, vote.view, vote.height)
        before = promises.votes.setdefault(slot, encode(vote))
        assert before == encode(vote), f"S1: node {node} signs {_vote(vote)} and a different one in the same slot"

    def _active_in(self, node: int, promises: Promises, vote: Vote) -> None:
        assert vote.view >= promises.left, f"S3: node {node} signs {_vote(vote)} after leaving for view {promises.left}"
        assert vote.view == 0 or vote.view in promises.new_views, (
            f"S3: node {node} signs {_vote(vote)} without its NEWVIEW"
        )

    def _prepared(self, node: int, promises: Promises, vote: Vote, proposer: int | None) -> None:
        if (vote.phase, vote.view, vote.height) in promises.votes:
            self._sign(node, promises, vote)
            return
        self._active_in(node, promises, vote)
        self._sign(node, promises, vote)
        height, digest = promises.base.get(vote.view, (self._context.start_height, self._context.start_digest))
        assert vote.height >= height, f"S2: node {node} signs {_vote(vote)} below the base at {height}"
        assert vote.height > height or vote.digest == digest, f"S2: node {node} signs {_vote(vote)}, not the base"
        last = promises.prepared.get(vote.view, height - 1)
        assert vote.height > last, f"S2: node {node} signs {_vote(vote)} after height {last}"
        promises.prepared[vote.view] = vote.height
        if vote.height > height and proposer is not None:
            leader = self._context.leader(vote.view)
            assert proposer == leader, f"C13: node {node} signs {_vote(vote)} of {proposer}, the leader is {leader}"

    def _committed(self, node: int, promises: Promises, vote: Vote, lock: Certificate) -> None:
        fresh = (vote.phase, vote.view, vote.height) not in promises.votes
        if fresh:
            self._active_in(node, promises, vote)
        self._sign(node, promises, vote)
        same = (lock.view, lock.height, lock.digest) == (vote.view, vote.height, vote.digest)
        assert same and lock.phase is Phase.PREPARE, (
            f"S4: node {node} signs {_vote(vote)} with a lock for {lock.height}"
        )
        assert verify_certificate(lock, self._context.chain_id, self._context.members, self._verify), (
            f"S4: {_vote(vote)}"
        )
        promises.lock = max(promises.lock, (lock.view, lock.height))

    def _left(self, node: int, promises: Promises, view_change: ViewChange) -> None:
        summary = view_change.summary
        raw = encode(summary)
        before = promises.view_changes.setdefault(summary.view, raw)
        assert before == raw, f"S6: node {node} signs two VIEWCHANGEs for view {summary.view}"
        rank = (summary.high_view, summary.high_height)
        assert rank >= promises.lock or summary.view < promises.left, (
            f"S6: node {node} leaves for {summary.view} with {rank}, its lock is {promises.lock}"
        )
        promises.view = max(promises.view, summary.view)
        promises.left = max(promises.left, summary.view)


def _vote(vote: Vote) -> str:
    return f"{vote.phase.name} {vote.view}/{vote.height} {vote.digest.hex()[:8]}"
