"""The keys of the ledger's store, the encodings of its fixed values, and the record that names version and chain.

One byte of prefix per kind; heights are u64 big-endian, so that the order of keys is the order of heights.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from ledger.failures import DirectoryRefused, LedgerDamaged
from ledger.store import Operation, Reader
from primitives.hashing import DIGEST_BYTES, ZERO_DIGEST, Digest

SCHEMA_VERSION: Final = 4  # another number: another program wrote this; there is no silent migration

IDENTITY_KEY: Final = b"i"
HEAD_KEY: Final = b"h"
BLOCK: Final = b"b"  # + height -> block hash, canonical Block
CERTIFICATE: Final = b"c"  # + height -> canonical commit certificate of that height
RECEIPTS: Final = b"r"  # + height -> spot of all receipts of the block (pack_items; a block without: nowhere)
MENTIONS: Final = b"m"  # + height -> spot of its transaction ids in order, 32 bytes each
BATCH: Final = b"d"  # + batch digest -> highest height that names it, spot of the raw batch
SEGMENT: Final = b"y"  # + number -> where the segment ends, highest height of which something is in it
TRANSACTION: Final = b"t"  # + transaction id -> height, index of its receipt
STATE: Final = b"s"  # + state key -> state value
LEAF: Final = b"l"  # + hashed state key -> digest of the value
NODE: Final = b"n"  # + hex digits of the path -> upper branch of the state tree as of the last flush
TREE_LOG: Final = b"q"  # + number -> the first 4 bytes of each hashed key that one update since then changed
ROOTS: Final = b"o"  # + height -> state root after the block, hash of the validator set pending then (zeros: none)
HANDOVER: Final = b"e"  # + epoch that it closes -> canonical Handover
FLOOR_KEY: Final = b"f"  # lowest height whose body is here; absent: 0
CLEARED_KEY: Final = b"g"  # lowest height that pruning has not been through; absent: 1
EVIDENCE: Final = b"w"  # + identity of the offence -> canonical Evidence
ABSTAIN_KEY: Final = b"x"  # the epoch up to which this node signs nothing (S9); absent: none

_HEIGHT: Final = struct.Struct(">Q")
_PLACE: Final = struct.Struct(">QI")
_HEAD: Final = struct.Struct(">Q32s32s")
_ROOTS: Final = struct.Struct(">32s32s")
_IDENTITY: Final = struct.Struct(">I32s")


class Head(NamedTuple):
    """The newest block in the ledger; it is executed, and `state_root` is the root after it."""

    height: int
    block_hash: Digest
    state_root: Digest


class Roots(NamedTuple):
    """What a later header names of the state after a height; `next_valset` is None where no change is pending (C8)."""

    state_root: Digest
    next_valset: Digest | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receipt stands; `index` counts the mentions of the block from 0."""

    height: int
    index: int


def height_key(prefix: bytes, height: int) -> bytes:
    """The key of that kind for a height."""
    return prefix + _HEIGHT.pack(height)


def pack_head(head: Head) -> bytes:
    """Fixed width, 72 bytes."""
    return _HEAD.pack(*head)


def unpack_head(raw: bytes) -> Head:
    """Raises LedgerDamaged for another length."""
    if len(raw) != _HEAD.size:
        raise LedgerDamaged(f"the head record has {len(raw)} bytes, not {_HEAD.size}")
    height, block_hash, state_root = _HEAD.unpack(raw)
    return Head(height, Digest(block_hash), Digest(state_root))


def pack_roots(roots: Roots) -> bytes:
    """Fixed width, 64 bytes."""
    return _ROOTS.pack(roots.state_root, roots.next_valset or ZERO_DIGEST)


def unpack_roots(raw: bytes) -> Roots:
    """Raises LedgerDamaged for another length."""
    if len(raw) != _ROOTS.size:
        raise LedgerDamaged(f"a roots record has {len(raw)} bytes, not {_ROOTS.size}")
    state_root, pending = _ROOTS.unpack(raw)
    return Roots(Digest(state_root), None if pending == ZERO_DIGEST else Digest(pending))


