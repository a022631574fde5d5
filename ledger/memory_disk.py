"""A directory in memory that forgets like a disk: what was not synced may be lost, torn, or kept in part.

It runs the real code of journal, anchor and segments under the simulator and the crash tests. Model: a crash keeps the
synced image and any chosen part of the operations since then; `sync` of a file settles that file's bytes, `sync` of the
directory settles the names. A file that was made but whose name was never synced is gone with everything in it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Content:
    """What one file holds: now (`live`) and after a crash that keeps nothing (`durable`)."""

    live: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class _Write:
    content: _Content
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Cut:
    content: _Content
    size: int


@dataclass(frozen=True, slots=True)
class _Names:
    """A change of the directory: new names, None removes."""

    changes: tuple[tuple[str, _Content | None], ...]


_Change = _Write | _Cut | _Names


def _apply(change: _Write | _Cut, image: bytearray) -> None:
    match change:
        case _Write(_, offset, data):
            if len(image) < offset:
                image.extend(bytes(offset - len(image)))  # a hole reads as zeros
            image[offset : offset + len(data)] = data
        case _Cut(_, size):
            del image[size:]


class MemoryFile:
    """A JournalFile of a MemoryDisk."""

    def __init__(self, disk: "MemoryDisk", content: _Content) -> None:
        self._disk, self._content, self._epoch = disk, content, disk.crashes

    def read(self) -> bytes:
        """See JournalFile."""
        self._disk.attempt(self._epoch)
        return bytes(self._content.live)

    def read_at(self, offset: int, size: int) -> bytes:
        """See JournalFile."""
        self._disk.attempt(self._epoch)
        return bytes(self._content.live[offset : offset + size])

    def size(self) -> int:
        """See JournalFile."""
        return len(self._content.live)

    def write_at(self, offset: int, data: bytes) -> None:
        """See JournalFile. A planned failure writes the first half before it raises, like a disk that fills up."""
        try:
            self._disk.attempt(self._epoch, grows=True)
        except OSError:
            self._disk.change(_Write(self._content, offset, data[: len(data) // 2]))
            raise
        self._disk.change(_Write(self._content, offset, data))

    def truncate(self, size: int) -> None:
        """See JournalFile."""
        self._disk.attempt(self._epoch)
        self._disk.change(_Cut(self._content, size))

    def sync(self) -> None:
        """See JournalFile."""
        self._disk.attempt(self._epoch)
        self._disk.settle(self._content)

    def close(self) -> None:
        """See JournalFile."""


class MemoryDisk:
    """A JournalDirectory. `operations` counts calls that can fail; `pending` counts what a crash may lose."""

    def __init__(self) -> None:
        self._names: dict[str, _Content] = {}
        self._durable_names: dict[str, _Content] = {}
        self._changes: list[_Change] = []
        self._failures: dict[int, OSError] = {}
        self.refusal: OSError | None = None  # while set, every write and every new file fails with it: a full disk
        self.operations = 0
        self.crashes = 0

    @property
    def pending(self) -> int:
        """Changes since the last syncs, in order; their numbers are what `crash` takes."""
        return len(self._changes)

    def exists(self, name: str) -> bool:
        """See JournalDirectory."""
        return name in self._names

    def names(self) -> list[str]:
        """See JournalDirectory."""
        return list(self._names)

    def create(self, name: str) -> MemoryFile:
        """See JournalDirectory."""
        self.attempt(self.crashes, grows=True)
        if name in self._names:
            raise FileExistsError(name)
        self.change(_Names(((name, _Content()),)))
        return MemoryFile(self, self._names[name])

    def open(self, name: str) -> MemoryFile:
        """See JournalDirectory."""
        self.attempt(self.crashes)
        if name not in self._names:
            raise FileNotFoundError(name)
        return MemoryFile(self, self._names[name])

    def rename(self, old: str, new: str) -> None:
        """See JournalDirectory."""
        self.attempt(self.crashes)
        self.change(_Names(((old, None), (new, self._names[old]))))

    def remove(self, name: str) -> None:
        """See JournalDirectory."""
        self.attempt(self.crashes)
        if name not in self._names:
            raise FileNotFoundError(name)
        self.change(_Names(((name, None),)))

    def sync(self) -> None:
        """See JournalDirectory."""
        self.attempt(self.crashes)
        for change in self._changes:
            if isinstance(change, _Names):
                _rename(self._durable_names, change)
        self._changes = [change for change in self._changes if not isinstance(change, _Names)]

    def crash(self, keep: int | Collection[int] = 0, torn_bytes: int | None = None) -> None:
        """Lose power. Of the pending changes only the first `keep` reached the disk, or those whose numbers it names.

        `torn_bytes`: of the last kept change, if it is a write, only so many bytes. Files opened before are dead:
        their next use raises an assertion.
        """
        kept = [i for i in range(len(self._changes)) if (i < keep if isinstance(keep, int) else i in keep)]
        for number in kept:
            change = self._changes[number]
            match change:
                case _Names():
                    _rename(self._durable_names, change)
                case _Write(content, offset, data) if number == kept[-1] and torn_bytes is not None:
                    _apply(_Write(content, offset, data[:torn_bytes]), content.durable)
                case _:
                    _apply(change, change.content.durable)
        self._names = dict(self._durable_names)
        for content in self._names.values():
            content.live = bytearray(content.durable)
        self._changes, self._failures = [], {}
        self.crashes += 1

    def fail_at(self, operation: int, error: OSError) -> None:
        """Let the call that raises `operations` to this number fail; those before and after work."""
        self._failures[operation] = error

    def repair(self) -> None:
        """Forget planned failures that have not struck, and the refusal."""
        self._failures, self.refusal = {}, None

    def flip(self, name: str, offset: int, mask: int = 1) -> None:
        """Damage one byte of a file, durably: bit rot."""
        content = self._names[name]
        content.live[offset] ^= mask
        content.durable[offset] ^= mask

    def image(self) -> "MemoryDisk":
        """Another disk with what is durable here: a backup."""
        copy = MemoryDisk()
        for name, content in self._durable_names.items():
            kept = _Content(bytearray(content.durable), bytearray(content.durable))
            copy._names[name] = copy._durable_names[name] = kept
        return copy

    def durable(self, name: str) -> bytes:
        """What a file would hold after losing power now; b"" if its name itself would be lost."""
        content = self._durable_names.get(name)
        return b"" if content is None else bytes(content.durable)

    def size(self, name: str) -> int:
        """Bytes in a file."""
        return len(self._names[name].live)

    def attempt(self, epoch: int, grows: bool = False) -> None:
        """For the files: count a call, raise its planned failure; `grows`: it needs room on the disk."""
        assert epoch == self.crashes, "a file that was open before the crash is used after it"
        self.operations += 1
        if grows and self.refusal is not None:
            raise self.refusal
        error = self._failures.pop(self.operations, None)
        if error is not None:
            raise error

    def change(self, change: _Change) -> None:
        """For the files: apply now, durable later."""
        self._changes.append(change)
        if isinstance(change, _Names):
            _rename(self._names, change)
        else:
            _apply(change, change.content.live)

    def settle(self, content: _Content) -> None:
        """For the files: make the bytes of one file durable."""
        mine = [c for c in self._changes if not isinstance(c, _Names) and c.content is content]
        for change in mine:
            _apply(change, content.durable)
        self._changes = [c for c in self._changes if isinstance(c, _Names) or c.content is not content]


def _rename(names: dict[str, _Content], change: _Names) -> None:
    for name, content in change.changes:
        if content is None:
            names.pop(name, None)
        else:
            names[name] = content
