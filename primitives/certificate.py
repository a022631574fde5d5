"""Votes and certificates: what q validators signed, provable to anybody who has the genesis."""

import struct
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Annotated, Final

import msgspec

from primitives.codec import U64, Bytes32, Bytes64, Record, encode
from primitives.hashing import TAG_CERTIFICATE, TAG_VOTE, Digest, tagged_hash
from primitives.keys import PublicKey, Signature
from primitives.validators import VALIDATORS_MAX, NodeId, ValidatorSet

Verify = Callable[[PublicKey, bytes, Signature], bool]
_NUMBERS: Final = struct.Struct(">QQQQ")


class Phase(IntEnum):
    PREPARE = 1
    COMMIT = 2


class Certificate(Record):
    """Exactly q signatures of one phase for one block, in the order of the bitmap's bits (C16)."""

    phase: Phase
    epoch: U64
    view: U64
    height: U64
    digest: Bytes32  # block hash
    signers: U64  # bit i = NodeId i
    signatures: Annotated[tuple[Bytes64, ...], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]


def vote_bytes(
    chain_id: bytes, epoch: int, valset_hash: bytes, phase: int, view: int, height: int, block_hash: bytes
) -> bytes:
    """The signed bytes of a vote: fixed width, one encoding, bound to chain, epoch, set, phase and view (pitfall 3)."""
    assert len(chain_id) == len(valset_hash) == len(block_hash) == 32, "digests in votes are 32 bytes"
    return TAG_VOTE + chain_id + valset_hash + block_hash + _NUMBERS.pack(epoch, phase, view, height)


def bitmap(nodes: Iterable[int]) -> int:
    """The signers' bitmap of these NodeIds."""
    bits = 0
    for node in nodes:
        bits |= 1 << node
    return bits


def signer_ids(signers: int) -> list[NodeId]:
    """The NodeIds of a bitmap, ascending."""
    return [NodeId(i) for i in range(signers.bit_length()) if signers >> i & 1]


def build_certificate(
    phase: Phase, epoch: int, view: int, height: int, digest: bytes, votes: Mapping[int, Signature], quorum: int
) -> Certificate:
    """The certificate from the `quorum` lowest-numbered votes; the caller holds at least that many, all verified."""
    chosen = sorted(votes)[:quorum]
    assert len(chosen) == quorum, f"{len(votes)} votes do not make a certificate of {quorum}"
    return Certificate(phase, epoch, view, height, digest, bitmap(chosen), tuple(votes[i] for i in chosen))


def certificate_hash(certificate: Certificate) -> Digest:
    """The hash of the certificate's bytes, which a header binds as cert_hash."""
    return tagged_hash(TAG_CERTIFICATE, encode(certificate))


def verify_certificate(certificate: Certificate, chain_id: bytes, members: ValidatorSet, verify: Verify) -> bool:
    """Whether exactly q distinct members signed these very vote bytes. Costs q signature checks (about 0.25 ms at n=4).

    A bitmap cannot name a signer twice (pitfall 2); bits beyond the set, or more or fewer signatures than q, are false.
    """
    nodes = signer_ids(certificate.signers)
    if len(nodes) != members.quorum or len(certificate.signatures) != len(nodes):
        return False
    if any(node not in members for node in nodes):
        return False
    signed = vote_bytes(
        chain_id, certificate.epoch, members.hash, certificate.phase, certificate.view, certificate.height,
        certificate.digest,
    )
    return all(
        verify(members.key_of(node), signed, Signature(signature))
        for node, signature in zip(nodes, certificate.signatures, strict=True)
    )
