"""Ordered bytes to bytes: the protocol of every store, and the one in memory.

Keys are not empty, and ordered as unsigned bytes. One `write` is atomic: after a crash all of it is there or nothing.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Protocol

Operation = tuple[bytes, bytes | None]  # (key, new value); None deletes, also a key that is not there


class Reader(Protocol):
    """A consistent view. Raises FatalError, from then on at every call, after the first storage error."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """The pairs with start <= key < stop (None: to the end) in order; `reverse` gives the last first.

        A write while the iterator is in use may or may not be seen by it.
        """
        ...


class Snapshot(Reader, Protocol):
    """The store as it was at one moment; close it soon, it holds old files."""

    def close(self) -> None:
        """Let go of the moment; no read after this."""
        ...


class Store(Reader, Protocol):
    """A Reader that can be written."""

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        """Apply all in order, the last one of a key wins; with `sync` they are on the disk when this returns."""
        ...

    def snapshot(self) -> Snapshot:
        """The present content, unchanged by later writes."""
        ...

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give back the space that deleted keys of the range take; may run beside reads and writes of others."""
        ...

    def close(self) -> None:
        """Release the files; a second call does nothing."""
        ...


class MemoryStore:
    """A Store without durability, for tests, the simulator and instant engines. A snapshot copies everything."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []  # Invariant: sorted(self._values)

    def get(self, key: bytes) -> bytes | None:
        """See Reader."""
        return self._values.get(key)

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """See Reader."""
        end = len(self._keys) if stop is None else bisect_left(self._keys, stop)
        keys = self._keys[bisect_left(self._keys, start) : end]
        for key in reversed(keys) if reverse else keys:
            value = self._values.get(key)
            if value is not None:
                yield key, value

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        """See Store."""
        for key, value in operations:
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value

    def snapshot(self) -> "MemoryStore":
        """See Store."""
        copy = MemoryStore()
        copy._values, copy._keys = dict(self._values), list(self._keys)
        return copy

    def compact(self, start: bytes, stop: bytes) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to release."""
