"""The comparison with other systems: its arithmetic, its rounds, what it says of a missing one; and the real ones."""

import asyncio
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from benchmarks.machine import hardware
from benchmarks.outcomes import Book, Ending
from benchmarks.peers import our_network, table
from benchmarks.peers.closed_loop import DRAIN_SECONDS, bulks, drive, faults_of, measured_of
from benchmarks.peers.figures import FORMAT, Baseline, Comparison, Entry, Figure, Load, Measured
from benchmarks.peers.rounds import Plan, compare, missing_of, peers
from benchmarks.peers.systems import DUTIES, Books, System, SystemFailed
from benchmarks.peers.transfers import AMOUNT_MAX, OPENING, TRANSFER_BYTES, Transfer, transfers
from tests.benchmarks.memory_system import MemoryClient, MemorySystem
from tests.benchmarks.virtual_loop import run_virtually
from tests.cli.asking import asker

LOAD = Load(outstanding=10, warmup=1.0, duration=2.0, accounts=50)


def loaded(client: MemoryClient, load: Load = LOAD) -> tuple[Book, Books]:
    async def work() -> tuple[Book, Books]:
        book, _, _ = await drive(client, load, [])
        return book, await client.books()

    return run_virtually(work())


def test_transfers_are_different_valid_and_as_long_as_ours() -> None:
    found = list(islice(transfers(accounts=5, seed=1), 2_000))
    assert len({transfer.order for transfer in found}) == 2_000
    assert {(t.debit, t.credit) for t in found} == {(i, j) for i in range(5) for j in range(5) if i != j}
    assert {t.amount for t in found} == set(range(1, AMOUNT_MAX + 1))
    for t in found:
        assert TRANSFER_BYTES - 25 <= len(t.order) + 12 + len(t.record) <= TRANSFER_BYTES
    other = next(transfers(accounts=5, seed=1))
    assert other.order not in {transfer.order for transfer in found}, "two runs would write the same order"


@pytest.mark.parametrize(
    ("outstanding", "bulk", "sizes"), [(4, 1, [1, 1, 1, 1]), (64, 4, [4] * 16), (10, 4, [4, 4, 2]), (3, 8, [3])]
)
def test_bulks_add_up_to_what_is_outstanding(outstanding: int, bulk: int, sizes: list[int]) -> None:
    assert bulks(outstanding, bulk) == sizes


@pytest.mark.parametrize("bulk", [1, 4, 16])
def test_exactly_so_many_are_outstanding_and_the_rest_is_waited_for(bulk: int) -> None:
    client = MemoryClient(LOAD.accounts, bulk, 0.010)
    book, books = loaded(client)
    assert client.most_in_air == 10 and client.in_air == 0
    assert book.count_of(range(book.released)) == {
        "unresolved": 0, "committed": len(client.orders), "rejected": 0, "expired": 0, "refused": 0
    }  # fmt: skip
    found = measured_of(book, LOAD, 0.5, 0.1, faults_of(book, LOAD, Books(books.total, 0), books))
    assert found.per_s == pytest.approx(10 / 0.010, rel=0.02)
    assert found.committed == found.per_s * 2.0 and found.faults == ()
    assert (found.p50_ms, found.p99_ms) == pytest.approx((10, 10), rel=0.01)


def test_what_is_not_answered_until_the_drain_ends_is_unresolved() -> None:
    client = MemoryClient(LOAD.accounts, 1, 2 * DRAIN_SECONDS)
    book, books = loaded(client)
    endings = book.count_of(range(book.released))
    assert endings["unresolved"] == 10 and not endings["committed"]
    assert faults_of(book, LOAD, books, books) == ["10 unresolved"]


def test_a_system_that_breaks_ends_the_load_with_its_words() -> None:
    class Broken(MemoryClient):
        async def transfer(self, transfers: Sequence[Transfer]) -> Sequence[bool]:
            await asyncio.sleep(0.01)
            raise SystemFailed("it is gone")

    with pytest.raises(SystemFailed, match=r"^it is gone$"):
        loaded(Broken(LOAD.accounts, 1, 0.01))


def book_of(*endings: Ending) -> Book:
    book = Book(1_000)
    for number, ending in enumerate(endings):
        book.release(number, 1.0)
        if ending:
            book.settle(number, ending, 0, 0, 1.5)
    return book


TOTAL = OPENING * LOAD.accounts
DONE, OPEN, NO = Ending.COMMITTED, Ending.UNRESOLVED, Ending.REJECTED


