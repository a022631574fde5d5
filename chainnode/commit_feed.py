"""Committed blocks as news for those who wait: for a height, or for the receipts of transactions.

Nothing is queued here: whoever missed news reads the ledger. So a slow reader costs nobody else anything.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Final

from primitives.receipt import Receipt

Outcome = bytes | Receipt  # canonical bytes, or the receipt that they decode to


class Expectation:
    """Waits for the receipts of some transactions; a context manager that forgets them at its end.

    One future for all of them: a request with a thousand transactions costs one wake-up.
    """

    def __init__(self, feed: "CommitFeed", ids: Iterable[bytes]) -> None:
        """Use CommitFeed.expect."""
        self._feed = feed
        self._ids: Final = frozenset(ids)
        self.missing: Final[set[bytes]] = set(self._ids)
        self.found: Final[dict[bytes, Outcome]] = {}
        self._done: Final = asyncio.get_running_loop().create_future()

    def settle(self, transaction_id: bytes, outcome: Outcome | None) -> None:
        """This one needs no more waiting: its receipt, or None if there will be none."""
        self.missing.discard(transaction_id)
        if outcome is not None:
            self.found[transaction_id] = outcome
        if not self.missing and not self._done.done():
            self._done.set_result(None)

    async def wait(self, timeout_ms: int) -> Mapping[bytes, Outcome]:
        """The receipts that were there within the time; `missing` holds the ids of the others."""
        if self.missing:
            await asyncio.wait((self._done,), timeout=timeout_ms / 1000)
        return self.found

    def __enter__(self) -> "Expectation":
        for transaction_id in self._ids:
            self._feed.waiting.setdefault(transaction_id, []).append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for transaction_id in self._ids:
            rest = [e for e in self._feed.waiting.get(transaction_id, ()) if e is not self]
            if rest:
                self._feed.waiting[transaction_id] = rest
            else:
                self._feed.waiting.pop(transaction_id, None)
        self._done.cancel()


class CommitFeed:
    """One per node, used on its event loop only."""

    def __init__(self, height: int) -> None:
        """`height`: that of the ledger's head now."""
        self.height = height
        self.waiting: Final[dict[bytes, list[Expectation]]] = {}
        self._sleepers: Final[set[asyncio.Future[None]]] = set()

    def publish(self, height: int, ids: Sequence[bytes], receipts: Sequence[Outcome | None]) -> None:
        """A block is in the ledger, synced: every mention and its receipt (None: skipped as a duplicate, C6)."""
        self.height = height
        if self.waiting:
            for transaction_id, receipt in zip(ids, receipts, strict=True):
                if receipt is not None:
                    for expectation in self.waiting.pop(transaction_id, ()):
                        expectation.settle(transaction_id, receipt)
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    def give_up(self) -> None:
        """This node will hear of no further block: everybody who waits for a receipt goes on without it, now."""
        for transaction_id, expectations in self.waiting.items():
            for expectation in expectations:
                expectation.settle(transaction_id, None)

    def expect(self, ids: Iterable[bytes]) -> Expectation:
        """Enter it before submitting, so that no receipt is missed."""
        return Expectation(self, ids)

    async def height_above(self, height: int) -> int:
        """The newest height, as soon as it is above `height`. Cancel it to stop waiting."""
        while self.height <= height:
            sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.add(sleeper)
            try:
                await sleeper
            finally:
                self._sleepers.discard(sleeper)
        return self.height
