"""The timers: armed only by obligations, doubled by view changes, not fooled by pauses (C4, C7, L1, L3)."""

import pytest

from consensus.events import Executed, Pending, Received, Tick
from consensus.liveness import Clock, InclusionTimer, ProgressTimer
from consensus.messages import ViewChange
from consensus.settings import Timing
from primitives.hashing import Digest
from primitives.validators import Height, NodeId
from tests.consensus.committee import GENESIS, Committee, block_on, propose, view_change

TIMING = Timing()


@pytest.mark.pitfall(48)
def test_the_progress_timer_doubles_to_its_cap_and_decays_by_heights() -> None:
    """C7, L1, pitfall 48: 1 s to 30 s; one decided height takes one doubling back, not all."""
    timer = ProgressTimer(TIMING)
    lengths = []
    for _ in range(8):
        lengths.append(timer.length_ms)
        timer.changed_view(by_timeout=True)
    assert lengths == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
    timer.decided(0, 1, [])
    assert timer.length_ms == 16_000
    timer.decided(0, 9, [])
    assert timer.length_ms == 1_000


def test_slow_rounds_stretch_the_timer_within_bounds() -> None:
    """C7: 8 x p99; one outlier does not count, and no leader stretches T beyond the cap by being slow."""
    timer = ProgressTimer(TIMING)
    timer.decided(0, 1, [200] * 50 + [900])
    assert timer.length_ms == 1_600
    timer.decided(0, 1, [900] * 50)
    assert timer.length_ms == TIMING.round_cap_ms


@pytest.mark.pitfall(47, 49)
def test_a_pause_is_no_timeout() -> None:
    """Pitfalls 47 and 49: a process stopped for half an hour, or a clock that jumps back, fires no timer."""
    clock = Clock()
    for now in (0, 100, 1_800_100, 5, 30):
        clock.advance(now)
    assert clock.now == 100 + 500 + 25
    net = Committee()
    net.down.add(0)
    net.submit("a")
    net.run(300)
    net.now += 1_800_000
    net.run(200)
    assert {desk.replica.view for desk in net.desks} == {0}


def test_inclusion_counts_one_batch_under_one_leader() -> None:
    """C7, L7: another oldest batch, another leader or a full block start the wait anew."""
    timer = InclusionTimer(TIMING)
    first, second = Digest(b"1" * 32), Digest(b"2" * 32)
    assert not timer.run(0, 0)
    timer.watch(first)
    assert not timer.run(0, 0) and not timer.run(4_999, 0) and timer.run(5_000, 0)
    assert not timer.run(5_000, 1)
    timer.watch(second)
    assert not timer.run(5_000, 0)
    timer.restart()
    assert not timer.run(10_000, 0) and timer.run(15_000, 0)


@pytest.mark.pitfall(53)
def test_nothing_owed_no_view_change() -> None:
    """L1, pitfall 53: an idle replica whose leader is dead stays where it is."""
    net = Committee()
    net.down.add(0)
    net.run(40_000)
    assert {desk.replica.view for desk in net.desks[1:]} == {0}


@pytest.mark.pitfall(14)
def test_a_leader_that_serves_others_but_starves_one_batch_is_replaced() -> None:
    """C7, L7, pitfall 14: blocks go on, so the progress timer is silent; the passed-over batch still ends the view."""
    net = Committee()
    starved = net.submit("starved", 1, 2, 3)  # the leader acts as if it had never come
    for number in range(16):
        net.submit(f"other {number}")
        for desk in net.desks:
            desk.pool = dict.fromkeys([starved, *desk.pool]) if starved in desk.pool else desk.pool
        net.run(500)
    assert starved not in net.desks[1].pool
    assert net.desks[1].replica.view == 1


def test_full_blocks_do_not_count_as_being_passed_over() -> None:
    """C7: while every block is full nobody is starved."""
    net = Committee()
    net.step(2, Tick(0))
    net.step(2, Pending(0, Digest(b"x" * 32)))
    for now in range(25, 20_000, 25):
        net.step(2, Tick(now))
        if now % 4_000 == 0:
            net.step(2, Executed(Height(0), changed=False, full=True))
    assert net.desks[2].replica.view == 0


def test_a_received_block_above_the_decided_height_arms_the_timer() -> None:
    """C4: one proposal and then silence is no end."""
    net = Committee()
    net.step(2, Tick(0))
    net.step(2, Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context))))
    for now in range(25, 1_100, 25):
        net.step(2, Tick(now))
    assert (net.desks[2].replica.view, net.desks[2].replica.active) == (1, False)


def test_roots_that_no_decided_header_carries_arm_the_timer() -> None:
    """C4: the leader that does not flush is replaced."""
    net = Committee()
    net.submit("a")
    net.deliver(lambda s, r, m: not (hasattr(m, "block") and m.block.header.height == 2))
    assert net.heights() == [1] * 4
    net.down.add(0)
    net.run(2_500)
    assert net.heights()[1:] == [2] * 3


@pytest.mark.pitfall(49)
def test_alone_in_a_view_the_timer_rests() -> None:
    """L3, pitfall 49: without q validators in the view nobody runs ahead, however long it lasts."""
    net = Committee()
    net.down |= {0, 3}
    net.submit("a")
    net.run(60_000)
    assert {desk.replica.view for desk in net.desks[1:3]} == {1}
    net.down.clear()
    net.run(4_000)
    assert len(set(net.heights())) == 1 and net.heights()[0] >= 1  # pitfall 48: at once, not after the cap


def test_those_above_count_as_standing_in_the_view() -> None:
    """L3: three at 1, 1 and 3; the one at 3 never comes back, so the two must move on."""
    net = Committee()
    net.step(2, Tick(0))
    for signer, view in ((0, 3), (1, 1)):
        net.step(2, Received(NodeId(signer), view_change(net.context, view, signer)))
    assert net.desks[2].replica.view == 1
    for now in range(25, 2_200, 25):
        net.step(2, Tick(now))
    assert net.desks[2].replica.view == 2  # its own move; the leader of 2 is itself, and it waits for others
    sent = [m for effects in net.desks[2].effects for _, m in effects.send if isinstance(m, ViewChange)]
    assert [m.summary.view for m in sent] == [1, 2]


@pytest.mark.pitfall(48, 60)
def test_the_whole_cluster_stopped_for_an_hour_goes_on_at_once() -> None:
    """Pitfalls 48 and 60."""
    net = Committee()
    net.down |= {2, 3}
    net.submit("a")
    net.run(20_000)
    net.now += 3_600_000
    net.down.clear()
    net.run(4_000)
    assert set(net.heights()) == {net.heights()[0]} and not net.desks[0].pool


@pytest.mark.pitfall(52)
def test_a_permanently_dead_follower_costs_nothing() -> None:
    """Pitfall 52: 1 of 5 is dead; every batch takes its one round, no view changes."""
    net = Committee(5)
    net.down.add(4)
    for number in range(20):
        net.submit(str(number))
        net.deliver()
    assert net.heights()[0] == 40 and net.desks[0].replica.view == 0


@pytest.mark.pitfall(55)
def test_the_backlog_after_a_leader_crash_needs_one_view_change() -> None:
    """Pitfall 55: 50 batches wait; view 1 drains them all."""
    net = Committee()
    net.down.add(0)
    for number in range(50):
        net.submit(str(number))
    net.run(2_000)
    assert not net.desks[1].pool and {desk.replica.view for desk in net.desks[1:]} == {1}
