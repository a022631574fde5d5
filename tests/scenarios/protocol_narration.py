"""What cores did, in the words of the protocol scripts. Blocks go by the names that the script gave them."""

from collections.abc import Callable, Iterator

from consensus.events import ALL, Effects
from consensus.journal_records import (
    Committed,
    EnteredView,
    JournalRecord,
    LeftView,
    Position,
    Prepared,
    Proposed,
    SawCertificate,
)
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
from primitives.block import header_digest
from primitives.certificate import Certificate, signer_ids

Name = Callable[[bytes], str]


def certificate_words(certificate: Certificate, name: Name) -> str:
    """PREPARE certificate v0 h1 X1."""
    place = f"v{certificate.view} h{certificate.height} {name(certificate.digest)}"
    return f"{certificate.phase.name} certificate {place}"


def summary_words(summary: Summary, name: Name) -> str:
    """VIEWCHANGE v1 with its highest certificate and its tip."""
    high = "no certificate"
    if summary.high_view >= 0:
        high = f"high v{summary.high_view} h{summary.high_height} {name(summary.high_digest)}"
    return f"VIEWCHANGE v{summary.view} {high}, tip h{summary.tip_height} {name(summary.tip_digest)}"


def _record_words(record: JournalRecord, name: Name) -> str | None:
    match record:
        case Proposed(proposal):
            header = proposal.block.header
            return f"PROPOSE v{proposal.view} h{header.height} {name(header_digest(header))}"
        case Prepared(vote, block):
            body = "" if block is not None else " (the body is missing)"
            return f"PREPARE v{vote.view} h{vote.height} {name(vote.digest)}{body}"
        case Committed(vote):
            return f"COMMIT v{vote.view} h{vote.height} {name(vote.digest)}"
        case LeftView(view_change):
            return summary_words(view_change.summary, name)
        case EnteredView(new_view):
            base = "the start of the epoch"
            if new_view.certificate is not None:
                base = f"h{new_view.certificate.height} {name(new_view.certificate.digest)}"
            return f"enters v{new_view.view}, base {base}"
        case SawCertificate(certificate):
            return f"moves to v{certificate.view} by the {certificate_words(certificate, name)}"
        case Position():
            return None


def message_words(message: Message, name: Name) -> str:
    """A message as it travels."""
    match message:
        case Proposal(view, block):
            return f"PROPOSE v{view} h{block.header.height} {name(header_digest(block.header))}"
        case Vote():
            place = f"v{message.view} h{message.height} {name(message.digest)}"
            return f"{message.phase.name} {place} of {message.signer}"
        case ViewChange(summary):
            return f"{summary_words(summary, name)} of {summary.signer}"
        case NewView():
            return f"NEWVIEW v{message.view} of {','.join(str(s.signer) for s in message.summaries)}"
        case CertificateMessage(certificate):
            return certificate_words(certificate, name)
        case BlockRequest(digest, above):
            return f"request of {name(digest)} and what is above h{above}"
        case BlockReply(blocks):
            return f"blocks {' '.join(name(header_digest(block.header)) for block in blocks)}"
        case Status():
            held = [f"h{message.decided + 1 + i}:{_slot_words(s)}" for i, s in enumerate(message.slots)]
            return " ".join([f"STATUS v{message.view} decided h{message.decided}", *held])


def _slot_words(slot: object) -> str:
    held, prepared = getattr(slot, "held", False), getattr(slot, "prepared", False)
    prepares, commits = getattr(slot, "prepares", 0), getattr(slot, "commits", 0)
    parts = ["block" if held else "no block", "locked" if prepared else "prepares " + _nodes(prepares)]
    return "/".join([*parts, "commits " + _nodes(commits)])


def _nodes(bits: int) -> str:
    return ",".join(map(str, signer_ids(bits))) or "none"


def _own(node: int, message: Message) -> bool:
    """Whether a record in the journal says the same already."""
    match message:
        case Vote():
            return message.signer == node
        case ViewChange(summary):
            return summary.signer == node
        case Proposal():
            return True
    return False


def effects_words(node: int, effects: Effects, name: Name) -> Iterator[str]:
    """One line per thing that a step did; STATUS to everybody is left out, it has a rhythm of its own."""
    for record in effects.persist:
        words = _record_words(record, name)
        if words is not None:
            yield f"{node} {words}"
    for receiver, message in effects.send:
        if receiver != ALL:
            yield f"{node} -> {receiver}: {message_words(message, name)}"
        elif not isinstance(message, Status) and not _own(node, message):
            yield f"{node} -> all: {message_words(message, name)}"
    for decided in effects.decide:
        yield f"{node} decides h{decided.height} {name(header_digest(decided.block.header))}"
    for fetch in effects.fetch:
        yield f"{node} catches up above h{fetch.decided} to h{fetch.certificate.height}"
    for about, sentence in effects.violations:
        yield f"{node} complains of {about}: {sentence}"
    for evidence in effects.evidence:
        yield f"{node} has evidence against {evidence.accused}"
