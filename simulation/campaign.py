"""Plays many seeds and counts: python -m simulation.campaign --seeds 2000 --nodes 4,5,7 --jobs 2

Prints every failing seed with its plan, then seeds/s, events, virtual time, faults by kind. Exit code 1 on any failure.
The first failure is made smaller and kept in --save, from where the test suite replays it for ever.
"""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Final

from simulation.failure import SimulationFailed, save_plan
from simulation.plan import plan_of
from simulation.run import Outcome, failure_of, run_plan
from simulation.shrinking import SHRINK_SECONDS, shrink
from simulation.summary import Summary

CHUNK: Final = 8  # seeds handed to a process at once


def play(case: tuple[int, int]) -> Outcome | SimulationFailed:
    """One run of a (nodes, seed)."""
    nodes, seed = case
    try:
        return run_plan(plan_of(seed, nodes))
    except SimulationFailed as failure:
        return failure


def play_all(cases: Sequence[tuple[int, int]], jobs: int, summary: Summary) -> list[SimulationFailed]:
    """All runs, in `jobs` processes; failures are printed as they come, and returned."""
    failures = []
    with ProcessPoolExecutor(jobs) as pool:
        for (nodes, seed), result in zip(cases, pool.map(play, cases, chunksize=CHUNK), strict=True):
            if isinstance(result, SimulationFailed):
                failures.append(result)
                print(f"{result}\n  again: hnchain sim --seed {seed} --nodes {nodes} --trace -", flush=True)
            else:
                summary.add(result)
    return failures


def report(summary: Summary, failures: int, seconds: float) -> str:
    """The last lines of a campaign."""
    lines = [
        f"{summary.runs + failures} runs in {seconds:.1f} s = {(summary.runs + failures) / seconds:.1f} seeds/s; "
        f"{summary.events} events, {summary.virtual_ms / 1000:.0f} s of virtual time, {summary.blocks} blocks",
        f"slowest recovery {summary.slowest_heal_ms} ms, highest view {summary.highest_view}, "
        f"largest core {summary.memory} elements",
        f"faults injected: {summary.faults.total()}",
        *(f"  {name:28}{count}" for name, count in sorted(summary.faults.items())),
        "counted:",
        *(f"  {name:28}{count}" for name, count in sorted(summary.counts.items())),
        f"violations: {failures}",
    ]
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=150, help="number of seeds over all sizes together")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--nodes", default="4,5,7")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--save", type=Path, default=Path("tests/regressions"))
    parser.add_argument("--shrink-seconds", type=float, default=SHRINK_SECONDS, help="0: keep the plan as it failed")
    options = parser.parse_args()
    sizes = [int(size) for size in options.nodes.split(",")]
    count = -(-options.seeds // len(sizes))
    cases = [(size, seed) for seed, size in product(range(options.first, options.first + count), sizes)]
    started, summary = time.monotonic(), Summary()
    failures = play_all(cases[: options.seeds], options.jobs, summary)
    print(report(summary, len(failures), time.monotonic() - started))
    if failures:
        smallest = shrink(failures[0], failure_of, options.shrink_seconds)
        print(f"the first one, made smaller, is kept in {save_plan(smallest.plan, options.save)}:\n{smallest}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
