"""The anchor never says less than it synced, except the one step that a torn or damaged slot may cost."""

import errno
import itertools
from pathlib import Path

import pytest

from ledger.anchor import ANCHOR_FILE, SLOT_BYTES, HeadAnchor
from ledger.disk import DiskDirectory
from ledger.failures import LedgerDamaged, StorageFailed
from ledger.memory_disk import MemoryDisk

CHAIN = bytes(range(32))
SLOT_USED = 84


def block_hash(height: int) -> bytes:
    return bytes([height]) * 32


def anchor_at(disk: MemoryDisk, height: int) -> HeadAnchor:
    anchor = HeadAnchor.create(disk, CHAIN, block_hash(0))
    for h in range(1, height + 1):
        anchor.advance(h, block_hash(h))
    return anchor


@pytest.mark.parametrize("height", [0, 1, 2, 7])
def test_what_was_advanced_is_there_after_power_loss(height: int) -> None:
    disk = MemoryDisk()
    anchor_at(disk, height)
    disk.crash()
    opened = HeadAnchor.open(disk, CHAIN)
    assert (opened.height, opened.block_hash) == (height, block_hash(height))
    opened.advance(height + 1, block_hash(height + 1))
    assert HeadAnchor.open(disk, CHAIN).height == height + 1


def test_a_write_torn_at_every_byte_leaves_the_old_or_the_new_height() -> None:
    for torn in range(SLOT_USED + 1):
        disk = MemoryDisk()
        anchor = anchor_at(disk, 4)
        disk.fail_at(disk.operations + 2, OSError(errno.EIO, "planned"))  # the sync
        with pytest.raises(StorageFailed):
            anchor.advance(5, block_hash(5))
        with pytest.raises(StorageFailed):
            anchor.advance(6, block_hash(6))
        disk.crash(1, torn)
        opened = HeadAnchor.open(disk, CHAIN)
        assert opened.height == (5 if torn == SLOT_USED else 4)
        assert opened.block_hash == block_hash(opened.height)


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_every_flipped_byte_leaves_a_height_that_was_synced(mask: int) -> None:
    for offset in itertools.chain(range(SLOT_USED), range(SLOT_BYTES, SLOT_BYTES + SLOT_USED)):
        disk = MemoryDisk()
        anchor_at(disk, 5)
        disk.flip(ANCHOR_FILE, offset, mask)
        opened = HeadAnchor.open(disk, CHAIN)
        assert opened.height == (5 if offset < SLOT_BYTES else 4)  # odd heights stand in the second slot
        assert opened.block_hash == block_hash(opened.height)


def test_two_damaged_slots_a_missing_file_and_another_chain_are_refused() -> None:
    disk = MemoryDisk()
    with pytest.raises(LedgerDamaged, match="missing"):
        HeadAnchor.open(disk, CHAIN)
    anchor_at(disk, 5)
    with pytest.raises(LedgerDamaged, match="of chain 0001"):
        HeadAnchor.open(disk, bytes(32))
    disk.flip(ANCHOR_FILE, 3)
    disk.flip(ANCHOR_FILE, SLOT_BYTES + 3)
    with pytest.raises(LedgerDamaged, match="damaged"):
        HeadAnchor.open(disk, CHAIN)


def test_heights_only_rise() -> None:
    anchor = anchor_at(MemoryDisk(), 3)
    with pytest.raises(AssertionError, match="cannot go to 3"):
        anchor.advance(3, block_hash(3))


def test_the_same_on_a_real_disk(tmp_path: Path) -> None:
    directory = DiskDirectory(tmp_path)
    anchor = HeadAnchor.create(directory, CHAIN, block_hash(0))
    for height in range(1, 6):
        anchor.advance(height, block_hash(height))
    anchor.close()
    with pytest.raises(FileExistsError):
        HeadAnchor.create(directory, CHAIN, block_hash(0))
    assert HeadAnchor.open(directory, CHAIN).height == 5
    (tmp_path / ANCHOR_FILE).write_bytes(b"")
    with pytest.raises(LedgerDamaged, match="damaged"):
        HeadAnchor.open(directory, CHAIN)
