"""Members that vote badly: too little, too early, for too much, under other names."""

from typing import Final

from msgspec.structs import replace

from consensus.events import ALL
from consensus.messages import COUNTER_MAX, CertificateMessage, Message, Proposal, Vote
from primitives.block import header_digest
from primitives.certificate import Certificate, Phase, bitmap
from simulation.roles import Role
from simulation.strategy import Expect, Seat, Strategy
from simulation.villain import FAR_HEIGHT, FAR_VIEW, Letter, Outbox, Villain

LATE_MS: Final = 400


def _mine(villain: Villain, message: Message, phase: Phase) -> bool:
    return isinstance(message, Vote) and message.signer == villain.me and message.phase is phase


def _withhold_commit(villain: Villain, receiver: int, message: Message) -> Outbox:
    return [] if _mine(villain, message, Phase.COMMIT) else [Letter(receiver, message)]


def _commit_to_one(villain: Villain, receiver: int, message: Message) -> Outbox:
    """So that one decides alone, and others have to learn it from it."""
    if not _mine(villain, message, Phase.COMMIT):
        return [Letter(receiver, message)]
    return [Letter(node, message) for node in villain.targets(receiver) if node == villain.victim()]


def _prepare_to_one(villain: Villain, receiver: int, message: Message) -> Outbox:
    """So that one is locked alone (pitfall 16)."""
    if not _mine(villain, message, Phase.PREPARE):
        return [Letter(receiver, message)]
    return [Letter(node, message) for node in villain.targets(receiver) if node == villain.victim()]


def _no_lock(villain: Villain, message: Message) -> Outbox:
    """COMMIT at once for whatever is proposed (S4)."""
    if not isinstance(message, Proposal):
        return []
    digest, height = header_digest(message.block.header), message.block.header.height
    return [Letter(ALL, villain.vote(Phase.COMMIT, message.view, height, digest))]


def _old_votes(villain: Villain) -> Outbox:
    """What it said in older views again, and fresh votes for older views (S3)."""
    said = [m for m in villain.said if isinstance(m, Vote)][:4]
    letters: Outbox = [Letter(ALL, message) for message in said]
    for view, block in list(villain.blocks)[:4]:
        digest, height = header_digest(block.header), block.header.height
        letters += [Letter(ALL, villain.vote(phase, max(0, view - 1), height, digest)) for phase in Phase]
    return letters


def _foreign_epoch(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Every vote also for the epochs around (pitfall 4)."""
    letters = [Letter(receiver, message)]
    if isinstance(message, Vote) and message.signer == villain.me:
        for epoch in {message.epoch + 1, max(0, message.epoch - 1)} - {message.epoch}:
            other = villain.vote(message.phase, message.view, message.height, message.digest, epoch)
            letters.append(Letter(receiver, other))
    return letters


def _far_votes(villain: Villain) -> Outbox:
    """Heights of 10^12, views of 10^9, and the largest numbers that a message can hold (pitfall 25)."""
    newest = villain.newest()
    known = 0 if newest is None else newest.header.height
    places = (
        (villain.view, FAR_HEIGHT), (FAR_VIEW, 1), (COUNTER_MAX, COUNTER_MAX), (villain.view, COUNTER_MAX),
        *((FAR_VIEW + villain.draw.randrange(10**6), known + 1 + step % 12) for step in range(60)),
        (villain.view + villain.draw.randrange(20), villain.draw.randrange(100)),
    )  # fmt: skip
    return [Letter(ALL, villain.vote(phase, v, h, villain.noise())) for v, h in places for phase in Phase]


def _forged_certificates(villain: Villain) -> Outbox:
    """Certificates that almost hold: one signer often, too few, another phase, own signatures only (pitfalls 2, 3)."""
    block = villain.newest()
    if block is None:
        return []
    members, height, digest = villain.context.members, block.header.height, header_digest(block.header)
    quorum = members.quorum
    own = villain.vote(Phase.COMMIT, villain.view, height, digest).signature
    chosen = bitmap(members.nodes[:quorum])
    epoch = villain.context.epoch
    forged = [
        Certificate(Phase.COMMIT, epoch, villain.view, height, digest, chosen, (own,) * quorum),
        Certificate(Phase.COMMIT, epoch, villain.view, height, digest, 1 << villain.me, (own,)),
        Certificate(Phase.COMMIT, epoch, villain.view, height, digest, 1 << villain.me, (own,) * quorum),
        Certificate(Phase.COMMIT, epoch, FAR_VIEW, FAR_HEIGHT, digest, chosen, (own,) * quorum),
    ]
    if villain.certificates:
        good = villain.draw.choice(villain.certificates)
        forged += [
            replace(good, phase=Phase.PREPARE if good.phase is Phase.COMMIT else Phase.COMMIT),
            replace(good, height=good.height + 1),
            replace(good, view=good.view + 1),
            replace(good, digest=villain.noise()),
            replace(good, signatures=good.signatures[:-1] or good.signatures * 2),
            replace(good, signatures=good.signatures[:1] * len(good.signatures)),
        ]
    return [Letter(ALL, CertificateMessage(certificate)) for certificate in forged]


def _impersonate(villain: Villain, message: Message) -> Outbox:
    """Votes under the names of all others, with its own signature."""
    if not isinstance(message, Proposal):
        return []
    digest, height = header_digest(message.block.header), message.block.header.height
    return [
        Letter(ALL, replace(villain.vote(phase, message.view, height, digest), signer=name))
        for phase in Phase
        for name in villain.others()
    ]


def _late_votes(villain: Villain, receiver: int, message: Message) -> Outbox:
    late = isinstance(message, Vote) and message.signer == villain.me
    return [Letter(receiver, message, LATE_MS if late else 0)]


_UNMOVED: Final = frozenset({Expect.UNMOVED})

STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.WITHHOLD_COMMIT: Strategy("prepares, then withholds COMMIT", seat=Seat.LAST, perturb=_withhold_commit),
    Role.COMMIT_TO_ONE: Strategy("S5: COMMIT to one member only", seat=Seat.LAST, perturb=_commit_to_one),
    Role.PREPARE_TO_ONE: Strategy(
        "S4: PREPARE to one member only, so that it is locked alone (pitfall 16)", seat=Seat.LAST,
        perturb=_prepare_to_one,
    ),
    Role.NO_LOCK: Strategy("S4: COMMIT before there is a lock", seat=Seat.LAST, answers=_no_lock),
    Role.OLD_VOTES: Strategy("S3: votes of older views, again and anew", seat=Seat.NEXT, forges=_old_votes),
    Role.FOREIGN_EPOCH: Strategy(
        "S11: votes for other epochs (pitfall 4)", _UNMOVED, Seat.LAST, perturb=_foreign_epoch
    ),
    Role.FAR_VOTES: Strategy(
        "S12: votes at heights of 10^12 and views of 10^9 (pitfalls 25, 56)", _UNMOVED, Seat.LAST, forges=_far_votes
    ),
    Role.FORGED_CERTIFICATES: Strategy(
        "C16: certificates of one signer, of too few, of another phase (pitfalls 2, 3)",
        frozenset({Expect.UNMOVED, Expect.REFUSED}), Seat.LAST, forges=_forged_certificates,
    ),
    Role.IMPERSONATE: Strategy(
        "S1: votes under the names of others (W15)", frozenset({Expect.UNMOVED, Expect.REFUSED}), Seat.LAST,
        answers=_impersonate,
    ),
    Role.LATE_VOTES: Strategy("C7: every vote 400 ms late", seat=Seat.LAST, perturb=_late_votes),
}  # fmt: skip
