"""The form of a snapshot: a manifest that proves a state, and one stream of records cut into chunks of one size.

The same state gives the same chunks on every node, so that one may be fetched from any of them. Records come in the
order of (kind, key); chunks have numbers only, no name ever comes from outside (pitfall 59).

    blocks     those whose bodies are here, and below them those of the last 700 s, for their transaction ids
    mentions   the ids in each of these blocks
    receipts   from the floor on
    batches    from the floor on, by digest
    state      every key and value
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Annotated, Final, NamedTuple

import msgspec

from ledger.failures import BadSnapshot
from primitives.block import Header
from primitives.certificate import Certificate
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder
from primitives.handover import Handover
from primitives.hashing import Digest

FORMAT: Final = 1
CHUNK_BYTES: Final = 256 * 1024  # every chunk but the last has just this size
CHUNKS_MAX: Final = 1 << 17  # 32 GiB
PROOF_HEADERS_MAX: Final = 512  # from the state to a certified header that names it: some 2 W
HANDOVERS_MAX: Final = 4096
MANIFEST_BYTES_MAX: Final = 12 * 1024 * 1024  # 4.5 MB of hashes, the rest is for handovers
ITEM_BYTES_MAX: Final = 128 * 1024 * 1024  # the receipts of one block at the largest block size
KEY_BYTES_MAX: Final = 1024

BLOCKS_WITH_BODIES: Final = 64  # 2 W at the largest window: what the core is told of the ledger at the start
IDS_SECONDS: Final = 700  # of block time: transactions are valid for 600 s (C6)


class Kind(IntEnum):
    BLOCK = 1  # height -> canonical Block
    MENTIONS = 2  # height -> ids, 32 bytes each
    RECEIPTS = 3  # height -> pack_items
    BATCH = 4  # digest -> raw batch
    STATE = 5  # state key -> state value


class Item(NamedTuple):
    kind: Kind
    key: bytes
    value: bytes


class Manifest(Record):
    """What a snapshot holds, and why to believe it.

    The state is the one after block `height`. `headers` are those from height + 1 on; the last one is certified, and
    one of them has exec_height == height and names the state's root. `handovers` prove the members that signed (S11).
    """

    format: U64
    chain_id: Bytes32
    height: U64
    headers: Annotated[tuple[Header, ...], msgspec.Meta(min_length=1, max_length=PROOF_HEADERS_MAX)]
    certificate: Certificate
    handovers: Annotated[tuple[Handover, ...], msgspec.Meta(max_length=HANDOVERS_MAX)]
    octets: U64  # of all chunks together
    chunks: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=CHUNKS_MAX)]  # SHA-256 of each

    def naming(self) -> Header | None:
        """The header that names the state's root; None in a manifest that proves nothing."""
        return next((header for header in self.headers if header.exec_height == self.height), None)


class Span(NamedTuple):
    """Which blocks a snapshot of `height` holds: from `lowest` on, and with their bodies and receipts from `floor` on.

    `floor` lies just above an exec_height, so that the receipts_root of a later header covers each of its receipts.
    """

    lowest: int
    floor: int
    height: int


_MANIFEST: Final = decoder(Manifest)
_FRAME: Final = struct.Struct(">BII")


def chunk_hash(chunk: bytes) -> Digest:
    """What the manifest says about a chunk."""
    return Digest(hashlib.sha256(chunk).digest())


def decode_manifest(raw: bytes) -> Manifest:
    """The manifest of canonical bytes, its content unchecked. Raises: BadSnapshot."""
    if len(raw) > MANIFEST_BYTES_MAX:
        raise BadSnapshot(f"a manifest of {len(raw)} bytes, limit {MANIFEST_BYTES_MAX}")
    try:
        return decode_canonical(_MANIFEST, raw)
    except Malformed as error:
        raise BadSnapshot(f"manifest: {error}") from error


def height_of(key: bytes) -> int:
    """The height that a key of blocks, mentions or receipts is. Raises: BadSnapshot."""
    if len(key) != 8:
        raise BadSnapshot(f"a height of {len(key)} bytes")
    return int.from_bytes(key, "big")


def cut(items: Iterable[Item]) -> Iterator[bytes]:
    """The chunks of the records in their order; at least one, which may be empty."""
    rest = bytearray()
    first = True
    for kind, key, value in items:
        rest += _FRAME.pack(kind, len(key), len(value))
        rest += key
        rest += value
        start = 0
        while len(rest) - start >= CHUNK_BYTES:
            yield bytes(rest[start : start + CHUNK_BYTES])
            start += CHUNK_BYTES
            first = False
        if start:
            del rest[:start]
    if rest or first:
        yield bytes(rest)


class ItemReader:
    """The records of chunks fed in order, each given out once it is whole; holds at most one record and one chunk."""

    def __init__(self) -> None:
        self._rest: Final = bytearray()
        self._last: tuple[int, bytes] = (0, b"")

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """The records that end in this chunk. Raises: BadSnapshot for one that is too large or not in order."""
        self._rest.extend(chunk)
        at, size = 0, len(self._rest)
        while size - at >= _FRAME.size:
            kind, key_bytes, value_bytes = _FRAME.unpack_from(self._rest, at)
            if key_bytes > KEY_BYTES_MAX or value_bytes > ITEM_BYTES_MAX:
                raise BadSnapshot(f"a record of {key_bytes} + {value_bytes} bytes")
            start = at + _FRAME.size
            end = start + key_bytes + value_bytes
            if end > size:
                break
            item = self._item(kind, bytes(self._rest[start : start + key_bytes]),
                              bytes(self._rest[start + key_bytes : end]))  # fmt: skip
            at = end
            yield item
        del self._rest[:at]

    def finish(self) -> None:
        """All chunks were fed. Raises: BadSnapshot if the last record is not whole."""
        if self._rest:
            raise BadSnapshot(f"{len(self._rest)} bytes behind the last record")

    def _item(self, kind: int, key: bytes, value: bytes) -> Item:
        if (kind, key) <= self._last:
            raise BadSnapshot("records out of order, or one twice")
        self._last = (kind, key)
        try:
            return Item(Kind(kind), key, value)
        except ValueError as error:
            raise BadSnapshot(f"a record of kind {kind}") from error
