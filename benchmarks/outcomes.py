"""What became of each transaction: exactly one ending each, times in seconds since the start of the run."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final


class Ending(IntEnum):
    UNRESOLVED = 0  # no final answer until the drain was over
    COMMITTED = 1
    REJECTED = 2  # in a block, with a code that is not OK
    EXPIRED = 3  # no block can hold it any more
    REFUSED = 4  # never admitted; the code says why


class Book:
    """Flat arrays by number: a run has hundreds of thousands of transactions."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.intended: Final = array("d", bytes(8 * count))
        self.sent: Final = array("d", bytes(8 * count))
        self.done: Final = array("d", bytes(8 * count))
        self.ending: Final = bytearray(count)
        self.code: Final = array("H", bytes(2 * count))
        self.height: Final = array("Q", bytes(8 * count))
        self.uncertain: Final = bytearray(count)  # a node may have it, and did not say
        self.attempts: Final = bytearray(count)  # times that it was sent, at most 255
        self.released = 0  # numbers below have an intended time
        self.open = 0  # released and not settled

    def release(self, number: int, intended: float) -> None:
        """The transaction is due; numbers are released in order."""
        assert number == self.released, f"transaction {number} released after {self.released - 1}"
        self.intended[number] = intended
        self.released += 1
        self.open += 1

    def mark_sent(self, numbers: Iterable[int], now: float) -> None:
        """They leave the generator; the first time counts."""
        for number in numbers:
            if not self.attempts[number]:
                self.sent[number] = now
            self.attempts[number] = min(self.attempts[number] + 1, 255)

    def settle(self, number: int, ending: Ending, code: int, height: int, now: float) -> bool:
        """Its end; False if it had ended before (the same bytes may be answered by two nodes)."""
        if self.ending[number] != Ending.UNRESOLVED:
            return False
        self.ending[number] = ending
        self.code[number] = code
        self.height[number] = height
        self.done[number] = now
        self.open -= 1
        return True

    def close(self, now: float) -> None:
        """The run is over: what is open stays unresolved, its latency counts up to now."""
        for number in range(self.released):
            if self.ending[number] == Ending.UNRESOLVED:
                self.done[number] = now

    def between(self, start: float, end: float) -> list[int]:
        """Those whose intended time lies in [start, end)."""
        return [number for number in range(self.released) if start <= self.intended[number] < end]

    def latencies(self, numbers: Iterable[int], *endings: Ending) -> list[float]:
        """Seconds from the intended send time to the end, for these endings (none named: for all)."""
        return [self.done[n] - self.intended[n] for n in numbers if not endings or self.ending[n] in endings]

    def codes(self, numbers: Iterable[int], ending: Ending) -> Counter[int]:
        """How often each code stands with this ending."""
        return Counter(self.code[number] for number in numbers if self.ending[number] == ending)

    def count_of(self, numbers: Iterable[int]) -> dict[str, int]:
        """How many have each ending; the sum is how many there are."""
        found = Counter(self.ending[number] for number in numbers)
        return {ending.name.lower(): found[ending] for ending in Ending}

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time in [start, end] in which no commit was answered."""
        times = sorted(
            done for n in range(self.released)
            if self.ending[n] == Ending.COMMITTED and start <= (done := self.done[n]) <= end
        )  # fmt: skip
        marks = [start, *times, end]
        return max(b - a for a, b in zip(marks, marks[1:], strict=False))

    def committed_between(self, start: float, end: float) -> int:
        """Commits that were answered in [start, end), whenever they were sent."""
        return sum(
            1 for n in range(self.released) if self.ending[n] == Ending.COMMITTED and start <= self.done[n] < end
        )

    def plain(self) -> dict[str, Any]:
        """For another process; see book_of."""
        arrays = {name: bytes(getattr(self, name)[: self.released]) for name in _COLUMNS}
        return {"count": self.count, "released": self.released, "open": self.open, **arrays}


_COLUMNS: Final = ("intended", "sent", "done", "ending", "code", "height", "uncertain", "attempts")


def book_of(plain: dict[str, Any]) -> Book:
    """The book that another process wrote down, as far as it was released."""
    book = Book(plain["released"])
    for name in _COLUMNS:
        column = getattr(book, name)
        column[:] = column[:0]
        column.extend(plain[name]) if isinstance(column, bytearray) else column.frombytes(plain[name])
    book.released, book.open = plain["released"], plain["open"]
    return book


def together(books: Sequence[Book]) -> Book:
    """One book of everything that was released; numbers are those of the books, one behind the other."""
    every = Book(0)
    for name in _COLUMNS:
        column = getattr(every, name)
        for book in books:
            column += getattr(book, name)[: book.released]
    every.count = every.released = sum(book.released for book in books)
    every.open = sum(book.open for book in books)
    return every
