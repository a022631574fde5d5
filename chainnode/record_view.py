"""The ledger's state as the points rules see it: records instead of bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ledger.chain import Chain, StateView
from ledger.schema import Head
from ledger.store import Snapshot
from points.state import decode_value


class RawView(Protocol):
    """What RecordView reads: ledger.chain.StateView, or any map of state bytes."""

    def get(self, key: bytes) -> bytes | None: ...

    def range(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]: ...


class RecordView:
    """A points View over stored bytes; decodes what is asked for, keeps nothing."""

    __slots__ = ("_raw",)

    def __init__(self, raw: RawView) -> None:
        self._raw: Final = raw

    def get(self, key: bytes) -> Any:
        """See points.view.View."""
        raw = self._raw.get(key)
        return None if raw is None else decode_value(key, raw)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, Any]]:
        """See points.view.View."""
        for key, raw in self._raw.range(start, stop):
            yield key, decode_value(key, raw)


@dataclass(frozen=True, slots=True)
class StateMoment:
    """The state after one block. `raw`: stored bytes, and the tree for proofs."""

    view: RecordView
    raw: StateView
    head: Head
    snapshot: Snapshot


@contextmanager
def open_state(chain: Chain) -> Iterator[StateMoment]:
    """The newest state, unmoved by later blocks while it is open. Keep it open for one request only."""
    state, snapshot = chain.snapshot()
    try:
        yield StateMoment(RecordView(state), state, state.head, snapshot)
    finally:
        snapshot.close()
