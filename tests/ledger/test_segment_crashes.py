"""Power cuts and failures at every step of append and prune: nothing acknowledged is lost, nothing damaged is left."""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.failures import FatalError, Pruned, StorageFailed
from ledger.memory_disk import MemoryDisk
from ledger.pruning import Pruner, floor_for
from ledger.segments import SUFFIX
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Operation
from tests.ledger.builders import CHAIN_ID, Builder, new_chain

LIMIT = 700  # a new segment every few blocks
STEPS_MAX = 200

Deeds = Callable[["Machine"], None]
Outcome = tuple[list[int] | int, int | None]  # what MemoryDisk.crash takes


class Forgetful(MemoryStore):
    """A database that loses power with the disk: what was not synced is gone. One write fails as planned."""

    def __init__(self, content: MemoryStore | None = None) -> None:
        super().__init__()
        self.durable = MemoryStore()
        self.writes = 0
        self.fails: tuple[int, bool] | None = None  # number of the write, whether it was applied
        if content is not None:
            self.write(list(content.range(b"", None)))

    def write(self, operations: Sequence[Operation], sync: bool = True) -> None:
        self.writes += 1
        if self.fails == (self.writes, False):
            raise StorageFailed("planned")
        super().write(operations, sync)
        if sync:
            self.durable = self.snapshot()
        if self.fails == (self.writes, True):
            raise StorageFailed("planned")


@dataclass
class Machine:
    """A chain on its disks; `deeds` is what it does until something fails."""

    disk: MemoryDisk
    store: Forgetful
    builder: Builder

    def copy(self) -> "Machine":
        """Another one that did the same."""
        disk, store, old = self.disk.image(), Forgetful(self.store.durable), self.builder
        chain = opened(store, disk)
        builder = replace(
            old, chain=chain, tree=StateTree(store, chain.head.state_root), roots=dict(old.roots),
            receipts=dict(old.receipts), seen=set(old.seen),
        )  # fmt: skip
        return Machine(disk, store, builder)

    def crash(self, outcome: Outcome) -> Chain:
        """Lose power, and start again with what is left."""
        self.disk.crash(*outcome)
        self.store = Forgetful(self.store.durable)
        return opened(self.store, self.disk)


def opened(store: MemoryStore, disk: MemoryDisk) -> Chain:
    chain = Chain.open(store, disk, HeadAnchor.open(disk, CHAIN_ID), CHAIN_ID)
    chain.segments.limit = LIMIT
    return chain


def machine(blocks: int, step_ms: int = 1000) -> Machine:
    disk, store = MemoryDisk(), Forgetful()
    builder = new_chain(store, disk)
    builder.step_ms = step_ms
    builder.chain.segments.limit = LIMIT
    grow(builder, blocks)
    return Machine(disk, store, builder)


def grow(builder: Builder, blocks: int) -> None:
    for _ in range(blocks):
        height = builder.chain.head.height
        builder.add(b"k%d=%d" % (height % 5, height), b"n%d=x" % height)


def contents(chain: Chain) -> list[object]:
    """All that the chain says of its blocks from the floor on, every frame checked."""
    assert len(list(chain.segments.walk())) > 0
    found: list[object] = []
    for height in range(max(1, chain.floor), chain.head.height + 1):
        block = chain.block(height)
        assert block is not None
        receipts = [chain.receipt(id) for id in chain.transaction_ids(height)]
        assert receipts == chain.receipts(height)
        found.append((height, block, receipts, [chain.batch(digest) for digest in block.batch_digests]))
        assert None not in found[-1][3]  # type: ignore[index]
    return found


def outcomes(pending: int, thorough: bool) -> Iterator[Outcome]:
    """None and all; each alone, all but one, and up to each one that is torn in its head, its frame, its payload."""
    yield 0, None
    yield pending, None
    if not thorough:
        return
    for one in range(pending):
        yield [one], None
        yield [other for other in range(pending) if other != one], None
        for torn in (1, 9, 60, 170):
            yield one + 1, torn


def broken(start: Machine, deeds: Deeds, kind: str, number: int) -> Machine | None:
    """A machine that did its deeds until one step failed; None if that step never came."""
    one = start.copy()
    if kind == "operation of the disk":
        one.disk.fail_at(one.disk.operations + number, OSError(errno.EIO, "planned"))
    else:
        one.store.fails = one.store.writes + number, kind == "behind a write of the database"
    try:
        deeds(one)
    except FatalError:
        return one
    return None


KINDS = ("operation of the disk", "before a write of the database", "behind a write of the database")


def every_crash(start: Machine, deeds: Deeds, kind: str, thorough: bool) -> Iterator[tuple[Machine, Outcome]]:
    """Each failure with each outcome of a power cut behind it, on a new machine."""
    for number in range(1, STEPS_MAX):
        first = broken(start, deeds, kind, number)
        if first is None:
            assert number > 4, "the failures struck"
            return
        for outcome in outcomes(first.disk.pending, thorough):
            again = broken(start, deeds, kind, number)
            assert again is not None
            yield again, outcome
    raise AssertionError("the deeds never end")


@pytest.mark.pitfall(42)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_fails_while_blocks_are_appended_what_was_acknowledged_stays(kind: str) -> None:
    tried = 0
    for one, outcome in every_crash(machine(2), lambda one: grow(one.builder, 4), kind, thorough=True):
        acknowledged = contents_before(one)
        chain = one.crash(outcome)
        assert contents(chain)[: len(acknowledged)] == acknowledged
        assert len(contents(chain)) <= len(acknowledged) + 1
        builder = Builder(chain, StateTree(one.store, chain.head.state_root))
        builder.receipts[chain.head.height] = [r for r in chain.receipts(chain.head.height) if r is not None]
        for height in range(1, chain.head.height + 1):
            builder.seen.update(chain.transaction_ids(height))
        grow(builder, 2)
        before = contents(chain)
        assert contents(one.crash((0, None))) == before
        tried += 1
    assert tried > 6


def contents_before(one: Machine) -> list[object]:
    """What the machine had acknowledged; read from another one that did not fail."""
    return contents(machine(one.builder.chain.head.height).builder.chain)


DAYS_MS = 1_000_000


def prune(one: Machine) -> None:
    """As a node does, with appends between the pieces."""
    chain = one.builder.chain
    pruner = Pruner(chain)
    chain.raise_floor(floor_for(chain, 256))
    while pruner.piece():
        grow(one.builder, 1)


@pytest.mark.pitfall(79)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_fails_while_history_is_pruned_the_rest_is_whole_and_the_files_go(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.pruning.PIECE_HEIGHTS", 4)
    for one, outcome in every_crash(machine(264, DAYS_MS), prune, kind, thorough=False):
        head = one.builder.chain.head.height
        chain = one.crash(outcome)
        assert chain.head.height >= head
        assert chain.floor in (0, 8)
        contents(chain)
        for height in range(1, chain.floor):
            with pytest.raises(Pruned):
                chain.receipts(height)
        pruner = Pruner(chain)
        chain.raise_floor(8)
        while pruner.piece():
            pass
        left = [name for name in one.disk.names() if name.endswith(SUFFIX)]
        assert min(left) > "00000002", "the files of the first blocks are gone"
        contents(chain)
        assert len(contents(one.crash((0, None)))) == chain.head.height - 7
