"""Quorums and certificates: exactly q distinct members signed these very bytes."""

import msgspec
import pytest

from primitives.certificate import Certificate, Phase, build_certificate, signer_ids, verify_certificate, vote_bytes
from primitives.hashing import ZERO_DIGEST, tagged_hash
from primitives.keys import SigningKey, verify
from primitives.validators import Validator, ValidatorSet

CHAIN = tagged_hash(b"test/chain")
BLOCK = tagged_hash(b"test/block")


def keys_of(size: int) -> list[SigningKey]:
    return [SigningKey.from_seed(bytes([i + 1]) * 32) for i in range(size)]


def members_of(size: int) -> ValidatorSet:
    return ValidatorSet(tuple(Validator(f"v{i}", k.public_key, b"") for i, k in enumerate(keys_of(size))))


def certificate(size: int, phase: Phase = Phase.COMMIT, chain: bytes = CHAIN, view: int = 3) -> Certificate:
    members = members_of(size)
    signed = vote_bytes(chain, 0, members.hash, phase, view, 9, BLOCK)
    votes = {i: k.sign(signed) for i, k in enumerate(keys_of(size))}
    return build_certificate(phase, 0, view, 9, BLOCK, votes, members.quorum)


QUORUMS = [(1, 1), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (10, 7), (22, 15)]


@pytest.mark.pitfall(1)
@pytest.mark.parametrize(("size", "quorum"), QUORUMS)
def test_two_quorums_share_an_honest_member(size: int, quorum: int) -> None:
    """S10, pitfall 1: 2f + 1 would be too few for n = 5, 6, 8, 9."""
    members = members_of(size)
    assert members.quorum == quorum
    assert 2 * quorum - size >= members.faulty + 1
    assert quorum <= size - members.faulty


def test_a_certificate_of_a_quorum_verifies() -> None:
    for size in (4, 5, 7):
        assert verify_certificate(certificate(size), CHAIN, members_of(size), verify)


@pytest.mark.pitfall(3)
@pytest.mark.parametrize(
    "change",
    [
        {"phase": Phase.PREPARE}, {"epoch": 1}, {"view": 4}, {"height": 8}, {"digest": ZERO_DIGEST},
        {"signers": 0b1011}, {"signers": 0b0011}, {"signers": 0b1111}, {"signers": 0b10011}, {"signers": 0},
    ],
)  # fmt: skip
def test_a_certificate_for_anything_else_is_refused(change: dict[str, object]) -> None:
    """Pitfall 3 among them: a signature of one phase, view, height or epoch is none of another."""
    assert not verify_certificate(msgspec.structs.replace(certificate(4), **change), CHAIN, members_of(4), verify)


@pytest.mark.pitfall(2)
def test_a_signer_counts_once_whatever_the_signatures_say() -> None:
    """Pitfall 2: the bitmap cannot name a signer twice, and a repeated signature is not another member's."""
    good = certificate(4)
    doubled = msgspec.structs.replace(good, signatures=(good.signatures[0],) * 3)
    assert not verify_certificate(doubled, CHAIN, members_of(4), verify)


def test_more_than_a_quorum_of_signatures_is_refused() -> None:
    """C16: exactly q, so that a certificate has one length."""
    members = members_of(4)
    signed = vote_bytes(CHAIN, 0, members.hash, Phase.COMMIT, 3, 9, BLOCK)
    votes = {i: k.sign(signed) for i, k in enumerate(keys_of(4))}
    assert not verify_certificate(build_certificate(Phase.COMMIT, 0, 3, 9, BLOCK, votes, 4), CHAIN, members, verify)


@pytest.mark.pitfall(76)
def test_a_certificate_of_another_chain_or_set_is_refused() -> None:
    assert not verify_certificate(certificate(4, chain=BLOCK), CHAIN, members_of(4), verify)
    assert not verify_certificate(certificate(4), CHAIN, members_of(5), verify)


@pytest.mark.pitfall(6)
def test_any_quorum_of_votes_gives_a_valid_certificate() -> None:
    """Pitfall 6."""
    members = members_of(4)
    signed = vote_bytes(CHAIN, 0, members.hash, Phase.COMMIT, 3, 9, BLOCK)
    votes = {i: k.sign(signed) for i, k in enumerate(keys_of(4))}
    for left_out in range(4):
        some = {i: s for i, s in votes.items() if i != left_out}
        made = build_certificate(Phase.COMMIT, 0, 3, 9, BLOCK, some, 3)
        assert left_out not in signer_ids(made.signers)
        assert verify_certificate(made, CHAIN, members, verify)


def test_vote_bytes_have_one_width_and_no_two_meanings() -> None:
    seen = {}
    for phase in Phase:
        for view in (0, 1, 256):
            for height in (0, 1, 256):
                for epoch in (0, 1, 256):
                    raw = vote_bytes(CHAIN, epoch, BLOCK, phase, view, height, BLOCK)
                    assert seen.setdefault(raw, (phase, view, height, epoch)) == (phase, view, height, epoch)
    assert len({len(raw) for raw in seen}) == 1 and len(seen) == 2 * 27


def test_two_members_with_one_key_are_refused() -> None:
    key = keys_of(1)[0].public_key
    with pytest.raises(ValueError, match="share"):
        ValidatorSet((Validator("a", key, b""), Validator("b", key, b"")))
