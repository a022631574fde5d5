"""Leaders that propose a block which no honest replica may PREPARE, or which all must treat alike."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from consensus.messages import Message, Proposal
from primitives import merkle
from primitives.block import BLOCK_BATCHES_MAX, Block, batches_root, header_digest, new_view_hash
from primitives.certificate import certificate_hash
from simulation.roles import Role
from simulation.strategy import Expect, Strategy
from simulation.villain import FAR_HEIGHT, Letter, Outbox, Villain, with_batches

HOUR_MS: Final = 3_600_000
Twist = Callable[[Villain, Block], Block]


def twisting(twist: Twist) -> Callable[[Villain, int, Message], Outbox]:
    """Perturb every own proposal by `twist`, one way per slot: nobody can prove two signatures by it."""

    def perturb(villain: Villain, receiver: int, message: Message) -> Outbox:
        if not isinstance(message, Proposal) or villain.context.leader(message.view) != villain.me:
            return [Letter(receiver, message)]
        slot = message.view, message.block.header.height
        if slot not in villain.slots:
            villain.slots[slot] = villain.proposal(message.view, twist(villain, message.block))
        return [Letter(receiver, villain.slots[slot])]

    return perturb


def _wrong_state(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, state_root=villain.noise()))


def _wrong_receipts(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, receipts_root=villain.noise()))


def _wrong_batches(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, batches_root=villain.noise()))


def _wrong_tx_root(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, tx_root=villain.noise()))


def _future(villain: Villain, block: Block) -> Block:
    del villain
    return replace(block, header=replace(block.header, time_ms=block.header.time_ms + HOUR_MS))


def _past(villain: Villain, block: Block) -> Block:
    del villain
    return replace(block, header=replace(block.header, time_ms=block.header.time_ms - HOUR_MS))


def _parent_time(villain: Villain, block: Block) -> Block:
    """The time of the parent; genesis is not heard, so the first block stays as it is."""
    known = villain.times.get(block.header.parent)  # type: ignore[call-overload]
    return block if known is None else replace(block, header=replace(block.header, time_ms=known))


def _absent_body(villain: Villain, block: Block) -> Block:
    return with_batches(block, (villain.noise(),))


def _twice(villain: Villain, block: Block) -> Block:
    """Every batch twice, with the tx_root that says so."""
    doubled = block.batch_digests * 2
    root = villain.root_of(doubled)
    if root is None or len(doubled) > BLOCK_BATCHES_MAX:
        return block
    return with_batches(replace(block, header=replace(block.header, tx_root=root)), doubled)


def _naming_again(villain: Villain, block: Block, old: tuple[bytes, ...]) -> Block:
    """The block with old batches behind its own; every replica has them."""
    named = (*block.batch_digests, *(digest for digest in old if digest not in block.batch_digests))
    root = villain.root_of(named)
    if root is None or len(named) > BLOCK_BATCHES_MAX:
        return block
    return with_batches(replace(block, header=replace(block.header, tx_root=root)), named)


def _again(villain: Villain, block: Block) -> Block:
    """What the first blocks named, which are executed everywhere."""
    executed = [known for _, known in villain.blocks if known.header.height <= block.header.exec_height]
    return _naming_again(villain, block, tuple(dict.fromkeys(d for known in executed for d in known.batch_digests))[:3])


def _young_again(villain: Villain, block: Block) -> Block:
    """What the parent named, above a state before the parent."""
    parent = next((known for _, known in villain.blocks if header_digest(known.header) == block.header.parent), None)
    if parent is None:
        return block
    old = parent.header
    header = replace(
        block.header, exec_height=old.exec_height, state_root=old.state_root, receipts_root=merkle.EMPTY_ROOT
    )
    return _naming_again(villain, replace(block, header=header), parent.batch_digests)


def _oversize(villain: Villain, block: Block) -> Block:
    return with_batches(block, tuple(villain.noise() for _ in range(BLOCK_BATCHES_MAX + 1)))


def _gap(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, height=block.header.height + 1, parent=villain.noise()))


def _chain_break(villain: Villain, block: Block) -> Block:
    """Above the first block of the chain: a child of nothing."""
    if block.header.height == 1:
        return block
    return replace(block, header=replace(block.header, parent=villain.noise()))


def _far_height(villain: Villain, block: Block) -> Block:
    del villain
    return replace(block, header=replace(block.header, height=FAR_HEIGHT + block.header.height))


def _stale_certificate(villain: Villain, block: Block) -> Block:
    """The oldest certificate of the chain, below what the block says to have executed."""
    old = min((c for c in villain.certificates), key=lambda c: c.height, default=None)
    if old is None or old.height >= block.header.exec_height:
        return block
    header = replace(block.header, cert_height=old.height, cert_hash=certificate_hash(old))
    return replace(block, header=header, certificate=old)


def _duplicate_signer(villain: Villain, block: Block) -> Block:
    """A certificate that repeats one signature q times."""
    del villain
    good = block.certificate
    if good is None:
        return block
    bad = replace(good, signatures=good.signatures[:1] * len(good.signatures))
    return replace(block, header=replace(block.header, cert_hash=certificate_hash(bad)), certificate=bad)


def _forged_close(villain: Villain, block: Block) -> Block:
    header = replace(block.header, next_valset_hash=villain.noise(), batches_root=batches_root(()))
    return replace(block, header=header, batch_digests=())


def _foreign_set(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, valset_hash=villain.noise()))


def _early_execution(villain: Villain, block: Block) -> Block:
    """Says to have executed the very block."""
    del villain
    return replace(block, header=replace(block.header, exec_height=block.header.height))


def _false_proposer(villain: Villain, block: Block) -> Block:
    return replace(block, header=replace(block.header, proposer=villain.victim()))


def _false_record(villain: Villain, block: Block) -> Block:
    """A NEWVIEW where none belongs (C11)."""
    raw = bytes(villain.noise())
    return replace(block, header=replace(block.header, new_view_hash=new_view_hash(raw)), new_view=raw)


_DEPOSED: Final = frozenset({Expect.DEPOSED})
_REFUSED: Final = frozenset({Expect.DEPOSED, Expect.REFUSED})
_LATER: Final = 4_500  # the first block is a good one


def _bad(attacks: str, twist: Twist, blames: str = "", ends_ms: int = 3_000) -> Strategy:
    """Nobody prepares it, so the view ends; who can tell from the block alone blames its leader."""
    return Strategy(attacks, _DEPOSED, ends_ms=ends_ms, blames=blames, perturb=twisting(twist))


STRATEGIES: Final[dict[Role, Strategy]] = {
    Role.WRONG_STATE: _bad("C3: a state root that is not that of exec_height", _wrong_state, "C3"),
    Role.WRONG_RECEIPTS: _bad("C3: a receipts root that covers nothing", _wrong_receipts, "C3"),
    Role.WRONG_BATCHES: _bad("C2: a batches root of other batches", _wrong_batches, "C2"),
    Role.WRONG_TX_ROOT: _bad("C2: a tx root of other transactions", _wrong_tx_root, "C2"),
    Role.FUTURE_TIME: _bad("C14: one hour ahead", _future, "C14"),
    Role.PAST_TIME: _bad("C14: one hour back", _past),
    Role.PARENT_TIME: _bad("C14: not after the parent", _parent_time, "C14", _LATER),
    Role.ABSENT_BODY: _bad("C5: names a batch that nobody has", _absent_body),
    Role.OVERSIZE: Strategy(
        "C5: more batches than a block holds", _REFUSED, perturb=twisting(_oversize)
    ),
    Role.GAP: _bad("S2: proposes h + 2 before h + 1 (pitfall 12)", _gap),
    Role.CHAIN_BREAK: _bad("S2: a block whose parent nobody knows", _chain_break, ends_ms=_LATER),
    Role.FAR_HEIGHT: _bad("S12: heights around 10^12 (pitfalls 13, 56)", _far_height, "C9"),
    Role.STALE_CERTIFICATE: _bad(
        "C9: the oldest certificate it has, below exec_height", _stale_certificate, "C3", _LATER
    ),
    Role.DUPLICATE_SIGNER: Strategy(
        "C16: embeds one signature q times (pitfall 2)", _REFUSED, ends_ms=_LATER, perturb=twisting(_duplicate_signer)
    ),
    Role.FORGED_CLOSE: _bad("C8: closes the epoch though no change is pending", _forged_close, "C8"),
    Role.FOREIGN_SET: _bad("S11: names another validator set", _foreign_set, "S11"),
    Role.EARLY_EXECUTION: _bad("C3: says to have executed the block itself", _early_execution, "C3"),
    Role.FALSE_PROPOSER: _bad("C13: names another proposer than itself", _false_proposer, "C13"),
    Role.FALSE_RECORD: _bad("C11: carries a NEWVIEW in view 0", _false_record, "C11"),
    Role.TWICE: _bad("C5: every batch twice in a block (pitfall 15)", _twice, "C5"),
    Role.AGAIN: _bad("C5: old batches again in every block, to fill the disks of all", _again, "C5", _LATER),
    Role.YOUNG_AGAIN: _bad("C5: the batches of the parent again", _young_again, "C5", _LATER),
}  # fmt: skip
