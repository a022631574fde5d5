"""Several generator processes against one small node: one start, one schedule, one book."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.fleet import Fleet, LoadFailed
from benchmarks.latencies import histogram_of, merged, percentiles
from benchmarks.load_process import Orders
from benchmarks.network import demo_keys
from benchmarks.outcomes import Book, Ending, book_of, together
from benchmarks.report import Settings
from benchmarks.run import RunFailed, _check_supply
from benchmarks.signed_file import Recipe, SignedFile
from benchmarks.signing import sign_into
from benchmarks.workload import cast_of
from primitives.hashing import Digest
from tests.benchmarks.test_lanes import line, node

SEED = bytes(range(32))
COUNT = 90
RATE = 100.0


def signed(folder: Path) -> Path:
    path = folder / "signed"
    recipe = Recipe(bytes(32), SEED, 1_800_000_000, 4, 8, "mixed", 1, "run", 1, 2, COUNT + 10, 50)
    sign_into(path, cast_of(Digest(bytes(32)), SEED, demo_keys(SEED), 8), recipe, lambda _: None)
    return path


def orders(folder: Path, url: str, parts: int, outstanding: int = 0) -> list[Orders]:
    path = str(signed(folder))
    return [
        Orders(
            path, str(folder / f"answer{part}"), part, parts, [url], [], RATE, outstanding, 5.0, 30.0, 40.0, [], COUNT
        )
        for part in range(parts)
    ]


def drive(folder: Path, parts: int, outstanding: int = 0) -> tuple[list[Book], Counter[bytes]]:
    """The books, and how often the node saw each transaction."""
    seen: Counter[bytes] = Counter()

    def answer(bulk: list[bytes]) -> list[dict[str, object]]:
        seen.update(bulk)
        return [line("committed", 0, 7) for _ in bulk]

    async def work() -> list[Book]:
        async with AsyncExitStack() as stack:
            url = await node(stack, answer)
            async with Fleet(orders(folder, url, parts, outstanding)) as fleet:
                assert len(fleet.processes) == parts
                return [books.sent for books in await fleet.run()]

    return asyncio.run(work()), seen


def intended(books: Sequence[Book]) -> list[float]:
    return sorted(round(time, 6) for book in books for time in book.intended[: book.released])


def test_before_the_start_no_part_of_the_load_is_over() -> None:
    """What is to happen in the middle of a load would else happen while its processes still connect."""
    assert time.monotonic() - Fleet([]).started < 0


def test_three_processes_keep_the_schedule_of_one(tmp_path: Path) -> None:
    books, seen = drive(tmp_path, 3)
    assert intended(books) == [round(n / RATE, 6) for n in range(COUNT)]
    with SignedFile(tmp_path / "signed") as file:
        assert seen == Counter({file.raw(n): 1 for n in range(COUNT)}), "each transaction once, and none beyond"
    every = together(books)
    assert every.released == every.count == COUNT and every.open == 0
    assert every.count_of(range(COUNT))["committed"] == COUNT
    assert all(0 <= every.sent[n] - every.intended[n] < 2.0 for n in range(COUNT)), "one start for all"


def test_a_closed_loop_of_several_processes_ends_when_all_is_sent(tmp_path: Path) -> None:
    books, seen = drive(tmp_path, 2, outstanding=3)
    assert together(books).count_of(range(COUNT))["committed"] == COUNT == len(seen)
    settings = Settings("mixed", "http", 0.0, 5.0, 0.0, 6, 4, 8, generators=2)
    with pytest.raises(RunFailed, match="process 0: all 45 signed transactions"):
        _check_supply(settings, books, COUNT)
    _check_supply(replace(settings, outstanding=0), books, COUNT)
    _check_supply(settings, books, 2 * COUNT)  # the network stood still: that is a result


def sent_until(last: float, count: int) -> Book:
    return book_with([(last * (n + 1) / count, last + 1) for n in range(count)], count)


def test_a_closed_loop_that_ran_dry_is_told_whichever_process_did_and_however_short_it_was() -> None:
    settings = Settings("mixed", "ingress", 0.0, 10.0, 2.0, 64, 4, 8)
    _check_supply(settings, [sent_until(11.9, 30)], 30)  # what was under way then fills the rest
    with pytest.raises(RunFailed, match=r"all 30 .* after 11\.7 s of 12\.0 s: --supply 4$"):
        _check_supply(settings, [sent_until(11.7, 30)], 30)
    _check_supply(settings, [sent_until(12.0, 15), sent_until(11.9, 15)], 30)
    with pytest.raises(RunFailed, match=r"process 1: all 15 .* after 6\.0 s of 12\.0 s: --supply 8$"):
        _check_supply(settings, [sent_until(12.0, 14), sent_until(6.0, 15)], 30)


def test_a_process_that_fails_says_why_and_none_is_left(tmp_path: Path) -> None:
    async def work() -> Fleet:
        given = orders(tmp_path, "http://127.0.0.1:9", 2)
        fleet = Fleet([given[0], replace(given[1], signed=str(tmp_path / "nowhere"))])
        with pytest.raises(LoadFailed, match="nowhere"):
            async with fleet:
                pass
        return fleet

    fleet = asyncio.run(work())
    assert len(fleet.processes) == 2
    commands = [Path(f"/proc/{pid}/cmdline") for pid in fleet.processes.values()]
    assert not any(path.exists() and b"load_process" in path.read_bytes() for path in commands)


def book_with(times: Sequence[tuple[float, float]], count: int) -> Book:
    book = Book(count)
    for number, (start, end) in enumerate(times):
        book.release(number, start)
        book.mark_sent([number], start)
        tenth = round(start * 10)
        book.settle(number, Ending.COMMITTED if tenth % 3 else Ending.REJECTED, tenth, 5, end)
    return book


def test_books_and_histograms_of_parts_are_those_of_the_whole() -> None:
    times = [(n / 10, n / 10 + (n % 7 + 1) / 100) for n in range(60)]
    whole = book_with(times, 60)
    parts = [book_of(book_with(times[start::4], 30).plain()) for start in range(4)]
    every = together(parts)
    assert every.count_of(range(60)) == whole.count_of(range(60))
    assert sorted(every.intended) == sorted(whole.intended) and every.open == whole.open == 0
    expected = percentiles(histogram_of(whole.latencies(range(60))))
    assert percentiles(histogram_of(every.latencies(range(60)))) == expected
    assert percentiles(merged(histogram_of(part.latencies(range(part.released))) for part in parts)) == expected
    assert every.longest_gap(0, 6.0) == whole.longest_gap(0, 6.0)
    assert sorted(every.code) == sorted(whole.code) and set(every.height) == {5}
