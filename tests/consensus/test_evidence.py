"""What proves an offence, and what proves nothing: each kind with its spoiled neighbours (S0 to S7)."""

import msgspec
import pytest

from consensus.epochs import EpochContext
from consensus.evidence import (
    EVIDENCE_BYTES_MAX,
    LINKS_MAX,
    BrokenChain,
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    HiddenCommit,
    LateVote,
    Proof,
    accuse,
    check_evidence,
    decode_evidence,
    evidence_id,
    prepare_in,
    statements,
    votes_in,
)
from consensus.messages import Summary, Vote
from primitives.block import Block, header_digest
from primitives.certificate import Phase
from primitives.codec import Malformed, encode
from primitives.hashing import tagged_hash
from primitives.validators import Epoch, Height
from tests.consensus.committee import (
    CHAIN,
    GENESIS,
    block_on,
    certify,
    context_of,
    fake_sign,
    fake_verify,
    key_of,
    members,
    new_view,
    propose,
    view_change,
    vote,
)

CONTEXT = context_of(4)
A1 = block_on(GENESIS, CONTEXT)
B1 = block_on(GENESIS, CONTEXT, time_ms=7_000)
A2, B2 = block_on(A1, CONTEXT), block_on(B1, CONTEXT)
A3, B3 = block_on(A2, CONTEXT), block_on(B2, CONTEXT)
PREPARE, COMMIT = Phase.PREPARE, Phase.COMMIT


def left(view: int, signer: int, high: tuple[int, Block] | None = None, tip: Block = GENESIS) -> Summary:
    """A signed summary that names a highest certificate (its view and block) and a last block."""
    digest = header_digest(tip.header)
    rank = (-1, 0, CONTEXT.start_digest)
    if high is not None:
        rank = (high[0], high[1].header.height, header_digest(high[1].header))
    draft = Summary(0, view, *rank, tip.header.height, digest, signer, bytes(64))
    return msgspec.structs.replace(draft, signature=fake_sign(key_of(CONTEXT, signer), CONTEXT.summary_bytes(draft)))


def ballot(phase: Phase, view: int, block: Block, signer: int = 3) -> Vote:
    return vote(CONTEXT, phase, view, block, signer)


def fault(proof: Proof, context: EpochContext = CONTEXT, accused: int = 3) -> str | None:
    return check_evidence(accuse(CONTEXT, accused, proof), context, fake_verify)


CHANGES = [view_change(CONTEXT, 3, node) for node in range(4)]
GUILTY: dict[str, Proof] = {
    "two PREPAREs": DoubleVote(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, B1)),
    "two COMMITs": DoubleVote(ballot(COMMIT, 2, A2), ballot(COMMIT, 2, B2)),
    "a hidden lower height": HiddenCommit(ballot(COMMIT, 1, A2), left(2, 3, (1, A1), A2)),
    "a hidden lower view": HiddenCommit(ballot(COMMIT, 1, A1), left(9, 3, (0, A3), A3)),
    "no certificate named": HiddenCommit(ballot(COMMIT, 0, A1), left(1, 3, None, A1)),
    "PREPARE after leaving": LateVote(ballot(PREPARE, 0, A2), left(1, 3, None, A1)),
    "COMMIT after leaving": LateVote(ballot(COMMIT, 4, A2), left(5, 3, (4, A2), A1)),
    "two VIEWCHANGEs": DoubleViewChange(left(1, 3, None, A1), left(1, 3, None, A2)),
    "two NEWVIEWs": DoubleNewView(
        new_view(CONTEXT, 3, CHANGES[:3], None), new_view(CONTEXT, 3, CHANGES[1:], None)
    ),
    "a child of another block": BrokenChain(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, B2), (B2.header,)),
    "two chains two heights apart": BrokenChain(
        ballot(COMMIT, 0, A1), ballot(COMMIT, 0, B3), (B3.header, B2.header)
    ),
}  # fmt: skip

INNOCENT: dict[str, Proof] = {
    "the same vote twice": DoubleVote(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, A1)),
    "another view": DoubleVote(ballot(PREPARE, 0, A1), ballot(PREPARE, 1, B1)),
    "another height": DoubleVote(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, A2)),
    "prepared one, committed the certified one": DoubleVote(ballot(PREPARE, 0, A1), ballot(COMMIT, 0, B1)),
    "the commit's own rank": HiddenCommit(ballot(COMMIT, 1, A2), left(2, 3, (1, A2), A2)),
    "a higher view, a lower height": HiddenCommit(ballot(COMMIT, 1, A2), left(3, 3, (2, A1), A2)),
    "a PREPARE without certificate": HiddenCommit(ballot(PREPARE, 1, A2), left(2, 3, (1, A1), A2)),
    "a COMMIT of the view entered": HiddenCommit(ballot(COMMIT, 2, A2), left(2, 3, (1, A1), A2)),
    "the tip itself": LateVote(ballot(PREPARE, 0, A2), left(1, 3, None, A2)),
    "a view between": LateVote(ballot(PREPARE, 0, A2), left(2, 3, None, A1)),
    "two views left": DoubleViewChange(left(1, 3), left(2, 3)),
    "one VIEWCHANGE": DoubleViewChange(left(1, 3), left(1, 3)),
    "one NEWVIEW": DoubleNewView(new_view(CONTEXT, 3, CHANGES[:3], None), new_view(CONTEXT, 3, CHANGES[:3], None)),
    "one chain": BrokenChain(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, A2), (A2.header,)),
    "two phases": BrokenChain(ballot(PREPARE, 0, A1), ballot(COMMIT, 0, B2), (B2.header,)),
    "two views": BrokenChain(ballot(PREPARE, 0, A1), ballot(PREPARE, 1, B2), (B2.header,)),
    "headers of another chain": BrokenChain(ballot(PREPARE, 0, A1), ballot(PREPARE, 0, A2), (B2.header,)),
    "too few headers": BrokenChain(ballot(COMMIT, 0, A1), ballot(COMMIT, 0, B3), (B3.header,)),
}


