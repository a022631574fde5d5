"""Blocks: a header that binds everything, and a body that is a list of batch digests (C1, C2)."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from primitives import merkle
from primitives.certificate import Certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decode_vouched, decoder, encode
from primitives.hashing import TAG_BATCH, TAG_BATCHES, TAG_HEADER, TAG_NEW_VIEW_RECORD, Digest, tagged_hash
from primitives.receipt import Receipt

BATCH_BYTES_MAX: Final = 512 * 1024  # hard ceiling of any genesis; the on-chain limit is in Limits
BATCH_TRANSACTIONS_MAX: Final = 4096
BLOCK_BATCHES_MAX: Final = 256
HEADERS_KEPT: Final = 256  # whose digest is remembered; in use are those of the window and of what is on its way
NEW_VIEW_BYTES_MAX: Final = 16 * 1024  # 15 summaries of 22 members and a certificate take 6 kB


class Header(Record):
    """Everything a vote for the block vouches for. There is no view in it: a re-proposed block keeps its hash.

    `state_root` and `receipts_root` are those after `exec_height` (< height), the newest state that the proposer had
    executed; `receipts_root` covers the receipts of (parent's exec_height, exec_height] (C3). `cert_hash` is the
    certificate_hash of the commit certificate for `cert_height` that the block carries, ZERO_DIGEST for genesis.
    `next_valset_hash` is set only in the close block of an epoch (C8). `proposer` is a NodeId of the epoch's set.
    `new_view_hash` is set only in the first block that the leader of a view > 0 itself adds to the base (C11).
    """

    epoch: U64
    height: U64
    parent: Bytes32
    batches_root: Bytes32
    tx_root: Bytes32
    exec_height: U64
    state_root: Bytes32
    receipts_root: Bytes32
    cert_height: U64
    cert_hash: Bytes32
    valset_hash: Bytes32
    next_valset_hash: Bytes32 | None
    time_ms: U64
    proposer: U64
    new_view_hash: Bytes32 | None = None


class Block(Record):
    """A header, the digests of its batches in order, and the commit certificate that it embeds (None: genesis).

    `new_view`: canonical bytes of the NEWVIEW that opened the proposer's view, where the header binds one (C11).
    """

    header: Header
    batch_digests: Annotated[tuple[Bytes32, ...], msgspec.Meta(max_length=BLOCK_BATCHES_MAX)]
    certificate: Certificate | None
    new_view: Annotated[bytes, msgspec.Meta(max_length=NEW_VIEW_BYTES_MAX)] | None = None


class Batch(Record):
    """Raw canonical transactions that one validator took in; sent once to every validator."""

    origin: U64  # NodeId
    sequence: U64  # counts the batches of that origin, so that equal contents differ
    transactions: Annotated[tuple[bytes, ...], msgspec.Meta(min_length=1, max_length=BATCH_TRANSACTIONS_MAX)]


_BATCH: Final = decoder(Batch)


_NAMED: Final[dict[int, tuple[Header, Digest]]] = {}  # id(header) -> the header, so that the id stays its own


def header_digest(header: Header) -> Digest:
    """The block hash; genesis is height 0. Every room asks for it: of the last HEADERS_KEPT it is remembered."""
    found = _NAMED.get(id(header))
    if found is not None and found[0] is header:
        return found[1]
    digest = tagged_hash(TAG_HEADER, encode(header))
    if len(_NAMED) >= HEADERS_KEPT:
        _NAMED.clear()  # in one step: threads that write to disks ask as well
    _NAMED[id(header)] = header, digest
    return digest


def batch_digest(raw: bytes) -> Digest:
    """The hash of a batch's bytes, signatures included (C2)."""
    return tagged_hash(TAG_BATCH, raw)


def new_view_hash(raw: bytes) -> Digest:
    """What a header says about the NEWVIEW that its block carries (C11)."""
    return tagged_hash(TAG_NEW_VIEW_RECORD, raw)


def decode_batch(raw: bytes) -> Batch:
    """The batch of canonical bytes; Malformed if too large or not canonical. Its transactions stay undecoded."""
    if len(raw) > BATCH_BYTES_MAX:
        raise Malformed(f"a batch of {len(raw)} bytes, limit {BATCH_BYTES_MAX}")
    return decode_canonical(_BATCH, raw)


def vouched_batch(raw: bytes) -> Batch:
    """The batch of bytes that a quorum of validators decoded and certified; see decode_vouched."""
    return decode_vouched(_BATCH, raw)


def batches_root(digests: Sequence[bytes]) -> Digest:
    """The hash of the ordered batch digests."""
    return tagged_hash(TAG_BATCHES, *digests)


def tx_root(ids: Sequence[bytes]) -> Digest:
    """The Merkle root over every mention of a transaction id in order, duplicates included (C2)."""
    return merkle.root(ids)


def receipts_root(receipts: Sequence[Receipt]) -> Digest:
    """The Merkle root over the receipts in order of (height, index), both of which a receipt holds (C3)."""
    return merkle.root([encode(receipt) for receipt in receipts])
