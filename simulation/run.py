"""One seed, one run: disturb, heal, demand that everything pending is decided, then demand silence."""

import random
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Final

from primitives.hashing import Digest
from simulation.cluster import Cluster, Trace
from simulation.node import Node
from simulation.plan import HEAL_LIMIT_MS, Fault, FaultKind, Plan, dump_plan
from simulation.schedule import Action

SLICE_MS: Final = 100  # how often the end is looked for
SETTLED_MS: Final = 1_000  # flush blocks and views that were under way may take this long
SLOW_LAG_MS: Final = 150


class SimulationFailed(AssertionError):
    """A rule was broken; the text names it, the time, and the command that replays the run."""


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
    """Play a plan to its end. Raises SimulationFailed."""
    cluster: Cluster | None = None
    try:
        cluster = Cluster(plan, trace)
        return play(cluster)
    except Exception as error:
        now = 0 if cluster is None else cluster.schedule.now_ms
        raise SimulationFailed(
            f"{type(error).__name__}: {error}\n  seed {plan.seed}, {plan.nodes} nodes, virtual {now} ms\n"
            f"  replay: python -m simulation.replay --seed {plan.seed} --nodes {plan.nodes} --trace\n"
            f"  plan: {dump_plan(plan)}"
        ) from error


def play(cluster: Cluster) -> Outcome:
    """Play the plan of a cluster that a test may have prepared."""
    plan = cluster.plan
    for fault in plan.faults:
        cluster.schedule.at(fault.at_ms, partial(_begin, cluster, fault))
    wanted: set[Digest] = set()
    for number, submission in enumerate(plan.submissions):
        cluster.schedule.at(submission.at_ms, partial(_submit, cluster, number, submission.node, wanted))
    network = cluster.network
    network.loss_permille, network.duplicate_permille = plan.loss_permille, plan.duplicate_permille
    network.tail_permille = plan.tail_permille
    cluster.run_until(plan.heal_ms)
    _heal(cluster)
    last_submission = max((s.at_ms for s in plan.submissions), default=0)
    cluster.run_until(max(plan.heal_ms, last_submission) + 1)
    healed = _wait_for_all(cluster, wanted)
    _demand_silence(cluster)
    nodes = [cluster.nodes[node] for node in cluster.honest]
    counts = cluster.counts + network.counts
    counts["evidence"] += len(cluster.checkers.evidence_against)
    return Outcome(
        cluster.schedule.executed,
        cluster.schedule.now_ms,
        healed,
        nodes[0].ledger.height,
        max(node.replica.view for node in nodes),
        cluster.checkers.memory_seen,
        counts,
    )


def _submit(cluster: Cluster, number: int, node: int, wanted: set[Digest]) -> None:
    wanted.add(cluster.submit(number, node))


def _begin(cluster: Cluster, fault: Fault) -> None:
    """Start a fault and plan its end."""
    plan, every = cluster.plan, range(cluster.plan.nodes)
    cluster.counts[f"fault {fault.kind.value}"] += 1
    group = set(fault.nodes)
    if fault.kind is FaultKind.ISOLATE_LEADER:
        group = {cluster.context.leader(max((n.replica.view for n in cluster.nodes.values() if n.up), default=0))}
    cluster.note(-1, f"fault {fault.kind.value} {sorted(group)} until {fault.until_ms}")
    links: list[tuple[int, int]] = []
    match fault.kind:
        case FaultKind.PARTITION | FaultKind.ISOLATE_LEADER:
            links = [(a, b) for a in every for b in every if (a in group) != (b in group)]
        case FaultKind.DEAF:
            links = [(a, b) for a in every for b in group if a != b]
        case FaultKind.DUMB:
            links = [(a, b) for a in group for b in every if a != b]
        case FaultKind.CRASH | FaultKind.CRASH_ALL:
            _crash(cluster, fault, group or set(every))
        case FaultKind.PAUSE:
            for node in _members(cluster, group):
                node.pause()
                cluster.schedule.at(fault.until_ms, node.resume)
        case FaultKind.SLOW:
            _slow(cluster, group, fault.until_ms)
        case FaultKind.LOSS:
            cluster.network.loss_permille = fault.permille
            _at_end(cluster, fault, lambda: setattr(cluster.network, "loss_permille", plan.loss_permille))
    if links:
        cluster.network.cut(links)
        _at_end(cluster, fault, lambda: cluster.network.mend(links))


