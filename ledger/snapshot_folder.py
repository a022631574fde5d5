"""Snapshots on the disk: a folder per height, whole or not there; at most two, chunks as numbered files.

snapshots/000000012345/manifest     canonical Manifest
snapshots/000000012345/00000000     the first chunk
snapshots/writing/                  one that is not finished; cleared at the next start
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.failures import storage_failure
from ledger.snapshot_format import Manifest
from primitives.codec import encode

KEPT: Final = 2  # the newest, and the one that somebody may be fetching now
MANIFEST_FILE: Final = "manifest"
WRITING: Final = "writing"


@contextmanager
def _disk(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_failure(what, error) from error


def write_synced(path: Path, content: bytes) -> None:
    """A new file, durable when this returns, its name only with the next sync of the folder. Raises: OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SnapshotFolder:
    """The snapshots of one node. One writer; reads may run beside it. Errors of the disk are raised as FatalError."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def heights(self) -> list[int]:
        """Of the finished ones, newest first."""
        with _disk("snapshots"):
            names = [entry.name for entry in self.path.iterdir()] if self.path.is_dir() else []
        return sorted((int(name) for name in names if name.isascii() and name.isdigit()), reverse=True)

    def manifest(self, height: int) -> bytes | None:
        """The canonical manifest of a finished snapshot, None if there is none of that height."""
        return self._read(height, MANIFEST_FILE)

    def chunk(self, height: int, index: int) -> bytes | None:
        """A chunk as it was written, None if there is none of that number."""
        return self._read(height, _name(index))

    def begin(self) -> None:
        """Clear the place of the unfinished one, and make it again."""
        with _disk("snapshots"):
            shutil.rmtree(self.path / WRITING, ignore_errors=True)
            (self.path / WRITING).mkdir(mode=0o700, parents=True)

    def put(self, index: int, chunk: bytes) -> None:
        """The next chunk of the unfinished one, synced."""
        with _disk("snapshots"):
            write_synced(self.path / WRITING / _name(index), chunk)

    def finish(self, manifest: Manifest) -> None:
        """The unfinished one is whole: it appears at once, and all but the newest two go."""
        final = self._folder(manifest.height)
        with _disk("snapshots"):
            write_synced(self.path / WRITING / MANIFEST_FILE, encode(manifest))
            sync_folder(self.path / WRITING)
            if final.exists():
                shutil.rmtree(final)
            (self.path / WRITING).rename(final)
            sync_folder(self.path)
            for height in self.heights()[KEPT:]:
                shutil.rmtree(self._folder(height))

    def _folder(self, height: int) -> Path:
        return self.path / f"{height:012d}"

    def _read(self, height: int, name: str) -> bytes | None:
        try:
            return (self._folder(height) / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_failure("snapshots", error) from error


def _name(index: int) -> str:
    return f"{index:08d}"
