"""Members that hold a valid key and sign anything for themselves. Each runs a real core; its output is perturbed here.

They know what they hear and what their own core says. They cannot sign for others, and they share nothing.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from consensus.epochs import EpochContext
from consensus.events import ALL
from consensus.messages import (
    BlockReply,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    Status,
    Summary,
    ViewChange,
    Vote,
)
from consensus.view_change import base_of
from primitives.block import Block, batches_root, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from simulation.roles import Role
from simulation.signatures import Sign

KEPT: Final = 64
FAR_VIEW: Final = 10**9
Outbox = list[tuple[int, Message]]


class Villain:
    """The tools of a traitor: what it has heard, and its pen."""

    def __init__(self, me: int, context: EpochContext, sign: Sign, draw: random.Random) -> None:
        self.me, self.context, self.sign, self.draw = me, context, sign, draw
        self.blocks: deque[tuple[int, Block]] = deque(maxlen=KEPT)  # (view, block) as proposed
        self.certificates: deque[Certificate] = deque(maxlen=KEPT)
        self.view_changes: dict[int, dict[int, ViewChange]] = {}
        self.said: deque[Message] = deque(maxlen=KEPT)
        self.forged: dict[tuple[int, int], Digest] = {}  # own second proposals

    def hears(self, message: Message) -> None:
        """Learn from a message, an own one included."""
        match message:
            case Proposal(view, block):
                self.blocks.append((view, block))
                self._learn(block.certificate)
            case ViewChange(summary, certificate):
                if summary.view < FAR_VIEW:
                    self.view_changes.setdefault(summary.view, {})[summary.signer] = message
                self._learn(certificate)
            case NewView():
                self._learn(message.certificate)
            case CertificateMessage(certificate):
                self._learn(certificate)
            case _:
                pass

    def _learn(self, certificate: Certificate | None) -> None:
        if certificate is not None and certificate not in self.certificates:
            self.certificates.append(certificate)

    def vote(self, phase: Phase, view: int, height: int, digest: bytes) -> Vote:
        """An own vote for anything."""
        draft = Vote(phase, self.context.epoch, view, height, digest, self.me, bytes(64))
        return replace(draft, signature=self.sign(self.context.signed_vote_bytes(draft)))

    def proposal(self, view: int, block: Block) -> Proposal:
        """An own proposal of anything in any view."""
        draft = Proposal(view, block, bytes(64))
        return replace(draft, signature=self.sign(self.context.proposal_bytes(draft, header_digest(block.header))))

    def view_change(self, view: int, certificate: Certificate | None, honest: Summary | None = None) -> ViewChange:
        """An own VIEWCHANGE with any certificate."""
        base = base_of(certificate, self.context)
        tip = (base.rank.height, base.digest) if honest is None else (honest.tip_height, honest.tip_digest)
        summary = Summary(
            self.context.epoch, view, base.rank.view, base.rank.height, base.digest, *tip, self.me, bytes(64)
        )
        return ViewChange(self.signed(summary), certificate)

    def signed(self, summary: Summary) -> Summary:
        """The summary under this key."""
        mine = replace(summary, signer=self.me)
        return replace(mine, signature=self.sign(self.context.summary_bytes(mine)))

    def new_view(self, view: int, chosen: list[ViewChange], certificate: Certificate | None) -> NewView:
        """An own NEWVIEW of any summaries with any certificate."""
        draft = NewView(self.context.epoch, view, tuple(m.summary for m in chosen), certificate, bytes(64))
        return replace(draft, signature=self.sign(self.context.new_view_bytes(draft)))

    def alternative(self, block: Block) -> Block:
        """Another block for the same height: most often one that an honest replica would accept."""
        header = block.header
        twisted = [
            replace(header, time_ms=header.time_ms + 1),
            replace(header, time_ms=header.time_ms + 2),
            replace(header, state_root=self.noise()),
            replace(header, tx_root=self.noise()),
            replace(header, parent=self.noise()),
            replace(header, exec_height=max(0, header.exec_height - 1)),
            replace(header, time_ms=header.time_ms + 60_000),
        ]
        choice = self.draw.choices(range(len(twisted) + 2), weights=(8, 4, 1, 1, 1, 1, 1, 1, 1))[0]
        if choice >= len(twisted):  # other batches: fewer, or one that nobody has
            turned = tuple(reversed(block.batch_digests))[1:] if choice == len(twisted) else (self.noise(),)
            return Block(replace(header, batches_root=batches_root(turned)), turned, block.certificate)
        return replace(block, header=twisted[choice])

    def noise(self) -> Digest:
        """A digest of nothing."""
        return Digest(self.draw.randbytes(32))

    def half(self) -> set[int]:
        """A random half of the others."""
        others = [node for node in range(self.context.members.size) if node != self.me]
        return set(self.draw.sample(others, len(others) // 2))

    def others(self) -> list[int]:
        """Everybody else."""
        return [node for node in range(self.context.members.size) if node != self.me]

    def rival(self, view: int, height: int, digest: bytes) -> Digest | None:
        """Another block that was proposed for the slot."""
        forged = self.forged.get((view, height))
        if forged is not None and forged != digest:
            return forged
        for seen_view, block in self.blocks:
            if (seen_view, block.header.height) == (view, height) and header_digest(block.header) != digest:
                return header_digest(block.header)
        return None


def _split(villain: Villain, receiver: int, first: Message, second: Message) -> Outbox:
    """One half hears the first, the other the second."""
    half = villain.half()
    targets = villain.others() if receiver == ALL else [receiver]
    return [(node, first if node in half else second) for node in targets]


def _equivocate(villain: Villain, receiver: int, message: Message) -> Outbox:
    match message:
        case Proposal(view, block) if villain.context.leader(view) == villain.me:
            other = villain.alternative(block)
            slot = view, block.header.height
            villain.forged.setdefault(slot, header_digest(other.header))
            if villain.forged[slot] != header_digest(other.header):
                return [(receiver, message)]  # the second proposal of this slot is out already
            return _split(villain, receiver, message, villain.proposal(view, other))
        case Vote() if message.signer == villain.me:
            rival = villain.rival(message.view, message.height, message.digest)
            if rival is not None:
                second = villain.vote(message.phase, message.view, message.height, rival)
                return _split(villain, receiver, message, second)
    return [(receiver, message)]


def _vote_twice(villain: Villain, receiver: int, message: Message) -> Outbox:
    if not isinstance(message, Vote) or message.signer != villain.me:
        return [(receiver, message)]
    rival = villain.rival(message.view, message.height, message.digest) or villain.noise()
    pair: Outbox = [
        (receiver, message),
        (receiver, villain.vote(message.phase, message.view, message.height, rival)),
        (receiver, villain.vote(Phase.COMMIT, message.view, message.height, message.digest)),  # without a lock
    ]
    villain.draw.shuffle(pair)
    return pair


def _mute(villain: Villain, receiver: int, message: Message) -> Outbox:
    del villain, receiver, message
    return []


def _stale_view(villain: Villain, receiver: int, message: Message) -> Outbox:
    match message:
        case ViewChange(summary) if summary.signer == villain.me:
            return [(receiver, _stale_view_change(villain, summary))]
        case NewView() if villain.context.leader(message.view) == villain.me:
            return _split(villain, receiver, message, _low_new_view(villain, message))
    return [(receiver, message)]


def _stale_view_change(villain: Villain, summary: Summary) -> ViewChange:
    old = [c for c in villain.certificates if c.view < summary.view]
    match villain.draw.randrange(4):
        case 0:
            return villain.view_change(summary.view, None)
        case 1 if old:
            return villain.view_change(summary.view, villain.draw.choice(old), summary)
        case 2:  # claims more than it attaches
            lie = replace(
                summary, high_view=summary.view - 1, high_height=summary.tip_height + 1, high_digest=villain.noise()
            )
            return ViewChange(villain.signed(lie), old[-1] if old else None)
        case _:
            return villain.view_change(summary.view, old[-1] if old else None, summary)


def _low_new_view(villain: Villain, message: NewView) -> NewView:
    """A NEWVIEW with the lowest legal base that the heard summaries allow, or an illegal one."""
    held = dict(villain.view_changes.get(message.view, {}))
    held[villain.me] = villain.view_change(message.view, None)
    ranked = sorted(held.values(), key=lambda m: base_of(m.certificate, villain.context))
    chosen = ranked[: villain.context.members.quorum]
    highest = chosen[-1].certificate
    match villain.draw.randrange(4):
        case 0:
            return villain.new_view(message.view, [chosen[0]] * villain.context.members.quorum, chosen[0].certificate)
        case 1:
            return villain.new_view(message.view, chosen, chosen[0].certificate)
        case _:
            return villain.new_view(message.view, chosen, highest)


def _mutate(villain: Villain, receiver: int, message: Message) -> Outbox:
    if villain.draw.random() < 0.6:
        return [(receiver, message)]
    if villain.said and villain.draw.random() < 0.2:
        return [(receiver, message), (receiver, villain.draw.choice(villain.said))]
    return [(receiver, _mutated(villain, message))]


def _mutated(villain: Villain, message: Message) -> Message:
    draw = villain.draw
    match message:
        case Vote():
            return villain.vote(
                draw.choice((message.phase, Phase.PREPARE, Phase.COMMIT)), max(0, message.view + draw.randint(-1, 1)),
                max(0, message.height + draw.randint(-1, 1)),
                draw.choice((message.digest, message.digest, villain.noise())),
            )  # fmt: skip
        case Proposal(view, block):
            return villain.proposal(max(0, view + draw.randint(-1, 1)), villain.alternative(block))
        case ViewChange(summary, certificate):
            return ViewChange(
                villain.signed(replace(summary, view=summary.view + draw.randint(0, 2))), _broken(draw, certificate)
            )
        case NewView():
            summaries = list(message.summaries)
            summaries[draw.randrange(len(summaries))] = draw.choice(summaries)
            draft = replace(message, summaries=tuple(summaries), certificate=_broken(draw, message.certificate))
            return replace(draft, signature=villain.sign(villain.context.new_view_bytes(draft)))
        case Status():
            far = message.decided + draw.choice((0, 3, 10**6))
            return replace(
                message, view=message.view + draw.choice((0, 1, 100)), decided=far, active=draw.random() < 0.5
            )
        case CertificateMessage(certificate):
            return CertificateMessage(_broken(draw, certificate) or certificate)
        case BlockReply(blocks) if blocks:
            return _lying_reply(villain, blocks)
        case _:
            return message


def _lying_reply(villain: Villain, blocks: tuple[Block, ...]) -> BlockReply:
    """In the wrong order, or the true chain and behind it a block with a forged certificate."""
    if villain.draw.random() < 0.3:
        return BlockReply((*reversed(blocks), villain.alternative(blocks[0])))
    known = {header_digest(block.header): block for _, block in villain.blocks}
    chain = list(blocks)
    while len(chain) < 30 and (parent := known.get(Digest(chain[-1].header.parent))) is not None:
        chain.append(parent)
    _, victim = villain.draw.choice(villain.blocks) if villain.blocks else (0, blocks[0])
    rival, size = villain.alternative(victim), villain.context.members.quorum
    forged = Certificate(
        Phase.COMMIT, 0, 0, rival.header.height, header_digest(rival.header), 2**size - 1, (bytes(64),) * size
    )
    return BlockReply((*chain, Block(rival.header, rival.batch_digests, forged)))


def _broken(draw: random.Random, certificate: Certificate | None) -> Certificate | None:
    if certificate is None:
        return None
    return draw.choice(
        (
            certificate,
            replace(certificate, signatures=certificate.signatures[:-1] or certificate.signatures),
            replace(certificate, phase=Phase.COMMIT),
            replace(certificate, height=certificate.height + 1),
            replace(certificate, signatures=certificate.signatures[:1] * len(certificate.signatures)),
        )
    )


def _honest(villain: Villain, receiver: int, message: Message) -> Outbox:
    del villain
    return [(receiver, message)]


def _forge_usurping(villain: Villain, view: int) -> Outbox:
    """Children of the newest blocks: in this view, which others lead, and in a later one that nobody opened."""
    if not villain.blocks:
        return []
    _, parent = max(villain.blocks, key=lambda entry: entry[1].header.height)
    certificate = next((c for c in reversed(villain.certificates) if c.phase is Phase.COMMIT), parent.certificate)
    header = parent.header
    size = villain.context.members.size
    turn = next(v for v in range(view + 1, view + 1 + size) if villain.context.leader(v) == villain.me)
    forged: Outbox = []
    for in_view, proposer, gap in (
        (view, villain.me, 1),
        (view, villain.context.leader(view), 1),
        (turn, villain.me, 1),
        (turn, villain.me, 2),
    ):
        child = replace(
            header, height=header.height + gap, parent=header_digest(header), batches_root=batches_root(()),
            tx_root=villain.noise(), time_ms=header.time_ms + 1, proposer=proposer,
        )  # fmt: skip
        forged.append((ALL, villain.proposal(in_view, Block(child, (), certificate))))
    return forged


def _forge_votes(villain: Villain, view: int) -> Outbox:
    if not villain.blocks:
        return []
    _, block = villain.draw.choice(villain.blocks)
    digest, height = header_digest(block.header), block.header.height
    return [
        (ALL, villain.vote(phase, v, height, digest)) for phase in Phase for v in {view, max(0, view - 1), view + 1}
    ]


def _forge_views(villain: Villain, view: int) -> Outbox:
    certificate = villain.draw.choice(villain.certificates) if villain.certificates else None
    target = villain.draw.choice((view + 1, view + 2, view + 5, FAR_VIEW))
    forged: Outbox = [(ALL, villain.view_change(target, certificate))]
    for heard_view, held in list(villain.view_changes.items())[-2:]:
        chosen = [*held.values(), villain.view_change(heard_view, None)][: villain.context.members.quorum]
        forged.append((ALL, villain.new_view(heard_view, chosen, None)))
    return forged


def _forge_replays(villain: Villain, view: int) -> Outbox:
    del view
    return [(ALL, villain.draw.choice(villain.said))] if villain.said else []


def _nothing(villain: Villain, view: int) -> Outbox:
    del villain, view
    return []


PERTURB: Final[dict[Role, Callable[[Villain, int, Message], Outbox]]] = {
    Role.EQUIVOCATE: _equivocate,
    Role.USURP: _honest,
    Role.VOTE_TWICE: _vote_twice,
    Role.MUTE: _mute,
    Role.STALE_VIEW: _stale_view,
    Role.MUTATE: _mutate,
    Role.TWIN: _honest,
}
FORGE: Final[dict[Role, Callable[[Villain, int], Outbox]]] = {
    Role.EQUIVOCATE: _nothing,
    Role.USURP: _forge_usurping,
    Role.VOTE_TWICE: _forge_votes,
    Role.MUTE: _nothing,
    Role.STALE_VIEW: _forge_views,
    Role.MUTATE: _forge_replays,
    Role.TWIN: _nothing,
}