@pytest.mark.parametrize(
    ("book", "after", "faults"),
    [
        (book_of(DONE, DONE), Books(TOTAL, 7), []),
        (book_of(DONE, DONE), Books(TOTAL, 6), ["1 orders, answered 2, without an answer 0"]),
        (book_of(DONE, DONE), Books(TOTAL, 8), ["3 orders, answered 2, without an answer 0"]),
        (book_of(DONE, OPEN), Books(TOTAL, 7), ["1 unresolved"]),
        (book_of(DONE, OPEN), Books(TOTAL, 6), ["1 unresolved"]),
        (book_of(DONE, NO), Books(TOTAL, 6), ["1 rejected"]),
        (book_of(DONE), Books(TOTAL - 1, 6), [f"balances {TOTAL - 1}, expected {TOTAL}"]),
    ],
)
def test_the_books_are_held_against_the_answers(book: Book, after: Books, faults: list[str]) -> None:
    assert faults_of(book, LOAD, Books(TOTAL, 5), after) == faults


def test_a_full_book_is_said() -> None:
    book = Book(12)
    for number in range(3):
        book.release(number, 0.0)
        book.settle(number, DONE, 0, 0, 0.1)
    assert "the book was full" in faults_of(book, LOAD, Books(TOTAL, 0), Books(TOTAL, 3))[0]


def test_the_window_counts_by_end_and_latency_by_beginning() -> None:
    book = Book(10)
    for number, (sent, done) in enumerate([(0.5, 1.5), (1.2, 1.3), (2.9, 3.4), (3.0, 3.1)]):
        book.release(number, sent)
        book.settle(number, DONE, 0, 0, done)
    found = measured_of(book, LOAD, 0.2, 0.4, [])
    assert (found.committed, found.per_s) == (2, 1.0)  # the first two end inside [1, 3)
    assert found.p50_ms == pytest.approx(100, rel=0.01) and found.p99_ms == pytest.approx(500, rel=0.01)
    figure = Figure("x", 1, LOAD, found)
    assert figure.cpu_us == pytest.approx(100_000) and figure.load_cores == pytest.approx(0.2)


def figure(
    system: str, number: int, per_s: float, outstanding: int = 64, faults: tuple[str, ...] = (), load_cpu: float = 0.5
) -> Figure:
    load = Load(outstanding, 1.0, 2.0, 100, number)
    done = Measured(per_s, 5.0, 9.0, int(per_s * 2), per_s * 0.0001, load_cpu, {}, faults, "")
    return Figure(system, number, load, done)


def comparison(*figures: Figure, missing: str = "", filesystem: str = "ext4") -> Comparison:
    entries = (Entry("hnchain", "abc", "both", ()), Entry("PostgreSQL", "15", "fsync", DUTIES),
               Entry("Redis", "", "always", DUTIES, missing))  # fmt: skip
    base = (Baseline(10_000.0, 0.5), Baseline(20_000.0, 0.5))
    return Comparison(FORMAT, hardware(), filesystem, base, entries, figures)


def test_rows_are_medians_and_ratios_stay_within_their_round() -> None:
    found = comparison(
        figure("hnchain", 1, 4_000), figure("PostgreSQL", 1, 6_000),  # a slow round,
        figure("hnchain", 2, 8_000), figure("PostgreSQL", 2, 16_000),  # and a fast one
        figure("PostgreSQL", 2, 9_000, outstanding=512),
    )  # fmt: skip
    ours, theirs, alone, *rest = table.rows_of(found)
    assert not rest
    assert ours == ["hnchain", "64", "6,000", "4,000 - 8,000", "5.0", "9.0", "50", "1.00", "0.40", ""]
    assert theirs[:4] == ["PostgreSQL", "64", "11,000", "6,000 - 16,000"]
    assert theirs[7:9] == ["1.75", "0.70"], "6 of 4, 16 of 8; 0.6 and 0.8 per check"
    assert theirs[9] == "check signatures, survive liars, replicate, prove"
    assert alone[1] == "512" and alone[7] == "-", "ours was not measured with so many outstanding"


def test_a_system_without_figures_has_its_row_and_its_reason() -> None:
    found = comparison(figure("hnchain", 1, 4_000), missing="redis-server not found: apt-get install redis-server")
    assert table.rows_of(found)[-1][:3] == ["Redis", "-", "not measured"]
    assert len({len(row) for row in table.rows_of(found)} | {len(table.headers())}) == 1
    assert "NOT MEASURED: Redis: redis-server not found: apt-get install redis-server" in table.notes_of(found)


def test_our_version_says_what_code_ran() -> None:
    machine = msgspec.structs.replace(hardware(), commit="0123456789abcdef", modified=True, code="compiled")
    assert our_network.entry(machine).version == "0123456789ab+ compiled"
    assert our_network.entry(msgspec.structs.replace(machine, commit="", modified=False)).version == "compiled"


def test_what_makes_figures_worthless_is_said() -> None:
    assert "MEMORY" in table.text_of(comparison(figure("hnchain", 1, 4.0), filesystem="tmpfs"))
    found = comparison(figure("PostgreSQL", 2, 4.0, faults=("1 unresolved",)))
    assert found.faults == ["PostgreSQL, 64, round 2: 1 unresolved"]
    assert "NOT SOUND: PostgreSQL, 64, round 2: 1 unresolved" in table.text_of(found)


