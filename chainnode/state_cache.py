"""The state at the executor's height as records: what payments touch again and again stays decoded."""

from collections.abc import Iterator
from typing import Any, Final

from ledger.chain import StateView
from points.state import decode_value
from points.view import Changes

RECORDS_MAX: Final = 200_000  # about 200 MB at 1 kB each; two generations, so at most twice that for a moment
# Written once for each payment and rarely read again: orders, refunds, used codes, timers, garbage. They would drive
# out the accounts that pay again and again.
_PASSING: Final = frozenset(b"ORUTXP")

_ABSENT: Final = object()


class StateCache:
    """A points View over the ledger with a bounded cache in two generations.

    One owner, the executor: nobody else may append to the ledger behind it.
    """

    def __init__(self, below: StateView, records_max: int = RECORDS_MAX) -> None:
        self._below: Final = below
        self._half: Final = records_max // 2
        self._young: dict[bytes, Any] = {}
        self._old: dict[bytes, Any] = {}

    def get(self, key: bytes) -> Any:
        """The record, or None."""
        if key[0] in _PASSING:
            return self._stored(key)
        found = self._young.get(key, _ABSENT)
        if found is _ABSENT:
            found = self._old.get(key, _ABSENT)
            self._young[key] = found = self._stored(key) if found is _ABSENT else found
            self._turn()
        return found

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) in start <= key < stop, from the ledger, past the cache (begin_block, queries)."""
        for key, raw in self._below.range(start, stop):
            yield key, decode_value(key, raw)

    def committed(self, changes: Changes) -> None:
        """These changes are in the ledger now."""
        young = self._young
        for key, record in changes.items():
            if key[0] not in _PASSING:
                young[key] = record
        self._turn()

    def _stored(self, key: bytes) -> Any:
        raw = self._below.get(key)
        return None if raw is None else decode_value(key, raw)

    def _turn(self) -> None:
        """The next generation, once this one is full."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
