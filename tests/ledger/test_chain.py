"""A chain gives back exactly what was appended, refuses what does not follow, and the same on every store."""

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ledger.anchor import HeadAnchor
from ledger.chain import Chain, Entry, NotNext
from ledger.failures import DirectoryRefused, LedgerDamaged, StorageFailed
from ledger.leveldb import LevelDbStore
from ledger.memory_disk import MemoryDisk
from ledger.schema import (
    BATCH,
    BLOCK,
    HEAD_KEY,
    MENTIONS,
    RECEIPTS,
    TRANSACTION,
    TREE_LOG,
    height_key,
    item_at,
    pack_items,
    unpack_items,
)
from ledger.state_tree import StateTree, TreeUpdate
from ledger.store import MemoryStore, Operation, Store
from primitives.block import batch_digest, header_digest
from primitives.codec import encode
from primitives.state_proof import verify_state_proof
from tests.ledger.builders import CHAIN_ID, GENESIS_STATE, Builder, certificate_for, new_chain, transaction_id


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LevelDbStore.create(tmp_path / "ledger")


def filled(store: Store, disk: MemoryDisk) -> Builder:
    builder = new_chain(store, disk)
    builder.add(b"c=3", b"d=4", b"c=3")  # the third mention is skipped
    builder.add()
    builder.add(b"a=", b"d=5")
    return builder


