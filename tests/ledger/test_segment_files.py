"""Of the segments one file is open to read and one to write, whoever reads and whatever goes wrong."""

import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.disk import DiskDirectory
from ledger.failures import LedgerDamaged
from ledger.memory_disk import MemoryDisk
from ledger.schema import HEAD_KEY, pack_head, unpack_head
from ledger.segments import Segments, Spot
from ledger.store import MemoryStore
from primitives.hashing import Digest
from tests.ledger.builders import CHAIN_ID, new_chain
from tests.ledger.test_segments import files, small, written


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_is_opened_once_for_reads_in_a_row() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    written(disk, store)
    segments = small(disk, store)
    before = disk.operations
    assert len(list(segments.walk())) == 9
    assert disk.operations - before == 3 + 2 * 9, "opened once each, then head and whole of every frame"


def test_one_file_is_open_to_read_and_none_that_is_gone(tmp_path: Path) -> None:
    directory, store = DiskDirectory(tmp_path), MemoryStore()
    spots = written(directory, store)
    segments = small(directory, store)
    before = descriptors()
    for spot in spots:
        segments.read(spot)
        assert descriptors() == before + 1
    segments.read(spots[0])
    segments.drop(100, store)
    assert descriptors() == before, "else it would take space for good"
    assert segments.read(spots[0]) is None
    segments.read(spots[-1])
    segments.close()
    assert descriptors() == before - 1


class SlowDirectory(DiskDirectory):
    """While a file is removed here, somebody else does something."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def remove(self, name: str) -> None:
        self.meanwhile()
        super().remove(name)


def test_readers_do_not_wait_for_a_file_that_is_removed_nor_open_it_again(tmp_path: Path) -> None:
    directory, store = SlowDirectory(tmp_path), MemoryStore()
    spots = written(directory, store)
    segments = small(directory, store)
    found = []
    with ThreadPoolExecutor(1) as pool:

        def read() -> None:
            found.append([pool.submit(segments.read, spot).result(5) for spot in (spots[-1], spots[0])])

        directory.meanwhile = read
        assert segments.drop(100, store)
    assert found == [[b"3", None]] * 2, "two files go; nobody opens again what is still to be removed"
    segments.close()


def test_readers_of_many_threads_get_what_was_written_while_the_owner_drops_it(tmp_path: Path) -> None:
    directory, store = DiskDirectory(tmp_path), MemoryStore()
    segments = small(directory, store)
    kept: dict[Spot, bytes] = {}
    for height in range(1, 60):
        payload = b"%d." % height * 200
        kept[segments.append(height, [payload])[0]] = payload
        store.write(segments.row())

    def read(seed: int, count: int) -> int:
        order = random.Random(seed).choices(list(kept), k=count)
        return sum(segments.read(spot) not in (kept[spot], None) for spot in order)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # the threads take turns at nearly every step
    try:
        with ThreadPoolExecutor(4) as pool:
            wrong = [pool.submit(read, seed, 600) for seed in range(4)]
            for floor in range(1, 60):
                assert not read(floor, 20)
                segments.drop(floor, store)
            assert [one.result() for one in wrong] == [0] * 4
    finally:
        sys.setswitchinterval(interval)
    segments.close()


def test_nothing_stays_open_behind_a_refused_ledger(tmp_path: Path) -> None:
    directory, store = DiskDirectory(tmp_path), MemoryStore()
    builder = new_chain(store, directory)
    builder.add(b"x=1")
    builder.chain.segments.close()
    anchor = HeadAnchor.open(directory, CHAIN_ID)
    good, before = store.get(HEAD_KEY), descriptors()
    assert good is not None
    for head in (good[:-1], pack_head(unpack_head(good)._replace(block_hash=Digest(bytes(32))))):
        store.write([(HEAD_KEY, head)])
        with pytest.raises(LedgerDamaged):
            Chain.open(store, directory, anchor, CHAIN_ID)
    store.write([(HEAD_KEY, good)])
    segments = Segments.open(directory, store)
    segments.limit = 1
    segments.append(2, [b"y"])
    store.write(segments.row())
    segments.close()
    directory.remove(files(directory)[-1])
    with pytest.raises(LedgerDamaged, match="the file is missing"):
        Segments.open(directory, store)
    assert descriptors() == before
