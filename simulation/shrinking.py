"""Makes the plan of a failing run smaller while it fails in the same way: delta debugging over the plan."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from msgspec.structs import replace

from simulation.failure import SimulationFailed
from simulation.plan import DISTURBED_MS, NODES_MIN, Fault, Plan, Submission, check_plan

T = TypeVar("T")
SHRINK_SECONDS: Final = 60
CALM: Final[dict[str, object]] = {
    "loss_permille": 0, "duplicate_permille": 0, "tail_permille": 0, "thinned": {}, "jitter_ms": 0, "skew_ms": 0,
    "drift_permille": 0, "sync_ms": 1, "execution_ms": 1, "rotate_bytes": 1 << 20, "handover_blocks": 0,
    "real_signatures": False, "until_height": 0, "idle_ms": 2_500, "window": 8, "tick_ms": 25, "delay_ms": 10,
}  # fmt: skip
Run = Callable[[Plan], SimulationFailed | None]


def shrink(failure: SimulationFailed, run: Run, seconds: float = SHRINK_SECONDS) -> SimulationFailed:
    """The smallest failure of the same kind that is found in time. `run` plays a plan: its failure, None if clean."""
    deadline = time.monotonic() + seconds
    best, again = failure, True
    while again:
        again = False
        for candidate in simpler(best.plan):
            if time.monotonic() > deadline:
                return best
            found = run(candidate)
            if found is not None and found.kind == best.kind:
                best, again = found, True
                break
    return best


def simpler(plan: Plan) -> Iterator[Plan]:
    """Plans that are smaller in one respect each, boldest first; all of them make sense."""
    for candidate in _candidates(plan):
        try:
            check_plan(candidate)
        except ValueError:
            continue
        if candidate != plan:
            yield candidate


def _candidates(plan: Plan) -> Iterator[Plan]:
    for fewer in _without_parts(plan.faults):
        yield replace(plan, faults=fewer)
    for fewer_changes in _without_parts(plan.changes):
        yield replace(plan, changes=fewer_changes)
    for fewer_submissions in _without_parts(plan.submissions):
        yield replace(plan, submissions=fewer_submissions)
    for node in plan.byzantine:
        yield replace(plan, byzantine={n: role for n, role in plan.byzantine.items() if n != node})
    yield replace(plan, **CALM)
    for name, value in CALM.items():
        yield replace(plan, **{name: value})
    for nodes in range(NODES_MIN, plan.nodes):
        yield _with_fewer_nodes(plan, nodes)
    yield from _shorter(plan)
    for number, fault in enumerate(plan.faults):
        for smaller in _smaller_faults(fault):
            yield replace(plan, faults=(*plan.faults[:number], smaller, *plan.faults[number + 1 :]))
    early = tuple(Submission(50 * i, s.node) for i, s in enumerate(plan.submissions))
    if sum(s.at_ms for s in early) < sum(s.at_ms for s in plan.submissions):
        yield replace(plan, submissions=early)


def _without_parts(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """The tuple without each of its halves, quarters, ... and single items."""
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2


def _with_fewer_nodes(plan: Plan, nodes: int) -> Plan:
    inside = tuple(
        replace(fault, nodes=kept)
        for fault in plan.faults
        if (kept := tuple(n for n in fault.nodes if n < nodes)) or not fault.nodes
    )
    return replace(
        plan, nodes=nodes, faults=inside, byzantine={n: role for n, role in plan.byzantine.items() if n < nodes},
        submissions=tuple(replace(s, node=s.node % nodes) for s in plan.submissions),
    )  # fmt: skip


def _shorter(plan: Plan) -> Iterator[Plan]:
    """Healing earlier: behind the last fault, or after half the time with the rest cut off."""
    last = max((fault.until_ms for fault in plan.faults), default=0)
    for heal_ms in (last, min(plan.heal_ms, DISTURBED_MS), plan.heal_ms // 2):
        if heal_ms < plan.heal_ms:
            kept = tuple(replace(f, until_ms=min(f.until_ms, heal_ms)) for f in plan.faults if f.at_ms <= heal_ms)
            yield replace(plan, heal_ms=heal_ms, faults=kept)


def _smaller_faults(fault: Fault) -> Iterator[Fault]:
    lasts = fault.until_ms - fault.at_ms
    if lasts > 100:
        yield replace(fault, until_ms=fault.at_ms + lasts // 2)
    for node in fault.nodes if len(fault.nodes) > 1 else ():
        yield replace(fault, nodes=tuple(n for n in fault.nodes if n != node))
