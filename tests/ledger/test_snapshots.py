"""What is restored is the ledger it was taken from; anything else is refused, and nothing of it stays (T23)."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.data_directory import initialise, open_data_directory, restore
from ledger.disk import JournalDirectory
from ledger.failures import BadSnapshot, Pruned
from ledger.memory_disk import MemoryDisk
from ledger.pruning import Pruner, prune
from ledger.schema import Head
from ledger.snapshot_folder import KEPT, SnapshotFolder
from ledger.snapshot_format import CHUNK_BYTES, Manifest, chunk_hash, decode_manifest
from ledger.snapshot_loader import load
from ledger.snapshot_moments import Moments, newest_named
from ledger.snapshot_proof import check_manifest
from ledger.snapshot_writer import SnapshotWriter, handovers_of
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Store
from primitives.codec import encode
from primitives.validators import Seats, Validator
from tests.ledger.builders import (
    CHAIN_ID,
    GENESIS,
    GENESIS_STATE,
    Builder,
    make_genesis,
    new_chain,
    toy_verify,
    transaction_id,
)

JOINED: Seats = (*GENESIS.validators[:3], Validator("v4", b"\x09" * 32, b"der"))


def take(builder: Builder, folder: Path, moments: Moments | None = None, blocks: int = 8) -> Manifest:
    """A finished snapshot of a state that a header names soon."""
    moments = Moments(builder.chain, newest_named(builder.chain)) if moments is None else moments
    for _ in range(blocks):
        proven = moments.advance()
        if proven is not None:
            store = SnapshotFolder(folder)
            handovers = handovers_of(builder.chain.store, proven.headers[-1].epoch)
            writer = SnapshotWriter(CHAIN_ID, handovers, proven, store)
            while writer.piece():
                pass
            raw = store.manifest(writer.height)
            assert raw is not None
            return decode_manifest(raw)
        builder.add()
    raise AssertionError("no header named a state")


def restored(manifest: Manifest, folder: Path) -> Chain:
    """The chain that the snapshot makes; its anchor is at the head."""
    store, disk = MemoryStore(), MemoryDisk()
    chunks = SnapshotFolder(folder)

    def chunk(number: int) -> bytes:
        found = chunks.chunk(manifest.height, number)
        assert found is not None
        return found

    proof = check_manifest(manifest, GENESIS, toy_verify)
    head = load(store, disk, GENESIS, GENESIS_STATE, manifest, proof, chunk)
    return Chain.open(store, disk, HeadAnchor.create(disk, CHAIN_ID, head.block_hash, head.height), CHAIN_ID)


def same_history(found: Chain, expected: Chain) -> None:
    """Everything from the floor on is what the source has."""
    height = found.head.height
    for at in range(max(found.floor, 1), height + 1):
        block = expected.block(at)
        assert block is not None
        assert found.block(at) == block
        assert found.transaction_ids(at) == expected.transaction_ids(at)
        assert found.receipts(at) == expected.receipts(at)
        assert [found.batch(d) for d in block.batch_digests] == [expected.batch(d) for d in block.batch_digests]
        for index, (id, receipt) in enumerate(zip(found.transaction_ids(at), found.receipts(at), strict=True)):
            place = found.place(id)
            assert receipt is None or (place is not None and (place.height, place.index) == (at, index))
    assert found.block(0) == expected.block(0)
    for at in range(height):
        roots = found.roots(at)
        assert roots is None or roots == expected.roots(at)
    StateTree(found.store, found.head.state_root)


def busy(builder: Builder, blocks: int) -> None:
    for i in range(blocks):
        builder.add(b"k%d=%d" % (i % 17, i), b"n%d=x" % i, b"k%d=%d" % (i % 17, i))


@pytest.mark.parametrize(("blocks", "lag"), [(1, 1), (5, 3), (70, 1), (200, 4)])
def test_a_restored_ledger_goes_on_like_the_one_it_came_from(tmp_path: Path, blocks: int, lag: int) -> None:
    builder = new_chain(lag=lag)
    busy(builder, blocks)
    manifest = take(builder, tmp_path)
    found = restored(manifest, tmp_path)
    assert found.head.height == manifest.height > 0
    assert found.head.state_root == builder.roots[manifest.height]
    assert found.floor == (0 if manifest.height <= 64 else found.floor)
    assert found.floor <= max(0, manifest.height - 64)
    same_history(found, builder.chain)
    recent, expected = list(found.recent_ids(600)), []
    for time_ms, ids in builder.chain.recent_ids(10_000):
        expected.append((time_ms, ids))
    assert recent == [pair for pair in expected if pair in recent]
    assert len(recent) == manifest.height
    again = Builder(found, StateTree(found.store, found.head.state_root), lag)
    again.roots.update(builder.roots)
    again.receipts.update(builder.receipts)
    again.seen.update(builder.seen)
    again.add(b"after=1")
    assert found.head.height == manifest.height + 1


@pytest.mark.pitfall(71)
def test_pruning_leaves_the_ids_that_came_with_a_snapshot_until_they_are_old(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 200)
    found = restored(take(builder, tmp_path), tmp_path)
    before = list(found.recent_ids(600))
    assert found.floor > 1 and len(before) == found.head.height
    list(prune(found, 1))
    assert list(found.recent_ids(600)) == before, "a node that starts again must know what was executed (C6)"
    again = Builder(found, StateTree(found.store, found.head.state_root), step_ms=1_000_000)
    again.roots, again.receipts, again.seen = builder.roots, builder.receipts, builder.seen
    again.idle(300)
    list(prune(found, 1))
    assert Pruner(found).cleared == found.floor > 200


def test_an_idle_chain_gives_a_snapshot_at_once(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 3)
    builder.idle(1)
    head = builder.chain.head.height
    manifest = take(builder, tmp_path, blocks=1)
    assert manifest.height == head - 1
    assert builder.chain.head.height == head
    assert restored(manifest, tmp_path).state().get(b"k0") == b"0"


def test_no_state_of_genesis_is_given_away() -> None:
    builder = new_chain()
    moments = Moments(builder.chain, 0)
    assert moments.advance() is None
    builder.idle(1)
    assert moments.advance() is None, "block 1 names height 0 only"


def test_all_nodes_that_wait_for_the_same_height_make_the_same_chunks(tmp_path: Path) -> None:
    made = []
    for name, kept in (("one", 0), ("two", 300)):
        builder = new_chain(lag=3)
        builder.step_ms = 3_000
        busy(builder, 400)
        builder.step_ms = 10_000
        busy(builder, 100)
        if kept:
            list(prune(builder.chain, kept))
            assert builder.chain.floor > 0
        moments = Moments(builder.chain, builder.chain.head.height)
        moments.advance()
        busy(builder, 1)
        made.append(take(builder, tmp_path / name, moments))
    assert made[0].chunks == made[1].chunks
    assert made[0].height == 500


@pytest.mark.pitfall(62)
def test_a_snapshot_beyond_an_epoch_is_proven_by_the_handovers(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 3)
    builder.close(JOINED)
    busy(builder, 3)
    manifest = take(builder, tmp_path)
    proof = check_manifest(manifest, GENESIS, toy_verify)
    assert (proof.epoch, proof.members.size) == (1, 4)
    found = restored(manifest, tmp_path)
    assert list(found.handovers()) == list(builder.chain.handovers())
    without = msgspec.structs.replace(manifest, handovers=())
    with pytest.raises(BadSnapshot, match="the set that the handovers prove"):
        check_manifest(without, GENESIS, toy_verify)
    other = msgspec.structs.replace(manifest.handovers[0], seats=GENESIS.validators)
    with pytest.raises(BadSnapshot, match="handover of epoch 0"):
        check_manifest(msgspec.structs.replace(manifest, handovers=(other,)), GENESIS, toy_verify)


def test_the_state_of_a_close_block_comes_with_its_handover(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 2)
    moments = Moments(builder.chain, 3)
    builder.close(JOINED)
    manifest = take(builder, tmp_path, moments)
    found = restored(manifest, tmp_path)
    assert (found.head.height, found.handover(0)) == (3, builder.chain.handover(0))
    assert found.handover(1) is None


def test_pending_members_come_from_the_headers(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 2)
    moments = Moments(builder.chain, 2)
    moments.advance()
    builder.close(JOINED)  # names the state after block 2, where the change was pending
    manifest = take(builder, tmp_path, moments, blocks=1)
    found = restored(manifest, tmp_path)
    roots, header = found.roots(2), builder.chain.header(3)
    assert header is not None
    assert roots is not None
    assert roots.next_valset == header.next_valset_hash is not None
    assert found.handover(0) is None, "block 3 is not here, so its handover is not either"


def manifest_faults(good: Manifest) -> Iterator[tuple[str, Manifest]]:
    def changed(**fields: object) -> Manifest:
        return msgspec.structs.replace(good, **fields)

    header = good.headers[-1]
    yield "format 2", changed(format=2)
    yield "of chain", changed(chain_id=bytes(32))
    yield "header", changed(height=good.height + 1)
    yield "height 0", changed(height=0)
    yield "bytes in 1 chunks", changed(octets=good.octets + CHUNK_BYTES)
    yield "certificate", changed(headers=(*good.headers[:-1], msgspec.structs.replace(header, state_root=bytes(32))))
    yield "commit certificate", changed(certificate=msgspec.structs.replace(good.certificate, height=header.height + 1))
    votes = (b"\x01" * 64, *good.certificate.signatures[1:])
    yield "valid signatures", changed(certificate=msgspec.structs.replace(good.certificate, signatures=votes))
    yield "valid signatures", changed(certificate=msgspec.structs.replace(good.certificate, signers=3))


def test_a_manifest_proves_itself_or_is_refused(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 4)
    good = take(builder, tmp_path)
    for match, manifest in manifest_faults(good):
        with pytest.raises(BadSnapshot, match=match):
            check_manifest(manifest, GENESIS, toy_verify)
    with pytest.raises(BadSnapshot, match="of chain"):
        check_manifest(good, make_genesis("other"), toy_verify)
    raw = encode(good)
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        try:
            manifest = decode_manifest(flipped)
            check_manifest(manifest, GENESIS, toy_verify)
        except BadSnapshot:
            continue
        assert manifest.chunks != good.chunks or manifest.octets != good.octets, f"byte {at} proves the same"


@pytest.mark.pitfall(59)
def test_every_flipped_byte_of_a_chunk_is_found(tmp_path: Path) -> None:
    builder = new_chain()
    busy(builder, 3)
    manifest = take(builder, tmp_path)
    proof = check_manifest(manifest, GENESIS, toy_verify)
    raw = SnapshotFolder(tmp_path).chunk(manifest.height, 0)
    assert raw is not None
    assert len(manifest.chunks) == 1
    for at in range(len(raw)):
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(BadSnapshot, match=r"^chunk 0: hashes to"):
            load(MemoryStore(), MemoryDisk(), GENESIS, GENESIS_STATE, manifest, proof, [flipped].__getitem__)
        liar = msgspec.structs.replace(manifest, chunks=(chunk_hash(flipped),))  # who serves it says so in its manifest
        with pytest.raises(BadSnapshot):
            load(MemoryStore(), MemoryDisk(), GENESIS, GENESIS_STATE, liar, proof, [flipped].__getitem__)


def test_a_directory_is_restored_whole_or_not_at_all(tmp_path: Path) -> None:
    source = tmp_path / "source"
    initialise(source, GENESIS, GENESIS_STATE)
    data = open_data_directory(source, GENESIS)
    builder = Builder(data.chain, data.tree)
    for i in range(30):
        builder.add(*(b"%d.%d=%s" % (i, j, b"v" * 900) for j in range(40)))
    folder = data.snapshots.path
    manifest = take(builder, folder)
    assert len(manifest.chunks) > 3
    assert all(len(SnapshotFolder(folder).chunk(manifest.height, n) or b"") == CHUNK_BYTES
               for n in range(len(manifest.chunks) - 1))  # fmt: skip
    proof = check_manifest(manifest, GENESIS, toy_verify)
    target = tmp_path / "target"

    def fill(store: Store, files: JournalDirectory, broken: int | None) -> Head:
        def chunk(number: int) -> bytes:
            raw = data.snapshots.chunk(manifest.height, number)
            assert raw is not None
            return raw[:-1] if number == broken else raw

        return load(store, files, GENESIS, GENESIS_STATE, manifest, proof, chunk, abstain_epoch=5)

    with pytest.raises(BadSnapshot, match="chunk 2") as refused:
        restore(target, GENESIS, lambda store, files: fill(store, files, 2))
    assert refused.value.chunk == 2
    assert not target.exists()
    restore(target, GENESIS, lambda store, files: fill(store, files, None))
    found = open_data_directory(target, GENESIS)
    assert (found.chain.head.height, found.abstains_in, data.abstains_in) == (manifest.height, 5, None)
    assert found.journal_records == []
    same_history(found.chain, builder.chain)
    assert len(list(found.chain.segments.walk())) == 3 * manifest.height, "ids, receipts and batch of each, once"
    assert dict(found.chain.state().range(b"", None)) == dict(data.chain.state().range(b"", None))
    found.close()
    data.close()


@pytest.mark.pitfall(79)
def test_bodies_stay_while_a_snapshot_is_written_and_go_behind_it(tmp_path: Path) -> None:
    builder = new_chain()
    builder.step_ms = 1_000_000
    builder.chain.segments.limit = 1
    busy(builder, 100)
    moments = Moments(builder.chain, 100)
    assert moments.advance() is None
    busy(builder, 1)
    proven = moments.advance()
    assert proven is not None
    writer = SnapshotWriter(CHAIN_ID, (), proven, SnapshotFolder(tmp_path))
    busy(builder, 300)
    list(prune(builder.chain, 1))
    assert builder.chain.floor > proven.span.height
    segments = len(list(builder.chain.segments.walk()))
    while writer.piece():
        pass
    manifest = decode_manifest(SnapshotFolder(tmp_path).manifest(writer.height) or b"")
    assert restored(manifest, tmp_path).head.state_root == builder.roots[writer.height]
    list(prune(builder.chain, 1))
    assert len(list(builder.chain.segments.walk())) < segments


def test_at_most_two_snapshots_are_kept_and_an_unfinished_one_is_none(tmp_path: Path) -> None:
    builder = new_chain()
    heights = []
    for _ in range(3):
        busy(builder, 3)
        heights.append(take(builder, tmp_path).height)
    folder = SnapshotFolder(tmp_path)
    assert folder.heights() == sorted(heights, reverse=True)[:KEPT]
    folder.begin()
    folder.put(0, b"half")
    assert folder.heights() == sorted(heights, reverse=True)[:KEPT]
    assert folder.manifest(heights[0]) is None
    assert folder.chunk(heights[-1], 7) is None


def test_moments_are_bounded_and_a_state_that_no_header_names_is_let_go() -> None:
    builder = new_chain(lag=200)
    moments = Moments(builder.chain, 1)
    for i in range(150):
        assert moments.advance() is None
        builder.add(b"x=%d" % i)
    assert len(moments._held) == 96


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.binary(max_size=4)), max_size=4), min_size=1,
             max_size=90),
    st.integers(1, 8),
)  # fmt: skip
def test_restoring_gives_the_state_back(tmp_path_factory: pytest.TempPathFactory,
                                        blocks: list[list[tuple[bytes, bytes]]], lag: int) -> None:  # fmt: skip
    builder = new_chain(lag=lag)
    for block in blocks:
        builder.add(*(key.replace(b"=", b"_") + b"=" + value for key, value in block))
    folder = tmp_path_factory.mktemp("snapshot")
    manifest = take(builder, folder, blocks=12)
    found = restored(manifest, folder)
    assert found.head.state_root == builder.roots[manifest.height]
    same_history(found, builder.chain)


def test_a_restored_ledger_says_what_it_has_not(tmp_path: Path) -> None:
    builder = new_chain()
    builder.step_ms = 20_000
    busy(builder, 200)
    manifest = take(builder, tmp_path)
    found = restored(manifest, tmp_path)
    assert found.floor == manifest.height - 64
    with pytest.raises(Pruned, match="is below"):
        found.block(found.floor - 1)
    with pytest.raises(Pruned):
        found.receipts(1)
    with pytest.raises(Pruned):
        found.headers(1, 3)
    assert found.receipt(transaction_id(b"n1=x")) is None
    assert len(list(found.recent_ids(600))) == 31
