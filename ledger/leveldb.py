"""The store on LevelDB, with every check switched on that LevelDB leaves off by default.

Measured on LevelDB 1.22: without `paranoid_checks` a flipped bit in the log drops records without an error; without
`verify_checksums` a flipped bit in a table returns a wrong value; `create_if_missing` on a store without its CURRENT
file deletes what was left. A cut or deleted log stays silent even so: that is what the head anchor is for.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import plyvel

from ledger.failures import DirectoryRefused, DiskFull, FatalError, LedgerDamaged, StorageFailed
from ledger.store import Operation

T = TypeVar("T")

WRITE_BUFFER_BYTES: Final = 64 * 1024 * 1024  # two of them at most; fewer, larger tables halve the work of compaction
STAGGERED_BYTES: Final = 16 * 1024 * 1024  # up to so much less: replicas write the same, and would all compact at once
BLOCK_CACHE_BYTES: Final = 32 * 1024 * 1024
MAPPED_MIB: Final = 512  # of tables: what resident memory can contain of them (docs/adr/0040)
MAPPED_MIB_MIN: Final = 128  # LevelDB keeps 64 tables open whatever it is told
MAPPED_MIB_MAX: Final = 64_000
TABLES_MAPPED_MAX: Final = 1000  # as many as LevelDB maps; their files are closed, so no descriptor is held
TABLE_MIB_MIN: Final = 2
OTHER_FILES: Final = 10  # of `max_open_files`, LevelDB takes them off for its log and manifest
BLOOM_BITS: Final = 10  # most lookups of unknown transaction ids then touch no table
_OPTIONS: Final = {
    "paranoid_checks": True,
    "compression": None,  # nearly all bytes are digests and signatures
    "lru_cache_size": BLOCK_CACHE_BYTES,
    "bloom_filter_bits": BLOOM_BITS,
}
_LOCKED: Final = ("lock", "Resource temporarily unavailable")


def _options(mapped_mib: int) -> dict[str, Any]:
    """Tables of 2 MB until a thousand of them are fewer than may be mapped; then larger ones."""
    table_mib = max(TABLE_MIB_MIN, -(-mapped_mib // TABLES_MAPPED_MAX))
    return _OPTIONS | {
        "max_open_files": mapped_mib // table_mib + OTHER_FILES,
        "max_file_size": table_mib * 1024 * 1024,
        "write_buffer_size": WRITE_BUFFER_BYTES - secrets.randbelow(STAGGERED_BYTES),
    }


def failure_of(path: Path, error: Exception) -> FatalError:
    """The FatalError that an exception of plyvel means."""
    text = str(error)
    if "No space left" in text or "quota" in text:
        return DiskFull(f"ledger {path}: {text}; free some space and start again")
    if isinstance(error, plyvel.CorruptionError):
        return LedgerDamaged(f"ledger {path}: {text}; restore a backup or fetch the chain from the other validators")
    if "No such file" in text or "does not exist" in text or "missing files" in text:
        return LedgerDamaged(f"ledger {path}: {text}; files of the ledger are missing")
    return StorageFailed(f"ledger {path}: {text}")


class LevelDbSnapshot:
    """A Snapshot of a LevelDbStore; shares its sticky failure."""

    def __init__(self, store: "LevelDbStore", handle: Any) -> None:
        self._store, self._handle = store, handle

    def get(self, key: bytes) -> bytes | None:
        """See Reader."""
        return self._store.read(self._handle, key)

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See Reader."""
        return self._store.iterate(self._handle, start, stop, reverse)

    def close(self) -> None:
        """See Snapshot."""
        self._handle.close()


