"""Evidence against validators as bytes, by the identity of the offence; kept for good, in no block and in no root."""

from collections.abc import Mapping
from typing import Final

from ledger.schema import EVIDENCE
from ledger.store import Store
from primitives.hashing import Digest

_END: Final = bytes([EVIDENCE[0] + 1])


class EvidenceShelf:
    """Reads may run beside the writes of others; `put` belongs to the thread that appends blocks."""

    def __init__(self, store: Store) -> None:
        self._store: Final = store

    def put(self, records: Mapping[Digest, bytes]) -> None:
        """Keep these, in one synced write."""
        self._store.write([(EVIDENCE + identity, raw) for identity, raw in records.items()])

    def get(self, identity: bytes) -> bytes | None:
        """The evidence of this identity."""
        return self._store.get(EVIDENCE + identity)

    def page(self, after: bytes, limit: int) -> list[tuple[Digest, bytes]]:
        """At most `limit` of them in the order of their identities, above `after`; empty: from the first one on."""
        found: list[tuple[Digest, bytes]] = []
        for key, raw in self._store.range(EVIDENCE + after, _END):
            if key[1:] != after:
                found.append((Digest(key[1:]), raw))
            if len(found) == limit:
                break
        return found
