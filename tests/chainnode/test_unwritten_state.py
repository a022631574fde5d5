"""A block that is executed and on its way to the ledger is seen by the next one as if it were there."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chainnode.disk_thread import DiskThread
from chainnode.unwritten_state import UnwrittenState
from consensus.events import Decided
from ledger.chain import StateView
from ledger.schema import STATE, Head
from ledger.store import MemoryStore
from primitives.block import Batch, Block
from primitives.codec import encode
from primitives.codes import Code
from primitives.hashing import ZERO_DIGEST
from primitives.transaction import Decoded, decode_transaction, sign_transaction
from primitives.validators import Height
from tests.chainnode.rooms import KEYS, Room, certificate_of, child_of, header_at, issue, new_chain

P = ParamSpec("P")
T = TypeVar("T")

SLOTS = st.sampled_from([bytes([65 + kind, number]) for kind in range(2) for number in range(4)])
VALUES = st.binary(min_size=1, max_size=2)


@given(
    st.dictionaries(SLOTS, VALUES), st.dictionaries(SLOTS, st.none() | VALUES), SLOTS, SLOTS | st.none(), st.booleans()
)
def test_it_reads_as_the_ledger_will(
    stored: dict[bytes, bytes], changes: dict[bytes, bytes | None], start: bytes, stop: bytes | None, written: bool
) -> None:
    """Also while the write has happened and nobody has heard of it."""
    store = MemoryStore()
    store.write([(STATE + key, value) for key, value in stored.items()])
    state = UnwrittenState(StateView(store, Head(0, ZERO_DIGEST, ZERO_DIGEST)))
    state.show(changes)
    if written:
        store.write([(STATE + key, value) for key, value in changes.items()])
    after = {key: value for key, value in {**stored, **changes}.items() if value is not None}
    assert {key: value for key in {**stored, **changes} if (value := state.get(key)) is not None} == after
    assert list(state.range(start, stop)) == [
        (key, after[key]) for key in sorted(after) if key >= start and (stop is None or key < stop)
    ]


def test_what_is_written_is_read_from_the_ledger() -> None:
    store = MemoryStore()
    state = UnwrittenState(StateView(store, Head(0, ZERO_DIGEST, ZERO_DIGEST)))
    state.show({b"A": b"1"})
    store.write([(STATE + b"A", b"1")])
    state.written()
    store.write([(STATE + b"A", b"2")])
    assert state.get(b"A") == b"2" and list(state.range(b"A", None)) == [(b"A", b"2")]


def again(decoded: Decoded) -> Decoded:
    """The same order in another transaction."""
    envelope = replace(decoded.transaction.envelope, nonce=b"another wish 016")
    return decode_transaction(sign_transaction(envelope, [KEYS["hotel"]]))


def chain_of(*blocks: tuple[Decoded, ...]) -> list[tuple[Block, bytes, tuple[Decoded, ...]]]:
    """Blocks of one batch each, one on the other."""
    found, parent = [], header_at(new_chain(), 0)
    for decoded in blocks:
        raw = encode(Batch(0, 1, tuple(one.raw for one in decoded)))
        found.append((child_of(parent, 0, [(raw, decoded)]), raw, decoded))
        parent = found[-1][0].header
    return found


A, B, C, D = map(issue, "ABCD")
CHAIN = chain_of((A, B), (again(A), C), (A, again(B), D))


def test_the_rules_of_the_next_block_run_beside_the_write() -> None:
    """It repeats orders and transactions of the block before: receipts, roots and ids as one by one."""
    one_by_one, ahead = Room(1), Room(1)
    expected = []
    for block, raw, mentions in CHAIN:
        expected.append(one_by_one.executor.execute(block, mentions))
        one_by_one.executor.commit(expected[-1], None, {block.batch_digests[0]: raw})
        one_by_one.executor.finish(expected[-1])
    codes = [[None if receipt is None else receipt.code for receipt in one.receipts] for one in expected]
    assert codes == [[Code.OK, Code.OK], [Code.OK_DUPLICATE, Code.OK], [None, Code.OK_DUPLICATE, Code.OK]]
    executor = ahead.executor
    applied = executor.apply(CHAIN[0][0], CHAIN[0][2])
    for number, (block, raw, _) in enumerate(CHAIN):
        execution = executor.seal(applied)
        assert executor.height == number, "nobody hears of a block that is not in the ledger"
        if number + 1 < len(CHAIN):
            applied = executor.apply(CHAIN[number + 1][0], CHAIN[number + 1][2])
        executor.commit(execution, None, {block.batch_digests[0]: raw})
        executor.finish(execution)
        assert execution == expected[number]
    assert ahead.chain.head == one_by_one.chain.head


def test_the_time_of_the_rules_is_that_of_the_block_sealed_last() -> None:
    """What a client brings is held against it, and time passes from there on once (D10)."""
    executor, parent = Room(1).executor, header_at(new_chain(), 0)
    for number, later_ms in enumerate((90_000, 3_600_000)):
        mention = (A, D)[number]
        raw = encode(Batch(0, number, (mention.raw,)))
        block = child_of(parent, 0, [(raw, (mention,))], time_ms=parent.time_ms + later_ms)
        execution = executor.execute(block, (mention,))
        assert executor.time_s == block.header.time_ms // 1000
        executor.commit(execution, None, {block.batch_digests[0]: raw})
        executor.finish(execution)
        parent = block.header


def test_a_block_is_sealed_only_over_the_ledger() -> None:
    """The tree reads there: two blocks ahead it would miss one."""
    executor = Room(1).executor
    executor.execute(CHAIN[0][0], CHAIN[0][2])
    applied = executor.apply(CHAIN[1][0], CHAIN[1][2])
    with pytest.raises(AssertionError, match="block 2 sealed at height 0"):
        executor.seal(applied)


def test_the_queue_begins_a_block_while_one_is_written() -> None:
    room, certificate = Room(1), certificate_of(CHAIN[-1][0])
    for block, raw, decoded in CHAIN:
        room.hold(raw, decoded)
        room.queue.put(Decided(Height(block.header.height), block, certificate))
    begun = room.queue.begin()
    for height in (1, 2, 3):
        assert begun is not None
        work = room.queue.seal(begun)
        begun = room.queue.begin()
        assert (begun is None) == (height == 3)
        assert room.chain.head.height == room.executor.height == height - 1
        room.queue.commit(work)
        room.queue.end(work)
        assert room.chain.head.height == room.executor.height == height


class Patient(DiskThread):
    """Writes nothing before the loop has come to its next callback; `waited` then, each time, how many blocks."""

    def __init__(self, room: Room) -> None:
        super().__init__("disk", -1.0)
        self.waited: list[int] = []
        self._room = room

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        come = threading.Event()

        def note() -> None:
            if fn == self._room.queue.commit:  # the journal is synced here too
                self.waited.append(len(self._room.queue))
            come.set()

        def write() -> T:
            assert come.wait(10)
            return fn(*args, **kwargs)

        asyncio.get_running_loop().call_soon(note)
        return super().submit(write)


def test_beside_a_slow_disk_the_next_block_begins_at_once() -> None:
    room, certificate = Room(1), certificate_of(CHAIN[-1][0])
    room.pool = disk = Patient(room)
    for block, raw, decoded in CHAIN:
        room.hold(raw, decoded)
        room.queue.put(Decided(Height(block.header.height), block, certificate))
    room.work(lambda: room.executor.height == 3)
    assert not room.failed and disk.waited == [1, 0, 0]


@pytest.mark.parametrize("quick", [True, False])
def test_a_run_of_blocks_comes_into_the_ledger(quick: bool) -> None:
    """Whatever comes late: a body in the middle, and a disk that is quick or not."""
    room, certificate = Room(1), certificate_of(CHAIN[-1][0])
    room.pool = DiskThread("disk", 10.0 if quick else -1.0)
    for block, _, _ in CHAIN:
        room.queue.put(Decided(Height(block.header.height), block, certificate))
    room.hold(*CHAIN[0][1:])
    room.work(lambda: room.executor.height == 1 and bool(room.wanted))
    room.hold(*CHAIN[2][1:])
    room.hold(*CHAIN[1][1:])
    room.work(lambda: room.executor.height == 3)
    assert not room.failed and room.chain.head.height == 3
