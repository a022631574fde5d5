"""Readable lines for one run: who got what, and what came of it."""

from consensus.events import (
    ALL,
    BlockBuilt,
    BlockChecked,
    Effects,
    Event,
    Executed,
    Pending,
    Received,
    Synced,
    Tick,
)
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
from consensus.replica import Replica
from primitives.block import header_digest
from primitives.certificate import Certificate


def describe_step(replica: Replica, event: Event, effects: Effects) -> str:
    """One line for a step; empty for a tick or STATUS of which nothing came."""
    loud = [
        *(f"persist {type(record).__name__}" for record in effects.persist),
        *(f"-> {'all' if to == ALL else to} {describe(message)}" for to, message in effects.send),
        *(f"decide {decided.height}" for decided in effects.decide),
        *(f"check {check.height}" for check in effects.check),
        *(f"build {build.height}" for build in effects.build),
        *(f"catch up from {fetch.decided}" for fetch in effects.fetch),
        *(f"VIOLATION by {sender}: {sentence}" for sender, sentence in effects.violations),
        *(f"EVIDENCE against {evidence.accused}" for evidence in effects.evidence),
    ]
    quiet = isinstance(event, Tick) or (isinstance(event, Received) and isinstance(event.message, Status))
    if quiet and all(line.endswith("STATUS") or "STATUS " in line for line in loud):
        return ""
    return f"[view {replica.view}] {_describe_event(event)}" + "".join(f" | {line}" for line in loud)


def _describe_event(event: Event) -> str:
    match event:
        case Received(sender, message):
            return f"{sender} -> {describe(message)}"
        case Tick(now):
            return f"tick {now}"
        case BlockChecked(digest, acceptable):
            return f"checked {digest.hex()[:8]} {'good' if acceptable else 'BAD'}"
        case BlockBuilt(view, height, block):
            return f"built {view}/{height} {'nothing' if block is None else header_digest(block.header).hex()[:8]}"
        case Executed(height):
            return f"executed {height}"
        case Pending(batches, oldest):
            return f"pending {batches} oldest {'none' if oldest is None else oldest.hex()[:8]}"
        case Synced(blocks):
            return f"synced {blocks[0].header.height}..{blocks[-1].header.height}"


def _certificate(certificate: Certificate | None) -> str:
    if certificate is None:
        return "none"
    return f"{certificate.phase.name} {certificate.view}/{certificate.height} {certificate.digest.hex()[:8]}"


def kind_of(message: Message) -> str:
    """The first word of its description; one of plan.KINDS."""
    match message:
        case Vote(phase):
            return phase.name
        case Proposal():
            return "PROPOSE"
        case ViewChange():
            return "VIEWCHANGE"
        case NewView():
            return "NEWVIEW"
        case Status():
            return "STATUS"
        case CertificateMessage():
            return "CERTIFICATE"
        case BlockRequest():
            return "WANT"
        case BlockReply():
            return "BLOCKS"


def describe(message: Message) -> str:
    """A message in a few words."""
    match message:
        case Proposal(view, block):
            return f"PROPOSE {view}/{block.header.height} {header_digest(block.header).hex()[:8]}"
        case Vote(phase, _, view, height, digest, signer):
            return f"{phase.name} {view}/{height} {digest.hex()[:8]} by {signer}"
        case ViewChange(summary, certificate):
            return f"VIEWCHANGE {summary.view} by {summary.signer} with {_certificate(certificate)}"
        case NewView(_, view, summaries, certificate):
            return f"NEWVIEW {view} of {[s.signer for s in summaries]} with {_certificate(certificate)}"
        case Status(_, view, active, decided):
            return f"STATUS view {view} {'active' if active else 'inactive'} decided {decided}"
        case CertificateMessage(certificate):
            return f"CERTIFICATE {_certificate(certificate)}"
        case BlockRequest(digest, above):
            return f"WANT {digest.hex()[:8]} above {above}"
        case BlockReply(blocks):
            return f"BLOCKS {[block.header.height for block in blocks]}"