def test_a_load_that_took_all_it_could_is_said() -> None:
    said = table.text_of(comparison(figure("PostgreSQL", 1, 4.0), figure("Redis", 1, 4.0, load_cpu=1.96)))
    assert "Redis 64: the load took a whole core" in said and "PostgreSQL 64: the load" not in said


def test_the_report_holds_the_comparison_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = comparison(figure("hnchain", 1, 4_000), figure("PostgreSQL", 1, 6_000), missing="no <program>")
    (tmp_path / "peers.json").write_bytes(msgspec.json.encode(found))
    code, plain, _ = asker(capsys)("bench", "report", "--results", str(tmp_path))
    pages = [Path(name).read_text(encoding="utf-8") for name in plain["files"]]
    assert code == 0 and len(pages) == 2
    for page, words in zip(pages, (["check signatures", "not measured"], ["验签", "未测"]), strict=True):
        assert all(text in page for text in (*words, "<td>PostgreSQL</td>", "6,000", "1.50", "no &lt;program&gt;"))


def plan(folder: Path, names: Sequence[str], rounds: int = 1) -> Plan:
    return Plan(names, [3], rounds, 0.05, 0.1, 10, folder)


def test_rounds_begin_with_another_system_each(tmp_path: Path) -> None:
    diary: list[str] = []
    names = ["PostgreSQL", "Redis", "etcd"]
    found = compare(plan(tmp_path, names, rounds=2), [MemorySystem(name, diary) for name in names], lambda _text: None)
    assert [line for line in diary if "stops" not in line] == ["PostgreSQL", "Redis", "etcd", "Redis", "etcd",
                                                               "PostgreSQL"]  # fmt: skip
    assert diary[1::2] == [f"{name} stops" for name in diary[::2]], "two systems ran at the same time"
    assert [(f.round, f.system) for f in found.figures] == [(i // 3 + 1, name) for i, name in enumerate(diary[::2])]
    assert len(found.baselines) == 2 and not found.faults and not found.missing
    assert all(f.measured.committed for f in found.figures)
    assert not list(tmp_path.iterdir()), "data of a system stayed"
    raw = msgspec.json.encode(found)
    assert msgspec.json.decode(raw, type=Comparison) == found


def test_what_is_missing_or_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    diary: list[str] = []
    systems = [MemorySystem("PostgreSQL", diary, fails=True), MemorySystem("Redis", diary, missing="no program"),
               MemorySystem("etcd", diary)]  # fmt: skip
    names = ["PostgreSQL", "Redis", "etcd"]
    found = compare(plan(tmp_path, names, rounds=2), systems, lambda _text: None)
    assert found.missing == {"PostgreSQL": "the door is shut", "Redis": "no program"}
    assert [f.system for f in found.figures] == ["etcd", "etcd"]
    assert diary.count("PostgreSQL") == diary.count("PostgreSQL stops") == 1 and "Redis" not in diary


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """That others may enter: PostgreSQL refuses to run as root, and pytest's folders are their owner's alone."""
    with tempfile.TemporaryDirectory(prefix="hnchain-peers-") as folder:
        os.chmod(folder, 0o711)  # noqa: S103
        yield Path(folder)


@pytest.mark.parametrize("system", peers(), ids=lambda system: system.name)
def test_a_real_system_keeps_its_books_or_is_named(system: System, open_folder: Path) -> None:
    """On a machine without it, the comparison says what installs it."""
    if system.missing:
        assert "install" in system.missing and missing_of([system.name], [system]) == {system.name: system.missing}
    found = compare(Plan([system.name], [4, 40], 1, 0.1, 0.4, 20, open_folder), [system], lambda _text: None)
    assert found.missing == missing_of([system.name], [system])
    if not system.missing:
        assert [f.load.outstanding for f in found.figures] == [4, 40] and not found.faults
        assert all(f.measured.committed and f.measured.system_cpu for f in found.figures)
        assert re.fullmatch(r"[\d.]+", found.entries[0].version)
    assert not system.processes() and not list(open_folder.iterdir())


def test_the_command_names_what_is_missing_and_requires_it_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    ask = asker(capsys)
    chosen = ("bench", "peers", "--system", "redis", "--system", "etcd", "--rounds", "1")
    code, plain, said = ask(*chosen, "--report", "kept/peers.json")
    assert code == 0
    assert {e["system"]: "apt-get install" in e["missing"] for e in plain["entries"]} == {"Redis": True, "etcd": True}
    assert "apt-get install redis-server" in said and "apt-get install etcd-server" in said
    assert msgspec.json.decode((tmp_path / "kept/peers.json").read_bytes()) == plain
    code, _, said = ask(*chosen, "--require", "--report", "other.json")
    assert code == 2 and "apt-get install etcd-server" in said
    assert not (tmp_path / "other.json").exists()
