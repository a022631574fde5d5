"""Servers that put other transactions under a genuine certified header, for those who catch up (C2, S5).

A quorum signs headers alone; who catches up verifies no transaction of a certified block again. So what a server says
about the bodies must be bound to the header: the list of batches by its batches_root, each body by its digest.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chainnode.peer_messages import BLOCKS_ASKED_MAX
from consensus.messages import BlockReply, Message
from primitives.block import batch_digest, decode_batch
from primitives.codec import encode
from primitives.kinds import Issue, Transfer
from primitives.transaction import decode_transaction
from simulation.parcels import BatchBytes, BlockRangeReply, DecidedBlock, Parcel
from simulation.roles import Role
from simulation.strategy import Seat, Strategy
from simulation.villain import Letter, Outbox, Villain

STOLEN: Final = 1_000  # points
UNPROVEN: Final = 2  # blocks at the front of a piece: what stands before a lie there proves nothing by itself
Bodies = tuple[bytes, ...]
Way = Callable[[Villain, Bodies, bytes], Bodies]
Forgery = Callable[[DecidedBlock, Bodies], DecidedBlock]


def _changed(villain: Villain, own: Bodies, foreign: bytes) -> Bodies:
    """More points in one transaction, under its old signatures."""
    return _with_one(villain, own or (foreign,), lambda raw, i: (*raw[:i], _dearer(villain, raw[i]), *raw[i + 1 :]))


def _added(villain: Villain, own: Bodies, foreign: bytes) -> Bodies:
    """One transaction a second time with another nonce, under its old signatures."""
    return _with_one(villain, own or (foreign,), lambda raw, i: (*raw, _again(villain, raw[i])))


def _exchanged(villain: Villain, own: Bodies, foreign: bytes) -> Bodies:
    """What another block names; every signature in it is good."""
    del villain, own
    return (foreign,)


def _longer(villain: Villain, own: Bodies, foreign: bytes) -> Bodies:
    """One body more than the block has."""
    del villain
    return (*own, foreign)


WAYS: Final[dict[str, Way]] = {"changed": _changed, "added": _added, "exchanged": _exchanged, "longer": _longer}


def beside(decided: DecidedBlock, bodies: Bodies) -> DecidedBlock:
    """False bodies; the block names the true ones."""
    return replace(decided, batches=bodies)


def named(decided: DecidedBlock, bodies: Bodies) -> DecidedBlock:
    """False bodies and a list that names them; only the header knows better."""
    return DecidedBlock(replace(decided.block, batch_digests=tuple(map(batch_digest, bodies))), bodies)


def serving(
    forgery: Forgery, ways: tuple[Way, ...] = tuple(WAYS.values()), reach: int = BLOCKS_ASKED_MAX
) -> Callable[[Villain, int, Parcel], Outbox]:
    """Serve every piece of chain with a lie in one of these ways about one of its first `reach` blocks, if possible one
    that has bodies."""

    def carries(villain: Villain, receiver: int, parcel: Parcel) -> Outbox:
        _remembers(villain, receiver, parcel)
        if not isinstance(parcel, BlockRangeReply) or not parcel.blocks:
            return [Letter(receiver, parcel)]
        near = range(min(reach, len(parcel.blocks)))
        place = villain.draw.choice([i for i in near if parcel.blocks[i].batches] or near)
        decided = parcel.blocks[place]
        foreign = _foreign(villain, decided.block.batch_digests)
        if foreign is None:
            return [Letter(receiver, parcel)]
        false = forgery(decided, villain.draw.choice(ways)(villain, decided.batches, foreign))
        blocks = (*parcel.blocks[:place], false, *parcel.blocks[place + 1 :])
        return [Letter(receiver, replace(parcel, blocks=blocks))]

    return carries


def _names_by_hash(villain: Villain, receiver: int, message: Message) -> Outbox:
    """The batch of another block in the block that was asked for by its hash."""
    if not isinstance(message, BlockReply) or not message.blocks:
        return [Letter(receiver, message)]
    first = message.blocks[0]
    foreign = _foreign(villain, first.batch_digests)
    if foreign is None:
        return [Letter(receiver, message)]
    false = replace(first, batch_digests=(batch_digest(foreign),))
    return [Letter(receiver, BlockReply((false, *message.blocks[1:])))]


def _remembers(villain: Villain, sender: int, parcel: Parcel) -> bool:
    """Keep the bodies that pass by: those of one block go under the header of another."""
    del sender
    if isinstance(parcel, BatchBytes) and parcel.raw not in villain.bodies:
        villain.bodies.append(parcel.raw)
    return True


def _foreign(villain: Villain, digests: tuple[bytes, ...]) -> bytes | None:
    """A body that a block with these batches does not name."""
    strange = [raw for raw in villain.bodies if batch_digest(raw) not in digests]
    return villain.draw.choice(strange) if strange else None


def _with_one(villain: Villain, bodies: Bodies, edit: Callable[[tuple[bytes, ...], int], tuple[bytes, ...]]) -> Bodies:
    """The bodies, one of them with other transactions: `edit` gets them and the place of one."""
    which = villain.draw.randrange(len(bodies))
    batch = decode_batch(bodies[which])
    edited = replace(batch, transactions=edit(batch.transactions, villain.draw.randrange(len(batch.transactions))))
    return (*bodies[:which], encode(edited), *bodies[which + 1 :])


def _dearer(villain: Villain, raw: bytes) -> bytes:
    transaction = decode_transaction(raw).transaction
    body = transaction.envelope.body
    if not isinstance(body, Issue | Transfer):
        return _again(villain, raw)
    more = replace(transaction.envelope, body=replace(body, units=body.units + STOLEN))
    return encode(replace(transaction, envelope=more))


def _again(villain: Villain, raw: bytes) -> bytes:
    transaction = decode_transaction(raw).transaction
    return encode(replace(transaction, envelope=replace(transaction.envelope, nonce=villain.noise()[:16])))


STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.FALSE_BODIES: Strategy(
        "C2: other transactions beside a genuine block, for those who catch up", seat=Seat.SYNC_LONG, blames="C2",
        carries=serving(beside), hears=_remembers,
    ),
    Role.FALSE_NAMES: Strategy(
        "S5: other batches in the list under a genuine header, for those who catch up", seat=Seat.SYNC_LONG,
        blames="S5", carries=serving(named, reach=UNPROVEN), hears=_remembers, perturb=_names_by_hash,
    ),
}  # fmt: skip
