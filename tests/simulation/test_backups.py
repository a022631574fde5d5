"""A node with an old backup, an empty disk or a damaged journal follows and never contradicts itself (pitfall 44)."""

import pytest

from simulation.cluster import Cluster
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.run import play


@pytest.mark.pitfall(44)
@pytest.mark.parametrize("kind", [FaultKind.ROLLBACK, FaultKind.WIPE, FaultKind.BIT_ROT])
@pytest.mark.parametrize("nodes", [4, 7])
def test_forgotten_promises_are_not_made_again(kind: FaultKind, nodes: int) -> None:
    """The checkers hold it to what it once signed; it ends with the whole chain, and abstains in this epoch."""
    for seed, forgetful in enumerate((0, nodes - 1)):
        plan = Plan(
            seed=seed, nodes=nodes, byzantine={}, faults=(Fault(kind, 600, 900, (forgetful,)),), heal_ms=3_000,
            submissions=tuple(Submission(at_ms=20 + 100 * i, node=i % nodes) for i in range(20)),
        )  # fmt: skip
        cluster = Cluster(plan)
        play(cluster)
        assert cluster.nodes[forgetful].replica.abstains is not None
