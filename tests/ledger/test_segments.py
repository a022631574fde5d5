"""Segments lose nothing that the database knows of; what rots there is noticed at the read and never served."""

import errno
from pathlib import Path

import pytest

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.disk import DiskDirectory, JournalDirectory
from ledger.failures import DiskFull, FatalError, LedgerDamaged, StorageFailed
from ledger.memory_disk import MemoryDisk
from ledger.schema import SEGMENT
from ledger.segments import NOWHERE, SUFFIX, Segments, Spot, pack_spot, unpack_spot
from ledger.store import MemoryStore
from tests.ledger.builders import CHAIN_ID, Builder, new_chain

LIMIT = 700  # a new segment every few blocks


@pytest.fixture(params=["memory", "disk"])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> JournalDirectory:
    return MemoryDisk() if request.param == "memory" else DiskDirectory(tmp_path)


def small(directory: JournalDirectory, store: MemoryStore) -> Segments:
    segments = Segments.open(directory, store)
    segments.limit = LIMIT
    return segments


def files(disk: JournalDirectory) -> list[str]:
    return sorted(name for name in disk.names() if name.endswith(SUFFIX))


def written(disk: JournalDirectory, store: MemoryStore) -> list[Spot]:
    """Three frames in each of three segments."""
    segments, spots = small(disk, store), []
    for height in range(1, 4):
        spots += segments.append(height, [b"a" * LIMIT, b"b" * height, b"%d" % height])
        store.write(segments.row())
    segments.close()
    return spots


def test_payloads_come_back_from_many_segments_and_after_reopening(directory: JournalDirectory) -> None:
    store = MemoryStore()
    segments = small(directory, store)
    kept: list[tuple[Spot, bytes]] = []
    for height in range(1, 30):
        payloads = [b"%d." % height * 20, b"", bytes([height]) * height]
        spots = segments.append(height, payloads)
        assert spots[1] == NOWHERE
        kept += zip(spots, payloads, strict=True)
        store.write(segments.row())
    assert len(files(directory)) > 3
    segments.close()
    again = small(directory, store)
    for found in (segments, again):
        assert [found.read(spot) for spot, _ in kept] == [payload for _, payload in kept]
        assert list(found.walk()) == [spot for spot, payload in kept if payload]
    assert again.read(again.append(30, [b"more"])[0]) == b"more"
    assert again.append(31, [b"", b""]) == [NOWHERE, NOWHERE]
    assert all(unpack_spot(pack_spot(spot)) == spot for spot, _ in kept)
    again.close()


def test_a_block_without_a_body_writes_nothing() -> None:
    disk = MemoryDisk()
    builder = new_chain(directory=disk)
    builder.idle(2)
    assert files(disk) == []
    builder.add(b"x=1")
    size = disk.size(files(disk)[0])
    builder.idle(2)
    assert disk.size(files(disk)[0]) == size
    assert (builder.chain.transaction_ids(5), builder.chain.receipts(5)) == ([], [])


def test_what_is_appended_is_durable_at_once_also_the_name_of_a_new_file() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    spots = written(disk, store)
    disk.crash()
    found = small(disk, store)
    assert [found.read(spot) for spot in spots[-3:]] == [b"a" * LIMIT, b"bbb", b"3"]
    assert list(found.walk()) == spots


def test_the_rest_of_a_write_that_nobody_was_told_of_is_cut_and_written_over(directory: JournalDirectory) -> None:
    store = MemoryStore()
    spots = written(directory, store)
    segments = Segments.open(directory, store)  # the last file has room again
    untold = segments.append(4, [b"untold" * 9])
    segments.close()
    again = small(directory, store)
    file = directory.open(files(directory)[-1])
    assert file.size() == untold[0].offset
    file.close()
    assert list(again.walk()) == spots
    again.limit = 10**6
    told = again.append(4, [b"told"])
    assert told == [untold[0]._replace(length=4)]
    store.write(again.row())
    assert list(small(directory, store).walk()) == [*spots, *told]


