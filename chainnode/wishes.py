"""Batches that are missing here: whom to ask for each, in turn, and when again. No IO, no clock."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from primitives.hashing import Digest
from primitives.validators import NodeId

ASK_AGAIN_MS: Final = 150  # a batch of 512 KiB crosses a WAN in less; then the next holder is asked
ASKED_MAX: Final = 4096  # digests that were asked for lately


class _Wish:
    __slots__ = ("ask", "due_ms", "turn")

    def __init__(self, ask: Sequence[NodeId], now_ms: int) -> None:
        self.ask = list(dict.fromkeys(ask))
        self.turn = 0
        self.due_ms = now_ms


class Wishes:
    """At most `limit` digests at a time."""

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._open: Final[dict[Digest, _Wish]] = {}
        self._asked: Final[dict[Digest, None]] = {}  # the last ASKED_MAX: an answer that comes late is no lie

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._open

    def __len__(self) -> int:
        return len(self._open)

    def was_asked(self, digest: Digest) -> bool:
        """Whether somebody was asked for it lately, be it wanted still or not."""
        return digest in self._asked

    def add(self, digest: Digest, ask: Sequence[NodeId], now_ms: int) -> bool:
        """Ask the nodes of `ask` in turn, the likeliest holder first. Whom an earlier call did not name is asked as
        well: the one that it named may be a liar (pitfall 57). False: there is no room for another wish."""
        wish = self._open.get(digest)
        if wish is not None:
            wish.ask += [node for node in ask if node not in wish.ask]
            return True
        if len(self._open) >= self._limit:
            return False
        self._open[digest] = _Wish(ask, now_ms)
        return True

    def drop(self, digest: Digest) -> None:
        """It is here, or nobody needs it any more."""
        self._open.pop(digest, None)

    def unknown(self, node: NodeId, digest: Digest, now_ms: int) -> None:
        """`node` lacks it: if it was the last one asked, the next one is asked at once."""
        wish = self._open.get(digest)
        if wish is not None and wish.ask and wish.ask[(wish.turn - 1) % len(wish.ask)] == node:
            wish.due_ms = now_ms

    def requests(
        self, now_ms: int, at_most: int, in_hand: Callable[[Digest], bool]
    ) -> list[tuple[NodeId, tuple[Digest, ...]]]:
        """Requests to send now, at most `at_most` digests in each; every call with a later time gives what is due.

        in_hand: it came and is being verified, so nobody need be asked.
        """
        asked: dict[NodeId, list[Digest]] = {}
        for digest, wish in self._open.items():
            if wish.due_ms > now_ms or not wish.ask or in_hand(digest):
                continue
            node = wish.ask[wish.turn % len(wish.ask)]
            wish.turn += 1
            wish.due_ms = now_ms + ASK_AGAIN_MS
            self._remember(digest)
            asked.setdefault(node, []).append(digest)
        return [
            (node, tuple(digests[i : i + at_most]))
            for node, digests in asked.items()
            for i in range(0, len(digests), at_most)
        ]

    def _remember(self, digest: Digest) -> None:
        self._asked[digest] = None
        if len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]


def others(ask: Iterable[NodeId], me: NodeId) -> list[NodeId]:
    """The same without this node itself, each once."""
    return [node for node in dict.fromkeys(ask) if node != me]
