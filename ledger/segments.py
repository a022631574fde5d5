"""What never changes lies in files that only grow: raw batches, receipts and ids, beside the database that finds them.

segments/00000001.segment    frames, one behind the other

Frame: {length u32, crc u32, payload}; the crc (CRC-32) also covers the number of the file and the place in it, so that
bytes which were written somewhere else are as bad as flipped ones. What a block adds is written and synced before the
database hears of it. So the database knows how long every file must be: what lies behind that is the rest of a write
that nobody was told of, and is cut off; what lies before it and is missing was lost.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Lock
from typing import Final, NamedTuple, TypeVar

from ledger.disk import JournalDirectory, JournalFile
from ledger.failures import FatalError, LedgerDamaged, storage_failure
from ledger.schema import SEGMENT
from ledger.store import Operation, Reader, Store

T = TypeVar("T")

SEGMENT_BYTES: Final = 64 * 1024 * 1024  # a file that has grown to this is followed by another one
SUFFIX: Final = ".segment"
REMEDY: Final = "restore a backup or fetch the chain from the other validators with `hnchain node resync`"
_FRAME: Final = struct.Struct(">II")
_BOUND: Final = struct.Struct(">IQI")  # number, offset, length: what a crc covers beside the payload
_SPOT: Final = struct.Struct(">IQI")
_NUMBER: Final = struct.Struct(">I")
_EXTENT: Final = struct.Struct(">QQ")


class Spot(NamedTuple):
    """Where a payload lies; `offset` is that of its frame. An empty payload lies nowhere: all zeros."""

    segment: int
    offset: int
    length: int


class Extent(NamedTuple):
    """What the database knows of a segment: where it ends, and the highest block of which something is in it."""

    end: int
    height: int


NOWHERE: Final = Spot(0, 0, 0)
SPOT_BYTES: Final = _SPOT.size


def pack_spot(spot: Spot) -> bytes:
    """Fixed width, 16 bytes."""
    return _SPOT.pack(*spot)


def unpack_spot(raw: bytes) -> Spot:
    """Raises LedgerDamaged for another length."""
    if len(raw) != SPOT_BYTES:
        raise LedgerDamaged(f"the record of a place in the segments has {len(raw)} bytes, not {SPOT_BYTES}")
    return Spot(*_SPOT.unpack(raw))


def _unpack_extent(raw: bytes) -> Extent:
    if len(raw) != _EXTENT.size:
        raise LedgerDamaged(f"the record of a segment has {len(raw)} bytes, not {_EXTENT.size}")
    return Extent(*_EXTENT.unpack(raw))


def _crc(spot: Spot, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_BOUND.pack(*spot)))


def _name(number: int) -> str:
    return f"{number:08d}{SUFFIX}"


class Segments:
    """All segments of one ledger. One owner appends and drops; `read` may run in other threads. The first error of the
    disk is final: every later call raises the same FatalError."""

    def __init__(self, directory: JournalDirectory, extents: dict[int, Extent], newest: JournalFile | None) -> None:
        """Use `open`; `newest` is the file of the last of `extents`, ready to grow."""
        self._directory: Final = directory
        self._extents: Final = extents
        self._file = newest
        self._number = max(extents, default=0)
        self._holds = 0
        self._last: tuple[int, JournalFile] | None = None  # that was read; reads come in runs, so it stays open
        self._reading: Final = Lock()  # for `_last`, also against its end
        self.limit = SEGMENT_BYTES
        self._failure: FatalError | None = None

    @classmethod
    def open(cls, directory: JournalDirectory, reader: Reader) -> "Segments":
        """Those that the database knows, none in a new ledger; files that it does not know are removed, they were
        never told of or are dropped.

        Raises: LedgerDamaged if one is missing or too short; StorageFailed.
        """
        extents = {
            int.from_bytes(key[1:], "big"): _unpack_extent(raw)
            for key, raw in reader.range(SEGMENT, bytes([SEGMENT[0] + 1]))
        }
        known, newest = {_name(number) for number in extents}, max(extents, default=0)
        try:
            for name in directory.names():
                if name.endswith(SUFFIX) and name not in known:
                    directory.remove(name)
            for number, extent in sorted(extents.items()):
                _check(directory, number, extent, cut=number == newest)
            return cls(directory, extents, directory.open(_name(newest)) if extents else None)
        except FileNotFoundError as error:
            raise LedgerDamaged(f"the segments of the ledger are missing; {REMEDY}") from error
        except OSError as error:
            raise storage_failure("segments", error) from error

    def append(self, height: int, payloads: Sequence[bytes]) -> list[Spot]:
        """Store what belongs to blocks up to `height`, in one write and one sync: durable when it returns. Nobody
        finds it before `row` is in the database. Raises: FatalError; then the process must stop.
        """
        extent = self._extents.get(self._number)
        if not any(payloads):
            return [NOWHERE] * len(payloads)
        if extent is None or extent.end >= self.limit:
            extent = self._begin()
        spots: list[Spot] = []
        frames: list[bytes] = []
        end = extent.end
        for payload in payloads:
            spot = Spot(self._number, end, len(payload)) if payload else NOWHERE
            spots.append(spot)
            if payload:
                frames += _FRAME.pack(len(payload), _crc(spot, payload)), payload
                end += _FRAME.size + len(payload)
        file = self._file
        assert file is not None, "a segment was begun"

        def write() -> None:
            file.write_at(extent.end, b"".join(frames))
            file.sync()

        self._attempt(write)
        self._extents[self._number] = Extent(end, max(extent.height, height))
        return spots

    def row(self) -> list[Operation]:
        """What the database must know after `append`, in the same write as the spots."""
        extent = self._extents.get(self._number)
        return [] if extent is None else [(SEGMENT + _NUMBER.pack(self._number), _EXTENT.pack(*extent))]

    def read(self, spot: Spot) -> bytes | None:
        """The payload, its crc checked; None if its segment was dropped. Raises: LedgerDamaged, StorageFailed."""
        if not spot.length:
            return b""

        raw = self._load(spot.segment, spot.offset, _FRAME.size + spot.length)
        if raw is None:
            return None
        payload = raw[_FRAME.size :]
        if raw[: _FRAME.size] != _FRAME.pack(spot.length, _crc(spot, payload)):
            what = f"the {spot.length} bytes at byte {spot.offset} are not what was written"
            self._failure = _damaged(spot.segment, what)
            raise self._failure
        return payload

    def drop(self, floor: int, store: Store) -> bool:
        """Give back the segments in which nothing of `floor` or above is; False if there are none, or somebody holds
        them. The database forgets them first, durably: a crash leaves files that it does not know. Then the readers
        do, and only then the files go: a file system may take its time for it."""
        gone = [n for n, extent in self._extents.items() if extent.height < floor and n != self._number]
        if self._holds or not gone:
            return False
        store.write([(SEGMENT + _NUMBER.pack(number), None) for number in gone])

        def remove() -> None:
            with self._reading:
                for number in gone:
                    del self._extents[number]
                if self._last is not None and self._last[0] in gone:
                    self._let_go()
            for number in gone:
                self._directory.remove(_name(number))

        self._attempt(remove)
        return True

    def hold(self) -> None:
        """Nothing is dropped before `release`: somebody reads what the floor may pass."""
        self._holds += 1

    def release(self) -> None:
        """Once for each `hold`."""
        self._holds -= 1
        assert self._holds >= 0, "released more often than held"

    def walk(self) -> Iterator[Spot]:
        """Every frame of every segment, read and checked, also those that nothing refers to any more.

        Raises: LedgerDamaged, StorageFailed. Not beside `append` and `drop`.
        """
        for number, extent in sorted(self._extents.items()):
            offset = 0
            while offset < extent.end:
                head = self._load(number, offset, _FRAME.size) or b""
                spot = Spot(number, offset, int.from_bytes(head[:4], "big"))
                if not 0 < spot.length <= extent.end - offset - _FRAME.size or self.read(spot) is None:
                    raise _damaged(number, f"there is no whole frame at byte {offset} of {extent.end}")
                yield spot
                offset += _FRAME.size + spot.length

    def close(self) -> None:
        """Release the files that are open; nothing may be called after it."""
        if self._file is not None:
            self._file.close()
        with self._reading:
            self._let_go()

    def _begin(self) -> Extent:
        """A new segment; its name is durable when this returns."""

        def create() -> JournalFile:
            file = self._directory.create(_name(self._number + 1))
            self._directory.sync()
            return file

        file = self._attempt(create)
        if self._file is not None:
            self._file.close()
        self._file, self._number = file, self._number + 1
        return Extent(0, 0)

    def _load(self, number: int, offset: int, size: int) -> bytes | None:
        def load() -> bytes | None:
            with self._reading:
                file = self._to_read(number)
                return None if file is None else file.read_at(offset, size)

        return self._attempt(load)

    def _to_read(self, number: int) -> JournalFile | None:
        """The open file of a segment, None if it was dropped; under the lock."""
        if number not in self._extents:
            return None  # its file may still be there, and opened again it would keep its space
        if self._last is None or self._last[0] != number:
            self._let_go()  # first: then the next one needs no descriptor more
            try:
                self._last = number, self._directory.open(_name(number))
            except FileNotFoundError:
                return None
        return self._last[1]

    def _let_go(self) -> None:
        if self._last is not None:
            self._last[1].close()
            self._last = None

    def _attempt(self, action: Callable[[], T]) -> T:
        if self._failure is not None:
            raise self._failure
        try:
            return action()
        except OSError as error:
            self._failure = storage_failure("segments", error)
            raise self._failure from error


def _check(directory: JournalDirectory, number: int, extent: Extent, cut: bool) -> None:
    """A segment has everything that the database knows of; `cut` away what is behind it. Raises: LedgerDamaged,
    OSError."""
    try:
        opened = directory.open(_name(number))
    except FileNotFoundError as error:
        raise _damaged(number, "the file is missing") from error
    with closing(opened) as file:
        size = file.size()
        if size < extent.end:
            raise _damaged(number, f"the file has {size} bytes, {extent.end} had been written")
        if cut and size > extent.end:
            file.truncate(extent.end)


def _damaged(number: int, what: str) -> LedgerDamaged:
    return LedgerDamaged(f"segment {_name(number)}: {what}; {REMEDY}")
