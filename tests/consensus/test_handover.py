"""Planned hand-over: every R heights the next member leads, without a timeout and without a storm (L6, C11)."""

from dataclasses import replace

import pytest

from consensus.events import Received, Synced
from consensus.messages import ViewChange, Vote
from primitives.certificate import Phase
from primitives.validators import NodeId
from tests.consensus.committee import GENESIS, Committee, block_on, certify, new_view, view_change


def changes_of(net: Committee, node: int) -> list[int]:
    """The views into which a node signed VIEWCHANGE."""
    sent = [m for effects in net.desks[node].effects for _, m in effects.send]
    return [m.summary.view for m in sent if isinstance(m, ViewChange) and m.summary.signer == node]


@pytest.mark.parametrize("size", [4, 5])
def test_the_leader_changes_at_every_multiple(size: int) -> None:
    """C11: after height 3 the next one leads, after 6 the one after; batches go on at once and k does not rise."""
    net = Committee(size, handover_blocks=3)
    for number in range(4):
        net.submit(f"b{number}")
        net.run(300)
    height = net.heights()[0]
    assert net.heights() == [height] * size and height >= 8
    assert {desk.replica.view for desk in net.desks} == {height // 3}
    assert {desk.replica._state.timer.backoff for desk in net.desks} == {0}
    for node in range(size):
        assert changes_of(net, node) == list(range(1, height // 3 + 1))
    leaders = {b.header.height: b.header.proposer for b in net.desks[0].chain[1:]}
    assert all(leaders[h] == (h - 1) // 3 % size for h in leaders)


def test_without_a_step_the_leader_stays() -> None:
    """L6: R = 0 is a sticky leader."""
    net = Committee()
    for number in range(4):
        net.submit(f"b{number}")
        net.run(100)
    assert {desk.replica.view for desk in net.desks} == {0}


def test_who_decides_late_hands_over_once() -> None:
    """C11: node 3 hears of height 3 only in view 1, whose base is that height: it stays in view 1."""
    net = Committee(handover_blocks=3)
    net.submit("a")
    net.submit("b")
    net.deliver(lambda s, r, m: r != 3 or not (isinstance(m, Vote) and m.phase is Phase.COMMIT and m.height == 3))
    net.run(400)
    assert {desk.replica.view for desk in net.desks} == {net.heights()[0] // 3}
    assert len(changes_of(net, 3)) <= net.heights()[0] // 3


def test_a_view_that_began_at_the_boundary_was_the_hand_over() -> None:
    """C11: view 1 begins with height 3 as its base; deciding 3 in view 1 is no reason for view 2."""
    net = Committee(handover_blocks=3)
    chain = [GENESIS]
    for _ in range(3):
        chain.append(block_on(chain[-1], net.context))
    lock = certify(net.context, Phase.PREPARE, 0, chain[3], [0, 1, 2])
    net.step(
        3,
        Received(NodeId(1), new_view(net.context, 1, [view_change(net.context, 1, s, lock) for s in (0, 1, 2)], lock)),
    )
    net.step(3, Synced(tuple(chain[1:]), certify(net.context, Phase.COMMIT, 1, chain[3], [0, 1, 2])))
    assert net.heights()[3] == 3 and (net.desks[3].replica.view, changes_of(net, 3)) == (1, [])


def test_several_boundaries_decided_at_once_are_one_hand_over() -> None:
    """C11: one certificate decides heights 1 to 7 with R = 3 in view 0: VIEWCHANGE(1) alone."""
    net = Committee(handover_blocks=3)
    chain = [GENESIS]
    for _ in range(7):
        chain.append(block_on(chain[-1], net.context))
    effects = net.step(3, Synced(tuple(chain[1:]), certify(net.context, Phase.COMMIT, 0, chain[7], [0, 1, 2])))
    assert len(effects.decide) == 7 and changes_of(net, 3) == [1]
    assert net.desks[3].replica.timeout_ms == 1_000  # planned: k does not rise


def test_one_that_follows_hands_nothing_over() -> None:
    """C11, S9: an abstaining replica decides the boundary and signs no VIEWCHANGE; the NEWVIEW takes it along."""
    net = Committee(handover_blocks=2)
    desk = net.desks[3]
    desk.config = replace(desk.config, abstains="made by resync")
    desk.replica = type(desk.replica)(desk.config, desk.head())
    net.submit("a")
    net.run(300)
    net.submit("b")
    net.run(300)
    assert net.heights() == [4] * 4 and changes_of(net, 3) == []
    assert {d.replica.view for d in net.desks} == {2} and desk.replica.abstains == "made by resync"


def test_a_dead_next_leader_costs_one_timeout() -> None:
    """L3, L6: node 1 is dead when view 1 is due; view 2 follows after T."""
    net = Committee(handover_blocks=2)
    net.down.add(1)
    net.submit("a")
    net.run(100)
    assert net.desks[0].replica.view == 1
    net.submit("b", 0, 2, 3)
    net.run(2_500)
    assert net.heights()[0] == 4 and net.desks[2].replica.view >= 2


def test_a_view_change_names_the_batch_that_was_passed_over() -> None:
    """L7, C7: the leader never proposes the batch that waits; each VIEWCHANGE says which one it was."""
    net = Committee()
    digest = net.submit("a", 1, 2, 3)
    for number in range(28):
        net.submit(f"x{number}", 0)
        net.run(200)
    sent = [m for effects in net.desks[2].effects for _, m in effects.send if isinstance(m, ViewChange)]
    assert {m.starved for m in sent if m.summary.signer == 2} == {digest}
