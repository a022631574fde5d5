"""One seed, one run: disturb, heal, demand that everything pending is decided, then demand silence."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from primitives.hashing import Digest
from simulation.cluster import Cluster, Trace
from simulation.failure import SimulationFailed
from simulation.faults import begin, heal
from simulation.node import Node
from simulation.plan import HEAL_LIMIT_MS, Change, Plan, check_plan

SLICE_MS: Final = 100  # how often the end is looked for
CHANGES_FROM: Final = 1_000_000  # numbers of the operator's transactions
SETTLED_MS: Final = 1_000  # flush blocks and views that were under way may take this long


@dataclass(frozen=True)
class Outcome:
    """What a clean run saw."""

    events: int
    virtual_ms: int
    healed_ms: int  # from the end of the faults until all was decided everywhere
    height: int
    view: int
    memory: int
    counts: Counter[str]


def run_plan(plan: Plan, trace: Trace | None = None) -> Outcome:
    """Play a plan to its end. Raises SimulationFailed; ValueError for a plan that makes no sense."""
    check_plan(plan)
    cluster: Cluster | None = None
    try:
        cluster = Cluster(plan, trace)
        return play(cluster)
    except Exception as error:
        raise SimulationFailed(plan, error, 0 if cluster is None else cluster.schedule.now_ms) from error


def failure_of(plan: Plan) -> SimulationFailed | None:
    """The rule that a plan's run breaks, None if it breaks none."""
    try:
        run_plan(plan)
    except SimulationFailed as failure:
        return failure
    return None


def play(cluster: Cluster) -> Outcome:
    """Play the plan of a cluster that a test may have prepared."""
    plan = cluster.plan
    for fault in plan.faults:
        cluster.schedule.at(fault.at_ms, partial(begin, cluster, fault))
    wanted: set[Digest] = set()
    for number, submission in enumerate(plan.submissions):
        cluster.schedule.at(submission.at_ms, partial(_submit, cluster, number, submission.node, wanted))
    for number, change in enumerate(plan.changes):
        cluster.schedule.at(change.at_ms, partial(_change, cluster, CHANGES_FROM + number, change, wanted))
    network = cluster.network
    network.loss_permille, network.duplicate_permille = plan.loss_permille, plan.duplicate_permille
    network.tail_permille = plan.tail_permille
    cluster.run_until(plan.heal_ms)
    heal(cluster)
    last_submission = max([0, *(s.at_ms for s in plan.submissions), *(c.at_ms for c in plan.changes)])
    cluster.run_until(max(plan.heal_ms, last_submission) + 1)
    healed = _wait_for_all(cluster, wanted)
    _grow(cluster, wanted)
    _demand_silence(cluster)
    _look_into_the_books(cluster)
    nodes = _reliable(cluster)
    cluster.checkers.finished([node.machine.number for node in nodes])
    counts = cluster.counts + network.counts
    counts["evidence"] += len(cluster.checkers.evidence_against)
    return Outcome(
        cluster.schedule.executed,
        cluster.schedule.now_ms,
        healed,
        nodes[0].height,
        max(node.replica.view for node in nodes),
        cluster.checkers.memory_seen,
        counts,
    )


def _change(cluster: Cluster, number: int, change: Change, wanted: set[Digest]) -> None:
    cluster.counts[f"fault change {change.kind.value}"] += 1
    wanted.add(cluster.change(number, change))


def _submit(cluster: Cluster, number: int, node: int, wanted: set[Digest]) -> None:
    wanted.add(cluster.submit(number, node))


def _grow(cluster: Cluster, wanted: set[Digest]) -> None:
    """Add transactions, one after the other, until the chain is as high as the plan wants it."""
    number = len(cluster.plan.submissions)
    while _reliable(cluster)[0].height < cluster.plan.until_height:
        _submit(cluster, number, number % cluster.plan.nodes, wanted)
        _wait_for_all(cluster, wanted)
        number += 1


def _reliable(cluster: Cluster) -> list[Node]:
    """The honest nodes."""
    return [cluster.nodes[number] for number in cluster.honest]


def _lacking(cluster: Cluster, wanted: set[Digest]) -> str | None:
    """What still keeps the network from being done, in words."""
    if not wanted <= cluster.done:
        return f"{len(wanted - cluster.done)} of {len(wanted)} transactions are undecided"
    nodes = _reliable(cluster)
    heights = sorted({node.height for node in nodes})
    if len(heights) > 1:
        return f"the honest nodes stand at the heights {heights}"
    for node in nodes:
        if node.waiting():
            return f"node {node.me} still holds {node.waiting()} undecided batches or transactions"
    return None


def _wait_for_all(cluster: Cluster, wanted: set[Digest]) -> int:
    started = cluster.schedule.now_ms
    while (lacking := _lacking(cluster, wanted)) is not None:
        waited = cluster.schedule.now_ms - max(started, cluster.adversary.last_ms)  # its budget is spent by then
        views = [node.replica.view for node in _reliable(cluster)]
        assert waited < HEAL_LIMIT_MS, f"LIVENESS: {waited} ms after healing {lacking}; views {views}"
        cluster.run_until(cluster.schedule.now_ms + SLICE_MS)
    return cluster.schedule.now_ms - started


def _look_into_the_books(cluster: Cluster) -> None:
    """The invariants of the points rules hold; the state is the same everywhere, so one node speaks for all."""
    node = _reliable(cluster)[0]
    cluster.checkers.conserved(node.me, node.height, next(iter(node.books()), None))


def _position(cluster: Cluster) -> list[tuple[int, int, int]]:
    return [(node.epoch, node.height, node.replica.view) for node in _reliable(cluster)]


def _demand_silence(cluster: Cluster) -> None:
    """After the flush blocks nobody moves any more (C4, pitfall 53)."""
    started = since = cluster.schedule.now_ms
    position = _position(cluster)
    while cluster.schedule.now_ms - since < SETTLED_MS + cluster.plan.idle_ms:
        cluster.run_until(cluster.schedule.now_ms + SLICE_MS)
        now = _position(cluster)
        if now != position:
            moved = cluster.schedule.now_ms - started
            assert moved < HEAL_LIMIT_MS, f"SILENCE: {moved} ms after the last decision it still moves: {now}"
            since, position = cluster.schedule.now_ms, now
    heights = {height for _, height, _ in position}
    assert len(heights) == 1, f"LIVENESS: at the end the honest nodes stand at the heights {sorted(heights)}"
