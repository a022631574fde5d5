"""The state at the executor's height as records: what payments touch again and again stays decoded."""

from collections.abc import Iterator
from typing import Any, Final

from ledger.chain import StateView
from points.state import decode_value
from points.view import Changes

RECORDS_MAX: Final = 200_000  # about 200 MB at 1 kB each; two generations, so at most twice that for a moment

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
        found = self._young.get(key, _ABSENT)
        if found is not _ABSENT:
            return found
        found = self._old.get(key, _ABSENT)
        if found is _ABSENT:
            raw = self._below.get(key)
            found = None if raw is None else decode_value(key, raw)
        self._keep(key, found)
        return found

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """Every (key, record) in start <= key < stop, from the ledger, past the cache (begin_block, queries)."""
        for key, raw in self._below.range(start, stop):
            yield key, decode_value(key, raw)

    def committed(self, changes: Changes) -> None:
        """These changes are in the ledger now."""
        for key, record in changes.items():
            self._keep(key, record)

    def _keep(self, key: bytes, record: Any) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = record