@pytest.mark.pitfall(9)
@pytest.mark.parametrize("name", GUILTY)
def test_a_contradiction_is_proved(name: str) -> None:
    assert fault(GUILTY[name]) is None
    one, other = statements(accuse(CONTEXT, 3, GUILTY[name]))
    assert one != other


@pytest.mark.parametrize("name", INNOCENT)
def test_what_an_honest_validator_may_sign_proves_nothing(name: str) -> None:
    assert fault(INNOCENT[name]) is not None


@pytest.mark.parametrize("name", GUILTY)
def test_another_chain_set_epoch_or_seat_is_not_accused(name: str) -> None:
    """Pitfalls 3 and 76: every signature binds them."""
    proof = GUILTY[name]
    others = (
        EpochContext(tagged_hash(b"test/other"), Epoch(0), members(4), Height(0), CONTEXT.start_digest),
        EpochContext(CHAIN, Epoch(1), members(4), Height(0), CONTEXT.start_digest),
        context_of(5),
    )
    for context in others:
        assert fault(proof, context) is not None
        claimed = accuse(context, 3, proof)
        assert check_evidence(claimed, context, fake_verify) is not None, "the binding fields alone prove nothing"
    assert fault(proof, accused=2) is not None
    assert fault(proof, accused=9) is not None


@pytest.mark.parametrize("name", GUILTY)
@pytest.mark.parametrize("side", [0, 1])
def test_both_signatures_count(name: str, side: int) -> None:
    proof = GUILTY[name]
    field = proof.__struct_fields__[side]
    forged = msgspec.structs.replace(getattr(proof, field), signature=bytes(64))
    assert fault(msgspec.structs.replace(proof, **{field: forged})) is not None


@pytest.mark.parametrize("name", GUILTY)
def test_one_offence_has_one_identity_and_one_spelling(name: str) -> None:
    evidence = accuse(CONTEXT, 3, GUILTY[name])
    assert decode_evidence(encode(evidence)) == evidence
    with pytest.raises(Malformed):
        decode_evidence(encode(evidence) + b"\0")
    proof = GUILTY[name]
    if isinstance(proof, DoubleVote | DoubleViewChange | DoubleNewView):
        turned = type(proof)(proof.second, proof.first)  # type: ignore[arg-type]
        assert accuse(CONTEXT, 3, turned) == evidence
        first, second = evidence.proof.__struct_fields__
        swapped = type(proof)(getattr(evidence.proof, second), getattr(evidence.proof, first))  # type: ignore[arg-type]
        assert check_evidence(msgspec.structs.replace(evidence, proof=swapped), CONTEXT, fake_verify) is not None


def test_a_third_block_in_the_slot_is_the_same_offence() -> None:
    c1 = block_on(GENESIS, CONTEXT, time_ms=9_000)
    pairs = [(A1, B1), (A1, c1), (B1, c1)]
    found = {evidence_id(accuse(CONTEXT, 3, DoubleVote(*(ballot(PREPARE, 0, b) for b in pair)))) for pair in pairs}
    assert len(found) == 1
    kinds = {evidence_id(accuse(CONTEXT, 3, proof)) for proof in GUILTY.values()}
    assert len(kinds) == len(GUILTY)


def test_a_proposal_is_the_prepare_of_its_leader() -> None:
    """S0."""
    first, second = (prepare_in(propose(CONTEXT, 0, block), CONTEXT) for block in (A1, B1))
    assert fault(DoubleVote(first, second), accused=0) is None


def test_the_votes_of_a_certificate_are_votes() -> None:
    one, other = (votes_in(certify(CONTEXT, COMMIT, 0, block, [0, 2, 3])) for block in (A1, B1))
    for node in (0, 2, 3):
        assert fault(DoubleVote(one[node], other[node]), accused=node) is None


def test_evidence_is_small() -> None:
    """EVIDENCE_BYTES_MAX holds for the largest network and the longest chain of headers."""
    largest = context_of(22)
    changes = [view_change(largest, 3, n, certify(largest, PREPARE, 2, A3, list(range(15)))) for n in range(15)]
    two = new_view(largest, 3, changes, changes[0].certificate)
    header = msgspec.structs.replace(A3.header, next_valset_hash=bytes(32), new_view_hash=bytes(32), time_ms=2**63)
    proofs = (DoubleNewView(two, two), BrokenChain(ballot(COMMIT, 0, A1), ballot(COMMIT, 0, B3), (header,) * LINKS_MAX))
    for proof in proofs:
        assert len(encode(accuse(largest, 3, proof))) < EVIDENCE_BYTES_MAX / 2


def test_unknown_kinds_are_malformed() -> None:
    raw = encode(accuse(CONTEXT, 3, GUILTY["two PREPAREs"]))
    at = raw.index(b"\x93\x01\x98")  # the proof: an array of three, tag 1, a vote
    with pytest.raises(Malformed):
        decode_evidence(raw[: at + 1] + b"\x07" + raw[at + 2 :])
