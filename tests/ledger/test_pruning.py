"""Below the floor nothing is served, above it everything is there; and the disk gets its space back (pitfall 79)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.anchor import HeadAnchor
from ledger.audit import Audit, Audited, tree_difference
from ledger.chain import Chain
from ledger.data_directory import initialise, open_data_directory
from ledger.failures import LedgerDamaged, Pruned
from ledger.leveldb import LevelDbStore
from ledger.memory_disk import MemoryDisk
from ledger.pruning import BLOCKS_KEPT_MIN, Pruner, compaction, floor_for, highest_floor, prune
from ledger.schema import BATCH, BLOCK, MENTIONS, RECEIPTS, TRANSACTION, height_key
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Operation, Store
from primitives.block import header_digest
from primitives.validators import Seats, Validator
from tests.ledger.builders import (
    CHAIN_ID,
    GENESIS,
    GENESIS_STATE,
    Builder,
    certificate_valid,
    new_chain,
    transaction_id,
)

OTHERS: Seats = (*GENESIS.validators[:3], Validator("v4", b"\x09" * 32, b"der"))
DAYS_MS = 1_000_000  # between two blocks: time does not hold any of them back


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else LevelDbStore.create(tmp_path / "ledger")


def fast(store: Store | None = None, disk: MemoryDisk | None = None, lag: int = 3) -> Builder:
    builder = new_chain(store, disk, lag)
    builder.step_ms = DAYS_MS
    return builder


def fill(builder: Builder, blocks: int) -> None:
    for i in range(blocks):
        builder.add(b"k%d=%d" % (i % 7, i), b"n%d=x" % (builder.chain.head.height), b"k%d=%d" % (i % 7, i))


def keys(store: Store, prefix: bytes) -> list[bytes]:
    return [key[1:] for key, _ in store.range(prefix, bytes([prefix[0] + 1]))]


def whole_above(chain: Chain) -> None:
    """Everything from the floor on is here, and nothing below it is served."""
    for height in range(max(1, chain.floor), chain.head.height + 1):
        block = chain.block(height)
        assert block is not None
        assert all(chain.batch(digest) is not None for digest in block.batch_digests), height
        ids = chain.transaction_ids(height)
        assert len(chain.receipts(height)) == len(ids)
        for id, receipt in zip(ids, chain.receipts(height), strict=True):
            assert receipt is None or chain.receipt(id) == receipt
    for height in range(1, chain.floor):
        with pytest.raises(Pruned):
            chain.receipts(height)
        with pytest.raises(Pruned):
            chain.transaction_ids(height)
    assert chain.block(0) is not None
    last = list(Audit(chain, certificate_valid, start=chain.floor).run())[-1]
    assert isinstance(last, Audited), last
    assert tree_difference(chain.store, chain.head.state_root) is None


@pytest.mark.pitfall(79)
def test_what_is_below_the_floor_goes_and_the_rest_stays(store: Store) -> None:
    builder = fast(store)
    fill(builder, 300)
    chain = builder.chain
    old_id, old_batch = transaction_id(b"n5=x"), chain.block(6).batch_digests[0]  # type: ignore[union-attr]
    expected = {height: chain.block(height) for height in range(270, 301)}
    cleared = list(prune(chain, 280))
    assert cleared[-1] == chain.floor == 21
    assert {height: chain.block(height) for height in range(270, 301)} == expected
    whole_above(chain)
    with pytest.raises(Pruned) as refused:
        chain.block(20)
    assert (refused.value.height, refused.value.floor) == (20, 21)
    assert chain.batch(old_batch) is None
    assert chain.place(old_id) is None
    assert chain.receipt(old_id) is None
    for prefix, expected_count in ((BLOCK, 281), (RECEIPTS, 280), (MENTIONS, 280), (BATCH, 280)):
        assert len(keys(store, prefix)) == expected_count, prefix
    assert len(keys(store, TRANSACTION)) == sum(r is not None for h in range(21, 301) for r in chain.receipts(h))
    fill(builder, 3)
    whole_above(chain)


def test_the_floor_leaves_what_the_chain_needs() -> None:
    builder = new_chain()
    fill(builder, 400)  # one second each
    assert highest_floor(builder.chain) == 0
    builder.step_ms = 2_000
    fill(builder, 500)
    chain = builder.chain
    assert highest_floor(chain) == 900 - 96 - 351
    assert floor_for(chain, 1) == 900 - 96 - 351
    assert floor_for(chain, 800) == 101
    assert floor_for(chain, 10**9) == 0
    builder.step_ms = DAYS_MS
    fill(builder, 400)
    assert highest_floor(chain) == 1300 - BLOCKS_KEPT_MIN
    chain.raise_floor(1000)
    assert floor_for(chain, 1100) == 1000, "a floor never falls"


@pytest.mark.pitfall(71)
def test_ids_of_the_last_ten_minutes_stay_whatever_is_asked() -> None:
    builder = new_chain()
    builder.step_ms = 2_000
    fill(builder, 900)
    before = list(builder.chain.recent_ids(600))
    list(prune(builder.chain, 1))
    assert builder.chain.floor > 300
    assert list(builder.chain.recent_ids(600)) == before
    assert len(before) == 301


def test_what_was_pruned_behind_a_long_pause_is_no_hole_in_the_ids() -> None:
    builder = fast()
    fill(builder, 300)
    builder.step_ms = 1_000
    fill(builder, 300)
    chain = builder.chain
    before = list(chain.recent_ids(600))
    list(prune(chain, 1))
    assert Pruner(chain).cleared == chain.floor == 299
    assert list(chain.recent_ids(600)) == before
    assert len(before) == 301


def test_receipts_without_their_ids_are_damage_and_not_pruned() -> None:
    builder = fast()
    fill(builder, 300)
    chain = builder.chain
    chain.store.write([(height_key(MENTIONS, 7), None)])
    with pytest.raises(LedgerDamaged, match="block 7 has 3 receipts, and ids of 0 transactions"):
        list(prune(chain, 256))
    assert len(keys(chain.store, RECEIPTS)) == 300


def test_a_batch_that_a_younger_block_names_stays_until_that_one_goes(store: Store) -> None:
    builder = fast(store)
    raw = builder.batch(b"twice=1")
    builder.chain.append(builder.entry([raw]))
    fill(builder, 100)
    builder.chain.append(builder.entry([raw]))
    fill(builder, 300)
    chain = builder.chain
    digest = chain.block(1).batch_digests[0]  # type: ignore[union-attr]
    chain.raise_floor(50)
    pruner = Pruner(chain)
    while pruner.piece():
        pass
    assert chain.batch(digest) == raw
    whole_above(chain)
    chain.raise_floor(103)
    while pruner.piece():
        pass
    assert chain.batch(digest) is None
    assert digest not in keys(store, BATCH)


def test_blocks_that_closed_an_epoch_stay_with_their_certificates(store: Store) -> None:
    builder = fast(store)
    fill(builder, 5)
    builder.close(OTHERS)
    fill(builder, 300)
    chain = builder.chain
    header, certificate = chain.header(6), chain.certificate(6)
    list(prune(chain, 280))
    assert chain.header(6) == header
    assert chain.certificate(6) == certificate is not None
    assert chain.handover(0) is not None
    assert chain.certificate(5) is None
    with pytest.raises(Pruned):
        chain.block(5)


class Recording(MemoryStore):
    """Keeps what a power cut would leave after each of its writes."""

    def __init__(self, content: MemoryStore) -> None:
        super().__init__()
        self.write(list(content.range(b"", None)))
        self.cuts: list[MemoryStore] = []

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        super().write(operations, sync)
        if hasattr(self, "cuts"):
            self.cuts.append(self.snapshot())


@pytest.mark.pitfall(79)
def test_a_crash_at_any_write_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.pruning.PIECE_HEIGHTS", 7)
    disk = MemoryDisk()
    memory = MemoryStore()
    builder = fast(memory, disk)
    fill(builder, 320)
    recording = Recording(memory)
    chain = Chain.open(recording, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
    list(prune(chain, 260))
    expected = list(recording.range(b"", None))
    assert len(recording.cuts) > 8
    for cut in recording.cuts:
        again = Chain.open(cut, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
        assert again.floor == chain.floor, "the floor is the first thing that is written"
        whole_above(again)
        pruner = Pruner(again)
        while pruner.piece():
            pass
        assert list(cut.range(b"", None)) == expected
        assert Pruner(again).cleared == chain.floor, "nothing is gone through twice"


def octets(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@pytest.mark.pitfall(79)
def test_the_disk_gets_its_space_back(tmp_path: Path) -> None:
    path = tmp_path / "data"
    initialise(path, GENESIS, GENESIS_STATE)
    data = open_data_directory(path, GENESIS)
    data.chain.segments.limit = 256 * 1024
    builder = Builder(data.chain, data.tree, step_ms=DAYS_MS)
    for i in range(600):
        builder.add(*(b"%d.%d=%s" % (i % 5, j, (b"%d" % i) * 300) for j in range(40)))
    data.store.compact(b"\0", b"\xff")
    before = octets(path)
    pruner = Pruner(data.chain)
    data.chain.raise_floor(floor_for(data.chain, 256))
    while pruner.piece():
        builder.add(b"between=%d" % builder.chain.head.height)
    list(compaction(data.chain))
    after = octets(path)
    assert after < before * 0.55, (before, after)
    data.close()
    data = open_data_directory(path, GENESIS)
    assert data.chain.floor == 344
    whole_above(data.chain)
    data.close()


Action = tuple[str, int]
ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 30)), st.tuples(st.just("close"), st.just(0)),
    st.tuples(st.just("floor"), st.integers(1, 400)), st.tuples(st.just("piece"), st.integers(1, 4)),
    st.tuples(st.just("compact"), st.just(0)), st.tuples(st.just("restart"), st.just(0)),
    st.tuples(st.just("again"), st.integers(1, 300)), st.tuples(st.just("read"), st.just(0)),
)  # fmt: skip


def steps(actions: list[Action]) -> Iterator[Action]:
    yield "append", 300
    yield from actions
    yield "restart", 0
    yield "read", 0


@pytest.mark.pitfall(79)
@settings(max_examples=12, deadline=None)
@given(st.lists(ACTIONS, max_size=12), st.booleans())
def test_any_order_of_appends_prunes_compactions_and_restarts(
    tmp_path_factory: pytest.TempPathFactory, actions: list[Action], on_disk: bool
) -> None:
    folder = tmp_path_factory.mktemp("ledger") / "db"
    store: Store = LevelDbStore.create(folder) if on_disk else MemoryStore()
    disk = MemoryDisk()
    builder = fast(store, disk)
    raws = {}
    pruner = Pruner(builder.chain)
    for action, number in steps(actions):
        chain = builder.chain
        match action:
            case "append":
                for _ in range(number):
                    height = chain.head.height + 1
                    raws[height] = builder.batch(b"k%d=%d" % (height % 9, height), b"n%d=y" % height)
                    chain.append(builder.entry([raws[height]]))
            case "again":  # a batch of long ago is named once more
                chain.append(builder.entry([raws.get(chain.head.height - number, raws[1])]))
            case "close":
                builder.close(OTHERS if builder.epoch % 2 == 0 else GENESIS.validators)
            case "floor":
                chain.raise_floor(floor_for(chain, number))
            case "piece":
                for _ in range(number):
                    pruner.piece()
            case "compact":
                list(compaction(chain))
            case "restart":
                if isinstance(store, LevelDbStore):
                    store.close()
                    store = LevelDbStore.open(folder)
                reopened = Chain.open(store, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
                assert (reopened.head, reopened.floor) == (chain.head, chain.floor)
                builder.chain = reopened
                builder.tree = StateTree(store, reopened.head.state_root)
                pruner = Pruner(reopened)
            case _:
                whole_served(chain)
    store.close()


def whole_served(chain: Chain) -> None:
    parent = None
    for height in range(max(1, chain.floor), chain.head.height + 1):
        block = chain.block(height)
        assert block is not None
        assert parent is None or block.header.parent == header_digest(parent)
        assert all(chain.batch(digest) is not None for digest in block.batch_digests)
        for id, receipt in zip(chain.transaction_ids(height), chain.receipts(height), strict=True):
            assert receipt is None or chain.receipt(id) == receipt
        parent = block.header
    assert len(list(chain.handovers())) == (0 if parent is None else chain.block(chain.head.height).header.epoch) or (  # type: ignore[union-attr]
        parent is not None and parent.next_valset_hash is not None
    )
    assert tree_difference(chain.store, chain.head.state_root) is None
