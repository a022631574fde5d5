"""Which batches the blocks of the last 600 s named, so that nobody stores one again and again (C5)."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from ledger.chain import Chain
from primitives.hashing import Digest
from primitives.transaction import VALIDITY_SECONDS_MAX


class Naming(NamedTuple):
    """The last executed block that named a batch."""

    height: int
    time_s: int


class Namings:
    """Of executed blocks. Bounded by 600 s of traffic and, like SeenIds, the same on every node at the same height."""

    def __init__(self) -> None:
        self._last: Final[dict[Digest, Naming]] = {}
        self._until: Final[dict[int, list[Digest]]] = {}  # the second in which they count for the last time

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._last

    def load(self, chain: Chain) -> None:
        """What the blocks up to the chain's head named."""
        for block in reversed(list(chain.recent_blocks(VALIDITY_SECONDS_MAX + 1))):
            self.add(map(Digest, block.batch_digests), Naming(block.header.height, block.header.time_ms // 1000))

    def add(self, digests: Iterable[Digest], naming: Naming) -> None:
        """An executed block named these; in height order."""
        line = self._until.setdefault(naming.time_s + VALIDITY_SECONDS_MAX, [])
        for digest in digests:
            self._last[digest] = naming
            line.append(digest)

    def forbid(self, digest: Digest, height: int, time_s: int) -> bool:
        """Whether a block up to `height`, at most 600 s older than `time_s`, named it: then no child of a block of that
        time names it again."""
        naming = self._last.get(digest)
        return naming is not None and naming.height <= height and naming.time_s + VALIDITY_SECONDS_MAX >= time_s

    def expire(self, time_s: int) -> None:
        """A block of this time is executed: forget what was named more than 600 s before."""
        for second in [second for second in self._until if second < time_s]:
            for digest in self._until.pop(second):
                if self._last[digest].time_s + VALIDITY_SECONDS_MAX == second:  # not named again since
                    del self._last[digest]
