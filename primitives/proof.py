"""A receipt that proves itself: with the genesis alone, anybody checks what q validators certified.

The file is the canonical encoding of ReceiptProof. It is refused unless it re-encodes to itself, and every byte of it
is bound by a hash or a signature, so that no changed byte passes.
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from primitives import merkle
from primitives.block import Header, header_digest
from primitives.certificate import Certificate, Phase, verify_certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder, encode
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.receipt import Receipt
from primitives.transaction import Transaction, decode_transaction, signature_checks

PROOF_FORMAT: Final = 1
PROOF_BYTES_MAX: Final = 512 * 1024
HEADERS_MAX: Final = 34  # from the carrying header to the certified one: at most W (32) further, and one to spare


class ReceiptProof(Record):
    """The transaction as it was signed, its receipt, the path to `headers[0].receipts_root`, the headers from there to
    the certified one, and the commit certificate of the last (C3)."""

    format: U64
    transaction: bytes
    receipt: Receipt
    index: U64  # position among the receipts that headers[0] covers
    count: U64
    path: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=32)]
    headers: Annotated[tuple[Header, ...], msgspec.Meta(min_length=1, max_length=HEADERS_MAX)]
    certificate: Certificate


class ProvenReceipt(NamedTuple):
    """What the proof proves: this receipt of this transaction, certified at this height by these validators."""

    receipt: Receipt
    transaction: Transaction
    block_hash: Digest
    certified_height: int
    signers: tuple[str, ...]
    members: int


_PROOF: Final = decoder(ReceiptProof)


def encode_proof(proof: ReceiptProof) -> bytes:
    """The bytes of the file."""
    return encode(proof)


def verify_receipt_proof(raw: bytes, genesis: Genesis) -> ProvenReceipt:
    """The proven receipt.

    Raises: Malformed with the first thing that does not hold. Needs no node and no network. Epoch 0 only: later
    epochs need the certified close blocks in between.
    """
    if len(raw) > PROOF_BYTES_MAX:
        raise Malformed(f"a proof of {len(raw)} bytes, limit {PROOF_BYTES_MAX}")
    proof = decode_canonical(_PROOF, raw)
    if proof.format != PROOF_FORMAT:
        raise Malformed(f"proof format {proof.format}, this release reads {PROOF_FORMAT}")
    transaction = _check_transaction(proof, genesis)
    carrying, last = proof.headers[0], proof.headers[-1]
    if proof.receipt.height > carrying.exec_height:
        raise Malformed(f"receipt of height {proof.receipt.height}, its header covers up to {carrying.exec_height}")
    if not merkle.verify_path(encode(proof.receipt), proof.index, proof.count, proof.path, carrying.receipts_root):
        raise Malformed("the receipt is not under the header's receipts root")
    for parent, child in zip(proof.headers, proof.headers[1:], strict=False):
        if child.parent != header_digest(parent) or child.height != parent.height + 1:
            raise Malformed(f"header {child.height} is not the child of header {parent.height}")
    signers = _check_certificate(proof.certificate, last, genesis)
    return ProvenReceipt(
        proof.receipt, transaction, header_digest(carrying), last.height, signers, len(genesis.validators)
    )


def _check_transaction(proof: ReceiptProof, genesis: Genesis) -> Transaction:
    decoded = decode_transaction(proof.transaction)
    if decoded.id != proof.receipt.tx:
        raise Malformed(f"the receipt is of transaction {proof.receipt.tx.hex()}, not of {decoded.id.hex()}")
    if decoded.transaction.envelope.chain_id != chain_id(genesis):
        raise Malformed("the transaction is of another chain than this genesis")
    for check in signature_checks(decoded):
        if not verify(*check):
            raise Malformed(f"a signature of key {check.key.hex()[:16]} does not verify")
    return decoded.transaction


def _check_certificate(certificate: Certificate, last: Header, genesis: Genesis) -> tuple[str, ...]:
    members = validator_set(genesis)
    if certificate.phase is not Phase.COMMIT:
        raise Malformed("the certificate is not of the commit phase")
    if last.epoch != 0 or certificate.epoch != 0 or last.valset_hash != members.hash:
        raise Malformed("the certificate is of another validator set than this genesis")
    if certificate.digest != header_digest(last) or certificate.height != last.height:
        raise Malformed("the certificate is for another block")
    if not verify_certificate(certificate, chain_id(genesis), members, verify):
        raise Malformed(f"the certificate has not exactly {members.quorum} valid signatures of members")
    return tuple(members.at(node).name for node in members.nodes if certificate.signers >> node & 1)
