"""The adaptive adversary: it bites while it has a budget, and afterwards everything is decided."""

import pytest

from simulation.cluster import Cluster
from simulation.plan import HEAL_LIMIT_MS, Plan, Submission
from simulation.roles import Role
from simulation.run import play


def _plan(nodes: int, budget: int, byzantine: dict[int, Role]) -> Plan:
    return Plan(
        seed=budget, nodes=nodes, byzantine=byzantine, faults=(), heal_ms=3_000, adversary=budget,
        submissions=tuple(Submission(at_ms=20 + 250 * i, node=i % nodes) for i in range(12)),
    )  # fmt: skip


@pytest.mark.parametrize("nodes", [4, 5, 7])
@pytest.mark.parametrize("budget", [20, 60])
def test_liveness_after_the_budget(nodes: int, budget: int) -> None:
    """It costs views, never the chain (L1, L2, L4); `play` demands that all is decided."""
    cluster = Cluster(_plan(nodes, budget, {}))
    outcome = play(cluster)
    assert cluster.adversary.left == 0
    assert cluster.counts["held by the adversary"] > 0
    assert outcome.healed_ms <= HEAL_LIMIT_MS
    if budget == 60:
        assert outcome.view >= 2, "with so many strikes it should have cost the leaders their views"


def test_with_a_traitor_beside_it() -> None:
    """The adversary of the network and f members that vote for two blocks."""
    cluster = Cluster(_plan(4, 30, {3: Role.TWO_VIEW_CHANGES}))
    play(cluster)
    assert cluster.adversary.left == 0


def test_a_budget_of_nothing_changes_nothing() -> None:
    """Without strikes every message takes the way of the network."""
    cluster = Cluster(_plan(4, 0, {}))
    outcome = play(cluster)
    assert outcome.view == 0
    assert cluster.counts["held by the adversary"] == cluster.counts["cut by the adversary"] == 0
