"""What the journal synced is there after any crash, or its loss is named; what it did not sync may be there or not."""

import errno
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.disk import DiskDirectory
from ledger.failures import DiskFull, FatalError, JournalDamaged, StorageFailed
from ledger.journal import RECORD_BYTES_MAX, Journal
from ledger.memory_disk import MemoryDisk

CHAIN = bytes(range(32))
NAME = "journal"
Records = list[bytes]


class Promises:  # not a mock: the oracle of what may be found after a crash
    """Contents that a crash may leave: the durable one, extended by any part of what was appended since then."""

    def __init__(self) -> None:
        self.bases: list[Records] = []  # complete contents, one of which is there; two while a rotation is under way
        self.unsynced: Records = []

    def allowed(self, found: Records) -> bool:
        return any(
            found[: len(base)] == base and found == (base + self.unsynced)[: len(found)] for base in self.bases
        )


def script(journal: Journal, promises: Promises) -> None:
    """Groups of several sizes, two rotations, a group that is never synced."""
    for step in range(3):
        for group in range(3):
            records = [b"%d.%d.%d" % (step, group, i) * (i * 9 + 1) for i in range(group + 1)]
            promises.unsynced = promises.unsynced + records
            journal.append(records[:1])
            journal.append(records[1:])
            if group == 2 and step == 2:
                return
            journal.sync()
            promises.bases, promises.unsynced = [promises.bases[0] + promises.unsynced], []
        kept = [*promises.bases[0][-2:], b"position"]
        promises.bases = [promises.bases[0], kept]
        journal.rotate(kept)
        promises.bases = [kept]


def run_until_failure(disk: MemoryDisk, operation: int) -> Promises | None:
    """The oracle when operation number `operation` failed, or None if there is no such operation."""
    promises = Promises()
    promises.bases = [[]]
    journal = Journal.create(disk, NAME, CHAIN)
    disk.fail_at(disk.operations + operation, OSError(errno.EIO, "planned"))
    try:
        script(journal, promises)
    except StorageFailed:
        with pytest.raises(StorageFailed):  # sticky
            journal.append([b"more"])
        with pytest.raises(StorageFailed):
            journal.sync()
        return promises
    return None


def losses(pending: int) -> Iterator[tuple[set[int], int | None]]:
    """Ways to lose power: any subset of the last six changes, the last kept one whole or torn."""
    old = set(range(max(0, pending - 6)))
    last = range(len(old), pending)
    for size in range(len(last) + 1):
        for kept in itertools.combinations(last, size):
            yield from (((old | set(kept)), torn) for torn in (None, 0, 1, 17, 30))


def reopened(disk: MemoryDisk) -> Records:
    journal, records = Journal.open(disk, NAME, CHAIN)
    journal.append([b"after"])
    journal.sync()
    disk.crash()
    assert Journal.open(disk, NAME, CHAIN)[1] == [*records, b"after"], "what is added after a recovery is kept too"
    return records


@pytest.mark.pitfall(38, 41)
def test_power_loss_after_a_failure_at_every_operation_keeps_every_promise() -> None:
    for operation in itertools.count(1):
        disk = MemoryDisk()
        if run_until_failure(disk, operation) is None:
            break
        for kept, torn in losses(disk.pending):
            disk = MemoryDisk()
            promises = run_until_failure(disk, operation)
            assert promises is not None
            disk.crash(kept, torn)
            found = reopened(disk)
            assert promises.allowed(found), f"operation {operation}, kept {kept}, torn {torn}: {found}"
    assert operation > 35, "the script reached its end"


def test_power_loss_with_unsynced_groups_keeps_every_promise() -> None:
    cases = 0
    disk = MemoryDisk()
    journal, promises = Journal.create(disk, NAME, CHAIN), Promises()
    promises.bases = [[]]
    script(journal, promises)
    for kept, torn in losses(disk.pending):
        disk = MemoryDisk()
        journal, promises = Journal.create(disk, NAME, CHAIN), Promises()
        promises.bases = [[]]
        script(journal, promises)
        disk.crash(kept, torn)
        assert promises.allowed(reopened(disk))
        cases += 1
    assert cases > 10


def test_crash_of_the_process_alone_loses_nothing_and_open_makes_it_durable() -> None:
    disk = MemoryDisk()
    journal = Journal.create(disk, NAME, CHAIN)
    journal.append([b"one", b"two"])
    assert Journal.open(disk, NAME, CHAIN)[1] == [b"one", b"two"]
    disk.crash()  # now the power fails too: what was read back and perhaps acted on must still be there
    assert Journal.open(disk, NAME, CHAIN)[1] == [b"one", b"two"]


def three_groups(disk: MemoryDisk) -> Records:
    """Records 0..6 in three synced groups; the frames of the last one say that 0..3 were durable."""
    journal = Journal.create(disk, NAME, CHAIN)
    records = [b"r%d" % i * (i + 1) for i in range(7)]
    for start, stop in ((0, 2), (2, 4), (4, 7)):
        journal.append(records[start:stop])
        journal.sync()
    return records


@pytest.mark.pitfall(41)
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_every_flipped_byte_is_refused_or_lies_in_the_last_group(mask: int) -> None:
    disk = MemoryDisk()
    records = three_groups(disk)
    refused = 0
    for offset in range(disk.size(NAME)):
        disk = MemoryDisk()
        three_groups(disk)
        disk.flip(NAME, offset, mask)
        try:
            found = Journal.open(disk, NAME, CHAIN)[1]
        except JournalDamaged:
            refused += 1
            continue
        assert found == records[: len(found)], "never a wrong record"
        assert 4 <= len(found) < 7, "never less than a later record calls durable"
    assert refused > disk.size(NAME) // 2


