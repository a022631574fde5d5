"""Batches that wait too long are named to everybody, so that none depends on one link or on one leader (L7, C7)."""

from collections.abc import Container, Sequence
from typing import Final

from chainnode.batches import BatchStore
from chainnode.peer_messages import BATCHES_TOLD_MAX
from primitives.hashing import Digest
from primitives.validators import NodeId

AFTER_MS: Final = 1_000  # a batch that is not decided by then is named, again every AFTER_MS
HELD_OCTETS_MAX: Final = 64 * 1024 * 1024  # above it nothing that is only heard of is fetched


class Announcements:
    """What this node tells and hears about waiting batches."""

    def __init__(self, store: BatchStore) -> None:
        self._store: Final = store
        self._told: dict[Digest, None] = {}  # named by this node and still waiting at the last round
        self._last_ms: int | None = None
        self._heard: Final[dict[NodeId, list[Digest]]] = {}  # wanted because this peer named it

    def due(self, now_ms: int, taken: Container[Digest]) -> tuple[Digest, ...]:
        """What to name now, the oldest first; empty between the rounds. `taken`: batches of decided blocks."""
        if self._last_ms is not None and now_ms - self._last_ms < AFTER_MS:
            return ()
        self._last_ms = now_ms
        waiting = [held for held in self._store.candidates(taken) if now_ms - held.held_ms >= AFTER_MS]
        waiting.sort(key=lambda held: held.held_ms)
        self._told = {held.digest: None for held in waiting[:BATCHES_TOLD_MAX]}
        return tuple(self._told)

    def oldest(self, taken: Container[Digest]) -> Digest | None:
        """The batch that waits longest among those that every validator was sent or told of: own ones at once, others
        when they have been named."""
        own = self._store.oldest_own(taken)
        return next((digest for digest in self._told if digest not in taken and self._store.waits(digest)), own)

    def hear(self, sender: NodeId, digests: Sequence[Digest], now_ms: int) -> None:
        """A peer names what waits there: fetch what is missing. A new list replaces its last one."""
        self._store.unwant_unnamed(self._heard.pop(sender, ()))
        if self._store.held_octets > HELD_OCTETS_MAX:
            return
        missing = self._store.missing(digests)
        self._heard[sender] = missing
        self._store.want(missing, [sender], now_ms)