def test_files_that_the_database_does_not_know_are_removed_and_no_other(directory: JournalDirectory) -> None:
    store = MemoryStore()
    segments = small(directory, store)
    segments.append(1, [b"x" * LIMIT])
    store.write(segments.row())
    for _ in range(2):
        segments.append(2, [b"y" * LIMIT])  # two more files, and then the power is cut
    directory.create("mine").close()
    assert len(files(directory)) == 3
    again = small(directory, store)
    assert len(files(directory)) == 1
    assert directory.exists("mine")
    assert again.append(2, [b"z"])[0].segment == 2


# ---- damage

DAMAGE = {
    "the file is missing": lambda directory, name: directory.remove(name),
    "the file has": lambda directory, name: directory.open(name).truncate(directory.open(name).size() - 1),
}


@pytest.mark.parametrize("which", [0, 1, -1])
@pytest.mark.parametrize("sentence", DAMAGE)
def test_a_segment_that_is_missing_or_short_is_refused_at_the_start(
    directory: JournalDirectory, sentence: str, which: int
) -> None:
    store = MemoryStore()
    written(directory, store)
    name = files(directory)[which]
    DAMAGE[sentence](directory, name)
    for _ in range(2):  # the second try finds nothing mended
        with pytest.raises(LedgerDamaged, match=rf"{name}: {sentence}.*node resync"):
            Segments.open(directory, store)


def test_a_lost_folder_is_damage_and_a_record_of_another_length_too(tmp_path: Path) -> None:
    with pytest.raises(LedgerDamaged, match="segments of the ledger are missing"):
        Segments.open(DiskDirectory(tmp_path / "gone"), MemoryStore())
    store = MemoryStore()
    store.write([(SEGMENT + b"\0\0\0\1", b"short")])
    with pytest.raises(LedgerDamaged, match="record of a segment has 5 bytes"):
        Segments.open(DiskDirectory(tmp_path), store)
    with pytest.raises(LedgerDamaged, match="has 15 bytes"):
        unpack_spot(bytes(15))


@pytest.mark.pitfall(41)
def test_every_flipped_bit_is_noticed_at_the_read_and_by_the_walk() -> None:
    """Length, crc and payload of every frame; the first one that is read wrong is final."""
    for number in range(3):
        for offset in range(LIMIT + 50):
            disk, store = MemoryDisk(), MemoryStore()
            spots = written(disk, store)
            name = files(disk)[number]
            if offset >= disk.size(name):
                break
            if 20 < offset < LIMIT - 5:
                continue  # inside the long payload
            disk.flip(name, offset, 1 << offset % 8)
            segments = small(disk, store)
            hit = next(spot for spot in reversed(spots) if spot.segment == number + 1 and spot.offset <= offset)
            for spot in spots:
                if spot != hit:
                    assert segments.read(spot) is not None
            with pytest.raises(LedgerDamaged, match="are not what was written; restore a backup"):
                segments.read(hit)
            with pytest.raises(LedgerDamaged):
                segments.read(spots[0] if hit != spots[0] else spots[1])
            with pytest.raises(LedgerDamaged):
                list(small(disk, store).walk())


def test_a_frame_that_was_written_to_another_place_is_damage() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    segments = Segments.open(disk, store)
    spots = segments.append(1, [b"one", b"two", b"one"])
    file = disk.open(files(disk)[0])
    file.write_at(spots[2].offset, file.read_at(spots[1].offset, spots[1].length + 8))
    assert segments.read(spots[1]) == b"two"
    with pytest.raises(LedgerDamaged, match="not what was written"):
        segments.read(spots[2])


def test_a_place_that_is_not_a_frame_is_damage_and_a_dropped_segment_is_none() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    spots = written(disk, store)
    for wrong in (spots[0]._replace(length=3), spots[0]._replace(offset=1), spots[2]._replace(length=10**6)):
        with pytest.raises(LedgerDamaged, match="not what was written"):
            small(disk, store).read(wrong)
    assert small(disk, store).read(spots[0]._replace(segment=9)) is None


