"""A receipt that proves itself: with the genesis alone, anybody checks what q validators certified, in any epoch.

The file is the canonical encoding of ReceiptProof. It is refused unless it re-encodes to itself, and every byte of it
is bound by a hash or a signature, so that no changed byte passes.
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from primitives import merkle
from primitives.block import Header, header_digest
from primitives.certificate import Certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder, encode
from primitives.genesis import Genesis
from primitives.handover import Handover
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.light_client import EPOCHS_MAX, HEADERS_MAX, Certified, TrustedEpochs
from primitives.receipt import Receipt
from primitives.transaction import Transaction, decode_transaction, signature_checks

PROOF_FORMAT: Final = 2
PROOF_BYTES_MAX: Final = 16 * 1024 * 1024  # some 3 kB, and 3 to 14 kB for every change of the validators before it
_FORMAT_1: Final = b"\x98\x01"  # how a file of the first format begins


class ReceiptProof(Record):
    """The transaction as it was signed, its receipt, the way from genesis to the validators who certified it.

    `headers`: from the receipt's own block to the certified one, each the child of the one before, across the end of
    an epoch if need be. The receipt is under the receipts_root of the first that executed its height (C3). `handovers`
    end every epoch before the certificate's, from genesis; or from an epoch that the reader said it trusts already.
    """

    format: U64
    handovers: Annotated[tuple[Handover, ...], msgspec.Meta(max_length=EPOCHS_MAX)]
    transaction: bytes
    receipt: Receipt
    index: U64  # position among the receipts that the covering header covers
    count: U64
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=32)]
    headers: Annotated[tuple[Header, ...], msgspec.Meta(min_length=1, max_length=HEADERS_MAX)]
    certificate: Certificate


class ProvenReceipt(NamedTuple):
    """What the proof proves: this receipt of this transaction, in this block, certified by these validators."""

    receipt: Receipt
    transaction: Transaction
    block_hash: Digest  # of the block at receipt.height
    time_ms: int  # of that block
    epoch: int  # of the certificate
    certified_height: int
    signers: tuple[str, ...]
    members: int


_PROOF: Final = decoder(ReceiptProof)


def encode_proof(proof: ReceiptProof) -> bytes:
    """The bytes of the file."""
    return encode(proof)


def verify_receipt_proof(raw: bytes, genesis: Genesis, trusted: TrustedEpochs | None = None) -> ProvenReceipt:
    """The proven receipt. `trusted`: what the reader knows already; by default nothing but the genesis.

    Raises: Malformed with the first thing that does not hold, Conflict for a fork. Needs no node and no network.
    """
    proof = _decode(raw)
    trusted = TrustedEpochs(genesis) if trusted is None else trusted
    transaction = _check_transaction(proof, trusted.chain_id)
    for handover in proof.handovers:
        trusted.advance(handover)
    if proof.handovers and proof.handovers[-1].header.epoch + 1 != proof.certificate.epoch:
        raise Malformed("the handovers do not end where the certificate's epoch begins")
    own = trusted.certified_header(Certified(proof.headers, proof.certificate))
    if own.height != proof.receipt.height:
        raise Malformed(f"receipt of height {proof.receipt.height}, the first header is that of {own.height}")
    covering = next((header for header in proof.headers if header.exec_height >= own.height), None)
    if covering is None:
        raise Malformed(f"no header of the proof covers the receipts of block {own.height}")
    if not merkle.verify_path(encode(proof.receipt), proof.index, proof.count, proof.path, covering.receipts_root):
        raise Malformed("the receipt is not under the header's receipts root")
    certificate = proof.certificate
    members = trusted.members_of(certificate.epoch)
    signers = tuple(members.at(node).name for node in members.nodes if certificate.signers >> node & 1)
    return ProvenReceipt(
        proof.receipt, transaction, header_digest(own), own.time_ms, certificate.epoch, certificate.height, signers,
        members.size,
    )  # fmt: skip


def _decode(raw: bytes) -> ReceiptProof:
    if len(raw) > PROOF_BYTES_MAX:
        raise Malformed(f"a proof of {len(raw)} bytes, limit {PROOF_BYTES_MAX}")
    if raw[:2] == _FORMAT_1:
        raise Malformed(f"proof format 1, this release reads {PROOF_FORMAT}: fetch the receipt again from a node")
    proof = decode_canonical(_PROOF, raw)
    if proof.format != PROOF_FORMAT:
        raise Malformed(f"proof format {proof.format}, this release reads {PROOF_FORMAT}")
    return proof


def _check_transaction(proof: ReceiptProof, chain: bytes) -> Transaction:
    decoded = decode_transaction(proof.transaction)
    if decoded.id != proof.receipt.tx:
        raise Malformed(f"the receipt is of transaction {proof.receipt.tx.hex()}, not of {decoded.id.hex()}")
    if decoded.transaction.envelope.chain_id != chain:
        raise Malformed("the transaction is of another chain than this genesis")
    for check in signature_checks(decoded):
        if not verify(*check):
            raise Malformed(f"a signature of key {check.key.hex()[:16]} does not verify")
    return decoded.transaction
