"""The state that the rules see: the ledger's, and over it what the last block changed while it is on its way there."""

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.chain import StateView

_ABSENT: Final = b""  # no encoded record is empty


class UnwrittenState:
    """One block at most is ahead of the ledger: what it changed is read here, whether it is written already or not."""

    def __init__(self, below: StateView) -> None:
        self._below: Final = below
        self._changes: Mapping[bytes, bytes | None] = {}

    def show(self, changes: Mapping[bytes, bytes | None]) -> None:
        """A block made these; the one before it is in the ledger."""
        self._changes = changes

    def written(self) -> None:
        """The ledger holds everything."""
        self._changes = {}

    def get(self, key: bytes) -> bytes | None:
        """See StateView."""
        found = self._changes.get(key, _ABSENT)
        return self._below.get(key) if found is _ABSENT else found

    def range(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """See StateView; never backwards. It goes on over the same state if a block is shown or written meanwhile."""
        changes = self._changes
        fresh = sorted(key for key in changes if start <= key and (stop is None or key < stop))
        if not fresh:
            return self._below.range(start, stop)
        return _merged(fresh, changes, self._below.range(start, stop))


def _merged(
    fresh: list[bytes], changes: Mapping[bytes, bytes | None], older: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    """Both in order; of a key that both have, what changed."""
    position = 0
    for key, value in older:
        while position < len(fresh) and fresh[position] < key:
            yield from _present(fresh[position], changes)
            position += 1
        if key not in changes:
            yield key, value
    for changed in fresh[position:]:
        yield from _present(changed, changes)


def _present(key: bytes, changes: Mapping[bytes, bytes | None]) -> Iterator[tuple[bytes, bytes]]:
    value = changes[key]
    if value is not None:
        yield key, value
