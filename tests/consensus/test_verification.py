"""The signatures in front of the core: bound to chain, epoch, set, phase, view and height (pitfalls 2 to 4, 19, 76)."""

from dataclasses import replace

import pytest

from consensus.messages import CertificateMessage, Message, Proposal, Status, Vote
from consensus.verification import check_message
from primitives.certificate import Certificate, Phase
from primitives.hashing import tagged_hash
from primitives.validators import Epoch, NodeId
from tests.consensus.committee import (
    GENESIS,
    block_on,
    certify,
    context_of,
    fake_verify,
    propose,
    view_change,
    vote,
)

FOUR = context_of(4)
BLOCK = block_on(GENESIS, FOUR)
PREPARE = vote(FOUR, Phase.PREPARE, 0, BLOCK, 2)


def refused(message: Message, sender: int = 1) -> bool:
    """Whether the message is not to be stepped."""
    return check_message(message, NodeId(sender), FOUR, fake_verify) is not None


def changed(record: Vote, **changes: object) -> Vote:
    """The vote with other fields and the old signature."""
    return Vote(**{name: getattr(record, name) for name in record.__struct_fields__} | changes)


@pytest.mark.pitfall(8)
def test_what_is_right_passes_whoever_carries_it() -> None:
    """Pitfall 8."""
    lock = certify(FOUR, Phase.PREPARE, 0, BLOCK, [0, 1, 2])
    messages = [PREPARE, propose(FOUR, 0, BLOCK), CertificateMessage(lock), view_change(FOUR, 1, 3, lock)]
    assert [refused(m, sender) for m in messages for sender in range(4)] == [False] * 16


@pytest.mark.pitfall(3)
@pytest.mark.parametrize(
    "changes",
    [
        {"phase": Phase.COMMIT},
        {"view": 1},
        {"height": 2},
        {"epoch": 1},
        {"digest": bytes(32)},
        {"signer": 1},
        {"signer": 21},
    ],
)
def test_a_vote_is_bound_to_every_field(changes: dict[str, object]) -> None:
    """S1, pitfall 3: a PREPARE is no COMMIT, nor a vote for anything else."""
    assert not refused(PREPARE)
    assert refused(changed(PREPARE, **changes))


@pytest.mark.pitfall(3, 4, 76)
def test_a_vote_is_bound_to_chain_epoch_and_set() -> None:
    """Pitfalls 3, 4, 76: the same keys on another chain or in another set."""
    other_chain = replace(FOUR, chain_id=tagged_hash(b"test/other"))
    for context in (other_chain, replace(FOUR, epoch=Epoch(1)), context_of(5)):
        assert check_message(PREPARE, NodeId(1), context, fake_verify) is not None


@pytest.mark.pitfall(19)
def test_a_proposal_carries_the_prepare_of_the_leader_of_its_view() -> None:
    """S0, pitfall 19: signed by another member, or moved to another view."""
    right = propose(FOUR, 0, BLOCK)
    assert refused(Proposal(1, BLOCK, right.signature))
    assert refused(Proposal(0, BLOCK, PREPARE.signature))
    foreign = block_on(BLOCK, FOUR, certificate=certify(FOUR, Phase.COMMIT, 0, BLOCK, [0, 1]))
    assert refused(propose(FOUR, 0, foreign))  # its certificate is one signature short


@pytest.mark.pitfall(1, 2)
def test_a_certificate_has_exactly_q_distinct_valid_signatures() -> None:
    """C16, pitfalls 1 and 2."""
    right = certify(FOUR, Phase.COMMIT, 0, BLOCK, [0, 1, 2])
    fields = {name: getattr(right, name) for name in right.__struct_fields__}
    one = right.signatures[0]
    spoiled = [
        {"signers": 0b1011},
        {"signers": 0b10011},
        {"signers": 0b1111},
        {"signatures": (one, *right.signatures[:2])},
        {"signatures": right.signatures[:2], "signers": 0b11},
        {"phase": Phase.PREPARE},
        {"view": 1},
        {"height": 2},
        {"epoch": 1},
    ]
    assert not refused(CertificateMessage(right))
    for changes in spoiled:
        assert refused(CertificateMessage(Certificate(**fields | changes))), changes
    assert refused(CertificateMessage(certify(FOUR, Phase.COMMIT, 0, BLOCK, [0, 1, 2, 3])))


@pytest.mark.pitfall(4)
def test_strangers_and_other_epochs_are_refused() -> None:
    """Pitfall 4: not counted, not answered."""
    assert refused(PREPARE, sender=4) and refused(PREPARE, sender=-1)
    assert refused(Status(1, 0, True, 0, 0, ()))
    assert not refused(Status(0, 0, True, 0, 0, ()))
