"""Traitors that do of everything a little: for random runs."""

from typing import Final

from msgspec.structs import replace

from consensus.events import ALL
from consensus.messages import Message, NewView, Proposal, Summary, ViewChange, Vote
from consensus.view_change import base_of
from primitives.block import Block, batches_root, header_digest
from primitives.certificate import Phase
from simulation.byzantine_mutators import mutated
from simulation.parcels import Parcel
from simulation.roles import Role
from simulation.strategy import Expect, Seat, Strategy
from simulation.villain import FAR_VIEW, Letter, Outbox, Villain


def _split(villain: Villain, receiver: int, first: Message, second: Message) -> Outbox:
    """One half hears the first, the other the second."""
    half = villain.half()
    return [Letter(node, first if node in half else second) for node in villain.targets(receiver)]


def _equivocate(villain: Villain, receiver: int, message: Message) -> Outbox:
    match message:
        case Proposal(view, block) if villain.context.leader(view) == villain.me:
            other = villain.alternative(block)
            slot = view, block.header.height
            villain.gang.forged.setdefault(slot, header_digest(other.header))
            if villain.gang.forged[slot] != header_digest(other.header):
                return [Letter(receiver, message)]  # the second proposal of this slot is out already
            return _split(villain, receiver, message, villain.proposal(view, other))
        case Vote() if message.signer == villain.me:
            rival = villain.rival(message.view, message.height, message.digest)
            if rival is not None:
                second = villain.vote(message.phase, message.view, message.height, rival)
                return _split(villain, receiver, message, second)
    return [Letter(receiver, message)]


def _vote_twice(villain: Villain, receiver: int, message: Message) -> Outbox:
    if not isinstance(message, Vote) or message.signer != villain.me:
        return [Letter(receiver, message)]
    rival = villain.rival(message.view, message.height, message.digest) or villain.noise()
    pair: Outbox = [
        Letter(receiver, message),
        Letter(receiver, villain.vote(message.phase, message.view, message.height, rival)),
        Letter(receiver, villain.vote(Phase.COMMIT, message.view, message.height, message.digest)),  # without a lock
    ]
    villain.draw.shuffle(pair)
    return pair


def _mute(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    del villain, receiver, parcel
    return []


def _often_mute(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    return [] if villain.draw.random() < 0.5 else [Letter(receiver, parcel)]


def _stale_view(villain: Villain, receiver: int, message: Message) -> Outbox:
    match message:
        case ViewChange(summary) if summary.signer == villain.me:
            return [Letter(receiver, _stale_view_change(villain, summary))]
        case NewView() if villain.context.leader(message.view) == villain.me:
            return _split(villain, receiver, message, _low_new_view(villain, message))
    return [Letter(receiver, message)]


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
        return [Letter(receiver, message)]
    if villain.said and villain.draw.random() < 0.2:
        return [Letter(receiver, message), Letter(receiver, villain.draw.choice(villain.said))]
    return [Letter(receiver, mutated(villain, message))]


def _usurping(villain: Villain) -> Outbox:
    """Children of the newest blocks: in this view, which others lead, and in a later one that nobody opened."""
    parent = villain.newest()
    if parent is None:
        return []
    certificate = next((c for c in reversed(villain.certificates) if c.phase is Phase.COMMIT), parent.certificate)
    header, view, turn = parent.header, villain.view, villain.turn(villain.view)
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
        forged.append(Letter(ALL, villain.proposal(in_view, Block(child, (), certificate))))
    return forged


def _votes_around(villain: Villain) -> Outbox:
    if not villain.blocks:
        return []
    _, block = villain.draw.choice(villain.blocks)
    digest, height, view = header_digest(block.header), block.header.height, villain.view
    return [
        Letter(ALL, villain.vote(phase, v, height, digest))
        for phase in Phase
        for v in sorted({view, max(0, view - 1), view + 1})
    ]


def _views_ahead(villain: Villain) -> Outbox:
    certificate = villain.draw.choice(villain.certificates) if villain.certificates else None
    target = villain.draw.choice((villain.view + 1, villain.view + 2, villain.view + 5, FAR_VIEW))
    forged: Outbox = [Letter(ALL, villain.view_change(target, certificate))]
    for heard_view, held in list(villain.view_changes.items())[-2:]:
        chosen = [*held.values(), villain.view_change(heard_view, None)][: villain.context.members.quorum]
        forged.append(Letter(ALL, villain.new_view(heard_view, chosen, None)))
    return forged


def _replays(villain: Villain) -> Outbox:
    return [Letter(ALL, villain.draw.choice(villain.said))] if villain.said else []


STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.EQUIVOCATE: Strategy(
        "two proposals and two votes, each for a random half; keeps bodies back now and then",
        perturb=_equivocate, carries=_often_mute,
    ),
    Role.USURP: Strategy(
        "proposes out of turn: in a view of others, and in a later own one that nobody opened", seat=Seat.LAST,
        forges=_usurping,
    ),
    Role.VOTE_TWICE: Strategy(
        "a second, different vote for every vote, and COMMIT without a lock", frozenset({Expect.EVIDENCE}),
        perturb=_vote_twice, forges=_votes_around,
    ),
    Role.MUTE: Strategy(
        "receives, says nothing", frozenset({Expect.DEPOSED}), perturb=_mute, carries=_mute,
    ),
    Role.STALE_VIEW: Strategy(
        "old or lying certificates in VIEWCHANGE and NEWVIEW, far views", seat=Seat.NEXT, perturb=_stale_view,
        forges=_views_ahead,
    ),
    Role.MUTATE: Strategy(
        "changes what an honest replica would send in all small ways, and replays",
        perturb=_mutate, carries=_often_mute, forges=_replays,
    ),
    Role.TWIN: Strategy("two honest instances of one key, each talking to a changing part of the network", twin=True),
}  # fmt: skip
