"""The append-only journal of promises: what it says it holds is durable before anyone else may hear of it (S9, C15).

File: a head {magic, chain id, first sequence, settled sequence, crc}, then frames {length u32, crc u32, sequence u64,
durable u64, payload}; integers big-endian, the crc (CRC-32) over everything else of its head or frame. `durable` is the
last sequence that was synced when the frame was written. It tells a torn tail from damage: a bad frame that a later
good frame calls durable was damaged, and so was one up to `settled`, for these were synced before the file got its
name; any other bad frame was never synced, so nobody relied on it, and it is cut off with all behind it.
Limit: damage inside the last synced group looks like a torn tail; there is no later frame to speak for it.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

from ledger.disk import TEMPORARY, JournalDirectory, JournalFile
from ledger.failures import FatalError, JournalDamaged, storage_failure

MAGIC: Final = b"hnjrnl01"
RECORD_BYTES_MAX: Final = 8 * 1024 * 1024  # one batch body or one block's digest list fits many times over
_HEAD: Final = struct.Struct(">8s32sQQI")
_FRAME: Final = struct.Struct(">IIQQ")
_NUMBERS: Final = struct.Struct(">QQ")


def _frame(sequence: int, durable: int, payload: bytes) -> bytes:
    if not 0 < len(payload) <= RECORD_BYTES_MAX:
        raise ValueError(f"a journal record has 1 to {RECORD_BYTES_MAX} bytes, not {len(payload)}")
    length = len(payload)
    crc = zlib.crc32(payload, zlib.crc32(_NUMBERS.pack(sequence, durable), length))
    return _FRAME.pack(length, crc, sequence, durable) + payload


def _head(chain_id: bytes, first: int, settled: int) -> bytes:
    body = _HEAD.pack(MAGIC, chain_id, first, settled, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "big")


def _payload_at(raw: bytes, offset: int) -> tuple[int, int, bytes] | None:
    """(sequence, durable, payload) of the good frame at `offset`, else None."""
    if len(raw) - offset < _FRAME.size:
        return None
    length, crc, sequence, durable = _FRAME.unpack_from(raw, offset)
    start = offset + _FRAME.size
    if not 0 < length <= min(RECORD_BYTES_MAX, len(raw) - start):
        return None
    payload = raw[start : start + length]
    if zlib.crc32(payload, zlib.crc32(_NUMBERS.pack(sequence, durable), length)) != crc:
        return None
    return sequence, durable, payload


def _spoken_for(raw: bytes, offset: int, expected: int) -> int | None:
    """The sequence of a good frame behind `offset` that says `expected` had been synced, if there is one.

    Frame borders behind a bad frame are unknown, so every place where a near sequence number stands is tried.
    """
    prefix = (expected >> 16).to_bytes(6, "big")  # shared by the next 65536 numbers, save at a carry
    prefixes = {prefix, ((expected >> 16) + 1).to_bytes(6, "big")}
    for wanted in sorted(prefixes):
        at = raw.find(wanted, offset)
        while at >= 0:
            found = _payload_at(raw, at - 8) if at >= offset + 8 else None
            if found is not None and found[0] > expected and found[1] >= expected:
                return found[0]
            at = raw.find(wanted, at + 1)
    return None


def _frames(raw: bytes, first: int, settled: int) -> tuple[list[bytes], int]:
    """The payloads of all frames from sequence `first` on, and the offset behind the last good one."""
    payloads: list[bytes] = []
    offset, expected = _HEAD.size, first
    while (frame := _payload_at(raw, offset)) is not None and frame[0] == expected:
        payloads.append(frame[2])
        offset, expected = offset + _FRAME.size + len(frame[2]), expected + 1
    if expected <= settled:
        raise _damaged(expected, offset, "the head of the file says")
    witness = _spoken_for(raw, offset, expected)
    if witness is not None:
        raise _damaged(expected, offset, f"record {witness} says")
    return payloads, offset


def _damaged(sequence: int, offset: int, witness: str) -> JournalDamaged:
    return JournalDamaged(
        f"journal record {sequence} at byte {offset} is damaged or missing, but {witness} that it had been synced: "
        "promises are lost, so this validator must not vote with this key again"
    )


def _checked_head(raw: bytes, name: str, chain_id: bytes) -> tuple[int, int]:
    """(first, settled) of a file whose head is whole and of this chain."""
    if len(raw) < _HEAD.size:
        raise JournalDamaged(f"journal {name} has {len(raw)} bytes, its head alone {_HEAD.size}")
    magic, found, first, settled, _ = _HEAD.unpack_from(raw)
    if magic != MAGIC or _head(found, first, settled) != raw[: _HEAD.size]:
        raise JournalDamaged(f"journal {name}: the first {_HEAD.size} bytes are damaged")
    if found != chain_id:
        raise JournalDamaged(f"journal {name} is of chain {found.hex()}, not {chain_id.hex()}")
    return first, settled


class Journal:
    """One open journal. Any error of the disk is final: every later call raises the same FatalError."""

    def __init__(
        self, directory: JournalDirectory, name: str, chain_id: bytes, file: JournalFile, size: int, last: int
    ) -> None:
        """Use `create` or `open`. `last` is the newest sequence, and durable; `size` the end of its frame."""
        self._directory, self._name, self._chain_id = directory, name, chain_id
        self._file = file
        self._failure: FatalError | None = None
        self.size = size  # bytes; the caller rotates when it is too large
        self.appended = last  # sequence of the newest record
        self.durable = last  # sequence of the newest record that is on the disk. Invariant: durable <= appended

    @classmethod
    def create(cls, directory: JournalDirectory, name: str, chain_id: bytes) -> "Journal":
        """A new, empty, durable journal. Raises FileExistsError if the name is taken, else FatalError."""
        if directory.exists(name):
            raise FileExistsError(f"journal {name} exists")
        try:
            file, size = _write_new(directory, name, chain_id, 1, [])
        except OSError as error:
            raise storage_failure(f"journal {name}", error) from error
        return cls(directory, name, chain_id, file, size, 0)

    @classmethod
    def open(cls, directory: JournalDirectory, name: str, chain_id: bytes) -> "tuple[Journal, list[bytes]]":
        """The journal and all its records in order; a torn tail is cut, and what is left is synced before returning.

        Raises: JournalDamaged for damage in what had been synced, for another chain, or for a missing file;
        StorageFailed, DiskFull.
        """
        try:
            if directory.exists(name + TEMPORARY):
                directory.remove(name + TEMPORARY)  # a rotation that did not finish; the old file is complete
            file = directory.open(name)
        except FileNotFoundError as error:
            raise JournalDamaged(f"journal {name} is missing: this validator must not vote with this key") from error
        except OSError as error:
            raise storage_failure(f"journal {name}", error) from error
        try:
            raw = file.read()
            first, settled = _checked_head(raw, name, chain_id)
            payloads, size = _frames(raw, first, settled)
            if size < len(raw):
                file.truncate(size)
            file.sync()  # after a crash of the process alone, what was read may not be on the disk yet
        except OSError as error:
            file.close()
            raise storage_failure(f"journal {name}", error) from error
        except JournalDamaged:
            file.close()
            raise
        return cls(directory, name, chain_id, file, size, first + len(payloads) - 1), payloads

    def append(self, records: Sequence[bytes]) -> None:
        """Write the records behind the last one, in one call to the system. Not durable before `sync`.

        Raises: ValueError for an empty record or one above RECORD_BYTES_MAX, nothing written; FatalError.
        """
        frames, sequence = [], self.appended
        for payload in records:
            sequence += 1
            frames.append(_frame(sequence, self.durable, payload))
        data = b"".join(frames)
        self._attempt(lambda: self._file.write_at(self.size, data))
        self.size += len(data)
        self.appended = sequence

    def sync(self) -> None:
        """All records appended before the call are durable when it returns; may run in another thread than `append`."""
        appended = self.appended
        self._attempt(self._file.sync)
        self.durable = appended

    def rotate(self, records: Sequence[bytes]) -> None:
        """Replace the whole content by `records`, durably: after a crash the old or the new journal is there, complete.

        The caller gives what must be kept (C15); numbering goes on. Not while `sync` runs in another thread.
        """
        first = self.appended + 1

        def replace() -> None:
            old = self._file
            self._file, self.size = _write_new(self._directory, self._name, self._chain_id, first, records)
            old.close()

        self._attempt(replace)
        self.appended = self.durable = first + len(records) - 1

    def close(self) -> None:
        """Release the file without syncing it."""
        self._file.close()

    def _attempt(self, action: Callable[[], None]) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            action()
        except OSError as error:
            self._failure = storage_failure(f"journal {self._name}", error)
            raise self._failure from error


def _write_new(
    directory: JournalDirectory, name: str, chain_id: bytes, first: int, records: Sequence[bytes]
) -> tuple[JournalFile, int]:
    """A complete, synced file under `name`, by tmp, fsync, rename, fsync of the directory; and its size."""
    temporary = name + TEMPORARY
    if directory.exists(temporary):
        directory.remove(temporary)
    file = directory.create(temporary)
    frames = [_frame(first + i, first - 1, payload) for i, payload in enumerate(records)]
    data = _head(chain_id, first, first + len(records) - 1) + b"".join(frames)
    file.write_at(0, data)
    file.sync()
    directory.rename(temporary, name)
    directory.sync()
    return file, len(data)
