"""Blocks and their bodies as they are stored, checked when they are read; over a store or a snapshot of it.

A block is in the store itself; its ids, receipts and batches are in the segments, the store says where.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ledger.failures import LedgerDamaged
from ledger.schema import (
    BATCH,
    BLOCK,
    MENTIONS,
    RECEIPTS,
    height_key,
    pack_height,
    pack_items,
    unpack_digests,
    unpack_height,
)
from ledger.segments import SPOT_BYTES, Segments, Spot, pack_spot, unpack_spot
from ledger.store import Operation, Reader
from primitives.block import Block, batch_digest, batches_root, header_digest, new_view_hash
from primitives.certificate import certificate_hash
from primitives.codec import Malformed, decode_canonical, decoder, encode
from primitives.hashing import DIGEST_BYTES, ZERO_DIGEST, Digest

_BLOCK: Final = decoder(Block)


def block_operation(block: Block, digest: Digest) -> Operation:
    """The write that stores a block under its height."""
    return height_key(BLOCK, block.header.height), digest + encode(block)


def load_block(reader: Reader, height: int) -> Block | None:
    """The stored block of a height, None if there is none. Raises: LedgerDamaged."""
    raw = reader.get(height_key(BLOCK, height))
    if raw is None:
        return None
    try:
        block = decode_canonical(_BLOCK, raw[DIGEST_BYTES:])
    except Malformed as error:
        raise LedgerDamaged(f"block {height}: {error}") from error
    found = header_digest(block.header)
    if found != raw[:DIGEST_BYTES] or block.header.height != height:
        raise LedgerDamaged(f"block {height} hashes to {found.hex()}, stored as {raw[:DIGEST_BYTES].hex()}")
    fault = body_fault(block)
    if fault:
        raise LedgerDamaged(f"block {height}: {fault}")
    return block


def newest_blocks(reader: Reader, top: int, lowest: int, seconds: int) -> Iterator[Block]:
    """From height `top` down to `lowest`, as long as their time is within `seconds` before that of the first. Raises:
    LedgerDamaged, also if one is not here."""
    oldest = 0
    for height in range(top, lowest - 1, -1):
        block = load_block(reader, height)
        if block is None:
            raise LedgerDamaged(f"block {height} is missing below the head {top}")
        oldest = oldest or block.header.time_ms - 1000 * seconds
        if block.header.time_ms < oldest:
            return
        yield block


class StoredBatch(NamedTuple):
    """Where a batch lies; `height` is the highest that names it, and goes last."""

    height: int
    spot: Spot


def pack_batch(height: int, spot: Spot) -> bytes:
    """Fixed width, 24 bytes."""
    return pack_height(height) + pack_spot(spot)


def find_batch(reader: Reader, digest: bytes) -> StoredBatch | None:
    """Where the batch is; None if no block here names it. Raises: LedgerDamaged."""
    raw = reader.get(BATCH + digest)
    return None if raw is None else StoredBatch(unpack_height(raw[:-SPOT_BYTES]), unpack_spot(raw[-SPOT_BYTES:]))


def load_batch(segments: Segments, digest: bytes, found: StoredBatch) -> bytes | None:
    """The raw batch, its hash checked; None if its segment was dropped. Raises: LedgerDamaged."""
    raw = segments.read(found.spot)
    if raw is not None and batch_digest(raw) != digest:
        raise LedgerDamaged(f"batch {digest.hex()} hashes to {batch_digest(raw).hex()}")
    return raw


def load_part(reader: Reader, segments: Segments, prefix: bytes, height: int) -> bytes | None:
    """The MENTIONS or RECEIPTS of a height as they were stored, None if they are not here. Raises: LedgerDamaged."""
    raw = reader.get(height_key(prefix, height))
    return None if raw is None else segments.read(unpack_spot(raw))


def load_mentions(reader: Reader, segments: Segments, height: int) -> list[Digest] | None:
    """The ids that a stored block mentions, None if they are not here. Raises: LedgerDamaged."""
    raw = load_part(reader, segments, MENTIONS, height)
    return None if raw is None else unpack_digests(raw)


def body_operations(
    segments: Segments, height: int, ids: Sequence[bytes], receipts: Sequence[bytes | None],
    batches: Mapping[bytes, bytes],
) -> list[Operation]:  # fmt: skip
    """Append the body of a block to the segments; then the writes by which it is found. Raises: FatalError."""
    packed = pack_items(receipts) if receipts else b""
    of_ids, of_receipts, *of_batches = segments.append(height, (b"".join(ids), packed, *batches.values()))
    return [
        (height_key(MENTIONS, height), pack_spot(of_ids)),
        (height_key(RECEIPTS, height), pack_spot(of_receipts)),
        *((BATCH + digest, pack_batch(height, spot)) for digest, spot in zip(batches, of_batches, strict=True)),
        *segments.row(),
    ]


def body_fault(block: Block) -> str:
    """What the header does not bind of what is beside it; "" if the block is whole."""
    header = block.header
    if batches_root(block.batch_digests) != header.batches_root:
        return "the batch digests do not hash to its batches_root"
    embedded = ZERO_DIGEST if block.certificate is None else certificate_hash(block.certificate)
    if embedded != header.cert_hash:
        return "the embedded certificate does not hash to its cert_hash"
    opened = None if block.new_view is None else new_view_hash(block.new_view)
    if opened != header.new_view_hash:
        return "the NEWVIEW record does not hash to its new_view_hash"
    return ""