def test_every_flipped_byte_of_a_rotated_journal_is_refused() -> None:
    """It was synced before it got its name, so nothing in it can be a torn tail."""
    disk = MemoryDisk()
    Journal.create(disk, NAME, CHAIN).rotate([b"one", b"two" * 9, b"three"])
    for offset in range(disk.size(NAME)):
        disk.flip(NAME, offset)
        with pytest.raises(JournalDamaged):
            Journal.open(disk, NAME, CHAIN)
        disk.flip(NAME, offset)
    assert Journal.open(disk, NAME, CHAIN)[1] == [b"one", b"two" * 9, b"three"]


@pytest.mark.pitfall(41)
def test_truncation_at_every_byte_gives_a_prefix_or_is_refused() -> None:
    whole = MemoryDisk()
    records = three_groups(whole)
    raw = whole.open(NAME).read()
    for size in range(len(raw)):
        disk = MemoryDisk()
        disk.create(NAME).write_at(0, raw[:size])
        try:
            found = Journal.open(disk, NAME, CHAIN)[1]
        except JournalDamaged:
            assert size < 60, "only without its head is a cut journal refused"
            continue
        assert found == records[: len(found)]


def test_damage_names_the_record_and_the_witness() -> None:
    disk = MemoryDisk()
    three_groups(disk)
    disk.flip(NAME, 60 + 24)
    with pytest.raises(JournalDamaged, match=r"record 1 at byte 60 is damaged or missing, but record \d+ says"):
        Journal.open(disk, NAME, CHAIN)


def test_a_missing_journal_or_one_of_another_chain_is_refused() -> None:
    disk = MemoryDisk()
    with pytest.raises(JournalDamaged, match="missing"):
        Journal.open(disk, NAME, CHAIN)
    Journal.create(disk, NAME, CHAIN)
    with pytest.raises(JournalDamaged, match="of chain 00010203"):
        Journal.open(disk, NAME, bytes(32))
    with pytest.raises(FileExistsError):
        Journal.create(disk, NAME, CHAIN)


@pytest.mark.parametrize("record", [b"", bytes(RECORD_BYTES_MAX + 1)])
def test_a_record_out_of_bounds_is_refused_and_nothing_is_written(record: bytes) -> None:
    disk = MemoryDisk()
    journal = Journal.create(disk, NAME, CHAIN)
    with pytest.raises(ValueError, match="1 to 8388608 bytes"):
        journal.append([b"fine", record])
    journal.append([b"next"])
    assert Journal.open(disk, NAME, CHAIN)[1] == [b"next"]


@pytest.mark.pitfall(43)
@pytest.mark.parametrize(
    ("number", "expected", "exit_code"),
    [(errno.ENOSPC, DiskFull, 75), (errno.EDQUOT, DiskFull, 75), (errno.EIO, StorageFailed, 74)],
)
@pytest.mark.parametrize("action", [lambda j: j.append([b"x"]), lambda j: j.sync(), lambda j: j.rotate([b"x"])])
def test_the_first_error_is_final(
    number: int, expected: type[FatalError], exit_code: int, action: Callable[[Journal], None]
) -> None:
    disk = MemoryDisk()
    journal = Journal.create(disk, NAME, CHAIN)
    journal.append([b"kept"])
    journal.sync()
    disk.fail_at(disk.operations + 1, OSError(number, "planned"))
    with pytest.raises(expected) as caught:
        action(journal)
    assert caught.value.exit_code == exit_code
    calls = disk.operations
    for again in (lambda: journal.append([b"y"]), journal.sync, lambda: journal.rotate([])):
        with pytest.raises(expected):
            again()
    assert disk.operations == calls, "never retried"
    disk.crash()
    assert Journal.open(disk, NAME, CHAIN)[1] == [b"kept"]


def test_sequences_go_on_through_rotation_and_reopening() -> None:
    disk = MemoryDisk()
    journal = Journal.create(disk, NAME, CHAIN)
    journal.append([b"a", b"b"])
    assert (journal.appended, journal.durable) == (2, 0)
    journal.rotate([b"b"])
    assert (journal.appended, journal.durable) == (3, 3)
    journal.append([b"c"])
    journal.sync()
    journal, records = Journal.open(disk, NAME, CHAIN)
    assert records == [b"b", b"c"]
    assert (journal.appended, journal.durable, journal.size) == (4, 4, disk.size(NAME))
    journal.rotate([])
    assert Journal.open(disk, NAME, CHAIN)[1] == []


def test_the_same_on_a_real_disk(tmp_path: Path) -> None:
    directory = DiskDirectory(tmp_path)
    journal = Journal.create(directory, NAME, CHAIN)
    records = [bytes([i]) * 1000 for i in range(1, 50)]
    journal.append(records)
    journal.sync()
    journal.rotate(records[40:])
    journal.append(records[:5])
    journal.sync()
    journal.close()
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes() + b"torn")
    (tmp_path / (NAME + ".tmp")).write_bytes(b"a rotation that did not finish")
    journal, found = Journal.open(directory, NAME, CHAIN)
    assert found == records[40:] + records[:5]
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert path.stat().st_size == journal.size
    assert path.stat().st_mode & 0o777 == 0o600
    journal.close()
