"""Validators come, go and change keys while the network runs: one chain, one set at a time, nothing lost (C8, S11)."""

from dataclasses import replace as replace_fields
from typing import Any

import pytest
from msgspec.structs import replace

from chainnode.rooms import Rooms
from primitives.codes import Code
from simulation import intake
from simulation.cluster import Cluster
from simulation.plan import Change, ChangeKind, Fault, FaultKind, Plan, Submission, check_plan
from simulation.run import play

CALM = Plan(
    seed=1, nodes=4, byzantine={}, faults=(), heal_ms=1_500,
    submissions=tuple(Submission(at_ms=20 + 90 * i, node=i % 4) for i in range(12)),
)  # fmt: skip
ADD = Change(300, ChangeKind.ADD, newcomer=4)


def _played(plan: Plan) -> Cluster:
    check_plan(plan)
    cluster = Cluster(plan)
    play(cluster)
    return cluster


def _seats(cluster: Cluster) -> set[str]:
    members = [{m.name for m in cluster.nodes[n].rooms.membership.members.members()} for n in cluster.honest]
    assert all(names == members[0] for names in members), "everybody ends with the same set"
    return members[0]


@pytest.mark.pitfall(64)
@pytest.mark.parametrize(
    ("changes", "epochs", "left"),
    [
        ((ADD,), {1}, {0, 1, 2, 3, 4}),
        ((Change(300, ChangeKind.REPLACE, 3, 4),), {1}, {0, 1, 2, 4}),
        ((Change(300, ChangeKind.REPLACE, 0, 4),), {1}, {4, 1, 2, 3}),  # the leader
        ((Change(300, ChangeKind.REKEY, 2),), {1}, {0, 1, 2, 3}),
        ((ADD, Change(900, ChangeKind.REMOVE, 1)), {2}, {0, 2, 3, 4}),
        ((Change(300, ChangeKind.REMOVE, 1),), {0}, {0, 1, 2, 3}),  # refused: n < 4
        ((ADD, Change(300, ChangeKind.REKEY, 0)), {1, 2}, {0, 1, 2, 3, 4}),  # at nearly the same time
    ],
    ids=["add", "replace", "replace-leader", "rekey", "add-remove", "too-few", "two-at-once"],
)
@pytest.mark.parametrize("delay_ms", [5, 60])
def test_the_set_changes(changes: tuple[Change, ...], epochs: set[int], left: set[int], delay_ms: int) -> None:
    cluster = _played(replace(CALM, changes=changes, reserve=1, delay_ms=delay_ms))
    assert cluster.counts["epochs"] in epochs
    assert _seats(cluster) == {f"node{n}" for n in left}


@pytest.mark.pitfall(32)
@pytest.mark.parametrize("kind", [FaultKind.CRASH_ALL, FaultKind.CRASH, FaultKind.PARTITION, FaultKind.PAUSE])
def test_who_was_away_at_the_close_comes_after(kind: FaultKind) -> None:
    """A node that misses the end of an epoch gets the certificate of the close block, and goes on in the next one."""
    nodes = () if kind is FaultKind.CRASH_ALL else (2,)
    late = tuple(Submission(at_ms=1_500 + 300 * i, node=4) for i in range(4))  # batches under the new seat
    plan = replace(
        CALM, changes=(ADD,), reserve=1, heal_ms=4_000, faults=(Fault(kind, 310, 4_000, nodes),),
        submissions=(*CALM.submissions, *late),
    )  # fmt: skip
    cluster = _played(plan)
    assert {cluster.nodes[node].epoch for node in cluster.honest} == {1}


@pytest.mark.pitfall(66)
def test_a_key_is_changed_while_its_node_is_down() -> None:
    """It comes back in the new epoch and signs with the new key alone; the checkers hold every vote to the set."""
    away = Fault(FaultKind.CRASH, 100, 3_000, (2,))
    cluster = _played(replace(CALM, changes=(Change(300, ChangeKind.REKEY, 2),), heal_ms=3_000, faults=(away,)))
    place = cluster.nodes[2].rooms.membership.place
    assert place.context.epoch == 1 and place.key is not None
    assert place.key.public_key == cluster.nodes[2].machine.keys[1].public_key
    assert cluster.nodes[2].replica.votes


@pytest.mark.parametrize("nodes", [5, 7])
def test_the_set_changes_again_and_again(nodes: int) -> None:
    changes = tuple(Change(200 + 600 * i, ChangeKind.REPLACE, node, nodes + i) for i, node in enumerate((1, 0, 2)))
    cluster = _played(replace(CALM, nodes=nodes, changes=changes, reserve=3, heal_ms=3_000))
    assert _seats(cluster) == {f"node{n}" for n in [*range(3, nodes), *range(nodes, nodes + 3)]}


@pytest.mark.parametrize("delay_ms", [1, 40])
def test_what_clients_brought_to_a_node_that_leaves_is_decided(
    delay_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken once the ledger gives the seat away, and the pool goes into batches while others listen."""
    late = tuple(Submission(at_ms=290 + i, node=3) for i in range(150))
    plan = replace(
        CALM, changes=(Change(300, ChangeKind.REPLACE, 3, 4),), reserve=1, delay_ms=delay_ms,
        submissions=(*CALM.submissions, *late),
    )  # fmt: skip
    cluster = Cluster(plan)
    rooms = cluster.nodes[3].rooms
    pool, at_close, leaving = rooms.mempool, [], []
    rooms.membership.watch(lambda place: at_close.append(pool.waiting))
    slow = replace_fields(pool.limits, flush_ms=60_000, busy_flush_ms=60_000)  # nothing is packed before its time
    monkeypatch.setattr(pool, "limits", slow)

    def admit(where: Rooms, *told: Any) -> Code:
        code = admitted(where, *told)
        if where is rooms and code is Code.OK:
            leaving.append(rooms.leaves)
        return code

    admitted = intake.admit
    monkeypatch.setattr("simulation.node.admit", admit)
    play(cluster)
    assert at_close == [0] and not pool.counts.held, (at_close, pool.counts)
    assert len(leaving) > 10 and not any(leaving)
