"""Proof that a validator broke a rule with its own signature; anybody who knows the members of the epoch can check it.

Every kind is a pair of signatures that no replica following the rules ever gives, whatever the others send it, be they
all liars: each rests on a rule about what is signed here, never on what somebody else may have seen (accountability in
the sense of BFT Protocol Forensics, arXiv 2010.06785). Silence, delay and bad content are no evidence: they cannot be
told from a bad network or a slow disk.
"""

from typing import Annotated, Final

import msgspec

from consensus.epochs import EpochContext
from consensus.messages import Counter, NewView, Node, Proposal, Summary, Vote
from primitives.block import Header, header_digest
from primitives.certificate import Certificate, Phase, Verify, signer_ids
from primitives.codec import Bytes32, Malformed, Record, decode_canonical, decoder, encode
from primitives.hashing import TAG_EVIDENCE, Digest, tagged_hash
from primitives.keys import Signature
from primitives.validators import NodeId

LINKS_MAX: Final = 64  # headers between two votes: twice the widest window, and votes reach no further ahead
EVIDENCE_BYTES_MAX: Final = 64 * 1024  # two NEWVIEWs of 15 summaries take 13 kB, 64 headers 25 kB


class DoubleVote(Record, tag=1):
    """Two votes of one phase, view and height for different blocks (S0, S1, pitfall 9). A proposal is a PREPARE."""

    first: Vote
    second: Vote


class HiddenCommit(Record, tag=2):
    """COMMIT in a view, and VIEWCHANGE into a later one whose certificate is of lower rank (S4, S6).

    The COMMIT was signed under a certificate of its own rank, and the highest ever held is what a VIEWCHANGE names. So
    either the VIEWCHANGE hid it, or the COMMIT was signed after the view was left (S3).
    """

    commit: Vote
    change: Summary


class LateVote(Record, tag=3):
    """A vote in view v above the last block that the signer's VIEWCHANGE(v + 1) names (S3).

    Within a view the last block moves forward only, and each own vote stands at or below it; VIEWCHANGE(v + 1) of
    somebody who votes in v can only leave v itself. So the vote came after the signer had left. For later views it
    proves nothing: a view in between may have begun lower.
    """

    vote: Vote
    change: Summary


class DoubleViewChange(Record, tag=4):
    """Two VIEWCHANGEs into one view (S3, S9)."""

    first: Summary
    second: Summary


class DoubleNewView(Record, tag=5):
    """Two NEWVIEWs for one view (S7, pitfall 29). Only a leader signs any, so who leads need not be known."""

    first: NewView
    second: NewView


class BrokenChain(Record, tag=6):
    """Two votes of one phase in one view whose blocks are not on one chain (S2).

    headers: from the block of `higher` down to the height above `lower`, each the parent of the one before it.
    """

    lower: Vote
    higher: Vote
    headers: Annotated[tuple[Header, ...], msgspec.Meta(min_length=1, max_length=LINKS_MAX)]


Proof = DoubleVote | HiddenCommit | LateVote | DoubleViewChange | DoubleNewView | BrokenChain

KINDS: Final[dict[type[Proof], str]] = {
    DoubleVote: "double_vote",
    HiddenCommit: "hidden_commit",
    LateVote: "late_vote",
    DoubleViewChange: "double_view_change",
    DoubleNewView: "double_new_view",
    BrokenChain: "broken_chain",
}


class Evidence(Record):
    """`proof` against the seat `accused` of the set `valset_hash`, which is that of `epoch`."""

    chain_id: Bytes32
    epoch: Counter
    valset_hash: Bytes32
    accused: Node
    proof: Proof


_EVIDENCE: Final[msgspec.msgpack.Decoder[Evidence]] = decoder(Evidence)


def decode_evidence(raw: bytes) -> Evidence:
    """The evidence of canonical bytes. Raises: Malformed."""
    if len(raw) > EVIDENCE_BYTES_MAX:
        raise Malformed(f"evidence of {len(raw)} bytes, limit {EVIDENCE_BYTES_MAX}")
    return decode_canonical(_EVIDENCE, raw)


def accuse(context: EpochContext, accused: int, proof: Proof) -> Evidence:
    """The evidence with its two sides in the one order that counts."""
    match proof:
        case DoubleVote(first, second) if encode(first) > encode(second):
            proof = DoubleVote(second, first)
        case DoubleViewChange(before, after) if encode(before) > encode(after):
            proof = DoubleViewChange(after, before)
        case DoubleNewView(one, other) if encode(one) > encode(other):
            proof = DoubleNewView(other, one)
    return Evidence(context.chain_id, context.epoch, context.members.hash, accused, proof)


def place_of(proof: Proof) -> tuple[int, ...]:
    """What makes two proofs of one kind the same offence: the slot for double votes, the view for the others."""
    match proof:
        case DoubleVote(first):
            return 1, first.view, first.height, first.phase
        case HiddenCommit(_, change):
            return 2, change.view
        case LateVote(vote):
            return 3, vote.view
        case DoubleViewChange(change):
            return 4, change.view
        case DoubleNewView(new_view):
            return 5, new_view.view
        case BrokenChain(lower):
            return 6, lower.view, lower.phase


