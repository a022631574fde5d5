"""Explores the scopes to the end and prints what they hold.

    python -m tests.exhaustive.run [--seconds 900] [--jobs 2] [--short]

Exit code 1 for a violation, with the steps that lead to it, or for a scope that was not finished in its time.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

from tests.exhaustive.scopes import FULL, SHORT
from tests.exhaustive.search import Bound, Outcome, Search


def explored(bound: Bound, seconds: float) -> Outcome:
    """One scope."""
    return Search(bound).run(seconds)


def line(outcome: Outcome) -> str:
    """One scope as a row."""
    verdict = outcome.violation or ("complete" if outcome.complete else "NOT FINISHED")
    cores = "+".join(map(str, outcome.locals))
    numbers = f"{outcome.states} states, {outcome.transitions} steps, states of the cores {cores}"
    return f"{outcome.bound}: {numbers}, {outcome.seconds:.0f} s: {verdict}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=900.0, help="for one scope")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="the scopes of make test")
    options = parser.parse_args()
    scopes = SHORT if options.short else FULL
    sound, states, began = True, 0, time.monotonic()
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(explored, scopes, [options.seconds] * len(scopes)):
            print(line(outcome), flush=True)
            for step in outcome.path:
                print("   ", step)
            sound = sound and outcome.complete and outcome.violation is None
            states += outcome.states
    verdict = "nothing found" if sound else "NOT SOUND"
    print(f"{len(scopes)} scopes, {states} states in {time.monotonic() - began:.0f} s, {verdict}")
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
