"""Receipts that prove themselves, built from the ledger: path, headers, certificate (C3)."""

from typing import Final

from ledger.chain import Chain
from ledger.schema import Place
from primitives import merkle
from primitives.block import Header, decode_batch
from primitives.certificate import Certificate
from primitives.codec import decode_canonical, decoder
from primitives.proof import HEADERS_MAX, PROOF_FORMAT, ReceiptProof
from primitives.receipt import Receipt

_RECEIPT: Final = decoder(Receipt)
_CERTIFICATE: Final = decoder(Certificate)


def decode_receipt(raw: bytes) -> Receipt:
    """A receipt of our own ledger."""
    return _RECEIPT.decode(raw)


def find_receipt(chain: Chain, transaction_id: bytes) -> Receipt | None:
    """The first and only receipt of the id, or None if it was never executed here."""
    raw = chain.receipt(transaction_id)
    return None if raw is None else _RECEIPT.decode(raw)


def raw_transaction(chain: Chain, place: Place) -> bytes:
    """The bytes of the mention at `place`, as they came in. Reads the block's batches up to it."""
    block = chain.block(place.height)
    assert block is not None, f"the index names block {place.height}, which is not there"
    before = 0
    for digest in block.batch_digests:
        raw = chain.batch(digest)
        assert raw is not None, f"block {place.height} names a batch that the ledger does not hold"
        transactions = decode_batch(raw).transactions
        if place.index < before + len(transactions):
            return transactions[place.index - before]
        before += len(transactions)
    raise AssertionError(f"block {place.height} has {before} mentions, the index names {place.index}")


def covering_header(chain: Chain, height: int) -> Header | None:
    """The earliest header whose exec_height reaches `height`; None until it is decided.

    exec_height never falls from one header to the next, so at most a window's worth of headers is read.
    """
    for above in range(height + 1, min(height + 1 + HEADERS_MAX, chain.head.height + 1)):
        header = chain.header(above)
        if header is not None and header.exec_height >= height:
            return header
    return None


def covered_receipts(chain: Chain, header: Header) -> list[bytes]:
    """The receipts under the header's receipts_root, in order: those of (exec_height(parent), exec_height]."""
    parent = chain.header(header.height - 1)
    assert parent is not None, f"header {header.height} has no parent in the ledger"
    found: list[bytes] = []
    for height in range(parent.exec_height + 1, header.exec_height + 1):
        found.extend(raw for raw in chain.receipts(height) if raw is not None)
    return found


def build_receipt_proof(chain: Chain, transaction_id: bytes) -> ReceiptProof | None:
    """The proof of the receipt of this id; None as long as no certified header covers it.

    The certificate is the lowest one held at or above the covering header. A block whose certificate is not held here
    is proven by its descendants; more than HEADERS_MAX of them in a row without one do not occur (window bound).
    """
    place = chain.place(transaction_id)
    if place is None:
        return None
    carrying = covering_header(chain, place.height)
    if carrying is None:
        return None
    held = chain.covering_certificate(carrying.height)
    if held is None or held[0] - carrying.height >= HEADERS_MAX:
        return None
    certified, raw_certificate = held
    leaves = covered_receipts(chain, carrying)
    receipt = chain.receipt(transaction_id)
    assert receipt is not None, "a place has a receipt"
    index = leaves.index(receipt)
    headers = chain.headers(carrying.height, certified - carrying.height + 1)
    return ReceiptProof(
        format=PROOF_FORMAT,
        transaction=raw_transaction(chain, place),
        receipt=_RECEIPT.decode(receipt),
        index=index,
        count=len(leaves),
        path=tuple(merkle.path(leaves, index)),
        headers=tuple(headers),
        certificate=decode_canonical(_CERTIFICATE, raw_certificate),
    )

