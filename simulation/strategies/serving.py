"""Members that lie to those who fetch: about heights, votes held, blocks, bodies and pieces of the chain."""

from typing import Final

from msgspec.structs import replace

from consensus.events import ALL
from consensus.messages import BlockReply, BlockRequest, Message, SlotStatus, Status
from primitives.certificate import bitmap
from simulation.byzantine_mutators import MUTATORS
from simulation.parcels import BatchBytes, BatchRequest, BlockRangeReply, BlockRangeRequest, Parcel
from simulation.roles import Role
from simulation.strategy import Expect, Seat, Strategy
from simulation.villain import FAR_HEIGHT, Letter, Outbox, Villain

DRIP_MS: Final = 3_000


def _status_liar(villain: Villain, receiver: int, message: Message) -> Outbox:
    """Says that it holds every proposal and every vote, so that nobody sends or expects anything."""
    if not isinstance(message, Status):
        return [Letter(receiver, message)]
    everybody = bitmap(villain.context.members.nodes)
    held = (SlotStatus(True, True, everybody, everybody),) * 8
    return [Letter(receiver, replace(message, slots=held, view_changes=everybody))]


def _height_liar(villain: Villain, receiver: int, message: Message) -> Outbox:
    """A height of 10^12, then one of 0, in turn (pitfall 56)."""
    if not isinstance(message, Status):
        return [Letter(receiver, message)]
    height = FAR_HEIGHT if villain.now_ms // 500 % 2 else 0
    return [Letter(receiver, replace(message, decided=height))]


def _forged_blocks(villain: Villain, receiver: int, message: Message) -> Outbox:
    if not isinstance(message, BlockReply):
        return [Letter(receiver, message)]
    return [Letter(receiver, MUTATORS["lying reply"](villain, message) or message)]


def _forged_chain(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """A piece of chain with another block at its end, in its middle, or under a certificate of something else."""
    if not isinstance(parcel, BlockRangeReply) or not parcel.blocks:
        return [Letter(receiver, parcel)]
    blocks = parcel.blocks
    match villain.draw.randrange(3):
        case 0:
            last = replace(blocks[-1], block=villain.alternative(blocks[-1].block))
            blocks = (*blocks[:-1], last)
        case 1:
            middle = len(blocks) // 2
            other = replace(blocks[middle], block=villain.alternative(blocks[middle].block))
            blocks = (*blocks[:middle], other, *blocks[middle + 1 :])
        case _ if villain.certificates:
            return [Letter(receiver, replace(parcel, certificate=villain.draw.choice(villain.certificates)))]
    return [Letter(receiver, replace(parcel, blocks=blocks))]


def _withhold_bodies(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """Answers no request for bodies or chain; asks as ever (pitfall 57)."""
    del villain
    return [] if isinstance(parcel, BatchBytes | BlockRangeReply) else [Letter(receiver, parcel)]


def _withhold_blocks(villain: Villain, receiver: int, message: Message) -> Outbox:
    del villain
    return [] if isinstance(message, BlockReply) else [Letter(receiver, message)]


def _slow_drip(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
    """One block at a time, three seconds late."""
    if isinstance(parcel, BlockRangeReply):
        parcel = replace(parcel, blocks=parcel.blocks[:1])
    return [Letter(receiver, parcel, DRIP_MS)]


def _slow_blocks(villain: Villain, receiver: int, message: Message) -> Outbox:
    del villain
    return [Letter(receiver, message, DRIP_MS if isinstance(message, BlockReply) else 0)]


def _garbage_batches(villain: Villain) -> Outbox:
    """Bytes that are no batch, no canonical one, or too large."""
    sizes = (0, 1, 100, 5_000)
    garbage = [villain.draw.randbytes(size) for size in sizes]
    return [Letter(ALL, BatchBytes(raw)) for raw in garbage]


def _request_flood(villain: Villain) -> Outbox:
    """Asks everybody for everything, known or not, without end."""
    wanted = [BlockRequest(block.header.parent, 0) for _, block in list(villain.blocks)[-8:]]
    wanted += [BlockRequest(villain.noise(), 0) for _ in range(8)]
    everything: list[Parcel] = [*wanted, BatchRequest((villain.noise(),))]
    everything += [BlockRangeRequest(first, 256) for first in (0, FAR_HEIGHT)]
    return [Letter(node, parcel) for parcel in everything for node in villain.others()]


STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.STATUS_LIAR: Strategy("L4: claims to hold everything", seat=Seat.SYNC, perturb=_status_liar),
    Role.HEIGHT_LIAR: Strategy(
        "L8: height 10^12 up, then down (pitfall 56)", frozenset({Expect.UNMOVED}), Seat.LAST, perturb=_height_liar
    ),
    Role.FORGED_REPLIES: Strategy(
        "S5: forged blocks and certificates in answers", seat=Seat.SYNC, perturb=_forged_blocks, carries=_forged_chain
    ),
    Role.WITHHOLD_BODIES: Strategy(
        "C5: serves neither bodies nor chain (pitfall 57)", seat=Seat.SYNC, perturb=_withhold_blocks,
        carries=_withhold_bodies,
    ),
    Role.SLOW_DRIP: Strategy(
        "L8: answers seconds late, one block at a time (pitfall 57)", seat=Seat.SYNC, perturb=_slow_blocks,
        carries=_slow_drip,
    ),
    Role.GARBAGE_BATCHES: Strategy("C5: bytes that are no batch", seat=Seat.LAST, forges=_garbage_batches),
    Role.REQUEST_FLOOD: Strategy("C16: asks for everything without end", seat=Seat.LAST, forges=_request_flood),
}  # fmt: skip
