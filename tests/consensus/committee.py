"""A few real replicas on one desk: messages wait in queues until the test delivers, drops or keeps them.

The driver is the smallest legal one: what a step persists is durable at once, blocks are acceptable unless the test
says otherwise, a decided block is executed at once unless held. Signatures are tagged hashes that anybody can check.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from consensus.epochs import EpochContext
from consensus.events import (
    ALL,
    BlockBuilt,
    BlockChecked,
    BuildBlock,
    Decided,
    Effects,
    Event,
    Executed,
    Pending,
    Received,
    Tick,
)
from consensus.evidence import Evidence
from consensus.journal_records import JOURNAL_DECODER, JournalRecord, Position
from consensus.messages import (
    COUNTER_MAX,
    MESSAGE_DECODER,
    Message,
    NewView,
    Proposal,
    Status,
    Summary,
    ViewChange,
    Vote,
)
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig, Timing
from consensus.verification import check_message
from primitives.block import Block, Header, batches_root, header_digest, new_view_hash
from primitives.certificate import Certificate, Phase, bitmap, certificate_hash
from primitives.codec import decode_canonical, encode
from primitives.hashing import ZERO_DIGEST, Digest, tagged_hash
from primitives.keys import PublicKey, Signature
from primitives.validators import Epoch, Height, NodeId, Seats, Validator, ValidatorSet

DEFAULT_TIMING = Timing()
CHAIN: Digest = tagged_hash(b"test/chain")


def fake_sign(key: bytes, message: bytes) -> Signature:
    """64 bytes that only this key and message give."""
    return Signature(tagged_hash(b"test/sign", key, message) * 2)


def fake_verify(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """The counterpart of fake_sign."""
    return fake_sign(key, message) == signature


def members(size: int) -> ValidatorSet:
    """`size` validators with readable keys."""
    return ValidatorSet(tuple(Validator(f"v{i}", bytes([i + 1]) * 32, b"") for i in range(size)))


GENESIS_HEADER = Header(
    epoch=0, height=0, parent=ZERO_DIGEST, batches_root=batches_root(()), tx_root=ZERO_DIGEST, exec_height=0,
    state_root=ZERO_DIGEST, receipts_root=ZERO_DIGEST, cert_height=0, cert_hash=ZERO_DIGEST, valset_hash=ZERO_DIGEST,
    next_valset_hash=None, time_ms=1_000, proposer=0,
)  # fmt: skip
GENESIS = Block(GENESIS_HEADER, (), None)


def context_of(size: int) -> EpochContext:
    """Epoch 0 from genesis."""
    return EpochContext(CHAIN, Epoch(0), members(size), Height(0), header_digest(GENESIS_HEADER))


def block_on(
    parent: Block,
    context: EpochContext,
    view: int = 0,
    batches: tuple[bytes, ...] = (),
    certificate: Certificate | None = None,
    exec_height: int = 0,
    new_view: bytes | None = None,
    **changes: object,
) -> Block:
    """A legal child of `parent` proposed in `view`; `changes` spoil single header fields."""
    header = Header(
        epoch=context.epoch, height=parent.header.height + 1, parent=header_digest(parent.header),
        batches_root=batches_root(batches), tx_root=ZERO_DIGEST, exec_height=max(exec_height, context.start_height),
        state_root=ZERO_DIGEST, receipts_root=ZERO_DIGEST,
        cert_height=context.start_height if certificate is None else certificate.height,
        cert_hash=ZERO_DIGEST if certificate is None else certificate_hash(certificate),
        valset_hash=context.members.hash, next_valset_hash=None, time_ms=parent.header.time_ms + 1,
        proposer=context.leader(view), new_view_hash=None if new_view is None else new_view_hash(new_view),
    )  # fmt: skip
    fields = {name: getattr(header, name) for name in header.__struct_fields__} | changes
    return Block(Header(**fields), batches, certificate, new_view)


def key_of(context: EpochContext, node: int) -> bytes:
    """The key that signs and verifies."""
    return context.members.at(node).vote_key


def propose(context: EpochContext, view: int, block: Block) -> Proposal:
    """The proposal as the leader of `view` signs it."""
    draft = Proposal(view, block, bytes(64))
    signed = context.proposal_bytes(draft, header_digest(block.header))
    return Proposal(view, block, fake_sign(key_of(context, context.leader(view)), signed))


def vote(context: EpochContext, phase: Phase, view: int, block: Block, signer: int) -> Vote:
    """The vote as `signer` signs it."""
    digest, height = header_digest(block.header), block.header.height
    draft = Vote(phase, context.epoch, view, height, digest, signer, bytes(64))
    signature = fake_sign(key_of(context, signer), context.signed_vote_bytes(draft))
    return Vote(phase, context.epoch, view, height, digest, signer, signature)


def certify(context: EpochContext, phase: Phase, view: int, block: Block, signers: list[int]) -> Certificate:
    """A certificate by these signers."""
    signatures = tuple(vote(context, phase, view, block, node).signature for node in sorted(signers))
    digest = header_digest(block.header)
    return Certificate(phase, context.epoch, view, block.header.height, digest, bitmap(signers), signatures)


def view_change(context: EpochContext, view: int, signer: int, certificate: Certificate | None = None) -> ViewChange:
    """The VIEWCHANGE of `signer` that carries `certificate`."""
    high = (-1, 0, context.start_digest) if certificate is None else (
        certificate.view, certificate.height, certificate.digest
    )  # fmt: skip
    draft = Summary(context.epoch, view, *high, 0, context.start_digest, signer, bytes(64))
    signature = fake_sign(key_of(context, signer), context.summary_bytes(draft))
    return ViewChange(Summary(context.epoch, view, *high, 0, context.start_digest, signer, signature), certificate)


def new_view(
    context: EpochContext,
    view: int,
    changes: list[ViewChange],
    certificate: Certificate | None,
    signer: int | None = None,
) -> NewView:
    """A NEWVIEW from these messages, right or wrong, signed by the leader or by `signer`."""
    draft = NewView(context.epoch, view, tuple(c.summary for c in changes), certificate, bytes(64))
    leader = context.leader(view) if signer is None else signer
    signature = fake_sign(key_of(context, leader), context.new_view_bytes(draft))
    return NewView(draft.epoch, draft.view, draft.summaries, draft.certificate, signature)


def trusted(replica: Replica, context: EpochContext, me: int) -> Replica:
    """The replica past its probation: all others have said that they know of nothing (S9)."""
    for node in context.members.nodes:
        if node != me:
            replica.step(Received(node, Status(context.epoch, COUNTER_MAX, True, COUNTER_MAX, 0, ())))
    replica._state.answers.clear()
    return replica


@dataclass
class Desk:
    """One replica with its durable records, its ledger, and what its steps gave."""

    config: ReplicaConfig
    chain: list[Block] = field(default_factory=lambda: [GENESIS])  # decided blocks, genesis first
    certificate: Certificate | None = None
    executed: int = 0
    changed: int = 0
    journal: list[JournalRecord] = field(default_factory=list)
    pool: dict[bytes, None] = field(default_factory=dict)  # batches that no decided block names
    decisions: list[Decided] = field(default_factory=list)
    violations: list[tuple[int, str]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    effects: list[Effects] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replica = trusted(Replica(self.config, self.head()), self.config.context, self.config.me)

    def head(self) -> LedgerHead:
        """The ledger: what is executed."""
        certificate = self.certificate
        for decided in self.decisions:
            if decided.height == self.executed:
                certificate = decided.certificate
        return LedgerHead(tuple(self.chain[: self.executed + 1][-17:]), certificate, Height(self.changed))


class Committee:
    """`size` desks. Messages wait in `mail` as (sender, receiver, message)."""

    def __init__(
        self, size: int = 4, window: int = 8, hold_execution: bool = False, handover_blocks: int = 0,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:  # fmt: skip
        self.timing = timing
        self.context = context_of(size)
        self.handover_blocks = handover_blocks
        self.closing: bytes | None = None  # hash of the next set: leaders build close blocks
        self.window = window
        self.now = 0
        self.mail: deque[tuple[int, int, Message]] = deque()
        self.down: set[int] = set()
        self.hold_execution = hold_execution
        self.acceptable: Callable[[int, Block], bool | None] = lambda node, block: True
        self.desks = [Desk(self._config(node)) for node in range(size)]
        self.signed: dict[tuple[object, ...], bytes] = {}  # every slot that was ever signed, over all lives (S1)

    def _config(self, node: int) -> ReplicaConfig:
        key = bytes([node + 1]) * 32
        return ReplicaConfig(
            self.context, NodeId(node), lambda signed: fake_sign(key, signed), self.window, self.timing,
            handover_blocks=self.handover_blocks,
        )  # fmt: skip

    def step(self, node: int, event: Event) -> Effects:
        """One step and its effects in the legal order."""
        desk = self.desks[node]
        effects = desk.replica.step(event)
        desk.effects.append(effects)
        for record in effects.persist:
            desk.journal.append(decode_canonical(JOURNAL_DECODER, encode(record)))
        for recipient, message in effects.send:
            assert decode_canonical(MESSAGE_DECODER, encode(message)) == message
            self._watch_slots(node, message)
            receivers = range(len(self.desks)) if recipient == ALL else [recipient]
            self.mail.extend((node, receiver, message) for receiver in receivers if receiver != node)
        desk.violations += effects.violations
        desk.evidence += effects.evidence
        for decided in effects.decide:
            self._decide(desk, decided)
        if effects.decide and not self.hold_execution:
            self.execute(node)
        for check in effects.check:
            verdict = self.acceptable(node, check.block)
            if verdict is not None:
                self.step(node, BlockChecked(check.digest, verdict))
        for build in effects.build:
            self.step(node, BlockBuilt(build.view, build.height, self.build(desk, build)))
        return effects

    def _watch_slots(self, node: int, message: Message) -> None:
        if isinstance(message, Proposal) and message.block.header.proposer == node:
            message = vote(self.context, Phase.PREPARE, message.view, message.block, node)
        if isinstance(message, Vote) and message.signer == node:
            slot = (message.signer, message.phase, message.view, message.height)
            assert self.signed.setdefault(slot, message.digest) == message.digest, f"two signatures for {slot}"

    def _decide(self, desk: Desk, decided: Decided) -> None:
        assert decided.height == len(desk.chain), f"height {decided.height} after {len(desk.chain) - 1}"
        assert decided.block.header.parent == header_digest(desk.chain[-1].header)
        for other in self.desks:
            if len(other.chain) > decided.height:
                assert other.chain[decided.height] == decided.block, f"fork at {decided.height}"
        desk.chain.append(decided.block)
        desk.decisions.append(decided)
        for digest in decided.block.batch_digests:
            desk.pool.pop(digest, None)

    def execute(self, node: int) -> None:
        """Execute what is decided, then tell the pool."""
        desk = self.desks[node]
        while desk.executed < len(desk.chain) - 1:
            desk.executed += 1
            changed = bool(desk.chain[desk.executed].batch_digests)
            desk.changed = desk.executed if changed else desk.changed
            self.step(node, Executed(Height(desk.executed), changed))
        self.step(node, self.pending(node))

    def pending(self, node: int) -> Pending:
        """The pool of a desk as an event."""
        pool = self.desks[node].pool
        return Pending(len(pool), Digest(next(iter(pool))) if pool else None)

    def build(self, desk: Desk, build: BuildBlock) -> Block | None:
        """What an honest driver answers: at most one batch per block."""
        if self.closing is not None:
            return block_on(
                build.parent_block, self.context, desk.replica.view, (), build.certificate, build.exec_height_max,
                build.new_view, next_valset_hash=self.closing,
            )  # fmt: skip
        taken = {digest for block in build.undecided for digest in block.batch_digests}
        batches = tuple(digest for digest in desk.pool if digest not in taken)[:1]
        if not batches and not build.flush:
            return None
        return block_on(
            build.parent_block, self.context, desk.replica.view, batches, build.certificate, build.exec_height_max,
            build.new_view,
        )  # fmt: skip

    def submit(self, name: str, *nodes: int) -> bytes:
        """A batch arrives at the nodes, at all of them if none is named."""
        digest = tagged_hash(b"test/batch", name.encode())
        for node in nodes or range(len(self.desks)):
            if node not in self.down:
                self.desks[node].pool[digest] = None
                self.step(node, self.pending(node))
        return digest

    def deliver(self, keep: Callable[[int, int, Message], bool] = lambda s, r, m: True, limit: int = 20_000) -> None:
        """Deliver until no message is left; those that `keep` refuses are lost."""
        for _ in range(limit):
            if not self.mail:
                return
            sender, receiver, message = self.mail.popleft()
            if sender in self.down or receiver in self.down or not keep(sender, receiver, message):
                continue
            fault = check_message(message, NodeId(sender), self.context, fake_verify)
            assert fault is None, fault
            self.step(receiver, Received(NodeId(sender), message))
        raise AssertionError(f"{limit} messages and no end: a storm")

    def run(self, ms: int, keep: Callable[[int, int, Message], bool] = lambda s, r, m: True) -> None:
        """Let time pass in ticks of 25 ms, everything delivered in between."""
        for _ in range(ms // 25):
            self.now += 25
            for node in range(len(self.desks)):
                if node not in self.down:
                    self.step(node, Tick(self.now))
            self.deliver(keep)

    def restart(self, node: int) -> None:
        """The process comes back with its journal and its ledger; memory and undelivered messages are gone."""
        desk = self.desks[node]
        self.down.discard(node)
        desk.chain = desk.chain[: desk.executed + 1]
        desk.decisions = [d for d in desk.decisions if d.height <= desk.executed]
        desk.replica = Replica.restore(self._config(node), desk.journal, desk.head())
        self._trust(node)
        self.step(node, self.pending(node))

    def _trust(self, node: int) -> None:
        """Like `trusted`, but all others say what they really have seen, and what the steps give is carried out."""
        for other in self.context.members.nodes:
            if other != node:
                seen = self.desks[other].replica._state.probation.sightings()
                status = Status(self.context.epoch, COUNTER_MAX, True, COUNTER_MAX, 0, (), seen)
                self.step(node, Received(other, status))
        self.desks[node].replica._state.answers.clear()

    def open_epoch(self, seats: Seats) -> None:
        """Every desk goes on in the next epoch; all of them have executed the close block. Old messages are gone."""
        self.mail.clear()
        self.closing = None
        start = self.desks[0].chain[-1].header
        epoch, members = Epoch(self.context.epoch + 1), ValidatorSet(seats)
        self.context = EpochContext(CHAIN, epoch, members, Height(start.height), header_digest(start))
        for node, desk in enumerate(self.desks):
            desk.config = self._config(node)
            desk.journal = [Position(epoch, 0)]
            desk.replica = Replica(desk.config, desk.head())
            self._trust(node)
            self.step(node, self.pending(node))

    def heights(self) -> list[int]:
        """Decided height of every desk."""
        return [len(desk.chain) - 1 for desk in self.desks]


def only(committee: Committee, **settings: object) -> Committee:
    """The same desks with other timing."""
    for desk in committee.desks:
        desk.config = replace(desk.config, **settings)
        desk.replica = trusted(Replica(desk.config, desk.head()), committee.context, desk.config.me)
    return committee
