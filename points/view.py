"""Reading the state, and writing on top of it without copying it.

An Overlay is the draft of one block: a dict over a view, with a log of what each write replaced. Transactions and the
operations of a batch are savepoints in that log (`mark`, `rollback`), so a commit costs nothing and a reject costs only
what it wrote. The view below is asked once for a key; then one dict holds what was read and what was written.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from primitives.codec import Record

Changes = dict[bytes, Record | None]  # None deletes the key


class View(Protocol):
    """A state that does not change while it is read."""

    def get(self, key: bytes) -> Any:
        """The record under the key, or None. Its type follows from the key's first byte."""

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) with start <= key < stop, in order of the keys."""


class Memory:
    """A whole state in one dict; the View of tests and simulations. Change it by `apply` only."""

    def __init__(self) -> None:
        self.records: Final[dict[bytes, Any]] = {}
        self._keys: Final[dict[int, set[bytes]]] = {}  # by first byte, so that a range does not look at everything

    def get(self, key: bytes) -> Any:
        return self.records.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        for first in range(start[0], stop[0] + 1):
            for key in sorted(k for k in self._keys.get(first, ()) if start <= k < stop):
                yield key, self.records[key]

    def apply(self, changes: Changes) -> None:
        """Make the changes part of the state."""
        for key, record in changes.items():
            if record is None:
                self.records.pop(key, None)
                self._keys.get(key[0], set()).discard(key)
            else:
                self.records[key] = record
                self._keys.setdefault(key[0], set()).add(key)


_ABSENT: Final = object()  # not written here, as opposed to None: deleted here


class Remembered(dict[Any, Any]):
    """A dict that finds what it has not, and keeps it: reading again costs no call of Python."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[Any], Any]) -> None:
        self._find: Final = find

    def __missing__(self, key: Any) -> Any:
        found = self[key] = self._find(key)
        return found


def _writer(
    changes: Changes, known: dict[bytes, Any], log: list[tuple[bytes, Any]]
) -> Callable[[bytes, Record | None], None]:
    """`put` of an overlay; a closure, because every transaction calls it half a dozen times."""
    before, note = changes.get, log.append

    def put(key: bytes, record: Record | None) -> None:
        note((key, before(key, _ABSENT)))
        changes[key] = known[key] = record

    return put


class Overlay:
    """A view with writes on top. `changes` is what the block hands to the ledger.

    A savepoint is a position in the log: everything written after it can be taken back, in reverse.
    """

    __slots__ = ("_known", "_log", "below", "changes", "get", "put")

    def __init__(self, below: View) -> None:
        self.below = below
        self.changes: Changes = {}
        self._known: Final = Remembered(below.get)
        self._log: Final[list[tuple[bytes, Any]]] = []
        self.get: Final = self._known.__getitem__  # the record under a key, or None
        self.put: Final = _writer(self.changes, self._known, self._log)  # write a record; None deletes

    def mark(self) -> int:
        """A savepoint for `rollback` and `since`."""
        return len(self._log)

    def rollback(self, mark: int) -> None:
        """Take back every write since the savepoint."""
        log, changes, known = self._log, self.changes, self._known
        while len(log) > mark:
            key, before = log.pop()
            if before is _ABSENT:
                del changes[key], known[key]
            else:
                changes[key] = known[key] = before

    def since(self, mark: int) -> Changes:
        """The writes since the savepoint, each key with its newest record."""
        return {key: self.changes[key] for key, _ in self._log[mark:]}

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """As View.range; looks at every key written here, so it is for the rare operations (settlement, time)."""
        written = sorted(key for key in self.changes if start <= key < stop)
        below = iter(self.below.range(start, stop))
        position = 0
        for key, record in below:
            while position < len(written) and written[position] < key:
                if (own := self.changes[written[position]]) is not None:
                    yield written[position], own
                position += 1
            if position < len(written) and written[position] == key:
                if (own := self.changes[key]) is not None:
                    yield key, own
                position += 1
            else:
                yield key, record
        for key in written[position:]:
            if (own := self.changes[key]) is not None:
                yield key, own
