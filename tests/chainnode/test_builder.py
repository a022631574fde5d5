"""What a leader proposes: the roots it executed, what fits, and no dribble of tiny blocks while one is under way."""

import pytest
from msgspec.structs import replace

from chainnode.builder import (
    BUSY_TRANSACTIONS,
    HEAVY_PACE_MS,
    HEAVY_TRANSACTIONS,
    PACE_MS,
    PACED_BELOW,
    WORTH_TRANSACTIONS,
    BlockBuilder,
)
from consensus.events import BuildBlock
from primitives.block import Block, batches_root, header_digest, tx_root
from primitives.validators import Height, View
from tests.chainnode.rooms import GENESIS, NOW_MS, Room, batch_of, child_of, header_at


def request(room: Room, undecided: tuple[Block, ...] = (), **changes: object) -> BuildBlock:
    parent = undecided[-1] if undecided else Block(header_at(room.chain, 0), (), None)
    fields: dict[str, object] = {
        "view": View(0), "height": Height(parent.header.height + 1), "parent": header_digest(parent.header),
        "parent_block": parent, "undecided": undecided, "certificate": None, "exec_height_min": Height(0),
        "exec_height_max": Height(0), "flush": False,
    }  # fmt: skip
    return BuildBlock(**{**fields, **changes})  # type: ignore[arg-type]


def builder(room: Room, **limits: int) -> BlockBuilder:
    return BlockBuilder(room.membership, replace(GENESIS.limits, **limits), room.executor)


def held(room: Room, *bodies: tuple[str, ...]) -> None:
    for number, orders in enumerate(bodies):
        room.hold(*batch_of(number % 4, *orders))


def test_a_block_names_what_was_executed_and_what_it_holds() -> None:
    room = Room(0)
    held(room, ("A-1", "A-2"), ("B-1",))
    candidates = room.store.candidates(())
    block = builder(room).build(request(room), candidates, NOW_MS, force=False)
    assert block is not None
    header = block.header
    assert header.state_root == room.chain.head.state_root and header.exec_height == 0
    assert header.tx_root == tx_root([i for batch in candidates for i in batch.ids])
    assert header.batches_root == batches_root(block.batch_digests)
    assert header.time_ms == NOW_MS and header.proposer == 0 and header.height == 1


def test_what_has_expired_at_the_parent_is_not_proposed() -> None:
    """C5: no honest replica would prepare it; at the very second of the parent something in it is valid."""
    room = Room(0)
    late = room.hold(*batch_of(1, "A-1", valid_s=-1))
    just = room.hold(*batch_of(1, "B-1", valid_s=0))
    assert late in [batch.digest for batch in room.store.candidates(())]
    block = builder(room).build(request(room), room.store.candidates(()), NOW_MS, force=False)
    assert block is not None and block.batch_digests == (just,)


def test_time_never_stands_still() -> None:
    """C14: max(now, parent + 1)."""
    room = Room(0)
    held(room, ("A-1",))
    parent_ms = header_at(room.chain, 0).time_ms
    block = builder(room).build(request(room), room.store.candidates(()), parent_ms - 5_000, force=False)
    assert block is not None and block.header.time_ms == parent_ms + 1


def test_nothing_to_say_is_no_block_but_a_flush_or_a_set_clock_is_one() -> None:
    room = Room(0)
    assert builder(room).build(request(room), [], NOW_MS, force=False) is None
    for wanted in (request(room, flush=True), request(room)):
        block = builder(room).build(wanted, [], NOW_MS, force=not wanted.flush)
        assert block is not None and block.batch_digests == ()


def test_while_a_block_is_under_way_little_waits_for_more() -> None:
    room = Room(0)
    held(room, ("A-1",))
    under_way = child_of(header_at(room.chain, 0), 0, [])
    few = room.store.candidates(())
    assert builder(room).build(request(room, (under_way,)), few, NOW_MS + 9, force=False) is None
    assert builder(room).build(request(room), few, NOW_MS, force=False) is not None, "nothing is under way: at once"
    many = few * WORTH_TRANSACTIONS
    assert builder(room, block_batches=256, block_bytes=2**24).build(
        request(room, (under_way,)), many[:256], NOW_MS + 9, force=False
    ) is not None  # fmt: skip


