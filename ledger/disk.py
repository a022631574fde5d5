"""The few file operations that journal, anchor and segments need, so that all run over a disk in memory too.

All raise OSError; callers turn the first one into a FatalError and stop.
"""

import os
from pathlib import Path
from typing import Protocol

TEMPORARY = ".tmp"  # suffix of a file that is not complete yet; ignored and removed at open


class JournalFile(Protocol):
    """One open file. Written bytes survive a crash of the process at once, a power cut only after `sync`."""

    def read(self) -> bytes:
        """The whole content."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """`size` bytes from there on, fewer at the end of the file."""
        ...

    def size(self) -> int:
        """Bytes in the file."""
        ...

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` there, extending the file if needed; a crash may keep any part of it."""
        ...

    def truncate(self, size: int) -> None:
        """Cut to `size` bytes."""
        ...

    def sync(self) -> None:
        """fdatasync: what was written before is durable when this returns."""
        ...

    def close(self) -> None:
        """Release the descriptor."""
        ...


class JournalDirectory(Protocol):
    """One directory of such files. Names become durable only by `sync`."""

    def exists(self, name: str) -> bool:
        """Whether a file has that name."""
        ...

    def names(self) -> list[str]:
        """Of all files, in no order."""
        ...

    def create(self, name: str) -> JournalFile:
        """A new empty file; FileExistsError if the name is taken."""
        ...

    def open(self, name: str) -> JournalFile:
        """An existing file; FileNotFoundError if there is none. Never creates."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Atomically give `old` the name `new`, replacing what had it."""
        ...

    def remove(self, name: str) -> None:
        """Forget a file that exists."""
        ...

    def sync(self) -> None:
        """fsync of the directory: its names are durable when this returns."""
        ...


class DiskFile:
    """A JournalFile of the operating system."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> bytes:
        """See JournalFile."""
        return self.read_at(0, self.size())

    def read_at(self, offset: int, size: int) -> bytes:
        """See JournalFile."""
        raw = os.pread(self._descriptor, size, offset)
        while len(raw) < size:  # a short read is legal before the end too
            more = os.pread(self._descriptor, size - len(raw), offset + len(raw))
            if not more:
                break
            raw += more
        return raw

    def size(self) -> int:
        """See JournalFile."""
        return os.fstat(self._descriptor).st_size

    def write_at(self, offset: int, data: bytes) -> None:
        """See JournalFile."""
        written = os.pwrite(self._descriptor, data, offset)
        while written < len(data):  # a short write is legal; a full disk shows as an error at the next one
            written += os.pwrite(self._descriptor, data[written:], offset + written)

    def truncate(self, size: int) -> None:
        """See JournalFile."""
        os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """See JournalFile."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """See JournalFile."""
        os.close(self._descriptor)


class DiskDirectory:
    """A JournalDirectory of the operating system; files are private to the user (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self, name: str) -> bool:
        """See JournalDirectory."""
        return (self._path / name).exists()

    def names(self) -> list[str]:
        """See JournalDirectory."""
        return os.listdir(self._path)

    def create(self, name: str) -> DiskFile:
        """See JournalDirectory."""
        return DiskFile(os.open(self._path / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, name: str) -> DiskFile:
        """See JournalDirectory."""
        return DiskFile(os.open(self._path / name, os.O_RDWR | os.O_CLOEXEC))

    def rename(self, old: str, new: str) -> None:
        """See JournalDirectory."""
        os.rename(self._path / old, self._path / new)

    def remove(self, name: str) -> None:
        """See JournalDirectory."""
        os.unlink(self._path / name)

    def sync(self) -> None:
        """See JournalDirectory."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
