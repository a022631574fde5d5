"""Every Store behaves like a sorted dict, and LevelDB exactly like the one in memory."""

import itertools
from collections.abc import Callable
from pathlib import Path

import plyvel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import leveldb
from ledger.failures import DirectoryRefused
from ledger.leveldb import STAGGERED_BYTES, WRITE_BUFFER_BYTES, LevelDbStore
from ledger.store import MemoryStore, Store

KEYS = st.binary(min_size=1, max_size=3)
OPERATIONS = st.tuples(KEYS, st.none() | st.binary(max_size=4))
STEPS = st.lists(st.lists(OPERATIONS, max_size=8), max_size=8)
BOUNDS = st.lists(st.tuples(st.binary(max_size=3), st.none() | st.binary(max_size=3), st.booleans()), max_size=6)


def expected_range(model: dict[bytes, bytes], start: bytes, stop: bytes | None, reverse: bool) -> list[object]:
    pairs = sorted((k, v) for k, v in model.items() if k >= start and (stop is None or k < stop))
    return pairs[::-1] if reverse else pairs


def check_like_a_dict(store: Store, steps: list[list[tuple[bytes, bytes | None]]], bounds: list[object]) -> None:
    model: dict[bytes, bytes] = {}
    snapshots = []
    for operations in steps:
        snapshots.append((store.snapshot(), dict(model)))
        store.write(operations, sync=False)
        for key, value in operations:
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
    for reader, content in [*snapshots, (store, model)]:
        for key in {key for operations in steps for key, _ in operations} | {b"missing"}:
            assert reader.get(key) == content.get(key)
        for start, stop, reverse in [(b"", None, False), *bounds]:
            assert list(reader.range(start, stop, reverse)) == expected_range(content, start, stop, reverse)
    for snapshot, _ in snapshots:
        snapshot.close()


@given(STEPS, BOUNDS)
@settings(deadline=None)
def test_memory_store_is_a_sorted_dict(steps: list[object], bounds: list[object]) -> None:
    check_like_a_dict(MemoryStore(), steps, bounds)


@given(STEPS, BOUNDS)
@settings(deadline=None, max_examples=60)
def test_leveldb_is_a_sorted_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object], bounds: list[object]
) -> None:
    store = LevelDbStore.create(tmp_path_factory.mktemp("store"))
    check_like_a_dict(store, steps, bounds)
    store.close()


def test_leveldb_keeps_what_was_written_and_in_order_across_many_tables(tmp_path: Path) -> None:
    store, memory = LevelDbStore.create(tmp_path / "ledger"), MemoryStore()
    for number in range(40):
        keys = [b"%05d" % (i * 7919 % 100_000) for i in range(number * 50, number * 50 + 99)]
        operations = [(key, bytes([number]) * 500) for key in keys]
        store.write(operations)
        memory.write(operations)
    store.close()
    store = LevelDbStore.open(tmp_path / "ledger")
    assert list(store.range(b"", None)) == list(memory.range(b"", None))
    assert list(store.range(b"3", b"7", True)) == list(memory.range(b"3", b"7", True))
    store.close()
    store.close()


def test_open_never_creates(tmp_path: Path) -> None:
    with pytest.raises(DirectoryRefused, match="no ledger"):
        LevelDbStore.open(tmp_path / "nothing")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("years of work")
    with pytest.raises(DirectoryRefused, match="not a LevelDB"):
        LevelDbStore.open(tmp_path / "foreign")
    with pytest.raises(DirectoryRefused, match="not empty"):
        LevelDbStore.create(tmp_path / "foreign")
    assert [p.name for p in (tmp_path / "foreign").iterdir()] == ["thesis.txt"]
    assert not (tmp_path / "nothing").exists()


def test_create_refuses_a_ledger_that_is_there_and_a_second_opener(tmp_path: Path) -> None:
    store = LevelDbStore.create(tmp_path / "ledger")
    with pytest.raises(DirectoryRefused, match="not empty"):
        LevelDbStore.create(tmp_path / "ledger")
    with pytest.raises(DirectoryRefused, match="another process"):
        LevelDbStore.open(tmp_path / "ledger")
    store.close()


