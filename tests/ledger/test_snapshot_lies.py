"""Snapshots that are well made and wrong: each leaves out, adds or moves one thing, manifest and hashes to match."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.disk import DiskDirectory, JournalDirectory
from ledger.failures import BadSnapshot
from ledger.memory_disk import MemoryDisk
from ledger.schema import pack_items, unpack_items
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import Item, ItemReader, Kind, Manifest, chunk_hash, cut
from ledger.snapshot_loader import load
from ledger.snapshot_proof import check_manifest
from ledger.store import MemoryStore
from primitives.block import Batch, batch_digest
from primitives.codec import encode
from tests.ledger.builders import GENESIS, GENESIS_STATE, new_chain, toy_verify
from tests.ledger.test_snapshots import busy, take

Twist = Callable[[list[Item]], Iterator[Item]]
HEIGHT = 170


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, list[Item]]:
    folder = tmp_path_factory.mktemp("snapshot")
    builder = new_chain(lag=3)
    builder.step_ms = 5_000
    busy(builder, HEIGHT)
    manifest = take(builder, folder)
    reader, items = ItemReader(), []
    for number in range(len(manifest.chunks)):
        items += reader.feed(SnapshotFolder(folder).chunk(manifest.height, number) or b"")
    return manifest, items


def told(manifest: Manifest, items: list[Item], files: JournalDirectory | None = None) -> None:
    """Load these records with a manifest that says just them."""
    chunks = list(cut(items))
    octets = sum(len(chunk) for chunk in chunks)
    lie = msgspec.structs.replace(manifest, chunks=tuple(chunk_hash(chunk) for chunk in chunks), octets=octets)
    proof = check_manifest(lie, GENESIS, toy_verify)
    load(MemoryStore(), files or MemoryDisk(), GENESIS, GENESIS_STATE, lie, proof, chunks.__getitem__)


def key(height: int) -> bytes:
    return height.to_bytes(8, "big")


def without(kind: Kind, position: int) -> Twist:
    """The record at this position among those of its kind is missing."""

    def twist(items: list[Item]) -> Iterator[Item]:
        of_kind = [item for item in items if item.kind is kind]
        return (item for item in items if item is not of_kind[position])

    return twist


def changed(kind: Kind, position: int, change: Callable[[Item], Item]) -> Twist:
    def twist(items: list[Item]) -> Iterator[Item]:
        of_kind = [item for item in items if item.kind is kind]
        return (change(item) if item is of_kind[position] else item for item in items)

    return twist


def also(extra: Item) -> Twist:
    return lambda items: iter(sorted([*items, extra]))


def moved_receipt(item: Item) -> Item:
    """The skipped third mention gets the receipt of the first."""
    receipts = unpack_items(item.value)
    return item._replace(value=pack_items([receipts[2], receipts[1], receipts[0]]))


def shorter(item: Item) -> Item:
    return item._replace(value=item.value[:-32])


FOREIGN = encode(Batch(3, 3, (b"foreign=1",)))
LIES: dict[str, tuple[Twist, str]] = {
    "the oldest ids are left out": (lambda items: iter([i for i in items if i.key not in _oldest(items)]),
                                    "the ids of the last 700 s are not all here"),
    "a block in the middle is left out": (without(Kind.BLOCK, 20), "is missing"),
    "the top block is left out": (without(Kind.BLOCK, -1), "is not the one that the manifest proves"),
    "ids of a block are left out": (without(Kind.MENTIONS, 4), "mentions of height .* out of turn"),
    "the last ids are left out": (without(Kind.MENTIONS, -1), "nothing of height"),
    "one id is left out": (changed(Kind.MENTIONS, 5, shorter), "do not hash to its tx_root"),
    "receipts of a block are left out": (without(Kind.RECEIPTS, 0), "receipts of height .* out of turn"),
    "a receipt stands at another mention": (changed(Kind.RECEIPTS, 3, moved_receipt), "is of another transaction"),
    "a receipt is left out": (changed(Kind.RECEIPTS, 3, lambda item: item._replace(value=pack_items([None] * 3))),
                              "do not hash to the receipts_root"),
    "a batch is left out": (without(Kind.BATCH, 0), "batch .* is missing"),
    "a batch that nobody names": (also(Item(Kind.BATCH, batch_digest(FOREIGN), FOREIGN)), "no block here names"),
    "a batch with another content": (changed(Kind.BATCH, 1, lambda item: item._replace(value=FOREIGN)), "hashes to"),
    "a value is left out": (without(Kind.STATE, 1), "the state has root"),
    "a value too many": (also(Item(Kind.STATE, b"zzz", b"1")), "the state has root"),
    "another value": (changed(Kind.STATE, 0, lambda item: item._replace(value=b"rich")), "the state has root"),
    "an unknown kind": (lambda items: iter([*items, Item(9, b"x", b"y")]), "a record of kind 9"),  # type: ignore[arg-type]
    "out of order": (lambda items: iter([*items[:-2], items[-1], items[-2]]), "out of order"),
    "one twice": (lambda items: iter([items[0], *items]), "out of order, or one twice"),
    "a block of height 0": (also(Item(Kind.BLOCK, key(0), b"x")), "chunk 0"),
    "nothing": (lambda items: iter([]), "0 bytes in 1 chunks"),
}  # fmt: skip


def _oldest(items: list[Item]) -> set[bytes]:
    """The heights of the lowest ten blocks, as keys."""
    return {item.key for item in [item for item in items if item.kind is Kind.BLOCK][:10]}


def test_the_records_as_they_are_load(honest: tuple[Manifest, list[Item]]) -> None:
    told(*honest)


@pytest.mark.pitfall(59)
@pytest.mark.parametrize("lie", list(LIES))
def test_a_well_made_lie_is_refused(honest: tuple[Manifest, list[Item]], lie: str) -> None:
    manifest, items = honest
    twist, sentence = LIES[lie]
    with pytest.raises(BadSnapshot, match=sentence):
        told(manifest, list(twist(items)))


@pytest.mark.parametrize("lie", [None, "a value is left out"])
def test_no_segment_stays_open_whatever_came_of_it(
    honest: tuple[Manifest, list[Item]], lie: str | None, tmp_path: Path
) -> None:
    manifest, items = honest
    before = len(os.listdir("/proc/self/fd"))
    if lie is None:
        told(manifest, items, DiskDirectory(tmp_path))
    else:
        with pytest.raises(BadSnapshot):
            told(manifest, list(LIES[lie][0](items)), DiskDirectory(tmp_path))
    assert os.listdir(tmp_path), "the bodies were written"
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_headers_of_a_manifest_must_be_a_chain(honest: tuple[Manifest, list[Item]]) -> None:
    """The one that names the state may be another than the certified one: both must hang together."""
    manifest, _ = honest
    assert len(manifest.headers) > 1
    first = msgspec.structs.replace(manifest.headers[0], state_root=bytes(32))
    lie = msgspec.structs.replace(manifest, headers=(first, *manifest.headers[1:]))
    with pytest.raises(BadSnapshot, match="is not the child of"):
        check_manifest(lie, GENESIS, toy_verify)


def test_a_record_of_absurd_size_is_refused_before_it_is_kept() -> None:
    reader = ItemReader()
    with pytest.raises(BadSnapshot, match="a record of"):
        list(reader.feed(b"\x05" + (4).to_bytes(4, "big") + (1 << 31).to_bytes(4, "big")))


def test_half_a_record_at_the_end_is_refused(honest: tuple[Manifest, list[Item]]) -> None:
    reader = ItemReader()
    list(reader.feed(b"".join(cut(honest[1]))[:-1]))
    with pytest.raises(BadSnapshot, match="behind the last record"):
        reader.finish()


def test_chunks_do_not_depend_on_how_records_fall(tmp_path: Path) -> None:
    items = [Item(Kind.STATE, b"%05d" % i, b"v" * (i * 37 % 9000)) for i in range(400)]
    chunks = list(cut(items))
    assert {len(chunk) for chunk in chunks[:-1]} == {256 * 1024}
    reader = ItemReader()
    assert [item for chunk in chunks for item in reader.feed(chunk)] == items
    reader.finish()
