"""A snapshot is written: the records of one state in their order, cut into chunks, a few at a time."""

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from ledger.failures import LedgerDamaged
from ledger.schema import HANDOVER, MENTIONS, RECEIPTS, STATE, height_key, pack_items
from ledger.segments import Segments
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import FORMAT, Item, Kind, Manifest, Span, chunk_hash, cut
from ledger.snapshot_moments import Proven
from ledger.store import Reader
from ledger.stored_blocks import find_batch, load_batch, load_block, load_part
from primitives.codec import Malformed, encode
from primitives.handover import Handover, decode_handover
from primitives.hashing import Digest

T = TypeVar("T")

_NO_RECEIPTS: Final = pack_items(())


def items_of(reader: Reader, segments: Segments, span: Span) -> Iterator[Item]:
    """Everything that belongs to a snapshot, in order. Raises: LedgerDamaged for what is not there."""
    digests: set[bytes] = set()
    for height in range(span.lowest, span.height + 1):
        block = _present(load_block(reader, height), "block", height)
        if height >= span.floor:
            digests.update(block.batch_digests)
        yield Item(Kind.BLOCK, _key(height), encode(block))
    for height in range(span.lowest, span.height + 1):
        raw = _present(load_part(reader, segments, MENTIONS, height), "ids of block", height)
        yield Item(Kind.MENTIONS, _key(height), raw)
    for height in range(span.floor, span.height + 1):
        raw = _present(load_part(reader, segments, RECEIPTS, height), "receipts of block", height)
        yield Item(Kind.RECEIPTS, _key(height), raw or _NO_RECEIPTS)
    for digest in sorted(digests):
        found = _present(find_batch(reader, digest), "batch", digest.hex())
        yield Item(Kind.BATCH, digest, _present(load_batch(segments, digest, found), "batch", digest.hex()))
    for key, value in reader.range(STATE, bytes([STATE[0] + 1])):
        yield Item(Kind.STATE, key[1:], value)


def handovers_of(reader: Reader, epoch: int) -> Iterator[Handover]:
    """Those that prove the members of `epoch`. Raises: LedgerDamaged."""
    for before in range(epoch):
        raw = _present(reader.get(height_key(HANDOVER, before)), "handover", before)
        try:
            yield decode_handover(raw)
        except Malformed as error:
            raise LedgerDamaged(f"the handover of epoch {before}: {error}") from error


class SnapshotWriter:
    """Writes one snapshot into the folder; each `piece` is one chunk of 256 KiB, read, hashed and synced.

    State and bodies are held, so pieces may run between appends for as long as it takes.
    """

    def __init__(self, chain_id: bytes, handovers: Iterable[Handover], proven: Proven, folder: SnapshotFolder) -> None:
        """`handovers` are those that prove the members of the certificate's epoch."""
        self.height: Final = proven.span.height
        self.octets = 0  # written so far
        self._chain_id: Final = chain_id
        self._proven: Final = proven
        self._handovers: Final = tuple(handovers)
        self._folder: Final = folder
        self._chunks: Final = cut(items_of(proven.snapshot, proven.segments, proven.span))
        self._hashes: Final[list[Digest]] = []
        folder.begin()

    @property
    def written(self) -> int:
        """Chunks so far."""
        return len(self._hashes)

    def piece(self) -> bool:
        """Write the next chunk; False once the snapshot is finished and its state let go. Raises: FatalError."""
        chunk = next(self._chunks, None)
        if chunk is not None:
            self._folder.put(len(self._hashes), chunk)
            self._hashes.append(chunk_hash(chunk))
            self.octets += len(chunk)
            return True
        self._folder.finish(self._manifest())
        self.close()
        return False

    def close(self) -> None:
        """Let go of the state; what is not finished is cleared at the next start."""
        self._proven.close()

    def _manifest(self) -> Manifest:
        return Manifest(
            FORMAT, self._chain_id, self.height, self._proven.headers, self._proven.certificate, self._handovers,
            self.octets, tuple(self._hashes),
        )  # fmt: skip


def _key(height: int) -> bytes:
    return height.to_bytes(8, "big")


def _present(value: T | None, what: str, which: object) -> T:
    if value is None:
        raise LedgerDamaged(f"{what} {which} is missing")
    return value
