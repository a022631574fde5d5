"""Queries beside the load, against small nodes on real sockets: what is asked, when it counts from, what is told."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from benchmarks import queries
from benchmarks.load_process import Wanted
from benchmarks.outcomes import Book, Ending
from benchmarks.queries import QueryLoad
from benchmarks.report import Settings, queries_of

Serve = Callable[[str], tuple[int, float]]  # path -> status and seconds until the answer


async def node(stack: AsyncExitStack, serve: Serve) -> str:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, seconds = serve(head.split()[1].decode())
                await asyncio.sleep(seconds)  # the node's time, not a test's wait
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    stack.callback(server.close)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def ask(due: list[float], *serves: Serve, connections: int = 2, dead: bool = False) -> Book:
    async def work() -> Book:
        async with AsyncExitStack() as stack:
            urls = [await node(stack, serve) for serve in serves]
            if dead:
                urls.append("http://127.0.0.1:9")
            load = QueryLoad(urls, due, lambda number: f"/q/{number}", connections)
            return await load.run(asyncio.get_running_loop().time())

    return asyncio.run(work())


def test_every_query_is_asked_once_and_all_nodes_are_asked() -> None:
    seen: list[Counter[str]] = [Counter(), Counter()]

    def serve(which: int) -> Serve:
        def answer(path: str) -> tuple[int, float]:
            seen[which][path] += 1
            return 200, 0.0

        return answer

    due = [n / 400 for n in range(80)]
    book = ask(due, serve(0), serve(1))
    assert seen[0] + seen[1] == Counter({f"/q/{n}": 1 for n in range(80)}) and all(seen)
    assert list(book.intended) == due and book.count_of(range(80))["committed"] == 80
    assert all(book.sent[n] >= due[n] for n in range(80))


def test_the_latency_of_a_query_counts_from_when_it_was_due() -> None:
    """One connection to a node that takes 100 ms: of five queries that are due at once the last waits for four."""
    book = ask([0.0] * 5, lambda _: (200, 0.1), connections=1)
    found = sorted(book.latencies(range(5)))
    assert all(found[n] >= 0.1 * (n + 1) for n in range(5))


def test_refusals_and_silence_are_told_apart() -> None:
    book = ask([n / 200 for n in range(40)], lambda path: (404 if path.endswith("3") else 200, 0.0), dead=True)
    endings = {n: Ending(book.ending[n]) for n in range(40)}
    assert all((ending is Ending.REFUSED) == (n % 10 == 3) for n, ending in endings.items() if ending)
    settings = Settings("mixed", "http", 1.0, 1.0, 0.0, 0, 4, 8, queries_per_second=200)
    found = queries_of(book, settings)
    assert found is not None and found.offered_per_s == 40 == found.latency.count
    assert set(found.failed) <= {0, 404} and found.failed[0] >= 1
    assert found.answered_per_s + sum(found.failed.values()) == 40
    assert queries_of(Book(0), settings) is None


def test_answers_that_come_after_the_load_are_no_throughput() -> None:
    """Eight queries are due in a second, and the node answers one of them every 300 ms."""
    book = ask([n / 8 for n in range(8)], lambda _: (200, 0.3), connections=1)
    found = queries_of(book, Settings("mixed", "http", 1.0, 1.0, 0.0, 0, 4, 8, queries_per_second=8))
    assert found is not None and found.offered_per_s == 8 and found.latency.count == 8
    assert found.answered_per_s <= 3 and not found.failed


def test_what_would_be_asked_long_after_the_load_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "DRAIN_SECONDS", 0.2)
    book = ask([n / 1000 for n in range(100)], lambda _: (200, 0.1), connections=1)
    found = queries_of(book, Settings("mixed", "http", 1.0, 1.0, 0.0, 0, 4, 8, queries_per_second=100))
    assert found is not None and found.latency.count == 100 and found.failed[0] > 90
    assert found.latency.max >= 200


@pytest.mark.parametrize("committed", [True, False])
def test_only_what_is_committed_is_asked_for(committed: bool) -> None:
    book = Book(4)
    for number in range(4):
        book.release(number, 0.0)
        if committed:
            book.settle(number, Ending.COMMITTED, 0, 1, 0.1)
    wanted = Wanted(["a", "b"], book, [bytes([n]) * 32 for n in range(4)])
    paths = [wanted.path_of(number) for number in range(100)]
    transactions = [path for path in paths if path.startswith("/v1/transactions/")]
    assert len(transactions) == (50 if committed else 0)
    assert set(paths) - set(transactions) == {"/v1/accounts/a", "/v1/accounts/b"}
