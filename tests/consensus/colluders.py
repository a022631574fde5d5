"""More than f validators that work together against real replicas, own the network, and try to make a fork.

They tell two halves of the honest ones different things, sign everything that helps, deny their locks when they leave a
view, and lead views by several NEWVIEWs. They are tidy otherwise: they name high last blocks, so that nothing but what
the fork needs gives them away.
"""

import random
from collections import defaultdict

import msgspec

from consensus.events import Decided, Received, Tick
from consensus.forensics import Transcript, transcript_of, transcript_of_records
from consensus.messages import CertificateMessage, Message, Proposal, Summary, ViewChange, Vote
from consensus.verification import check_message
from consensus.view_change import claimed_base
from primitives.block import Block, header_digest, new_view_hash
from primitives.certificate import Certificate, Phase, bitmap
from primitives.codec import encode
from primitives.hashing import Digest
from primitives.validators import NodeId
from tests.consensus.committee import (
    GENESIS,
    Committee,
    Desk,
    block_on,
    fake_sign,
    fake_verify,
    key_of,
    new_view,
    propose,
    vote,
)

VIEW_MAX = 5
HEIGHT_MAX = 6


class Splittable(Committee):
    """A committee that records a fork instead of failing on it."""

    fork: tuple[Decided, Decided] | None = None

    def _decide(self, desk: Desk, decided: Decided) -> None:
        desk.chain.append(decided.block)
        desk.decisions.append(decided)
        for other in self.desks:
            same_height = other.decisions[decided.height - 1 : decided.height]
            if same_height and same_height[0].block != decided.block and self.fork is None:
                self.fork = decided, same_height[0]


