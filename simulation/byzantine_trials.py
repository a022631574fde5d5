"""Each strategy where it bites, and what must come of it: python -m simulation.byzantine_trials --seeds 100

Prints a table: runs, how often the traitors acted, the slowest recovery, failures, what was demanded. Exit code 1 if
any run failed.
"""

import argparse
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from simulation.cluster import Cluster
from simulation.failure import SimulationFailed
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.roles import Role
from simulation.run import play
from simulation.strategies.catalogue import STRATEGIES
from simulation.strategy import Expect, Seat

HEAL_MS: Final = 3_000
FIRST_SUBMISSION_MS: Final = 20
EVERY_MS: Final = 250  # between two submissions
SIZES: Final = (4, 5, 7)
AWAY: Final = (400, 2_400)  # ms in which the honest leader is cut off, or a voter for long
OFTEN_AWAY: Final = ((300, 700), (900, 1_300), (1_500, 1_900), (2_100, 2_800))  # the same for an honest voter


@dataclass(frozen=True)
class Trial:
    """What one run of one strategy gave; `failure` is empty if every demand was met."""

    role: Role
    acts: int
    healed_ms: int
    failure: str


def plan_of_trial(role: Role, nodes: int, seed: int) -> Plan:
    """f traitors of one role on the seats where they hurt most, transactions through all nodes."""
    faulty, seat = (nodes - 1) // 3, STRATEGIES[role].seat
    first = {Seat.FIRST: 0, Seat.NEXT: 1, Seat.LAST: nodes - faulty, Seat.SYNC: 0, Seat.SYNC_LONG: 0}[seat]
    faults: tuple[Fault, ...] = ()
    if seat is Seat.NEXT:
        faults = (Fault(FaultKind.PARTITION, *AWAY, (0,)),)
    elif seat is Seat.SYNC:
        faults = tuple(Fault(FaultKind.PARTITION, *away, (nodes - 1,)) for away in OFTEN_AWAY)
    elif seat is Seat.SYNC_LONG:
        faults = (Fault(FaultKind.PARTITION, *AWAY, (nodes - 1,)),)
    forgets = STRATEGIES[role].forgets
    return Plan(
        seed=seed,
        nodes=nodes,
        byzantine=dict.fromkeys(range(first, first + faulty), role),
        faults=faults,
        heal_ms=2 * HEAL_MS if forgets else HEAL_MS,
        delay_ms=(5, 20, 60)[seed % 3],
        jitter_ms=5,
        window=2 if seat in (Seat.SYNC, Seat.SYNC_LONG) else 8,
        submissions=tuple(
            Submission(at_ms=FIRST_SUBMISSION_MS + EVERY_MS * i, node=(i + seed) % nodes)
            for i in range(STRATEGIES[role].traffic_ms // EVERY_MS)
        ),
    )


def demand(cluster: Cluster, role: Role) -> None:
    """What the strategy expects of a run that kept all rules. Raises AssertionError."""
    strategy, traitors = STRATEGIES[role], set(cluster.plan.byzantine)
    views = {number: cluster.nodes[number].replica.view for number in cluster.honest}
    if strategy.blames:
        rules = {rule for sender, rule in cluster.checkers.conduct.blamed if sender in traitors}
        assert strategy.blames in rules, f"{role}: blamed with {sorted(rules)}, not with {strategy.blames}"
    for expected in sorted(strategy.expects):
        match expected:
            case Expect.EVIDENCE:
                proven = cluster.checkers.evidence_against
                assert proven and proven <= traitors, f"{role}: evidence against {sorted(proven)}, not {traitors}"
            case Expect.DEPOSED:
                left = cluster.checkers.left_first_view_ms
                late = FIRST_SUBMISSION_MS + strategy.ends_ms
                assert all(left.get(number, late + 1) <= late for number in cluster.honest), (
                    f"{role}: view 0 was left at {left}, it should end within {late} ms"
                )
            case Expect.UNMOVED:
                assert not any(views.values()), f"{role}: honest nodes stand in the views {views}"
            case Expect.REFUSED:
                assert cluster.counts["refused"], f"{role}: nothing was refused in front of the cores"


def play_trial(case: tuple[Role, int, int]) -> Trial:
    """One run; its failure as text."""
    role, nodes, seed = case
    plan = plan_of_trial(role, nodes, seed)
    cluster = Cluster(plan)
    try:
        outcome = play(cluster)
        demand(cluster, role)
    except Exception as error:
        return Trial(role, 0, 0, str(SimulationFailed(plan, error, cluster.schedule.now_ms)))
    return Trial(role, sum(traitor.acts for traitor in cluster.traitors.values()), outcome.healed_ms, "")


def play_trials(roles: Iterable[Role], seeds: range, jobs: int) -> list[Trial]:
    """Every role with every seed; the size of the network goes round with the seed."""
    cases = [(role, SIZES[seed % len(SIZES)], seed) for role in roles for seed in seeds]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(play_trial, cases, chunksize=4))


def idle(trials: list[Trial]) -> list[str]:
    """Strategies that never did anything: their runs prove nothing."""
    acted = {trial.role for trial in trials if trial.acts or STRATEGIES[trial.role].twin}
    return [f"{role}: no traitor ever acted" for role in dict.fromkeys(t.role for t in trials) if role not in acted]


def table(trials: list[Trial]) -> str:
    """One line per role."""
    lines = [
        f"{'role':21}{'runs':>5}{'acts/run':>9}{'slowest ms':>11}{'failed':>7}  attacks; expected besides the rules"
    ]
    for role in dict.fromkeys(trial.role for trial in trials):
        own, strategy = [trial for trial in trials if trial.role is role], STRATEGIES[role]
        failed = sum(bool(trial.failure) for trial in own)
        acts, slowest = sum(trial.acts for trial in own) // len(own), max(trial.healed_ms for trial in own)
        expected = ", ".join(sorted(strategy.expects)) or "-"
        lines.append(f"{role:21}{len(own):5}{acts:9}{slowest:11}{failed:7}  {strategy.attacks}; {expected}")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="runs of every strategy")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("roles", nargs="*", type=Role, metavar="ROLE", help="default: all")
    options = parser.parse_args()
    started = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    trials = play_trials(options.roles or list(Role), seeds, options.jobs)
    failures = [trial.failure for trial in trials if trial.failure] + idle(trials)
    print(*failures, table(trials), sep="\n")
    seconds = time.monotonic() - started
    print(f"{len(trials)} runs of {len(options.roles or Role)} strategies in {seconds:.0f} s, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
