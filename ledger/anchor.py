"""The head anchor: height and hash of the newest acknowledged block, kept outside LevelDB (C15).

LevelDB comes back silently with less than it had acknowledged when its log is cut or missing. The anchor is written and
synced after LevelDB and before the acknowledgement, so at open the ledger may be ahead of it, never behind.

Form: one file of two slots of 4096 bytes, written in place in turn and made durable by one fdatasync. A torn write
harms only the slot being written, so the other one still speaks. Writing a new file and renaming it over the old one
would cost two fsyncs and a journal commit of the file system per block, for the same promise.
"""

import struct
import zlib
from typing import Final

from ledger.disk import TEMPORARY, JournalDirectory, JournalFile
from ledger.failures import FatalError, LedgerDamaged, storage_failure

ANCHOR_FILE: Final = "head"
MAGIC: Final = b"hnanchr1"
SLOT_BYTES: Final = 4096  # one page and at least one sector: a torn write cannot reach the other slot
_SLOT: Final = struct.Struct(">8s32sQ32sI")


def _slot(chain_id: bytes, height: int, block_hash: bytes) -> bytes:
    body = _SLOT.pack(MAGIC, chain_id, height, block_hash, 0)[:-4]
    return body + zlib.crc32(body).to_bytes(4, "big")


def _newest(raw: bytes, chain_id: bytes) -> tuple[int, bytes, int]:
    """(height, block hash, slot) of the whole slot with the higher height."""
    best: tuple[int, bytes, int] | None = None
    for slot in (0, 1):
        record = raw[slot * SLOT_BYTES : slot * SLOT_BYTES + _SLOT.size]
        if len(record) < _SLOT.size:
            continue
        _, found, height, block_hash, _ = _SLOT.unpack(record)
        if record == _slot(found, height, block_hash) and (best is None or height > best[0]):
            if found != chain_id:
                raise LedgerDamaged(f"the head anchor is of chain {found.hex()}, not {chain_id.hex()}")
            best = height, block_hash, slot
    if best is None:
        raise LedgerDamaged("the head anchor is damaged: nothing shows whether the ledger is whole")
    return best


class HeadAnchor:
    """The open anchor. Any error of the disk is final: every later call raises the same FatalError."""

    def __init__(self, file: JournalFile, chain_id: bytes, height: int, block_hash: bytes, slot: int) -> None:
        """Use `create` or `open`; `slot` (0 or 1) holds the values given."""
        self._file, self._chain_id, self._slot = file, chain_id, slot
        self._failure: FatalError | None = None
        self.height, self.block_hash = height, block_hash  # the newest that is durable here

    @classmethod
    def create(
        cls, directory: JournalDirectory, chain_id: bytes, block_hash: bytes, height: int = 0
    ) -> "HeadAnchor":
        """A new durable anchor, by default at genesis. Raises FileExistsError, else FatalError."""
        if directory.exists(ANCHOR_FILE):
            raise FileExistsError(f"anchor {ANCHOR_FILE} exists")
        try:
            temporary = ANCHOR_FILE + TEMPORARY
            if directory.exists(temporary):
                directory.remove(temporary)
            file = directory.create(temporary)
            slot = _slot(chain_id, height, block_hash).ljust(SLOT_BYTES, b"\0")
            file.write_at(0, slot + slot)
            file.sync()
            directory.rename(temporary, ANCHOR_FILE)
            directory.sync()
        except OSError as error:
            raise storage_failure("head anchor", error) from error
        return cls(file, chain_id, height, block_hash, 0)

    @classmethod
    def open(cls, directory: JournalDirectory, chain_id: bytes) -> "HeadAnchor":
        """The anchor with the higher of its two slots.

        Raises: LedgerDamaged if the file is missing, no slot is whole, or it is of another chain; StorageFailed.
        """
        try:
            file = directory.open(ANCHOR_FILE)
        except FileNotFoundError as error:
            raise LedgerDamaged("the head anchor is missing: nothing shows whether the ledger is whole") from error
        except OSError as error:
            raise storage_failure("head anchor", error) from error
        try:
            return cls(file, chain_id, *_newest(file.read(), chain_id))
        except OSError as error:
            file.close()
            raise storage_failure("head anchor", error) from error
        except LedgerDamaged:
            file.close()
            raise

    def advance(self, height: int, block_hash: bytes) -> None:
        """Make (height, block_hash) durable; one fdatasync, 0.1 to 0.4 ms. Heights only rise."""
        assert height > self.height, f"the anchor is at {self.height} and cannot go to {height}"
        if self._failure is not None:
            raise self._failure
        slot = 1 - self._slot
        try:
            self._file.write_at(slot * SLOT_BYTES, _slot(self._chain_id, height, block_hash))
            self._file.sync()
        except OSError as error:
            self._failure = storage_failure("head anchor", error)
            raise self._failure from error
        self._slot, self.height, self.block_hash = slot, height, block_hash

    def close(self) -> None:
        """Release the file."""
        self._file.close()
