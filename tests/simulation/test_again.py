"""A leader that names old batches again, so that every node stores them again and again (C5)."""

import pytest
from msgspec.structs import replace

from chainnode.batches import Declined
from primitives.hashing import Digest
from primitives.validators import NodeId
from simulation.cluster import Cluster
from simulation.node import Node
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.roles import Role
from simulation.run import play

PLAN = Plan(
    seed=3, nodes=4, byzantine={0: Role.AGAIN}, faults=(), heal_ms=3_000, delay_ms=5, jitter_ms=5,
    submissions=tuple(Submission(at_ms=20 + 250 * i, node=i % 4) for i in range(12)),
)  # fmt: skip


def _named(node: Node) -> list[Digest]:
    """All batches that the blocks of its ledger name, in order."""
    blocks = [node.rooms.chain.block(height) for height in range(1, node.height + 1)]
    return [Digest(digest) for block in blocks if block is not None for digest in block.batch_digests]


@pytest.mark.parametrize("role", [Role.AGAIN, Role.YOUNG_AGAIN])
def test_no_store_grows_and_the_leader_is_replaced(role: Role) -> None:
    cluster = Cluster(replace(PLAN, byzantine={0: role}))
    play(cluster)
    assert cluster.traitors[0].acts > 0
    for number in cluster.honest:
        node = cluster.nodes[number]
        named = _named(node)
        assert len(named) == len(set(named)) >= 9, "each batch lies in each ledger once"
        assert node.replica.view > 0 and node.rooms.store.held_count == 0


def test_the_rule_holds_when_all_honest_nodes_have_just_started_again() -> None:
    """Their memory comes from the ledger."""
    cuts = tuple(Fault(FaultKind.CRASH, 1_300, 1_400, (node,)) for node in (1, 2, 3))
    cluster = Cluster(replace(PLAN, faults=cuts))
    play(cluster)
    for number in cluster.honest:
        named = _named(cluster.nodes[number])
        assert len(named) == len(set(named))


def test_a_node_that_starts_again_remembers_what_its_ledger_names() -> None:
    cluster = Cluster(replace(PLAN, byzantine={}))
    play(cluster)
    node = cluster.nodes[1]
    named = _named(node)
    raw = [node.rooms.chain.batch(digest) for digest in named]
    assert len(named) >= 9 and all(digest in node.rooms.store.namings for digest in named)
    node.crash()
    node.start()
    assert all(digest in node.rooms.store.namings for digest in named)
    for one in raw:
        assert one is not None and node.rooms.store.offer(NodeId(0), one) is Declined.HELD
