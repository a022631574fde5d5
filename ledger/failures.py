"""Broken environment: errors that stop the process, each with its exit code. None of them is ever retried.

After a failed fsync the kernel may drop the dirty pages and report success the next time, and LevelDB's handle stays
dead after one error; so the only safe reaction is to exit, and to check what is really there at the next start.
"""

import errno
from typing import ClassVar


class FatalError(Exception):
    """The process must stop; the sentence says what was found, what was expected, and what to do."""

    exit_code: ClassVar[int] = 74


class LedgerDamaged(FatalError):
    """Stored bytes are missing or differ from what was acknowledged."""


class JournalDamaged(FatalError):
    """A promise that was durable cannot be read back: this validator must not vote (pitfall 41)."""


class StorageFailed(FatalError):
    """The disk or file system reported an error that is not a lack of space."""


class DiskFull(FatalError):
    """No space or quota left. Free some and start again; nothing was half applied."""

    exit_code: ClassVar[int] = 75


class DirectoryRefused(FatalError):
    """The data directory is missing, taken, locked, or of another chain; nothing was written."""

    exit_code: ClassVar[int] = 2


class Pruned(LookupError):
    """History that was deleted here on purpose: an expected answer, not damage. Other nodes may still have it."""

    def __init__(self, height: int, floor: int) -> None:
        super().__init__(f"block {height} is below {floor}, the lowest height that is kept here")
        self.height, self.floor = height, floor


class BadSnapshot(ValueError):
    """A snapshot from outside that does not prove what it says; nothing of it was kept. `chunk`: its number, from 0;
    None where the manifest itself is wrong, or all chunks together."""

    def __init__(self, why: str, chunk: int | None = None) -> None:
        super().__init__(why if chunk is None else f"chunk {chunk}: {why}")
        self.chunk = chunk


def storage_failure(what: str, error: OSError) -> FatalError:
    """The fatal form of an operating-system error during `what`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{what}: no space left on the device; free some and start again")
    return StorageFailed(f"{what}: {error.strerror or error}")
