"""An honest node that loses its disk and comes back under its old key (pitfall 44): it never contradicts itself."""

import pytest

from simulation.cluster import Cluster
from simulation.plan import Plan, Submission
from simulation.run import play


def _lose_disk(cluster: Cluster, number: int) -> None:
    node = cluster.nodes[number]
    if node.up:
        node.crash()
        node.wipe()
        cluster.checkers.conduct.wiped.add(number)
        node.start()


@pytest.mark.pitfall(44)
@pytest.mark.parametrize("nodes", [4, 5, 7])
@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("at_ms", [300, 700])
def test_a_wiped_node_follows_and_signs_nothing_again(nodes: int, leads: bool, at_ms: int) -> None:
    """The checkers hold it to what it signed before; in the end it has the whole chain and abstains."""
    lost = 0 if leads else nodes - 1
    for seed in range(4):
        cluster = Cluster(
            Plan(
                seed=seed, nodes=nodes, byzantine={}, faults=(), heal_ms=3_000, delay_ms=(5, 20, 60)[seed % 3],
                submissions=tuple(Submission(at_ms=20 + 150 * i, node=1 + i % (nodes - 2)) for i in range(18)),
            )
        )  # fmt: skip
        cluster.schedule.at(at_ms + 7 * seed, lambda c=cluster: _lose_disk(c, lost))  # type: ignore[misc]
        play(cluster)
        replica = cluster.nodes[lost].replica
        assert replica.abstains is not None, f"seed {seed}: it signed before, and signs again"
        assert replica.decided == cluster.nodes[1].replica.decided
