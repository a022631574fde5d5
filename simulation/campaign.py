"""Plays many seeds and counts: python -m simulation.campaign --seeds 2000 --nodes 4,5,7 --jobs 2

Prints every failing seed with its plan, then seeds/s, events, virtual time, faults by kind. Exit code 1 on any failure.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import product

from simulation.plan import plan_of
from simulation.run import Outcome, SimulationFailed, run_plan

CHUNK = 8  # seeds handed to a process at once


@dataclass
class Tally:
    """The sum of all runs so far."""

    runs: int = 0
    events: int = 0
    virtual_ms: int = 0
    slowest_heal_ms: int = 0
    highest_view: int = 0
    memory: int = 0
    blocks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, result: Outcome | str) -> None:
        """Count one run: what it saw, or why it failed."""
        self.runs += 1
        if isinstance(result, str):
            self.failures.append(result)
            return
        self.events += result.events
        self.virtual_ms += result.virtual_ms
        self.slowest_heal_ms = max(self.slowest_heal_ms, result.healed_ms)
        self.highest_view = max(self.highest_view, result.view)
        self.memory = max(self.memory, result.memory)
        self.blocks += result.height
        self.counts["runs that changed the view"] += result.view > 0
        self.counts.update(result.counts)

    def report(self, seconds: float) -> str:
        """The last lines of a campaign."""
        lines = [
            f"{self.runs} runs in {seconds:.1f} s = {self.runs / seconds:.1f} seeds/s; {self.events} events, "
            f"{self.virtual_ms / 1000:.0f} s of virtual time, {self.blocks} blocks",
            f"slowest recovery {self.slowest_heal_ms} ms, highest view {self.highest_view}, "
            f"largest core {self.memory} elements",
            *(f"  {name:28}{count}" for name, count in sorted(self.counts.items())),
            f"violations: {len(self.failures)}",
        ]
        return "\n".join(lines)


def play(case: tuple[int, int]) -> Outcome | str:
    """One run of a (nodes, seed); its failure as text."""
    nodes, seed = case
    try:
        return run_plan(plan_of(seed, nodes))
    except SimulationFailed as failure:
        return str(failure)


def play_all(cases: Iterable[tuple[int, int]], jobs: int) -> Tally:
    """All runs, in `jobs` processes; failures are printed as they come."""
    tally = Tally()
    with ProcessPoolExecutor(jobs) as pool:
        for result in pool.map(play, cases, chunksize=CHUNK):
            tally.add(result)
            if isinstance(result, str):
                print(result, flush=True)
    return tally


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=150, help="number of seeds over all sizes together")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--nodes", default="4,5,7")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    sizes = [int(size) for size in options.nodes.split(",")]
    count = -(-options.seeds // len(sizes))
    cases = [(size, seed) for seed, size in product(range(options.first, options.first + count), sizes)][
        : options.seeds
    ]
    started = time.monotonic()
    tally = play_all(cases, options.jobs)
    print(tally.report(time.monotonic() - started))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
