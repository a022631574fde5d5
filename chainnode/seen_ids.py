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
        self._blocks: Final[deque[tuple[int, Sequence[bytes]]]] = deque()  # (block time in s, ids new in it)

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
        while self._blocks and self._blocks[0][0] < time_s - VALIDITY_SECONDS_MAX:
            self._ids.difference_update(self._blocks.popleft()[1])

    def add(self, time_s: int, ids: Sequence[bytes]) -> None:
        """A block of this time mentioned these ids."""
        fresh = [i for i in dict.fromkeys(ids) if i not in self._ids]
        self._ids.update(fresh)
        self._blocks.append((time_s, fresh))