def test_a_range_that_is_not_read_to_its_end_does_no_harm(tmp_path: Path) -> None:
    store = LevelDbStore.create(tmp_path / "ledger")
    store.write([(b"%d" % i, b"x") for i in range(9)])
    assert [key for key, _ in itertools.islice(store.range(b"", None), 2)] == [b"0", b"1"]
    store.write([(b"0", None)])
    assert next(store.range(b"", None))[0] == b"1"
    store.close()


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), LevelDbStore.create])
def test_every_range_over_few_keys_both_ways(tmp_path: Path, make: Callable[[Path], Store]) -> None:
    """plyvel 1.5.1 finds nothing backwards in a range whose only key is its start."""
    store, keys = make(tmp_path / "ledger"), [b"b", b"c", b"d"]
    store.write([(key, key) for key in keys])
    bounds = [b"", b"a", b"b", b"bb", b"c", b"d", b"dd", b"e"]
    for start, stop in itertools.product(bounds, [*bounds, None]):
        for reverse in (False, True):
            model = {key: key for key in keys}
            assert list(store.range(start, stop, reverse)) == expected_range(model, start, stop, reverse)
    store.close()


def test_replicas_do_not_compact_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They write the same bytes; with the same buffer all would be busy with it at once."""
    sizes = []

    def spy(path: str, **options: int) -> object:
        sizes.append(options["write_buffer_size"])
        return object()

    monkeypatch.setattr(plyvel, "DB", spy)
    for number in range(8):
        LevelDbStore.create(tmp_path / str(number))
    assert len(set(sizes)) > 4
    assert all(WRITE_BUFFER_BYTES - STAGGERED_BYTES < size <= WRITE_BUFFER_BYTES for size in sizes)


@pytest.mark.parametrize(
    ("mapped_mib", "tables", "table_mib"),
    [(128, 64, 2), (512, 256, 2), (2000, 1000, 2), (2001, 667, 3), (8000, 1000, 8), (64_000, 1000, 64)],
)
def test_tables_grow_where_a_thousand_of_them_would_be_too_few(mapped_mib: int, tables: int, table_mib: int) -> None:
    """A thousand is how many LevelDB maps; of `max_open_files` it takes ten for other things."""
    options = leveldb._options(mapped_mib)
    assert (options["max_open_files"], options["max_file_size"]) == (tables + 10, table_mib * 2**20)


def test_tables_are_mapped_up_to_the_bound_and_none_holds_a_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So their number has nothing to do with the limit of open files, and resident memory ends (docs/adr/0040)."""
    monkeypatch.setattr(leveldb, "TABLE_MIB_MIN", 1)
    monkeypatch.setattr(leveldb, "WRITE_BUFFER_BYTES", 4 * 2**20)
    monkeypatch.setattr(leveldb, "STAGGERED_BYTES", 1)
    path = tmp_path / "ledger"
    store = LevelDbStore.create(path)
    rows = [b"%06d" % number for number in range(90_000)]
    for part in range(9):  # each over the whole width: what is written in order is never merged
        store.write([(row, row + bytes(1024)) for row in rows[part::9]], sync=False)
    store.compact(b"", b"\xff")
    store.close()
    mapped = {}
    for bound in (64, 256):
        store = LevelDbStore.open(path, bound)
        assert all(store.get(row) for row in rows[::100])
        maps = Path("/proc/self/maps").read_text().splitlines()
        mapped[bound] = len({line.split()[-1] for line in maps if str(path) in line and line.endswith(".ldb")})
        held = [link.resolve().name for link in Path("/proc/self/fd").iterdir()]
        store.close()
        assert not [name for name in held if name.endswith(".ldb")]
    assert 48 <= mapped[64] <= 64  # LevelDB's cache has sixteen parts, which are not filled evenly
    assert 80 <= mapped[256] <= 256