class LevelDbStore:
    """A Store in one directory. The first storage error is final: every later call raises the same FatalError."""

    def __init__(self, path: Path, database: Any) -> None:
        """Use `create` or `open`."""
        self._path, self._database = path, database
        self._failure: FatalError | None = None

    @classmethod
    def create(cls, path: Path) -> "LevelDbStore":
        """A new store in a directory that does not exist or is empty. The only place that creates one.

        Raises: DirectoryRefused if anything is there; FatalError.
        """
        if path.exists() and any(path.iterdir()):
            raise DirectoryRefused(f"ledger {path} is not empty; a new one is only made in an empty place")
        try:
            return cls(path, plyvel.DB(str(path), create_if_missing=True, error_if_exists=True, **_options(MAPPED_MIB)))
        except (plyvel.Error, OSError) as error:
            raise failure_of(path, error) from error

    @classmethod
    def open(cls, path: Path, mapped_mib: int = MAPPED_MIB) -> "LevelDbStore":
        """The store that is there; never creates, never repairs. It keeps tables of `mapped_mib` MiB mapped at most.

        Raises: DirectoryRefused if there is no ledger or another process holds it; LedgerDamaged; StorageFailed.
        """
        if not path.is_dir() or not any(path.iterdir()):
            raise DirectoryRefused(f"there is no ledger at {path}")
        if not (path / "CURRENT").is_file():
            known = any(path.glob("MANIFEST-*")) or any(path.glob("*.ldb")) or any(path.glob("*.log"))
            if known:
                raise LedgerDamaged(f"ledger {path} has lost its CURRENT file; opening it would delete what is left")
            raise DirectoryRefused(f"{path} is not a LevelDB directory")
        try:
            return cls(path, plyvel.DB(str(path), create_if_missing=False, **_options(mapped_mib)))
        except (plyvel.Error, OSError) as error:
            if any(sign in str(error) for sign in _LOCKED):
                raise DirectoryRefused(f"ledger {path} is in use by another process: {error}") from error
            raise failure_of(path, error) from error

    def get(self, key: bytes) -> bytes | None:
        """See Reader."""
        return self.read(self._database, key)

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See Reader."""
        return self.iterate(self._database, start, stop, reverse)

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        """See Store. Only `sync` survives a power cut: 12 cuts without it lost up to 308 writes, with it none."""

        def apply() -> None:
            with self._database.write_batch(transaction=True, sync=sync) as batch:
                put, delete = batch.put, batch.delete
                for key, value in operations:
                    if value is None:
                        delete(key)
                    else:
                        put(key, value)

        self._attempt(apply)

    def snapshot(self) -> LevelDbSnapshot:
        """See Store."""
        return LevelDbSnapshot(self, self._attempt(self._database.snapshot))

    def compact(self, start: bytes, stop: bytes) -> None:
        """See Store. LevelDB drops what was deleted only when it merges the files that hold it."""
        self._attempt(lambda: self._database.compact_range(start=start, stop=stop))

    def close(self) -> None:
        """See Store."""
        self._database.close()

    def read(self, handle: Any, key: bytes) -> bytes | None:
        """`get` on the database or a snapshot of it, with the checksum verified."""
        if self._failure is not None:
            raise self._failure
        try:
            value: bytes | None = handle.get(key, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            raise self._fail(error) from error
        return value

    def iterate(
        self, handle: Any, start: bytes, stop: bytes | None, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """`range` on the database or a snapshot of it, with the checksums verified."""
        if reverse:
            yield from self._backwards(handle, start, stop)
            return
        pairs = self._attempt(lambda: handle.iterator(start=start, stop=stop, verify_checksums=True))
        try:
            with pairs:
                for pair in pairs:
                    if self._failure is not None:
                        raise self._failure
                    yield pair
        except (plyvel.Error, OSError) as error:
            raise self._fail(error) from error

    def _backwards(self, handle: Any, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Not plyvel's `reverse`: it finds nothing in a range whose only key is its start (1.5.1)."""

        def seek() -> None:
            if stop is None:
                cursor.seek_to_last()
                return
            cursor.seek(stop)
            if cursor.valid():
                cursor.prev()
            else:
                cursor.seek_to_last()

        def pair() -> tuple[bytes, bytes] | None:
            return cursor.item() if cursor.valid() and cursor.key() >= start else None

        cursor = self._attempt(lambda: handle.raw_iterator(verify_checksums=True))
        with cursor:
            self._attempt(seek)
            while (found := self._attempt(pair)) is not None:
                yield found
                self._attempt(cursor.prev)

    def _attempt(self, action: Callable[[], T]) -> T:
        if self._failure is not None:
            raise self._failure
        try:
            return action()
        except (plyvel.Error, OSError) as error:
            raise self._fail(error) from error

    def _fail(self, error: Exception) -> FatalError:
        self._failure = failure_of(self._path, error)
        return self._failure