def pack_height(height: int) -> bytes:
    """Fixed width, 8 bytes."""
    return _HEIGHT.pack(height)


def unpack_height(raw: bytes) -> int:
    """Raises LedgerDamaged for another length."""
    if len(raw) != _HEIGHT.size:
        raise LedgerDamaged(f"a record of a height has {len(raw)} bytes, not {_HEIGHT.size}")
    return int.from_bytes(raw, "big")


def pack_place(height: int, index: int) -> bytes:
    """Fixed width, 12 bytes."""
    return _PLACE.pack(height, index)


def unpack_place(raw: bytes) -> Place:
    """Raises LedgerDamaged for another length."""
    if len(raw) != _PLACE.size:
        raise LedgerDamaged(f"a transaction index record has {len(raw)} bytes, not {_PLACE.size}")
    return Place(*_PLACE.unpack(raw))


def pack_items(items: Sequence[bytes | None]) -> bytes:
    """Count, end of each item, then the items (None takes no bytes; no item is empty): one value for a whole block."""
    ends = accumulate(len(item) if item else 0 for item in items)
    head = struct.pack(f">I{len(items)}I", len(items), *ends)
    return head + b"".join(item for item in items if item)


def unpack_items(raw: bytes) -> list[bytes | None]:
    """The inverse of pack_items. Raises LedgerDamaged if the ends do not rise to the end of the value."""
    count = int.from_bytes(raw[:4], "big")
    body = 4 + 4 * count
    if len(raw) < body:
        raise LedgerDamaged(f"{count} receipts do not fit into {len(raw)} bytes")
    ends = (0, *struct.unpack_from(f">{count}I", raw, 4))
    if any(a > b for a, b in pairwise(ends)) or ends[-1] != len(raw) - body:
        raise LedgerDamaged(f"receipts end at byte {ends[-1]} of {len(raw) - body}")
    return [raw[body + start : body + end] or None for start, end in pairwise(ends)]


def item_at(raw: bytes, index: int) -> bytes | None:
    """One item of what pack_items made, without unpacking the others. Raises LedgerDamaged if it is not inside."""
    count = int.from_bytes(raw[:4], "big")
    body = 4 + 4 * count
    if not 0 <= index < count or len(raw) < body:
        raise LedgerDamaged(f"receipt {index} of {count} is not in {len(raw)} bytes")
    start, end = struct.unpack_from(">II", raw, 4 * index) if index else (0, int.from_bytes(raw[4:8], "big"))
    if not start <= end <= len(raw) - body:
        raise LedgerDamaged(f"receipt {index} lies at {start} to {end} of {len(raw) - body} bytes")
    return raw[body + start : body + end] or None


def unpack_digests(raw: bytes) -> list[Digest]:
    """The digests that stand one behind the other. Raises LedgerDamaged for a broken one at the end."""
    if len(raw) % DIGEST_BYTES:
        raise LedgerDamaged(f"a list of digests has {len(raw)} bytes")
    return [Digest(raw[i : i + DIGEST_BYTES]) for i in range(0, len(raw), DIGEST_BYTES)]


def identity_operation(chain_id: bytes) -> Operation:
    """The record that a new store begins with."""
    return IDENTITY_KEY, _IDENTITY.pack(SCHEMA_VERSION, chain_id)


def check_identity(store: Reader, chain_id: bytes) -> None:
    """Raises: DirectoryRefused, naming both, for another schema or chain; LedgerDamaged if the record is gone."""
    raw = store.get(IDENTITY_KEY)
    if raw is None or len(raw) != _IDENTITY.size:
        raise LedgerDamaged("the ledger has no identity record: it was never initialised, or it lost its content")
    version, found = _IDENTITY.unpack(raw)
    if version != SCHEMA_VERSION:
        raise DirectoryRefused(
            f"the ledger has schema {version}, this program reads and writes {SCHEMA_VERSION}; start the release that "
            "wrote it, or fetch the chain from the other validators with `hnchain node resync`"
        )
    if found != chain_id:
        raise DirectoryRefused(f"the ledger is of chain {found.hex()}, the genesis given is of {chain_id.hex()}")
