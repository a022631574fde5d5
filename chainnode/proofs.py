"""What proves itself, built from the ledger: receipts and headers, with certificates and handovers (C3, S11)."""

from typing import Final

from ledger.chain import Chain
from ledger.failures import Pruned
from ledger.schema import Place
from primitives import merkle
from primitives.block import Header, decode_batch
from primitives.certificate import Certificate
from primitives.codec import decode_canonical, decoder
from primitives.handover import Handover, decode_handover
from primitives.light_client import EPOCHS_MAX, HEADERS_MAX, Certified
from primitives.proof import PROOF_FORMAT, ReceiptProof
from primitives.receipt import Receipt

COVER_MAX: Final = 33  # how far above a block the header may be that covers it: W, and one to spare
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
    """The bytes of the mention at `place`, as they came in. Reads the block's batches up to it. Raises: Pruned."""
    block = chain.block(place.height)
    assert block is not None, f"the index names block {place.height}, which is not there"
    before = 0
    for digest in block.batch_digests:
        raw = chain.batch(digest)
        if raw is None and place.height < chain.floor:  # since the block was read
            raise Pruned(place.height, chain.floor)
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
    for above in range(height + 1, min(height + 1 + COVER_MAX, chain.head.height + 1)):
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


def handovers_from(chain: Chain, epoch: int, before: int) -> tuple[Handover, ...]:
    """The handovers that end the epochs from `epoch` up to, not including, `before`."""
    found = []
    for number in range(epoch, min(before, epoch + EPOCHS_MAX)):
        raw = chain.handover(number)
        assert raw is not None, f"the ledger is past epoch {number}, but its handover is missing"
        found.append(decode_handover(raw))
    return tuple(found)


def certify(chain: Chain, height: int, further: int = HEADERS_MAX - 1) -> Certified | None:
    """The header of `height` with its descendants up to the lowest one, at most `further` above it, whose certificate
    is held here; None if there is none. Genesis needs none."""
    if height == 0:
        genesis = chain.header(0)
        assert genesis is not None, "every ledger holds its genesis"
        return Certified((genesis,), None)
    held = chain.covering_certificate(height)
    if held is None or held[0] - height > further:
        return None
    headers = chain.headers(height, held[0] - height + 1)
    return Certified(tuple(headers), decode_canonical(_CERTIFICATE, held[1]))


def newest_certified(chain: Chain) -> Certified:
    """The highest block that can be proven at this moment, within the last HEADERS_MAX."""
    head = chain.head.height
    for height in range(head, max(0, head - HEADERS_MAX), -1):
        found = certify(chain, height)
        if found is not None:
            return found
    genesis = certify(chain, 0)
    assert genesis is not None, "genesis needs no certificate"
    return genesis


def epoch_of(certified: Certified) -> int:
    """The epoch whose members must be known to check it."""
    return 0 if certified.certificate is None else certified.certificate.epoch


def build_receipt_proof(chain: Chain, transaction_id: bytes, epoch: int = 0) -> ReceiptProof | None:
    """The proof of the receipt of this id; None as long as no certified header covers it.

    The certificate is the lowest one held at or above the covering header. A block whose certificate is not held here
    is proven by its descendants; more than a window of them in a row without one do not occur. The covering header may
    be one of the next epoch: then the certificate is, too. `epoch`: the reader knows the members of that one.
    """
    place = chain.place(transaction_id)
    if place is None:
        return None
    covering = covering_header(chain, place.height)
    if covering is None:
        return None
    certified = certify(chain, covering.height, HEADERS_MAX - 1 - (covering.height - place.height))
    if certified is None or certified.certificate is None:
        return None
    leaves = covered_receipts(chain, covering)
    receipt = chain.receipt(transaction_id)
    assert receipt is not None, "a place has a receipt"
    index = leaves.index(receipt)
    below = chain.headers(place.height, covering.height - place.height)
    return ReceiptProof(
        format=PROOF_FORMAT,
        handovers=handovers_from(chain, epoch, certified.certificate.epoch),
        transaction=raw_transaction(chain, place),
        receipt=_RECEIPT.decode(receipt),
        index=index,
        count=len(leaves),
        path=tuple(merkle.path(leaves, index)),
        headers=(*below, *certified.headers),
        certificate=certified.certificate,
    )