def evidence_id(evidence: Evidence) -> Digest:
    """Names the offence, not the bytes: who broke a rule twice over in one place, or signed it in many spellings, is
    accused of it once. So all who hold any proof of it hold the same identity."""
    parts = (evidence.chain_id, evidence.epoch, evidence.valset_hash, evidence.accused, place_of(evidence.proof))
    return tagged_hash(TAG_EVIDENCE, encode(parts))


def prepare_in(proposal: Proposal, context: EpochContext) -> Vote:
    """The PREPARE that a proposal is (S0)."""
    header, leader = proposal.block.header, context.leader(proposal.view)
    digest = header_digest(header)
    return Vote(Phase.PREPARE, header.epoch, proposal.view, header.height, digest, leader, proposal.signature)


def votes_in(certificate: Certificate) -> dict[NodeId, Vote]:
    """The votes that a certificate is made of, by signer; the caller has verified it."""
    c = certificate
    return {
        node: Vote(c.phase, c.epoch, c.view, c.height, c.digest, node, signature)
        for node, signature in zip(signer_ids(c.signers), c.signatures, strict=True)
    }


def check_evidence(evidence: Evidence, context: EpochContext, verify: Verify) -> str | None:
    """None if the accused signed both sides and the rules forbid it, else the first thing wrong.

    Pure, and needs of the epoch only chain, number and members, not who led when.
    """
    bound = (evidence.chain_id, evidence.epoch, evidence.valset_hash)
    if bound != (context.chain_id, context.epoch, context.members.hash):
        return f"evidence of epoch {evidence.epoch} for another chain or another set of validators"
    if not context.is_member(evidence.accused):
        return f"node {evidence.accused} is no validator of epoch {evidence.epoch}"
    if accuse(context, evidence.accused, evidence.proof) != evidence:
        return "the two sides are not in their order"
    return _contradiction_fault(evidence.proof) or _signatures_fault(evidence, context, verify)


def _contradiction_fault(proof: Proof) -> str | None:
    match proof:
        case DoubleVote(one, other):
            same = (one.phase, one.view, one.height) == (other.phase, other.view, other.height)
            return None if same and one.digest != other.digest else "the votes do not contradict each other"
        case HiddenCommit(commit, change):
            hidden = (change.high_view, change.high_height) < (commit.view, commit.height)
            fits = commit.phase is Phase.COMMIT and change.view > commit.view and hidden
            return None if fits else "the view change does not hide the commit"
        case LateVote(vote, change):
            fits = change.view == vote.view + 1 and change.tip_height < vote.height
            return None if fits else "the vote is not beyond the view change"
        case DoubleViewChange(first, second):
            differ = _unsigned(first) != _unsigned(second)
            return None if first.view == second.view and differ else "the view changes do not contradict each other"
        case DoubleNewView(before, after):
            differ = _unsigned(before) != _unsigned(after)
            return None if before.view == after.view and differ else "the new views do not contradict each other"
        case BrokenChain():
            return _chain_fault(proof)


def _chain_fault(proof: BrokenChain) -> str | None:
    lower, higher = proof.lower, proof.higher
    if (lower.phase, lower.view) != (higher.phase, higher.view):
        return "the votes are not of one phase and view"
    if higher.height - lower.height != len(proof.headers):
        return f"{len(proof.headers)} headers from height {higher.height} down to {lower.height}"
    expected = higher.digest
    for height, header in zip(range(higher.height, lower.height, -1), proof.headers, strict=True):
        if header.height != height or header_digest(header) != expected:
            return f"header {height} is not in the chain of the higher vote"
        expected = header.parent
    return "the votes are on one chain" if expected == lower.digest else None


def _unsigned(message: Summary | NewView) -> bytes:
    return encode(msgspec.structs.replace(message, signature=bytes(64)))


def _signatures_fault(evidence: Evidence, context: EpochContext, verify: Verify) -> str | None:
    accused, proof = evidence.accused, evidence.proof
    key = context.key_of(accused)
    for side in (getattr(proof, name) for name in proof.__struct_fields__[:2]):
        match side:
            case Vote():
                own, signed = side.signer == accused, context.signed_vote_bytes(side)
            case Summary():
                own, signed = side.signer == accused, context.summary_bytes(side)
            case _:
                own, signed = True, context.new_view_bytes(side)
        if not own or side.epoch != context.epoch or not verify(key, signed, Signature(side.signature)):
            return f"not both sides are signed by node {accused} in epoch {context.epoch}"
    return None


def statements(evidence: Evidence) -> tuple[str, str]:
    """What the accused signed on either side, for people: one line each."""
    one, other = (getattr(evidence.proof, name) for name in evidence.proof.__struct_fields__[:2])
    return _statement(one), _statement(other)


def _statement(side: Vote | Summary | NewView) -> str:
    match side:
        case Vote():
            return f"{side.phase.name} view {side.view} height {side.height} block {side.digest.hex()}"
        case Summary():
            return (
                f"VIEWCHANGE view {side.view} highest ({side.high_view}, {side.high_height}) {side.high_digest.hex()} "
                f"last height {side.tip_height} {side.tip_digest.hex()}"
            )
        case NewView():
            nodes = ", ".join(str(summary.signer) for summary in side.summaries)
            height = "none" if side.certificate is None else f"({side.certificate.view}, {side.certificate.height})"
            return f"NEWVIEW view {side.view} of nodes {nodes} highest {height}"
