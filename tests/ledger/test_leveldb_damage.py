"""What LevelDB hides, the ledger refuses: the damage table that was measured on LevelDB 1.22, one test for each row."""

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import plyvel
import pytest

from ledger import leveldb
from ledger.anchor import HeadAnchor
from ledger.audit import tree_difference
from ledger.chain import Chain
from ledger.disk import DiskDirectory
from ledger.failures import DiskFull, FatalError, LedgerDamaged, StorageFailed
from ledger.leveldb import LevelDbStore
from tests.ledger.builders import CHAIN_ID, new_chain

BLOCKS = 40


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed data directory of 40 blocks of 8 kB, of which all but the last few stand in a table file."""
    path = tmp_path_factory.mktemp("intact")
    rng = random.Random(3)
    store = LevelDbStore.create(path / "ledger")
    builder = new_chain(store, DiskDirectory(path))
    for number in range(BLOCKS):
        if number == BLOCKS - 10:  # opening a store moves its log into a table
            store.close()
            store = LevelDbStore.open(path / "ledger")
            builder.chain = opened(path, store)
            builder.tree._reader = store
        builder.add(*(b"k%d=" % rng.randrange(1000) + rng.randbytes(400) for _ in range(20)))
    store.close()
    return path


def opened(path: Path, store: LevelDbStore) -> Chain:
    directory = DiskDirectory(path)
    return Chain.open(store, directory, HeadAnchor.open(directory, CHAIN_ID), CHAIN_ID)


def only(path: Path, pattern: str) -> Path:
    found = sorted((path / "ledger").glob(pattern), key=lambda p: p.stat().st_size)
    return found[-1]


def read_everything(path: Path) -> int:
    """The height of the ledger, after every byte of it was read and compared."""
    store = LevelDbStore.open(path / "ledger")
    try:
        chain = opened(path, store)
        for height in range(1, chain.head.height + 1):
            block = chain.block(height)
            assert block is not None
            assert all(chain.batch(digest) for digest in block.batch_digests)
            assert all(chain.receipt(id) for id in chain.transaction_ids(height))
            chain.certificate(height)
        assert tree_difference(store, chain.head.state_root) is None
        assert len(list(store.range(b"", None))) > 0
        return chain.head.height
    finally:
        store.close()


def flip(file: Path, offset: int) -> None:
    raw = bytearray(file.read_bytes())
    raw[offset] ^= 0x10
    file.write_bytes(raw)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "flip a bit in the log": (lambda p: flip(only(p, "*.log"), only(p, "*.log").stat().st_size // 2), "orruption"),
    "cut the log": (lambda p: cut(only(p, "*.log")), "had been acknowledged"),
    "delete the log": (lambda p: only(p, "*.log").unlink(), "had been acknowledged"),
    "delete CURRENT": (lambda p: (p / "ledger" / "CURRENT").unlink(), "lost its CURRENT"),
    "cut the MANIFEST": (lambda p: cut(only(p, "MANIFEST-*")), "."),
    "delete the MANIFEST": (lambda p: only(p, "MANIFEST-*").unlink(), "."),
    "delete a table": (lambda p: only(p, "*.ldb").unlink(), "."),
    "cut a table": (lambda p: cut(only(p, "*.ldb")), "."),
    "delete the anchor": (lambda p: (p / "head").unlink(), "anchor is missing"),
    "empty the ledger": (lambda p: shutil.rmtree(p / "ledger"), "no ledger"),
}


def test_the_intact_ledger_is_read_whole(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "copy")
    assert only(path, "*.log").stat().st_size > 50_000
    assert only(path, "*.ldb").stat().st_size > 50_000
    assert read_everything(path) == BLOCKS


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_refused_with_a_sentence(intact: Path, tmp_path: Path, name: str) -> None:
    damage, sentence = DAMAGE[name]
    path = shutil.copytree(intact, tmp_path / "copy")
    damage(path)
    with pytest.raises(FatalError, match=sentence) as caught:
        read_everything(path)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize("pattern", ["*.ldb", "*.log", "MANIFEST-*", "CURRENT"])
def test_a_bit_flipped_anywhere_is_refused_or_harmless(intact: Path, tmp_path: Path, pattern: str) -> None:
    """Harmless: in padding or unused index bytes. Never a wrong value, never a shorter chain."""
    rng = random.Random(pattern)
    refused = 0
    for number in range(25):
        path = shutil.copytree(intact, tmp_path / str(number))
        file = only(path, pattern)
        flip(file, rng.randrange(file.stat().st_size))
        try:
            assert read_everything(path) == BLOCKS
        except FatalError:
            refused += 1
        shutil.rmtree(path)
    assert refused > 12


@pytest.mark.parametrize("reverse", [False, True])
def test_the_first_failed_read_is_final(intact: Path, tmp_path: Path, reverse: bool) -> None:
    path = shutil.copytree(intact, tmp_path / "copy")
    table = only(path, "*.ldb")
    raw = bytearray(table.read_bytes())
    for offset in range(1000, len(raw) - 5000, 500):
        raw[offset] ^= 1
    table.write_bytes(raw)
    store = LevelDbStore.open(path / "ledger")
    with pytest.raises(LedgerDamaged):
        list(store.range(b"", None, reverse))
    again = (lambda: store.get(b"i"), lambda: list(store.range(b"z", None)), store.snapshot, lambda: store.write([]))
    for call in again:
        with pytest.raises(LedgerDamaged):
            call()
    store.close()


@pytest.mark.parametrize("read", ["get", "range", "backwards", "snapshot"])
def test_a_flipped_bit_in_a_value_is_never_returned(tmp_path: Path, read: str) -> None:
    """Without verify_checksums the wrong value comes back silently, in spite of the paranoid open."""
    store = LevelDbStore.create(tmp_path / "ledger")
    store.write([(b"%03d" % number, b"%03d" % number * 100) for number in range(200)])
    store.close()
    LevelDbStore.open(tmp_path / "ledger").close()  # moves the log into a table
    table = only(tmp_path, "*.ldb")
    flip(table, table.read_bytes().index(b"007" * 50))
    store = LevelDbStore.open(tmp_path / "ledger")
    assert store.get(b"150") == b"150" * 100
    reads: dict[str, Callable[[], object]] = {
        "get": lambda: store.get(b"007"),
        "range": lambda: list(store.range(b"007", b"008")),
        "backwards": lambda: list(store.range(b"007", b"008", True)),
        "snapshot": lambda: store.snapshot().get(b"007"),
    }
    with pytest.raises(LedgerDamaged, match="orruption"):
        reads[read]()
    store.close()


LIMITED = """
import resource, sys
from pathlib import Path
from ledger.failures import FatalError
from ledger.leveldb import LevelDbStore
store = LevelDbStore.create(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
acknowledged = 0
try:
    for number in range(1000):
        store.write([(b"%06d" % number, bytes(1000)), (b"last", b"%06d" % number)])
        acknowledged = number + 1
except FatalError as error:
    first = error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for call in (lambda: store.write([(b"x", b"y")]), lambda: store.get(b"last"), store.snapshot):
    try:
        call()
        print("the store works again")
    except FatalError as error:
        assert error is first
print(acknowledged, first.exit_code, type(first).__name__)
"""


@pytest.mark.pitfall(43)
def test_after_a_failed_write_the_store_stays_dead_and_every_acknowledged_write_survives(tmp_path: Path) -> None:
    """The limit on file sizes stands for a disk error that goes away: even then nothing is retried."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "ledger")], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[2],
    )
    acknowledged, exit_code, kind = done.stdout.split()
    assert (exit_code, kind) == ("74", "StorageFailed")
    store = LevelDbStore.open(tmp_path / "ledger")
    found = [key for key, _ in store.range(b"0", b"9")]
    assert int(acknowledged) > 100
    assert found[: int(acknowledged)] == [b"%06d" % number for number in range(int(acknowledged))]
    store.close()


@pytest.mark.pitfall(43)
def test_a_full_disk_has_its_own_kind_and_exit_code() -> None:
    path = Path("ledger")
    error = leveldb.failure_of(path, plyvel.IOError(b"IO error: ledger/000003.log: No space left on device"))
    assert (type(error), error.exit_code) == (DiskFull, 75)
    assert type(leveldb.failure_of(path, plyvel.CorruptionError(b"checksum mismatch"))) is LedgerDamaged
    assert type(leveldb.failure_of(path, plyvel.IOError(b"IO error: x: Input/output error"))) is StorageFailed
