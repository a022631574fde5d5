"""A long run of towns: at least so many operations, seed by seed, in processes side by side; then what was reached.

    python -m tests.properties.town_run --operations 100000 --jobs 2 --seed 0

Even seeds are runs of the hypothesis machine of test_town.py, odd ones are long walks (town_walk.py). A failure is
shrunk and told by its steps; the same seed finds it again. Exit 1: something broke, or less than 90 % of all kinds and
actions was ever carried out.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from primitives.codes import Code
from tests.properties import town_life, town_walk
from tests.properties.test_town import Life

EXAMPLES = 60  # per seed
STEPS = 70
WALK = 600  # steps
SHARE_PERCENT = 90
SETTINGS = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None,
    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
)  # fmt: skip


def main() -> int:
    """Start the processes, add up what they tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0, help="the first; others follow")
    parser.add_argument("--step", type=int, default=0, help=argparse.SUPPRESS)  # of a process: which seeds are its own
    arguments = parser.parse_args()
    if arguments.step:
        return _seeds(arguments.operations, arguments.seed, arguments.step)
    began, share = time.monotonic(), -(-arguments.operations // arguments.jobs)
    running = [_start(share, arguments.seed + number, arguments.jobs) for number in range(arguments.jobs)]
    operations, reached, failed = 0, Counter[tuple[str, str]](), 0
    for process in running:
        out, _ = process.communicate()
        failed += process.returncode != 0
        for line in out.splitlines():
            if line.startswith("{"):
                told = json.loads(line)
                operations += told["operations"]
                reached.update({tuple(pair): count for pair, count in told["reached"]})
    return _tell(operations, reached, failed, time.monotonic() - began)


def _start(share: int, first: int, step: int) -> subprocess.Popen[str]:
    words = ["--operations", str(share), "--seed", str(first), "--step", str(step)]
    command = [sys.executable, "-m", "tests.properties.town_run", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _seeds(operations: int, first: int, step: int) -> int:
    """One process: its seeds in turn until its share is done. A failure ends it with the steps that led there."""
    done, number, reached = 0, first, Counter[tuple[str, str]]()
    verdict = 0
    while done < operations and not verdict:
        Life.operations, Life.reached = 0, Counter()
        verdict = _walks(number) if number // step % 2 else _machine(number)
        done += Life.operations
        reached += Life.reached
        print(f"seed {number}: {Life.operations:,} operations, {done:,} of {operations:,}", file=sys.stderr)
        number += step
    print(json.dumps({"operations": done, "reached": list(reached.items())}))
    return verdict


def _machine(number: int) -> int:
    class Seeded(Life):
        pass

    try:
        run_state_machine_as_test(seed(number)(Seeded), settings=SETTINGS)
    except Exception as error:
        print(f"seed {number}: {type(error).__name__}: {error}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        return 1
    return 0


def _walks(number: int) -> int:
    """As many steps as a run of the machine has."""
    for turn in range(EXAMPLES * STEPS // WALK):
        where = number * 1_000 + turn
        steps = town_walk.plan(where, WALK)
        try:
            town = town_walk.play(where, steps)
        except Exception as error:
            print(f"seed {number}, walk {where}: {type(error).__name__}: {error}", file=sys.stderr)
            fewer = town_walk.shrunk(where, steps)
            print(f"play({where}, {fewer})", file=sys.stderr)
            traceback.print_exception(town_walk.fails(where, fewer))
            return 1
        Life.operations += town.operations
        Life.reached.update(town.reached)
    return 0


def _tell(operations: int, reached: Counter[tuple[str, str]], failed: int, seconds: float) -> int:
    names = town_life.universe()
    for name in names:
        codes = sorted(((code, count) for (of, code), count in reached.items() if of == name), key=_rank)
        print(f"{name:18} " + ", ".join(f"{code} {count:,}" for code, count in codes))
    missing = [name for name in names if not town_life.carried_out(reached, name)]
    share = 100 * (len(names) - len(missing)) // len(names)
    print(f"{operations:,} operations in {seconds:.0f} s, {len(reached)} pairs of kind and code, {failed} failures")
    print(f"carried out: {len(names) - len(missing)} of {len(names)} kinds and actions ({share} %)" + "".join(
        f", not {name}" for name in missing
    ))  # fmt: skip
    return 1 if failed or share < SHARE_PERCENT else 0


def _rank(pair: tuple[str, int]) -> tuple[int, str]:
    """Success first, then by number of the code; states of proposals by name."""
    code = pair[0]
    return (Code[code].value if code in Code.__members__ else -1, code)


if __name__ == "__main__":
    raise SystemExit(main())