def test_everything_that_was_appended_is_read_back_after_reopening(store: Store) -> None:
    disk = MemoryDisk()
    builder = filled(store, disk)
    disk.crash()
    chain = Chain.open(store, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
    assert chain.head == builder.chain.head
    assert chain.head.height == 3
    assert chain.head.state_root == builder.roots[3]
    assert [h.height for h in chain.headers(0, 10)] == [0, 1, 2, 3]
    assert [h.height for h in chain.headers(1, 2)] == [1, 2]
    assert chain.headers(4, 5) == []
    one = [transaction_id(b"c=3"), transaction_id(b"d=4"), transaction_id(b"c=3")]
    assert chain.transaction_ids(1) == one
    assert chain.transaction_ids(2) == []
    receipts = chain.receipts(1)
    assert receipts == [*builder.receipts[1], None]
    assert chain.receipt(one[1]) == builder.receipts[1][1]
    place = chain.place(one[0])
    assert place is not None
    assert (place.height, place.index) == (1, 0), "the first mention has the receipt"
    assert chain.receipt(bytes(32)) is None
    block = chain.block(1)
    assert block is not None
    raw = chain.batch(block.batch_digests[0])
    assert raw is not None
    assert batch_digest(raw) == block.batch_digests[0]
    assert chain.batch(bytes(32)) is None
    assert dict(chain.state().range(b"", None)) == {b"b": b"2", b"c": b"3", b"d": b"5"}
    assert list(chain.state().range(b"c", b"d", True)) == [(b"c", b"3")]
    assert chain.state().get(b"a") is None
    assert (chain.block(4), chain.header(4), chain.transaction_ids(4), chain.receipts(4)) == (None, None, [], [])
    tree = StateTree(store, chain.head.state_root)
    assert verify_state_proof(chain.head.state_root, b"d", b"5", tree.prove(b"d"))


def test_certificates_cover_lower_heights_and_embedded_ones_count(store: Store) -> None:
    builder = new_chain(store)
    for certified in (False, False, True, False):
        builder.chain.append(builder.entry([], certified=certified))
    chain = builder.chain
    own = {h: encode(certificate_for(h, header_digest(chain.header(h)))) for h in (1, 2, 3)}
    assert [chain.certificate(h) for h in range(5)] == [None, own[1], own[2], own[3], None]
    assert chain.covering_certificate(0) == (1, own[1])
    assert chain.covering_certificate(2) == (2, own[2])
    assert chain.covering_certificate(4) is None


def test_a_batch_named_twice_is_stored_once_and_must_be_known(store: Store) -> None:
    builder = new_chain(store)
    raw, other = builder.batch(b"x=1"), builder.batch(b"y=1")
    builder.chain.append(builder.entry([raw, raw, other]))
    assert builder.chain.receipts(1) == [builder.receipts[1][0], None, builder.receipts[1][1]]
    again = builder.entry([raw], given=[])
    builder.chain.append(again)
    assert builder.chain.receipts(2) == [None]
    assert len(list(store.range(BATCH, b"e"))) == 2
    missing = builder.entry([builder.batch(b"z=1")], given=[])
    with pytest.raises(NotNext, match="neither given nor stored"):
        builder.chain.append(missing)
    assert builder.chain.head.height == 2


def test_what_does_not_follow_is_refused_and_changes_nothing(store: Store) -> None:
    builder = new_chain(store)
    first = builder.add(b"x=1")
    before = list(store.range(b"", None))
    good = builder.entry([builder.batch(b"y=1")])
    header = good.block.header

    def with_header(**fields: object) -> Entry:
        changed = msgspec.structs.replace(header, **fields)
        return replace(good, block=msgspec.structs.replace(good.block, header=changed))

    wrong = [
        (first, "does not follow"),
        (with_header(height=3), "does not follow"),
        (with_header(parent=bytes(32)), "does not follow"),
        (replace(good, receipts=[]), "0 receipts for 1 mentions"),
        (replace(good, block=msgspec.structs.replace(good.block, batch_digests=())), "batches_root"),
    ]
    for entry, sentence in wrong:
        with pytest.raises(NotNext, match=sentence):
            builder.chain.append(entry)
    assert list(store.range(b"", None)) == before
    assert builder.chain.append(good).height == 2


def test_recent_ids_end_with_the_time_and_run_newest_first() -> None:
    builder = new_chain()
    for number in range(8):  # one second apart
        builder.add(b"k%d=1" % number)
    head = builder.chain.header(8)
    assert head is not None
    found = list(builder.chain.recent_ids(3))
    assert found == [(head.time_ms - 1000 * i, [transaction_id(b"k%d=1" % (7 - i))]) for i in range(4)]
    assert len(list(builder.chain.recent_ids(600))) == 8
    assert list(new_chain().chain.recent_ids(600)) == []


@pytest.mark.parametrize("prefix", [BLOCK, MENTIONS])
def test_ids_that_are_missing_are_damage_and_not_none(prefix: bytes) -> None:
    """A node that knows fewer would execute a transaction twice (C6)."""
    builder = new_chain()
    for number in range(8):
        builder.add(b"k%d=1" % number)
    builder.chain.store.write([(height_key(prefix, 6), None)])
    assert len(list(builder.chain.recent_ids(0))) == 1
    with pytest.raises(LedgerDamaged, match=r"block 6 (is|are) missing"):
        list(builder.chain.recent_ids(600))


def test_a_snapshot_stays_at_its_block(store: Store) -> None:
    builder = new_chain(store)
    builder.add(b"x=1")
    view, snapshot = builder.chain.snapshot()
    builder.add(b"x=2", b"b=")
    assert (view.head.height, view.get(b"x"), view.get(b"b")) == (1, b"1", b"2")
    assert dict(view.range(b"", None)) == {**GENESIS_STATE, b"x": b"1"}
    assert verify_state_proof(view.head.state_root, b"x", b"1", view.tree().prove(b"x"))
    snapshot.close()
    assert builder.chain.state().get(b"x") == b"2"


@pytest.mark.pitfall(42)
def test_killed_between_batch_and_anchor_the_ledger_is_ahead_and_the_anchor_catches_up(store: Store) -> None:
    disk = MemoryDisk()
    builder = filled(store, disk)
    for operation in (3, 4):  # its write, its sync; those of the segment were before the batch
        disk.fail_at(disk.operations + operation, OSError(errno.EIO, "planned"))
        height = builder.chain.head.height
        with pytest.raises(StorageFailed):
            builder.add(b"late%d=1" % operation)
        assert builder.chain.head.height == height, "not acknowledged"
        disk.crash(operation - 3)
        anchor = HeadAnchor.open(disk, CHAIN_ID)
        chain = Chain.open(store, disk, anchor, CHAIN_ID)
        assert chain.head.height == anchor.height == height + 1, "decided and stored is kept"
        builder.chain, builder.tree = chain, StateTree(store, chain.head.state_root)
        builder.add()


def test_a_ledger_behind_its_anchor_or_on_another_branch_is_refused() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    builder = filled(store, disk)
    old = store.snapshot()
    builder.add(b"x=1")
    with pytest.raises(LedgerDamaged, match="at height 3, but height 4 had been acknowledged"):
        Chain.open(old, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
    other_disk = MemoryDisk()
    fork = new_chain(directory=other_disk)
    for _ in range(3):
        fork.add(b"fork=1")
    with pytest.raises(LedgerDamaged, match=r"block 3 is .*, expected"):
        Chain.open(old, disk, HeadAnchor.open(other_disk, CHAIN_ID), CHAIN_ID)


def test_a_foreign_chain_is_refused_with_both_ids_and_an_empty_store_by_name() -> None:
    disk, store = MemoryDisk(), MemoryStore()
    filled(store, disk)
    anchor = HeadAnchor.open(disk, CHAIN_ID)
    with pytest.raises(DirectoryRefused, match=f"chain {CHAIN_ID.hex()}, the genesis given is of {'00' * 32}"):
        Chain.open(store, disk, anchor, bytes(32))
    with pytest.raises(LedgerDamaged, match="no identity record"):
        Chain.open(MemoryStore(), disk, anchor, CHAIN_ID)
    genesis = new_chain(MemoryStore()).chain.block(0)
    assert genesis is not None
    with pytest.raises(NotNext, match="empty store"):
        Chain.create(store, disk, anchor, CHAIN_ID, genesis, {}, TreeUpdate(bytes(32), []))


def test_damaged_blocks_batches_and_records_are_noticed_at_the_read() -> None:
    store = MemoryStore()
    builder = filled(store, MemoryDisk())
    chain, block = builder.chain, builder.chain.block(1)
    assert block is not None
    raw = store.get(height_key(BLOCK, 1))
    assert raw is not None
    for offset in range(len(raw)):
        store.write([(height_key(BLOCK, 1), raw[:offset] + bytes([raw[offset] ^ 1]) + raw[offset + 1 :])])
        with pytest.raises(LedgerDamaged):
            chain.block(1)
    store.write([(height_key(BLOCK, 1), None)])
    with pytest.raises(LedgerDamaged, match="block 1 is missing"):
        chain.header(1)
    digest, third = block.batch_digests[0], builder.chain.block(3)
    assert third is not None
    assert chain.batch(digest) is not None
    store.write([(BATCH + digest, store.get(BATCH + third.batch_digests[0]))])
    with pytest.raises(LedgerDamaged, match=r"batch .* hashes to"):
        chain.batch(digest)
    store.write([(BATCH + digest, b"short")])
    with pytest.raises(LedgerDamaged, match="has 0 bytes"):
        chain.batch(digest)
    for prefix, read in ((MENTIONS, chain.transaction_ids), (RECEIPTS, chain.receipts)):
        whole = store.get(height_key(prefix, 1))
        assert whole is not None
        store.write([(height_key(prefix, 1), whole[:-1])])
        with pytest.raises(LedgerDamaged):
            read(1)
        store.write([(height_key(prefix, 1), None)])
        with pytest.raises(LedgerDamaged, match="missing"):
            read(1)
    store.write([(TRANSACTION + transaction_id(b"a="), b"short")])
    with pytest.raises(LedgerDamaged):
        chain.receipt(transaction_id(b"a="))
    store.write([(HEAD_KEY, b"short")])
    with pytest.raises(LedgerDamaged, match="head record"):
        chain.snapshot()


def test_items_pack_and_unpack() -> None:
    for items in ([], [None], [b"a"], [b"a", None, b"ccc", None], [None, b"x" * 70_000, b"y"]):
        raw = pack_items(items)
        assert unpack_items(raw) == items
        assert [item_at(raw, index) for index in range(len(items))] == items
        with pytest.raises(LedgerDamaged):
            item_at(raw, len(items))
    whole = pack_items([b"abc", b"de"])
    for broken in (b"\0\0\0\2\0\0\0\1", whole[:-1], whole + b"x", whole[:4] + b"\0\0\0\6" + whole[8:]):
        with pytest.raises(LedgerDamaged):
            unpack_items(broken)
    with pytest.raises(LedgerDamaged):
        item_at(whole[:-1], 1)
    with pytest.raises(LedgerDamaged):
        item_at(b"", 0)


class LookedAt(MemoryStore):
    """Somebody reads before and after each write, as a thread beside the one that appends does."""

    look: Callable[[], None] = staticmethod(lambda: None)

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        self.look()
        super().write(operations, sync)
        self.look()


def test_who_reads_beside_an_append_sees_a_whole_block_and_proves_without_the_log() -> None:
    store = LookedAt()
    builder = new_chain(store)
    seen = []

    def look() -> None:
        view, snapshot = builder.chain.snapshot()
        assert isinstance(snapshot, MemoryStore)
        for key, _ in list(snapshot.range(TREE_LOG, bytes([TREE_LOG[0] + 1]))):
            snapshot.write([(key, b"unreadable")])
        tree = view.tree()
        value = view.get(b"x")
        assert verify_state_proof(view.head.state_root, b"x", value, tree.prove(b"x"))
        seen.append((view.head.height, value))

    store.write(builder.tree.flush())  # as at the start of a node
    store.look = look  # type: ignore[method-assign]
    for number in range(3):
        builder.add(b"x=%d" % number)
    before = [(height, b"%d" % (height - 1) if height else None) for height in range(4)]
    assert seen == [before[0], before[1], before[1], before[2], before[2], before[3]]


def test_layers_end_where_the_tree_is_stored() -> None:
    builder = new_chain(log_entries=16_384)
    layers = []
    for number in range(5):
        builder.add(*(b"k%d=%d" % (key, number) for key in range(4000)))
        view, _ = builder.chain.snapshot()
        layers.append(len(view._layers))
        assert view.tree().prove(b"k7") == builder.tree.prove(b"k7")
    assert layers == [1, 2, 2, 3, 0], "the log has room for 16,384 entries; older layers are merged"
