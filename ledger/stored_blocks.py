"""Blocks and mentions as they are stored, checked when they are read; over a store or a snapshot of it."""

from typing import Final

from ledger.failures import LedgerDamaged
from ledger.schema import BLOCK, MENTIONS, height_key, unpack_digests
from ledger.store import Operation, Reader
from primitives.block import Block, batches_root, header_digest, new_view_hash
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


def load_mentions(reader: Reader, height: int) -> list[Digest] | None:
    """The ids that a stored block mentions, None if they are not here. Raises: LedgerDamaged."""
    raw = reader.get(height_key(MENTIONS, height))
    return None if raw is None else unpack_digests(raw)


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