@pytest.mark.pitfall(43)
def test_the_first_failure_is_final_and_a_full_disk_has_its_own_kind() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    spots = written(disk, store)
    segments = Segments.open(disk, store)
    disk.refusal = OSError(errno.ENOSPC, "no space left on device")
    with pytest.raises(DiskFull, match="no space left"):
        segments.append(4, [b"x" * 100])
    disk.repair()
    for call in (lambda: segments.append(4, [b"x"]), lambda: segments.read(spots[0]), lambda: list(segments.walk())):
        with pytest.raises(DiskFull):
            call()
    assert list(Segments.open(disk, store).walk()) == spots, "the half that was written is cut off"
    for operation in range(1, 4):
        disk = MemoryDisk()
        disk.fail_at(operation, OSError(errno.EIO, "planned"))
        with pytest.raises(FatalError):
            Segments.open(disk, MemoryStore()).append(1, [b"x"])


# ---- dropping

def test_segments_below_the_floor_go_and_the_newest_stays(directory: JournalDirectory) -> None:
    store = MemoryStore()
    spots = written(directory, store)
    segments = small(directory, store)
    assert not segments.drop(1, store)
    assert segments.drop(2, store)
    assert not segments.drop(2, store)
    assert [segments.read(spot) for spot in spots[:3]] == [None] * 3
    assert list(segments.walk()) == spots[3:]
    assert segments.drop(100, store)
    assert list(segments.walk()) == spots[6:]
    segments.append(4, [b"x" * LIMIT])
    store.write(segments.row())
    assert len(files(directory)) == 2
    assert len(list(store.range(SEGMENT, bytes([SEGMENT[0] + 1])))) == 2
    segments.close()
    assert list(small(directory, store).walk())[:3] == spots[6:]


def test_nothing_goes_while_somebody_holds_it() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    spots = written(disk, store)
    segments = small(disk, store)
    segments.hold()
    segments.hold()
    for _ in range(2):
        assert not segments.drop(100, store)
        segments.release()
    assert segments.drop(100, store)
    assert segments.read(spots[0]) is None
    with pytest.raises(AssertionError, match="more often"):
        segments.release()


def test_a_drop_that_is_cut_off_is_finished_at_the_next_start() -> None:
    """The database forgets first: a file without a record is removed, a record without a file would be damage."""
    for operation in range(1, 5):
        disk, store = MemoryDisk(), MemoryStore()
        spots = written(disk, store)
        segments = small(disk, store)
        disk.fail_at(disk.operations + operation, OSError(errno.EIO, "planned"))
        try:
            segments.drop(100, store)
        except StorageFailed:
            assert operation < 3
        else:
            assert operation >= 3
        disk.crash(0 if operation % 2 else disk.pending)
        again = small(disk, store)
        assert list(again.walk()) == spots[6:]
        assert len(files(disk)) == 1


def test_a_batch_named_again_lies_where_it_was_named_last() -> None:
    disk = MemoryDisk()
    builder = new_chain(directory=disk)
    builder.chain.segments.limit = 1
    raw = builder.batch(b"x=1")
    builder.chain.append(builder.entry([raw]))
    builder.chain.append(builder.entry([raw], given=[]))
    block = builder.chain.block(1)
    assert block is not None
    disk.remove(files(disk)[0])
    assert builder.chain.batch(block.batch_digests[0]) == raw
    with pytest.raises(LedgerDamaged, match="record r of block 1 is missing"):
        builder.chain.receipts(1)


def test_a_lost_batch_is_damage_above_the_floor_and_unknown_below_it() -> None:
    disk = MemoryDisk()
    builder = new_chain(directory=disk)
    builder.chain.segments.limit = 1
    builder.add(b"x=1")
    builder.add(b"y=1")
    chain, block = builder.chain, builder.chain.block(1)
    assert block is not None
    digest = block.batch_digests[0]
    assert chain.holds_batch(digest)
    disk.remove(files(disk)[0])
    with pytest.raises(LedgerDamaged, match=r"segment of batch .* is missing, block 1 names it"):
        chain.batch(digest)
    chain.raise_floor(2)
    assert chain.batch(digest) is None
    assert not chain.holds_batch(digest)
    assert not chain.holds_batch(bytes(32))


def test_a_chain_whose_segments_were_cut_is_refused() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    builder: Builder = new_chain(store, disk)
    builder.add(b"x=1")
    disk.open(files(disk)[0]).truncate(20)
    with pytest.raises(LedgerDamaged, match="the file has 20 bytes"):
        Chain.open(store, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
