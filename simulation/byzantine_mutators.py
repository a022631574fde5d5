"""Small structural changes to outgoing messages, each under the traitor's own key (ByzzFuzz, OOPSLA 2023).

Each mutator is a pure function of what the villain knows and one message; None where it has no meaning for the kind.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Vote,
)
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from simulation.villain import Villain

Mutator = Callable[[Villain, Message], Message | None]


def _shift_view(step: int) -> Mutator:
    """The same said for the view before or after."""

    def mutate(villain: Villain, message: Message) -> Message | None:
        match message:
            case Vote(phase, _, view, height, digest):
                return villain.vote(phase, max(0, view + step), height, digest)
            case Proposal(view, block):
                return villain.proposal(max(0, view + step), block)
            case ViewChange(summary, certificate):
                moved = replace(summary, view=max(0, summary.view + step))
                return ViewChange(villain.signed(moved), certificate)
            case NewView(_, view):
                draft = replace(message, view=max(0, view + step))
                return replace(draft, signature=villain.sign(villain.context.new_view_bytes(draft)))
            case Status():
                return replace(message, view=max(0, message.view + step))
            case CertificateMessage(certificate):
                return CertificateMessage(replace(certificate, view=max(0, certificate.view + step)))
            case _:
                return None

    return mutate


def _shift_height(step: int) -> Mutator:
    """The same said for the height before or after."""

    def mutate(villain: Villain, message: Message) -> Message | None:
        match message:
            case Vote(phase, _, view, height, digest):
                return villain.vote(phase, view, max(0, height + step), digest)
            case Proposal(view, block):
                header = replace(block.header, height=max(0, block.header.height + step))
                return villain.proposal(view, replace(block, header=header))
            case ViewChange(summary, certificate):
                moved = replace(summary, high_height=max(0, summary.high_height + step))
                return ViewChange(villain.signed(moved), certificate)
            case Status():
                return replace(message, decided=max(0, message.decided + step))
            case CertificateMessage(certificate):
                return CertificateMessage(replace(certificate, height=max(0, certificate.height + step)))
            case BlockRequest(digest, above):
                return BlockRequest(digest, max(0, above + step))
            case _:
                return None

    return mutate


def _swap_digest(villain: Villain, message: Message) -> Message | None:
    """Another block in the same place: one that was seen, or none at all."""
    match message:
        case Vote(phase, _, view, height, digest):
            return villain.vote(phase, view, height, villain.rival(view, height, digest) or villain.noise())
        case Proposal(view, block):
            return villain.proposal(view, villain.alternative(block))
        case ViewChange(summary, certificate):
            return ViewChange(villain.signed(replace(summary, high_digest=villain.noise())), certificate)
        case CertificateMessage(certificate):
            return CertificateMessage(replace(certificate, digest=villain.noise()))
        case BlockRequest(_, above):
            return BlockRequest(villain.noise(), above)
        case BlockReply(blocks) if blocks:
            return BlockReply((villain.alternative(blocks[0]), *blocks[1:]))
        case _:
            return None


def _swap_phase(villain: Villain, message: Message) -> Message | None:
    """PREPARE for COMMIT and the other way round."""
    match message:
        case Vote(phase, _, view, height, digest):
            return villain.vote(Phase.COMMIT if phase is Phase.PREPARE else Phase.PREPARE, view, height, digest)
        case CertificateMessage(certificate):
            other = Phase.COMMIT if certificate.phase is Phase.PREPARE else Phase.PREPARE
            return CertificateMessage(replace(certificate, phase=other))
        case _:
            return None


def _on_certificate(change: Callable[[Certificate], Certificate]) -> Mutator:
    """Break the certificate that the message carries, and sign the rest again."""

    def mutate(villain: Villain, message: Message) -> Message | None:
        match message:
            case CertificateMessage(certificate):
                return CertificateMessage(change(certificate))
            case ViewChange(summary, Certificate() as certificate):
                return ViewChange(villain.signed(summary), change(certificate))
            case NewView(_, _, _, Certificate() as certificate):
                draft = replace(message, certificate=change(certificate))
                return replace(draft, signature=villain.sign(villain.context.new_view_bytes(draft)))
            case Proposal(view, block) if block.certificate is not None:
                return villain.proposal(view, replace(block, certificate=change(block.certificate)))
            case _:
                return None

    return mutate


def _drop_entry(certificate: Certificate) -> Certificate:
    top = 1 << (certificate.signers.bit_length() - 1)
    return replace(
        certificate, signers=certificate.signers & ~top, signatures=certificate.signatures[:-1] or (bytes(64),)
    )


def _duplicate_entry(certificate: Certificate) -> Certificate:
    return replace(certificate, signatures=certificate.signatures[:1] * len(certificate.signatures))


def _drop_summary(villain: Villain, message: Message) -> Message | None:
    """A NEWVIEW or a reply with one entry less, or with one twice."""
    match message:
        case NewView(_, _, summaries) if summaries:
            double = villain.draw.random() < 0.5
            kept = (*summaries[:-1], summaries[0]) if double else summaries[:-1]
            draft = replace(message, summaries=kept)
            return replace(draft, signature=villain.sign(villain.context.new_view_bytes(draft)))
        case BlockReply(blocks) if blocks:
            return BlockReply(blocks[1:] if villain.draw.random() < 0.5 else (blocks[0], *blocks[:-1]))
        case _:
            return None


def _own_key(villain: Villain, message: Message) -> Message | None:
    """What another signed, under the own key: as the own word, or still as that of the other."""
    name = villain.draw.choice(villain.others())
    match message:
        case Vote(phase, _, view, height, digest):
            return replace(villain.vote(phase, view, height, digest), signer=name)
        case ViewChange(summary, certificate):
            return ViewChange(replace(villain.signed(summary), signer=name), certificate)
        case Proposal(view, block):
            header = replace(block.header, proposer=name)
            return villain.proposal(view, replace(block, header=header))
        case _:
            return None


def _lying_reply(villain: Villain, message: Message) -> Message | None:
    """The true chain, and behind it a block with a forged certificate; or the chain upside down."""
    if not isinstance(message, BlockReply) or not message.blocks:
        return None
    if villain.draw.random() < 0.3:
        return BlockReply((*reversed(message.blocks), villain.alternative(message.blocks[0])))
    known = {header_digest(block.header): block for _, block in villain.blocks}
    chain: list[Block] = list(message.blocks)
    while len(chain) < 30 and (parent := known.get(Digest(chain[-1].header.parent))) is not None:
        chain.append(parent)
    _, victim = villain.draw.choice(villain.blocks) if villain.blocks else (0, message.blocks[0])
    rival, members = villain.alternative(victim), villain.context.members
    forged = Certificate(
        Phase.COMMIT, villain.context.epoch, 0, rival.header.height, header_digest(rival.header),
        sum(1 << node for node in members.nodes), (bytes(64),) * members.size,
    )  # fmt: skip
    return BlockReply((*chain, replace(rival, certificate=forged)))


def _boast(villain: Villain, message: Message) -> Message | None:
    """A STATUS that claims another place."""
    if not isinstance(message, Status):
        return None
    far = message.decided + villain.draw.choice((0, 3, 10**6))
    active = villain.draw.random() < 0.5
    return replace(message, view=message.view + villain.draw.choice((0, 1, 100)), decided=far, active=active)


def _replay(villain: Villain, message: Message) -> Message | None:
    """Something that was said before, instead of this."""
    del message
    return villain.draw.choice(villain.said) if villain.said else None


MUTATORS: Final[dict[str, Mutator]] = {
    "view + 1": _shift_view(1),
    "view - 1": _shift_view(-1),
    "height + 1": _shift_height(1),
    "height - 1": _shift_height(-1),
    "swap digest": _swap_digest,
    "swap phase": _swap_phase,
    "drop certificate entry": _on_certificate(_drop_entry),
    "duplicate signer": _on_certificate(_duplicate_entry),
    "drop or double entry": _drop_summary,
    "re-sign under own key": _own_key,
    "lying reply": _lying_reply,
    "boast": _boast,
    "replay": _replay,
}


def mutated(villain: Villain, message: Message) -> Message:
    """The message changed by one mutator that has a meaning for it; itself if none has."""
    order = list(MUTATORS)
    villain.draw.shuffle(order)
    for name in order:
        changed = MUTATORS[name](villain, message)
        if changed is not None:
            return changed
    return message
