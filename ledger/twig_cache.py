"""Twigs in memory, with a bound: those that were used lately as they are, of others the branch alone.

A bucket is one short scan of the store, a whole twig sixteen of them and as many hashes. So a twig that goes out of use
leaves its branch behind, a fraction of its size, and the next change below it reads the one bucket that it is about.
"""

from itertools import islice
from typing import Final

from ledger.twig import Twig, bare_twig

BRANCH_HELD: Final = 768  # bytes in memory of a branch and its path; a twig of a hundred keys takes ten times that


class TwigCache:
    """Two generations and the branches of older ones, by path. A path is in one of the three."""

    def __init__(self, bytes_max: int, branches_max: int | None = None) -> None:
        """`bytes_max`: of everything here, about; all that is used between two `make_room` stays besides. Branches take
        what they need of it, up to half (or `branches_max` of them): a state that grows costs no more memory."""
        self._bytes_max: Final = bytes_max
        self._branches_max: Final = bytes_max // 2 // BRANCH_HELD if branches_max is None else branches_max
        self.young: dict[bytes, Twig] = {}  # used since the last turn of generations
        self._old: dict[bytes, Twig] = {}
        self._branches: dict[bytes, bytes] = {}
        self.young_bytes = 0

    def __contains__(self, path: object) -> bool:
        return path in self.young or path in self._old or path in self._branches

    @property
    def is_half_full(self) -> bool:
        """The young ones take their share: what comes now drives others out."""
        return self.young_bytes > (self._bytes_max - len(self._branches) * BRANCH_HELD) // 2

    def find(self, path: bytes) -> Twig | None:
        """The twig there; it may lack buckets."""
        twig = self.young.get(path) or self._old.get(path)
        if twig is None and (branch := self._branches.get(path)) is not None:
            return bare_twig(branch)
        return twig

    def keep(self, path: bytes, twig: Twig) -> None:
        """It is in use there, in the place of any other."""
        self.forget(path)
        self.young[path] = twig
        self.young_bytes += twig.size

    def forget(self, path: bytes) -> None:
        """There is no twig any more."""
        self._old.pop(path, None)
        self._branches.pop(path, None)
        known = self.young.pop(path, None)
        if known is not None:
            self.young_bytes -= known.size

    def make_room(self) -> None:
        """Turn the generations if it is time. All twigs must be those of the store: buckets are read there again."""
        if not self.is_half_full:
            return
        for path, twig in self._old.items():
            if branch := twig.branch:
                self._branches[path] = branch
        if len(self._branches) > self._branches_max:
            for path in list(islice(self._branches, len(self._branches) - self._branches_max // 2)):
                del self._branches[path]
        self._old, self.young, self.young_bytes = self.young, {}, 0