def _at_end(cluster: Cluster, fault: Fault, action: Action) -> None:
    """Undo a fault unless the network has healed before, which undoes everything."""
    cluster.schedule.at(fault.until_ms, lambda: action() if cluster.schedule.now_ms < cluster.plan.heal_ms else None)


def _crash(cluster: Cluster, fault: Fault, group: set[int]) -> None:
    draw = random.Random(f"{cluster.plan.seed}/restart/{fault.at_ms}")
    for node in _members(cluster, group):
        node.crash()
        back = min(cluster.plan.heal_ms, fault.until_ms + draw.randint(0, 300))
        cluster.schedule.at(max(back, cluster.schedule.now_ms), partial(_restart, cluster, node.machine.number))


def _restart(cluster: Cluster, number: int) -> None:
    if not cluster.nodes[number].up:
        cluster.nodes[number].start()


def _slow(cluster: Cluster, group: set[int], until_ms: int) -> None:
    for node in _members(cluster, group):
        node.lag_ms = SLOW_LAG_MS
        cluster.schedule.at(until_ms, partial(setattr, node, "lag_ms", 0))


def _members(cluster: Cluster, group: set[int]) -> list[Node]:
    """The machines of these identities."""
    return [node for node in cluster.nodes.values() if node.me in group]


def _heal(cluster: Cluster) -> None:
    cluster.network.heal()
    cluster.thinned = {}
    for number, node in cluster.nodes.items():
        node.lag_ms = 0
        node.resume()
        _restart(cluster, number)
    cluster.note(-1, "healed")


def _lacking(cluster: Cluster, wanted: set[Digest]) -> str | None:
    """What still keeps the network from being done, in words."""
    if not wanted <= cluster.done:
        return f"{len(wanted - cluster.done)} of {len(wanted)} transactions are undecided"
    nodes = [cluster.nodes[number] for number in cluster.honest]
    heights = sorted({node.ledger.height for node in nodes})
    if len(heights) > 1:
        return f"the honest nodes stand at the heights {heights}"
    for node in nodes:
        pending = node.shell.application.pending()
        if pending:
            return f"node {node.me} still holds {len(pending)} undecided batches"
    return None


def _wait_for_all(cluster: Cluster, wanted: set[Digest]) -> int:
    started = cluster.schedule.now_ms
    while (lacking := _lacking(cluster, wanted)) is not None:
        waited = cluster.schedule.now_ms - started
        views = [cluster.nodes[number].replica.view for number in cluster.honest]
        assert waited < HEAL_LIMIT_MS, f"LIVENESS: {waited} ms after healing {lacking}; views {views}"
        cluster.run_until(cluster.schedule.now_ms + SLICE_MS)
    return cluster.schedule.now_ms - started


def _position(cluster: Cluster) -> list[tuple[int, int]]:
    nodes = [cluster.nodes[number] for number in cluster.honest]
    return [(node.ledger.height, node.replica.view) for node in nodes]


def _demand_silence(cluster: Cluster) -> None:
    """After the flush blocks nobody moves any more (C4, pitfall 53)."""
    started = since = cluster.schedule.now_ms
    position = _position(cluster)
    while cluster.schedule.now_ms - since < SETTLED_MS + cluster.plan.idle_ms:
        cluster.run_until(cluster.schedule.now_ms + SLICE_MS)
        now = _position(cluster)
        if now != position:
            moved = cluster.schedule.now_ms - started
            assert moved < HEAL_LIMIT_MS, f"SILENCE: {moved} ms after the last decision (height, view) goes on: {now}"
            since, position = cluster.schedule.now_ms, now
    heights = {height for height, _ in position}
    assert len(heights) == 1, f"LIVENESS: at the end the honest nodes stand at the heights {sorted(heights)}"
