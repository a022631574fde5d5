"""Leaders whose blocks are good, and who choose to whom, when, and how many of them they send."""

from typing import Final

from msgspec.structs import replace

from consensus.events import ALL
from consensus.messages import BlockReply, Message, Proposal, Vote
from primitives.block import Block, batches_root, decode_batch, header_digest
from primitives.certificate import Phase
from primitives.codec import Malformed
from simulation.parcels import BatchBytes, Parcel
from simulation.roles import Role
from simulation.strategy import Expect, Seat, Strategy
from simulation.villain import FAR_HEIGHT, Letter, Outbox, Villain

THROTTLED_MS: Final = 850  # just under the shortest progress timer of one second
AWAKE_FROM_VIEW: Final = 2
FLOOD: Final = 24  # forged messages every FORGE_MS


def _own(villain: Villain, message: Message) -> bool:
    return isinstance(message, Proposal) and villain.context.leader(message.view) == villain.me


def _believers(villain: Villain, height: int) -> set[int]:
    """The half that is shown the second block at a height; the same for all accomplices and for every message."""
    return {node for node in villain.context.members.nodes if (node + height) % 2}


def _second(villain: Villain, proposal: Proposal) -> Proposal:
    """The one other block of the slot, as good as the first."""
    slot = proposal.view, proposal.block.header.height
    if slot not in villain.slots:
        header = replace(proposal.block.header, time_ms=proposal.block.header.time_ms + 1)
        villain.slots[slot] = villain.proposal(proposal.view, replace(proposal.block, header=header))
        villain.gang.forged[slot] = header_digest(header)
    return villain.slots[slot]


def _split(villain: Villain, receiver: int, message: Message) -> Outbox:
    """A to one half, B to the other; the own votes alike."""
    match message:
        case Proposal(_, block) if _own(villain, message):
            second, believers = _second(villain, message), _believers(villain, block.header.height)
            return [Letter(node, second if node in believers else message) for node in villain.targets(receiver)]
        case Vote(phase, _, view, height, digest) if message.signer == villain.me:
            rival = villain.rival(view, height, digest)
            if rival is None:
                return [Letter(receiver, message)]
            other, believers = villain.vote(phase, view, height, rival), _believers(villain, height)
            forged_is_rival = rival == villain.gang.forged.get((view, height))
            return [
                Letter(node, other if (node in believers) == forged_is_rival else message)
                for node in villain.targets(receiver)
            ]
    return [Letter(receiver, message)]


def _agree_with_both(villain: Villain, message: Message) -> Outbox:
    """An accomplice votes at once, PREPARE and COMMIT, for each block of the pair, to those who believe in it."""
    if not isinstance(message, Proposal):
        return []
    view, height = message.view, message.block.header.height
    digest = header_digest(message.block.header)
    rival = villain.rival(view, height, digest)
    forged, believers = villain.gang.forged.get((view, height)), _believers(villain, height)
    letters: Outbox = []
    for block in (digest, rival):
        if block is None:
            continue
        votes = [villain.vote(phase, view, height, block) for phase in Phase]
        hearers = [node for node in villain.others() if (node in believers) == (block == forged)]
        letters += [Letter(node, vote) for node in hearers for vote in votes]
    return letters


def _premature(villain: Villain, message: Message) -> Outbox:
    """As soon as another leads a height: the next height, in the same view, before the leader."""
    if not isinstance(message, Proposal) or villain.context.leader(message.view) == villain.me:
        return []
    block = message.block
    child = replace(
        block.header, height=block.header.height + 1, parent=header_digest(block.header), proposer=villain.me,
        batches_root=batches_root(()), time_ms=block.header.time_ms + 1,
    )  # fmt: skip
    return [Letter(ALL, villain.proposal(message.view, Block(child, (), block.certificate)))]


def _no_proposals(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Votes, but never proposes; nor does it serve what it built."""
    return [] if _own(villain, message) or isinstance(message, BlockReply) else [Letter(receiver, message)]


def _selective(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Proposals go to exactly q - 1 others (pitfall 11)."""
    if not _own(villain, message):
        return [Letter(receiver, message)]
    chosen = villain.others()[: villain.context.members.quorum - 1]
    return [Letter(node, message) for node in villain.targets(receiver) if node in chosen]


def _starve_one(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """One member never hears anything from it."""
    return [Letter(node, parcel) for node in villain.targets(receiver) if node != villain.victim()]


def _censored(villain: Villain, sender: int, parcel: Parcel) -> bool:
    """Does not hear of a batch that the victim took in, whoever carries it."""
    del sender
    if not isinstance(parcel, BatchBytes):
        return True
    try:
        return decode_batch(parcel.raw).origin != villain.victim()
    except Malformed:
        return True


def _throttle(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Every proposal comes just before the timeout (pitfall 14)."""
    return [Letter(receiver, message, THROTTLED_MS if _own(villain, message) else 0)]


def _sleeping(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """Silent until view 2."""
    return [Letter(receiver, parcel)] if villain.view >= AWAKE_FROM_VIEW else []


def _flooding(villain: Villain) -> Outbox:
    """Own proposals for heights beyond the window, in this view and the next own one (pitfall 13)."""
    block = villain.newest()
    if block is None:
        return []
    view = villain.view if villain.context.leader(villain.view) == villain.me else villain.turn(villain.view)
    letters: Outbox = []
    for step in range(FLOOD):
        height = block.header.height + (2 + step if step % 2 else FAR_HEIGHT + villain.draw.randrange(10**6))
        header = replace(block.header, height=height, parent=villain.noise(), proposer=villain.me)
        letters.append(Letter(ALL, villain.proposal(view, replace(block, header=header))))
        letters.append(Letter(ALL, villain.vote(Phase.PREPARE, villain.view, height, villain.noise())))
    return letters


_PROVEN: Final = frozenset({Expect.EVIDENCE})
_DEPOSED: Final = frozenset({Expect.DEPOSED})

STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.SPLIT: Strategy(
        "block A to one half, B to the other, votes alike (pitfall 9, W19)", _PROVEN, perturb=_split
    ),
    Role.COLLUDE: Strategy(
        "f accomplices: one splits, all vote at once for both blocks, each half hears what it believes", _PROVEN,
        perturb=_split, answers=_agree_with_both,
    ),
    Role.PREMATURE: Strategy(
        "C13: proposes the next height before the leader of the view does", frozenset({Expect.UNMOVED}), Seat.LAST,
        answers=_premature,
    ),
    Role.NO_PROPOSALS: Strategy("L1: leads and never proposes", _DEPOSED, perturb=_no_proposals),
    Role.SELECTIVE: Strategy("S8: proposals to exactly q - 1 others (pitfall 11)", perturb=_selective),
    Role.STARVE_ONE: Strategy(
        "L4: one member hears nothing from it", perturb=_starve_one, carries=_starve_one
    ),
    Role.CENSOR: Strategy(
        "L7: never proposes what one member took in (W23); it commits under another leader", _DEPOSED,
        ends_ms=9_000, traffic_ms=13_000, hears=_censored,
    ),
    Role.THROTTLE: Strategy("L1: every proposal just under the timeout (pitfall 14)", perturb=_throttle),
    Role.SLEEPER: Strategy(
        "silent until view 2, then correct", _DEPOSED, perturb=_sleeping, carries=_sleeping
    ),
    Role.FLOOD: Strategy(
        "S12: proposals and votes far beyond the window, without end (pitfall 13)", forges=_flooding
    ),
}  # fmt: skip