def test_under_load_a_block_waits_for_the_pace_and_on_a_quiet_network_for_nothing() -> None:
    """Latency first when little is to do, throughput first under load."""
    room = Room(0)
    held(room, ("A-1",))
    one = room.store.candidates(())
    busy = builder(room, block_batches=256, block_bytes=2**24)
    assert busy.build(request(room, waited_ms=0), one, NOW_MS, force=False), "the last block was small"
    assert busy.build(request(room, waited_ms=PACE_MS), one * BUSY_TRANSACTIONS, NOW_MS, force=False)
    assert busy.build(request(room, waited_ms=PACE_MS - 1), one * BUSY_TRANSACTIONS, NOW_MS, force=False) is None
    assert busy.build(request(room, waited_ms=0), one * PACED_BELOW, NOW_MS, force=False), "enough without a wait"
    assert busy.build(request(room, waited_ms=PACE_MS), one, NOW_MS, force=False), "the load is gone"
    assert busy.build(request(room, waited_ms=0), one, NOW_MS, force=False)


def test_under_a_heavy_load_blocks_become_larger_and_fewer() -> None:
    room = Room(0)
    held(room, ("A-1",))
    one = room.store.candidates(())
    busy = builder(room, block_batches=256, block_bytes=2**24)
    assert busy.build(request(room, waited_ms=0), one * HEAVY_TRANSACTIONS, NOW_MS, force=False)
    waiting = one * (WORTH_TRANSACTIONS - 1)
    assert busy.build(request(room, waited_ms=HEAVY_PACE_MS - 1), waiting, NOW_MS, force=False) is None
    assert busy.build(request(room, waited_ms=0), [*waiting, *one], NOW_MS, force=False), "enough without a wait"
    assert busy.build(request(room, waited_ms=HEAVY_PACE_MS), one * PACED_BELOW, NOW_MS, force=False)
    assert busy.build(request(room, waited_ms=0), one * PACED_BELOW, NOW_MS, force=False), "it is heavy no more"


def test_what_would_only_wait_to_be_executed_gathers() -> None:
    """One block may be under execution when the next is proposed; envelopes of hundreds of operations take long."""
    room = Room(0)
    held(room, ("A-1",))
    one = room.store.candidates(())
    executing = child_of(header_at(room.chain, 0), 0, [])
    behind_it = child_of(executing.header, 0, [])
    busy = builder(room, block_batches=256, block_bytes=2**24)
    assert busy.build(request(room, parent_block=executing), one, NOW_MS, force=False)
    assert busy.build(request(room, parent_block=behind_it), one, NOW_MS, force=False) is None
    assert busy.build(request(room, parent_block=behind_it), one * WORTH_TRANSACTIONS, NOW_MS, force=False)
    assert busy.build(request(room, parent_block=behind_it, flush=True), one, NOW_MS, force=False), "roots do not wait"


def test_a_block_stays_within_the_limits_of_genesis() -> None:
    room = Room(0)
    held(room, ("A-1",), ("B-1",), ("C-1",))
    candidates = room.store.candidates(())
    two = builder(room, block_batches=2).build(request(room), candidates, NOW_MS, force=False)
    assert two is not None and two.batch_digests == tuple(c.digest for c in candidates[:2])
    one = builder(room, block_bytes=len(candidates[0].raw) + 10).build(request(room), candidates, NOW_MS, force=False)
    assert one is not None and one.batch_digests == (candidates[0].digest,)


@pytest.mark.parametrize(("low", "high", "built"), [(0, 0, True), (1, 1, False)])
def test_a_leader_behind_its_parent_waits_for_its_executor(low: int, high: int, built: bool) -> None:
    """C13: it must not name a state that it has not computed."""
    room = Room(0)
    held(room, ("A-1",))
    wanted = request(room, exec_height_min=Height(low), exec_height_max=Height(high))
    assert (builder(room).build(wanted, room.store.candidates(()), NOW_MS, force=False) is not None) is built
