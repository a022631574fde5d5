"""Which transactions were executed lately: a mention of one of them is skipped without a second receipt (C6, D1)."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from ledger.chain import Chain
from primitives.transaction import VALIDITY_SECONDS_MAX


class SeenIds:
    """The ids in the blocks whose time is within 600 s before the next block's.

    Bounded by 600 s of traffic. Derived from the blocks alone, so every node has the same set at the same height;
    an older id cannot be executed again because its valid_until has passed.
    """

    def __init__(self) -> None:
        self._ids: Final[set[bytes]] = set()
        self.knows: Final = self._ids.__contains__  # `in`, for thousands at once
        self._again: Final[dict[bytes, int]] = {}  # of those that several blocks mention: the time of the last one
        self._blocks: Final[deque[tuple[int, Sequence[bytes]]]] = deque()  # (block time in s, ids in it)

    @classmethod
    def load(cls, chain: Chain) -> "SeenIds":
        """The set as of the chain's head."""
        seen = cls()
        for time_ms, ids in reversed(list(chain.recent_ids(VALIDITY_SECONDS_MAX + 1))):
            seen.add(time_ms // 1000, ids)
        return seen

    def __contains__(self, transaction_id: bytes) -> bool:
        return transaction_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def advance(self, time_s: int) -> None:
        """The next block has this time: forget the blocks more than 600 s older."""
        again = self._again
        while self._blocks and self._blocks[0][0] < time_s - VALIDITY_SECONDS_MAX:
            then, ids = self._blocks.popleft()
            if again:  # only with its last mention: a node that starts now has not read the first (C6)
                ids = [i for i in ids if again.get(i, then) == then]
                for one in ids:
                    again.pop(one, None)
            self._ids.difference_update(ids)

    def add(self, time_s: int, ids: Sequence[bytes]) -> None:
        """A block of this time mentioned these ids."""
        once = dict.fromkeys(ids)
        if not self._ids.isdisjoint(once):
            self._again.update((i, time_s) for i in once if i in self._ids)
        self._ids.update(once)
        self._blocks.append((time_s, tuple(once)))
