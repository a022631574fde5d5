"""Plays one run again, by seed or from a plan file, with a readable trace.

python -m simulation.replay --seed 17 --nodes 4 [--trace]
python -m simulation.replay --plan tests/regressions/name.json [--trace]
"""

import argparse
from pathlib import Path

from simulation.plan import dump_plan, load_plan, plan_of
from simulation.run import SimulationFailed, run_plan


def main() -> int:
    """The command; exit code 1 if the run breaks a rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--print-plan", action="store_true")
    options = parser.parse_args()
    if (options.seed is None) == (options.plan is None):
        parser.error("give --seed or --plan")
    plan = load_plan(options.plan) if options.plan else plan_of(options.seed, options.nodes)
    if options.print_plan:
        print(dump_plan(plan))
    try:
        outcome = run_plan(plan, print if options.trace else None)
    except SimulationFailed as failure:
        print(failure)
        return 1
    print(outcome)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