class Colluders:
    """One walk; `fork` says how it ended."""

    def __init__(self, size: int, count: int, seed: int) -> None:
        self.draw = random.Random(seed)
        self.net = Splittable(size, window=4)
        self.villains = sorted(self.draw.sample(range(size), count))
        self.honest = [node for node in range(size) if node not in self.villains]
        self.side = {node: number % 2 for number, node in enumerate(self.honest)}
        self.blocks: dict[Digest, Block] = {header_digest(GENESIS.header): GENESIS}
        self.votes: dict[tuple[Phase, int, Digest], dict[int, Vote]] = defaultdict(dict)
        self.certificates: dict[tuple[Phase, int, Digest], Certificate] = {}
        self.changes: dict[int, dict[int, ViewChange]] = defaultdict(dict)
        self.seen: list[Message] = []
        for node in self.honest:
            self.net.step(node, Tick(0))

    def walk(self, steps: int) -> None:
        """Act until there is a fork, and a little further."""
        actions = [self.relay] * 5 + [self.propose] * 3 + [self.certify] * 6 + [self.lead] * 3
        actions += [self.time_out, self.restart]
        for _ in range(steps):
            self.draw.choice(actions)()
            self.collect()
            if self.net.fork is not None:
                return

    def collect(self) -> None:
        """Learn what the honest ones sent."""
        while self.net.mail:
            _, _, message = self.net.mail.popleft()
            match message:
                case Proposal(_, block):
                    self.blocks[header_digest(block.header)] = block
                case Vote():
                    self.votes[message.phase, message.view, Digest(message.digest)][message.signer] = message
                case ViewChange(summary):
                    self.changes[summary.view][summary.signer] = message
                case _:
                    continue
            if message not in self.seen[-30:]:
                self.seen.append(message)

    def give(self, message: Message, side: int, stray: float = 0.1) -> None:
        """To one half, now and then to somebody of the other."""
        carrier = NodeId(self.villains[0])
        if check_message(message, carrier, self.net.context, fake_verify) is not None:
            return
        for node in self.honest:
            if self.draw.random() < (0.85 if self.side[node] == side else stray):
                self.net.step(node, Received(carrier, message))

    def relay(self) -> None:
        """What the honest ones said, mostly within their half."""
        if self.seen:
            self.give(self.draw.choice(self.seen[-20:]), self.draw.randrange(2))

    def propose(self) -> None:
        """A child of what somebody stands on, in that one's view, if a colluder leads it."""
        node = self.draw.choice(self.honest)
        state = self.net.desks[node].replica._state
        context, parent = self.net.context, state.tree.get(state.tip.digest)
        if context.leader(state.view) not in self.villains or parent is None or parent.header.height >= HEIGHT_MAX:
            return
        certificate = state.decided_certificate
        executed = 0 if certificate is None else min(state.executed, certificate.height)
        block = block_on(
            parent, context, state.view, (), certificate, max(parent.header.exec_height, executed),
            time_ms=parent.header.time_ms + 1 + self.side[node],
        )  # fmt: skip
        if state.view > 0:
            block = self.with_record(block, node)
        self.blocks[header_digest(block.header)] = block
        self.give(propose(context, state.view, block), self.side[node])

    def with_record(self, block: Block, node: int) -> Block:
        """The NEWVIEW record where the node expects one (C11)."""
        accepted = self.net.desks[node].replica._state.new_view
        at = self.blocks.get(Digest(block.header.parent))
        while accepted is not None and at is not None and at.header.height > 0:
            if at.new_view == encode(accepted):
                return block
            at = self.blocks.get(Digest(at.header.parent))
        raw = None if accepted is None else encode(accepted)
        named = None if raw is None else new_view_hash(raw)
        header = msgspec.structs.replace(block.header, new_view_hash=named)
        return Block(header, block.batch_digests, block.certificate, raw)

    def certify(self) -> None:
        """Whatever q signatures make with the colluders' own, to one half."""
        quorum, context = self.net.context.members.quorum, self.net.context
        for (phase, view, digest), held in list(self.votes.items()):
            block = self.blocks.get(digest)
            helpers = self.draw.sample(self.villains, len(self.villains))
            if block is None or (phase, view, digest) in self.certificates or len(held) + len(helpers) < quorum:
                continue
            signed = dict(held) | {node: vote(context, phase, view, block, node) for node in helpers}
            chosen = sorted((list(held) + helpers)[:quorum])
            self.certificates[phase, view, digest] = Certificate(
                phase, 0, view, block.header.height, digest, bitmap(chosen),
                tuple(signed[node].signature for node in chosen),
            )  # fmt: skip
        if self.certificates:
            certificate = self.draw.choice(list(self.certificates.values())[-6:])
            nodes = [n for n in self.honest if certificate.signers >> n & 1] or self.honest
            self.give(CertificateMessage(certificate), self.side[self.draw.choice(nodes)])

    def denial(self, view: int, signer: int) -> ViewChange:
        """A VIEWCHANGE with any certificate of before, or none, and a last block far up."""
        legal = [None, *(c for c in self.certificates.values() if c.view < view)]
        held = self.draw.choice(legal)
        context = self.net.context
        high = (-1, 0, context.start_digest) if held is None else (held.view, held.height, held.digest)
        draft = Summary(0, view, *high, HEIGHT_MAX + 9, bytes([signer]) * 32, signer, bytes(64))
        signature = fake_sign(key_of(context, signer), context.summary_bytes(draft))
        return ViewChange(msgspec.structs.replace(draft, signature=signature), held)

    def lead(self) -> None:
        """VIEWCHANGEs of the colluders, and the NEWVIEW if one of them leads."""
        node = self.draw.choice(self.honest)
        view = self.net.desks[node].replica.view + self.draw.randrange(2)
        if not 1 <= view <= VIEW_MAX:
            return
        lies = {villain: self.denial(view, villain) for villain in self.villains}
        for lie in lies.values():
            self.give(lie, self.side[node])
        held = {s: m for s, m in self.changes[view].items() if s in self.honest} | lies
        quorum, context = self.net.context.members.quorum, self.net.context
        if context.leader(view) in self.villains and len(held) >= quorum:
            chosen = [*lies.values(), *(m for s, m in held.items() if s in self.honest)][:quorum]
            highest = max(chosen, key=lambda m: claimed_base(m.summary).rank)
            self.give(new_view(context, view, chosen, highest.certificate), self.side[node])

    def time_out(self) -> None:
        """An honest one waits in vain."""
        node = self.draw.choice(self.honest)
        replica = self.net.desks[node].replica
        if replica.view < VIEW_MAX:
            self.net.submit(str(self.draw.random()), node)
            for _ in range(replica.timeout_ms // 500 + 2):
                self.net.now += 500
                self.net.step(node, Tick(self.net.now))

    def restart(self) -> None:
        """Power cut of an honest one."""
        self.net.restart(self.draw.choice(self.honest))

    def transcript(self) -> Transcript:
        """What the honest ones have on their disks."""
        whole = Transcript()
        for node in self.honest:
            desk = self.net.desks[node]
            whole += transcript_of([*desk.chain, *desk.replica._state.tree._blocks.values()])
            whole += Transcript(tuple(d.certificate for d in desk.decisions))
            whole += transcript_of_records(desk.journal)
        return whole

