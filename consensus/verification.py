"""The signatures of a message, checked in front of the core (the core trusts them and checks all the rest)."""

from typing import Final

from consensus.epochs import EpochContext
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    Status,
    Summary,
    ViewChange,
    Vote,
)
from consensus.view_change import new_view_fault, view_change_fault
from primitives.block import header_digest
from primitives.certificate import Certificate, Verify, verify_certificate
from primitives.keys import Signature
from primitives.validators import NodeId

_HARMLESS: Final = (Status, CertificateMessage, BlockRequest, BlockReply)


def epoch_of(message: Message) -> int | None:
    """The epoch to which a message is bound; None: to none, it is bound by hashes.

    A message of a lower epoch than one's own is answered with the close block's certificate of that epoch or dropped,
    one of a higher epoch says that one is behind (pitfalls 4, 32, 62); neither reaches the core.
    """
    match message:
        case Proposal():
            return message.block.header.epoch
        case ViewChange():
            return message.summary.epoch
        case CertificateMessage():
            return message.certificate.epoch
        case Vote() | NewView() | Status():
            return message.epoch
        case BlockRequest() | BlockReply():
            return None


def may_carry(sender: NodeId, message: Message, context: EpochContext) -> bool:
    """Whether the message may come over the link of this node: all from members; from others, observers and former
    members, only what brings no vote (W15). Their STATUS and BlockRequest are answered like those of members."""
    return context.is_member(sender) or isinstance(message, _HARMLESS)


def check_message(message: Message, sender: NodeId, context: EpochContext, verify: Verify) -> str | None:
    """None, or the sentence with the rule that the message breaks; then it costs its sender and is not stepped.

    Pure. `verify` may remember what it accepted (key, bytes, signature): certificates come many times. Messages of
    another epoch are refused here: the driver has routed them away (`epoch_of`). The sender need not be the signer.
    """
    if not may_carry(sender, message, context):
        return f"W15: a {type(message).__name__} of node {sender}, which is no validator"
    match message:
        case Proposal():
            return _check_proposal(message, context, verify)
        case Vote():
            fault = vote_fault(message, sender, context)
            if fault is not None:
                return fault
            signed = context.signed_vote_bytes(message)
            valid = verify(context.key_of(message.signer), signed, Signature(message.signature))
            return None if valid else f"S1: a wrong signature of node {message.signer} on a vote"
        case ViewChange():
            return (
                view_change_fault(message, context)
                or _check_summary(message.summary, context, verify)
                or _check_certificate(message.certificate, context, verify)
            )
        case NewView():
            return _check_new_view(message, context, verify)
        case CertificateMessage():
            return _check_certificate(message.certificate, context, verify)
        case Status():
            return None if message.epoch == context.epoch else f"L4: STATUS of epoch {message.epoch}"
        case BlockRequest() | BlockReply():
            return None  # bound by hashes, not by signatures


def vote_fault(vote: Vote, sender: NodeId, context: EpochContext) -> str | None:
    """None, or what is wrong with a vote apart from its signature, which may be checked later and with others."""
    if not may_carry(sender, vote, context):
        return f"W15: a Vote of node {sender}, which is no validator"
    if vote.epoch != context.epoch or not context.is_member(vote.signer):
        return f"S1: a vote of node {vote.signer} in epoch {vote.epoch}"
    return None


def _check_proposal(proposal: Proposal, context: EpochContext, verify: Verify) -> str | None:
    if proposal.block.header.epoch != context.epoch:
        return f"S11: a proposal of epoch {proposal.block.header.epoch}"
    leader = context.leader(proposal.view)
    signed = context.proposal_bytes(proposal, header_digest(proposal.block.header))
    if not verify(context.key_of(leader), signed, Signature(proposal.signature)):
        return f"S0: the proposal does not carry the PREPARE of node {leader}, the leader of view {proposal.view}"
    return _check_certificate(proposal.block.certificate, context, verify)


def _check_summary(summary: Summary, context: EpochContext, verify: Verify) -> str | None:
    valid = verify(context.key_of(summary.signer), context.summary_bytes(summary), Signature(summary.signature))
    return None if valid else f"S6: a wrong signature of node {summary.signer} on a VIEWCHANGE"


def _check_new_view(new_view: NewView, context: EpochContext, verify: Verify) -> str | None:
    fault = new_view_fault(new_view, context)
    if fault is not None:
        return fault
    leader = context.leader(new_view.view)
    if not verify(context.key_of(leader), context.new_view_bytes(new_view), Signature(new_view.signature)):
        return f"S7: NEWVIEW without the signature of node {leader}, the leader of view {new_view.view}"
    for summary in new_view.summaries:
        fault = _check_summary(summary, context, verify)
        if fault is not None:
            return fault
    return _check_certificate(new_view.certificate, context, verify)


def _check_certificate(certificate: Certificate | None, context: EpochContext, verify: Verify) -> str | None:
    if certificate is None:
        return None
    if certificate.epoch != context.epoch:
        return f"S11: a certificate of epoch {certificate.epoch}"
    if not verify_certificate(certificate, context.chain_id, context.members, verify):
        return f"C16: not a valid certificate of {context.members.quorum} members"
    return None
