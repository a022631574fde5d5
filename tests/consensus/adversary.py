"""The strongest adversary for real replicas: it owns the network and one validator, and signs anything for that one.

Every message that honest replicas ever sent stays available: it is delivered in any order, any number of times, or
never. Certificates are assembled from whatever votes exist. Source: the walk of `cpbft` safety models, on real code.
"""

import random

from consensus.events import Received, Tick
from consensus.messages import CertificateMessage, Message, Proposal, ViewChange, Vote
from consensus.verification import check_message
from consensus.view_change import claimed_base
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase, bitmap
from primitives.codec import encode
from primitives.hashing import Digest
from primitives.keys import Signature
from primitives.validators import NodeId
from tests.consensus.committee import (
    GENESIS,
    Committee,
    block_on,
    fake_verify,
    new_view,
    propose,
    view_change,
    vote,
)

HEIGHT_MAX = 4
VIEW_MAX = 4


class Adversary:
    """One walk. The bench asserts agreement, one signature per slot, decisions in order."""

    def __init__(self, size: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.net = Committee(size, window=3, handover_blocks=seed % 3)  # C11: never, every height, every second
        self.villain = self.draw.randrange(size)
        self.honest = [node for node in range(size) if node != self.villain]
        self.seen: list[Message] = []
        self.blocks: dict[Digest, Block] = {header_digest(GENESIS.header): GENESIS}
        self.votes: dict[tuple[Phase, int, Digest], dict[int, Signature]] = {}
        self.certificates: list[Certificate] = []
        self.records: dict[int, list[bytes]] = {}  # own NEWVIEWs by view (C11)
        for node in self.honest:
            self.net.step(node, Tick(0))
        self.submit()

    def walk(self, steps: int) -> None:
        """Act; AssertionError when a rule breaks."""
        actions = [self.deliver] * 25 + [self.propose, self.vote] * 2 + [self.certify] * 4
        actions += [self.time_out, self.change_view, self.enter_view, self.restart, self.rotate, self.submit]
        for _ in range(steps):
            self.draw.choice(actions)()
            self._collect()
        forgot = [self.net.desks[node].replica.abstains for node in self.honest]
        assert not any(forgot), f"S9: an honest restart is taken for amnesia: {forgot}"

    def _collect(self) -> None:
        while self.net.mail:
            sender, _, message = self.net.mail.popleft()
            if message not in self.seen[-40:] and sender != self.villain:
                self.seen.append(message)
                self._learn(message)

    def _learn(self, message: Message) -> None:
        if isinstance(message, Proposal):
            digest = header_digest(message.block.header)
            self.blocks[digest] = message.block
            leader = self.net.context.leader(message.view)
            key = (Phase.PREPARE, message.view, digest)
            self.votes.setdefault(key, {})[leader] = Signature(message.signature)
        elif isinstance(message, Vote):
            key = (message.phase, message.view, Digest(message.digest))
            self.votes.setdefault(key, {})[message.signer] = Signature(message.signature)

    def _give(self, message: Message, share: float) -> None:
        for node in self.honest:
            if self.draw.random() < share:
                assert check_message(message, NodeId(self.villain), self.net.context, fake_verify) is None
                self.net.step(node, Received(NodeId(self.villain), message))

    def deliver(self) -> None:
        """Any message ever sent, the recent ones more often, to anybody."""
        if self.seen:
            recent = self.seen[-30:] if self.draw.random() < 0.8 else self.seen
            self._give(self.draw.choice(recent), 0.7)

    def propose(self) -> None:
        """A legal block on any known one, in a view that the villain leads."""
        view = self.draw.choice([v for v in range(VIEW_MAX + 1) if self.net.context.leader(v) == self.villain] or [-1])
        parent = self.draw.choice(list(self.blocks.values()))
        if view < 0 or parent.header.height >= HEIGHT_MAX:
            return
        below = [c for c in self.certificates if self._is_ancestor(c, parent) and c.phase is Phase.COMMIT]
        certificate = max(below, key=lambda c: c.height, default=None)
        block = block_on(
            parent, self.net.context, view, (bytes([self.draw.randrange(3)]) * 32,), certificate,
            parent.header.exec_height, self.draw.choice([None, *self.records.get(view, ())]),
        )  # fmt: skip
        self.blocks[header_digest(block.header)] = block
        message = propose(self.net.context, view, block)
        self._learn(message)
        self._give(message, 0.6)

    def _is_ancestor(self, certificate: Certificate, block: Block) -> bool:
        at: Block | None = block
        while at is not None and at.header.height > certificate.height:
            at = self.blocks.get(Digest(at.header.parent))
        return at is not None and header_digest(at.header) == certificate.digest

    def vote(self) -> None:
        """Both phases, any known block, any view."""
        block = self.draw.choice(list(self.blocks.values()))
        if block.header.height == 0:
            return
        message = vote(
            self.net.context, self.draw.choice(list(Phase)), self.draw.randrange(VIEW_MAX + 1), block, self.villain
        )
        self._give(message, 0.5)

    def certify(self) -> None:
        """A certificate wherever q signatures exist, the villain's own included."""
        quorum, context = self.net.context.members.quorum, self.net.context
        for (phase, view, digest), signatures in list(self.votes.items()):
            block = self.blocks.get(digest)
            if block is None or len(signatures.keys() - {self.villain}) < quorum - 1:
                continue
            own = {self.villain: Signature(vote(context, phase, view, block, self.villain).signature)}
            chosen = sorted((signatures | own).items())
            self.draw.shuffle(chosen)
            picked = dict(sorted(chosen[:quorum]))
            certificate = Certificate(
                phase, 0, view, block.header.height, digest, bitmap(picked), tuple(picked.values())
            )
            if all((c.phase, c.view, c.digest) != (phase, view, digest) for c in self.certificates):
                self.certificates.append(certificate)
        if self.certificates:
            self._give(CertificateMessage(self.draw.choice(self.certificates)), 0.4)

    def time_out(self) -> None:
        """Somebody waits until its timer fires."""
        node = self.draw.choice(self.honest)
        replica = self.net.desks[node].replica
        if replica.view < VIEW_MAX:
            for _ in range(replica.timeout_ms // 500 + 2):
                self.net.now += 500
                self.net.step(node, Tick(self.net.now))

    def change_view(self) -> None:
        """A VIEWCHANGE of the villain with any old certificate or none."""
        view = self.draw.randrange(1, VIEW_MAX + 1)
        legal = [None, *(c for c in self.certificates if c.view < view)]
        self._give(view_change(self.net.context, view, self.villain, self.draw.choice(legal)), 0.6)

    def enter_view(self) -> None:
        """A NEWVIEW of the villain from any q VIEWCHANGEs, its own lie among them."""
        views = [v for v in range(1, VIEW_MAX + 1) if self.net.context.leader(v) == self.villain]
        if not views:
            return
        view, quorum = self.draw.choice(views), self.net.context.members.quorum
        legal = [None, *(c for c in self.certificates if c.view < view)]
        held = {m.summary.signer: m for m in self.seen if isinstance(m, ViewChange) and m.summary.view == view} | {
            self.villain: view_change(self.net.context, view, self.villain, self.draw.choice(legal))
        }
        if len(held) < quorum:
            return
        chosen = self.draw.sample(sorted(held.values(), key=lambda m: m.summary.signer), quorum)
        highest = max(chosen, key=lambda m: claimed_base(m.summary).rank)
        message = new_view(self.net.context, view, chosen, highest.certificate)
        self.records.setdefault(view, []).append(encode(message))
        self._give(message, 0.6)

    def restart(self) -> None:
        """Power cut of one honest replica; its journal is what was persisted."""
        self.net.restart(self.draw.choice(self.honest))

    def rotate(self) -> None:
        """One honest replica begins a new journal file (C15)."""
        desk = self.net.desks[self.draw.choice(self.honest)]
        desk.journal = list(desk.replica.journal_snapshot())

    def submit(self) -> None:
        """A batch for everybody honest."""
        self.net.submit(str(self.draw.randrange(100)), *self.honest)
