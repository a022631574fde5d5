"""The shape rules of VIEWCHANGE and NEWVIEW, and the base that follows from them: recomputed by everyone (S6, S7)."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from consensus.epochs import EpochContext
from consensus.messages import NewView, Summary, ViewChange
from primitives.certificate import Certificate
from primitives.codec import decode_canonical, decoder
from primitives.hashing import Digest
from primitives.validators import Height, NodeId, View

_NEW_VIEW: Final = decoder(NewView)


class Rank(NamedTuple):
    """Order of certificates: by view first, then by height (S6, pitfall 21). (-1, start) is below all (C9)."""

    view: int
    height: int


class Base(NamedTuple):
    """The block that a view starts from, and the rank of the certificate that proves it."""

    rank: Rank
    digest: Digest


def base_of(certificate: Certificate | None, context: EpochContext) -> Base:
    """The base that a highest certificate implies; without one the start of the epoch (C9)."""
    if certificate is None:
        return Base(Rank(-1, context.start_height), context.start_digest)
    return Base(Rank(certificate.view, certificate.height), Digest(certificate.digest))


def claimed_base(summary: Summary) -> Base:
    """The base that a summary claims."""
    return Base(Rank(summary.high_view, summary.high_height), Digest(summary.high_digest))


def _certificate_fault(certificate: Certificate | None, view: int, context: EpochContext) -> str | None:
    if certificate is None:
        return None
    if certificate.epoch != context.epoch:
        return f"S6: a certificate of epoch {certificate.epoch}, now is {context.epoch}"
    if certificate.view >= view:
        return f"S6: a certificate of view {certificate.view} in a change to view {view}"
    if certificate.height <= context.start_height:
        return f"C9: a certificate at height {certificate.height}, the epoch starts after {context.start_height}"
    return None


def view_change_fault(message: ViewChange, context: EpochContext) -> str | None:
    """What is wrong with a VIEWCHANGE apart from signatures: the certificate must be exactly what is claimed (S6)."""
    summary = message.summary
    if summary.epoch != context.epoch:
        return f"S6: VIEWCHANGE of epoch {summary.epoch}, now is {context.epoch}"
    if not context.is_member(summary.signer):
        return f"S6: VIEWCHANGE of node {summary.signer}, which is no validator"
    if summary.view == 0:
        return "S6: nobody changes into view 0"
    if claimed_base(summary) != base_of(message.certificate, context):
        return f"S6: node {summary.signer} claims a certificate that it does not attach"  # pitfall 20
    return _certificate_fault(message.certificate, summary.view, context)


def new_view_fault(message: NewView, context: EpochContext) -> str | None:
    """What is wrong with a NEWVIEW apart from signatures (S7; pitfalls 17, 18, 20). The leader's is the only
    signature that counts, so whose it is needs no field (pitfall 19)."""
    if message.epoch != context.epoch:
        return f"S7: NEWVIEW of epoch {message.epoch}, now is {context.epoch}"
    if message.view == 0:
        return "S7: view 0 has no NEWVIEW"
    signers = {summary.signer for summary in message.summaries}
    quorum = context.members.quorum
    if len(message.summaries) != quorum or len(signers) != quorum:
        return f"S7: {len(message.summaries)} summaries by {len(signers)} signers, {quorum} distinct ones are needed"
    for summary in message.summaries:
        if not context.is_member(summary.signer) or summary.epoch != context.epoch or summary.view != message.view:
            return f"S7: a summary of node {summary.signer} for epoch {summary.epoch} view {summary.view}"
    highest = max(claimed_base(summary) for summary in message.summaries)
    if highest != base_of(message.certificate, context):
        return f"S7: the summaries reach {highest.rank}, the certificate is not of that rank and block"
    return _certificate_fault(message.certificate, message.view, context)


def decode_new_view(raw: bytes) -> NewView:
    """The NEWVIEW that a block carries; whoever prepared the block compared it with the one it accepted (C11).

    Raises: Malformed.
    """
    return decode_canonical(_NEW_VIEW, raw)


def recorded_place(new_view: NewView) -> tuple[View, Height]:
    """The view that a recorded NEWVIEW opened, and the height of its base (C11)."""
    return View(new_view.view), Height(max(claimed_base(summary) for summary in new_view.summaries).rank.height)


def choose_summaries(held: Iterable[ViewChange], quorum: int) -> tuple[ViewChange, ...]:
    """The q messages of a NEWVIEW, highest certificates first, then by signer; the caller holds at least q."""
    ordered = sorted(held, key=lambda m: (claimed_base(m.summary).rank, -m.summary.signer), reverse=True)
    return tuple(ordered[:quorum])


def view_to_join(views: Mapping[NodeId, View], faulty: int) -> View:
    """The (f+1)-th highest view among distinct signers; 0 if too few speak. At least one honest one is there (L2)."""
    ordered = sorted(views.values(), reverse=True)
    return ordered[faulty] if len(ordered) > faulty else View(0)
