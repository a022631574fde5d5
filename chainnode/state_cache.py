"""The state behind the last sealed block as records: what payments touch again and again stays decoded."""

from collections.abc import Iterator
from typing import Any, Final

from chainnode.unwritten_state import UnwrittenState
from ledger.chain import StateView
from points.state import decode_value
from points.view import Changes

RECORDS_MAX: Final = 200_000  # about 200 MB at 1 kB each; two generations, so at most twice that for a moment
# Written once for each payment and rarely read again: orders, refunds, used codes, timers, garbage. They would drive
# out the accounts that pay again and again.
_PASSING: Final = frozenset(b"ORUTXP")
_DUE: Final = frozenset(b"TGXPsk")  # what every block asks for by time, nearly always in vain

_ABSENT: Final = object()


class StateCache:
    """A points View over the ledger, or what is on its way there, with a bounded cache in two generations.

    One owner, the executor: nobody else may append to the ledger behind it.
    """

    def __init__(self, below: StateView | UnwrittenState, records_max: int = RECORDS_MAX) -> None:
        self._below: Final = below
        self._half: Final = records_max // 2
        self._young: dict[bytes, Any] = {}
        self._old: dict[bytes, Any] = {}
        self._first: Final[dict[int, bytes]] = {}  # by first byte of _DUE: no key of it is below this one

    def get(self, key: bytes) -> Any:
        """The record, or None."""
        if key[0] in _PASSING:
            raw = self._below.get(key)
            return None if raw is None else decode_value(key, raw)
        found = self._young.get(key, _ABSENT)
        if found is _ABSENT:
            found = self._old.get(key, _ABSENT)
            if found is _ABSENT:
                raw = self._below.get(key)
                found = None if raw is None else decode_value(key, raw)
            self._young[key] = found
            self._turn()
        return found

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) in start <= key < stop, from below, past the cache (begin_block, queries).

        Whether anything is due at all is remembered: an iterator of the database costs more than ten records.
        """
        kind = start[0]
        if kind in _DUE and len(start) == 1:
            first = self._first.pop(kind, None) or self._first_of(start)
            if stop <= first:
                self._first[kind] = first
                return
        for key, raw in self._below.range(start, stop):
            yield key, decode_value(key, raw)

    def sealed(self, changes: Changes) -> None:
        """A block made these changes: the next one sees them, here and below."""
        young, first = self._young, self._first
        for key, record in changes.items():
            kind = key[0]
            if kind in first and key < first[kind]:
                first[kind] = key
            if kind not in _PASSING:
                young[key] = record
        self._turn()

    def _first_of(self, kind: bytes) -> bytes:
        """The first key of this kind, or where the next kind would begin."""
        end = bytes([kind[0] + 1])
        return next((key for key, _ in self._below.range(kind, end)), end)

    def _turn(self) -> None:
        """The next generation, once this one is full."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
