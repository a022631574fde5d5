"""Each Byzantine role on the seat where it hurts most: the leader of view 0, and with n = 7 the next leader as well."""

import pytest

from simulation.cluster import Cluster
from simulation.plan import Plan, Submission
from simulation.roles import Role
from simulation.run import play


def _plan(role: Role, nodes: int, seed: int) -> Plan:
    traitors = dict.fromkeys(range((nodes - 1) // 3), role)
    return Plan(
        seed=seed, nodes=nodes, byzantine=traitors, faults=(), heal_ms=3_000, delay_ms=5, jitter_ms=5,
        submissions=tuple(Submission(at_ms=20 + 250 * i, node=i % nodes) for i in range(12)),
    )  # fmt: skip


@pytest.mark.parametrize("nodes", [4, 5, 7])
@pytest.mark.parametrize("role", list(Role))
def test_role(role: Role, nodes: int) -> None:
    """No fork, everything of the honest decided, silence afterwards."""
    for seed in range(3):
        play(Cluster(_plan(role, nodes, seed)))


@pytest.mark.pitfall(9)
@pytest.mark.parametrize("role", [Role.EQUIVOCATE, Role.VOTE_TWICE])
def test_double_signatures_become_evidence(role: Role) -> None:
    """Pitfall 9: who signs two blocks for one slot is proved to have done it."""
    cluster = Cluster(_plan(role, 4, 1))
    play(cluster)
    assert cluster.checkers.evidence_against == {0}
