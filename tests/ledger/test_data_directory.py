"""One process, one chain, all parts: anything else is refused with the holder or the difference named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.audit import tree_difference
from ledger.chain import Entry
from ledger.data_directory import initialise, open_data_directory
from ledger.failures import DirectoryRefused, FatalError, JournalDamaged, LedgerDamaged
from ledger.leveldb import LevelDbStore
from ledger.schema import IDENTITY_KEY, SCHEMA_VERSION, TREE_LOG
from ledger.state_tree import StateTree
from tests.ledger.builders import CHAIN_ID, GENESIS, GENESIS_STATE, Builder, make_genesis


def tree_of(path: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in path.rglob("*") if p.is_file()}


def test_a_new_directory_opens_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "node" / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    data = open_data_directory(path, GENESIS)
    assert data.journal_records == []
    assert data.chain.head.height == 0
    builder = Builder(data.chain, data.tree)
    entry: Entry = builder.add(b"x=1", b"y=2")
    data.journal.append([b"promise"])
    data.journal.sync()
    data.close()
    data = open_data_directory(path, GENESIS)
    assert (data.chain.head.height, data.chain.head.state_root) == (1, entry.tree.root)
    assert data.journal_records == [b"promise"]
    assert data.tree.root == data.chain.head.state_root
    assert dict(data.chain.state().range(b"", None)) == {**GENESIS_STATE, b"x": b"1", b"y": b"2"}
    data.close()
    assert path.stat().st_mode & 0o777 == 0o700


def test_initialise_touches_nothing_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    before = tree_of(path)
    with pytest.raises(DirectoryRefused, match="not empty"):
        initialise(path, make_genesis("other"), {})
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DirectoryRefused, match="not empty"):
        initialise(tmp_path / "file", GENESIS, {})
    assert tree_of(path) == before


def test_a_foreign_chain_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    before = tree_of(path)
    with pytest.raises(DirectoryRefused, match=f"of chain {CHAIN_ID.hex()}, the genesis given is of chain"):
        open_data_directory(path, make_genesis("other"))
    with pytest.raises(DirectoryRefused, match="no data directory"):
        open_data_directory(tmp_path / "nothing", GENESIS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DirectoryRefused, match="interrupted"):
        open_data_directory(tmp_path / "empty", GENESIS)
    assert tree_of(path) == before
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "nothing").exists()


@pytest.mark.pitfall(45)
def test_a_ledger_of_another_release_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    store = LevelDbStore.open(path / "ledger")
    store.write([(IDENTITY_KEY, (SCHEMA_VERSION - 1).to_bytes(4, "big") + CHAIN_ID)])
    store.close()
    with pytest.raises(DirectoryRefused, match=r"has schema 3, this program .* 4; start the release .*node resync"):
        open_data_directory(path, GENESIS)


def test_a_directory_in_use_is_refused_with_pid_and_chain_until_its_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    program = (
        "import sys; from pathlib import Path; from ledger.data_directory import open_data_directory\n"
        "from tests.ledger.builders import GENESIS\n"
        "data = open_data_directory(Path(sys.argv[1]), GENESIS); print('open', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(DirectoryRefused, match=f"in use by pid {holder.pid}, chain {CHAIN_ID.hex()}"):
        open_data_directory(path, GENESIS)
    holder.kill()
    holder.communicate()
    open_data_directory(path, GENESIS).close()


def test_opened_twice_in_one_process_is_refused(tmp_path: Path) -> None:
    initialise(tmp_path / "data", GENESIS, {})
    data = open_data_directory(tmp_path / "data", GENESIS)
    with pytest.raises(DirectoryRefused, match=f"pid {os.getpid()}"):
        open_data_directory(tmp_path / "data", GENESIS)
    data.close()
    open_data_directory(tmp_path / "data", GENESIS).close()


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("ledger", LedgerDamaged), ("segments", LedgerDamaged),
        ("head", LedgerDamaged), ("journal", JournalDamaged), ("chain", DirectoryRefused),
        ("LOCK", None),
    ],
)
def test_a_lost_part_is_named_and_never_made_again(
    tmp_path: Path, lost: str, expected: type[FatalError] | None
) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    part = path / lost
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink()
    for _ in range(2):  # a second try finds no half-made part
        if expected is None:
            open_data_directory(path, GENESIS).close()
            continue
        with pytest.raises(expected) as caught:
            open_data_directory(path, GENESIS)
        assert caught.value.exit_code == (2 if expected is DirectoryRefused else 74)
        assert not part.exists()


def test_an_unfinished_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    (path / "chain").rename(path / "chain.tmp")
    with pytest.raises(DirectoryRefused, match="interrupted"):
        open_data_directory(path, GENESIS)
    (path / "chain").write_text("something else\n")
    with pytest.raises(DirectoryRefused, match="this program knows"):
        open_data_directory(path, GENESIS)


WRITER = """
import sys
from pathlib import Path
from ledger.data_directory import open_data_directory
from tests.ledger.builders import GENESIS, Builder
data = open_data_directory(Path(sys.argv[1]), GENESIS)
builder, first = Builder(data.chain, data.tree), data.chain.head.height + 1
builder.receipts[first - 1] = []
for height in range(first, first + 100_000):
    data.journal.append([b"%d" % height])
    data.journal.sync()
    builder.add(b"k%d=%d" % (height % 50, height), b"last=%d" % height)
    print(height, flush=True)
"""


def test_killed_at_any_moment_everything_acknowledged_is_there(tmp_path: Path) -> None:
    """SIGKILL while it writes, eight times; a power cut is the business of the disk in memory."""
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    acknowledged = 0
    for round_ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert writer.stdout is not None
        for _ in range(3 + 7 * round_):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        rest = writer.communicate()[0].rpartition("\n")[0]
        acknowledged = int(rest.rpartition("\n")[2]) if rest else acknowledged
        data = open_data_directory(path, GENESIS)
        height = data.chain.head.height
        assert acknowledged <= height <= acknowledged + 1
        assert data.anchor.height == height
        assert data.chain.state().get(b"last") == b"%d" % height
        assert data.journal_records == [b"%d" % h for h in range(1, len(data.journal_records) + 1)]
        assert len(data.journal_records) in (height, height + 1), "a promise precedes its block"
        assert tree_difference(data.store, data.chain.head.state_root) is None
        if len(data.journal_records) > height:
            data.journal.rotate(data.journal_records[:height])
        data.close()


def test_a_node_starts_with_a_stored_tree_and_an_empty_log(tmp_path: Path) -> None:
    initialise(tmp_path / "data", GENESIS, GENESIS_STATE)
    for _ in range(2):
        data = open_data_directory(tmp_path / "data", GENESIS)
        assert list(data.store.range(TREE_LOG, bytes([TREE_LOG[0] + 1]))) == []
        assert StateTree(data.store, data.tree.root).prove(b"a") == data.tree.prove(b"a")
        data.close()
