"""Real processes under faults, against the targets of the design.

    python -m tests.chaos.run [--kills 200] [--seed 1] [--report FILE] [SCENARIO ...]

Scenarios: leader, members, pause, cuts, kills; all without a name. Exit code 1 if a target is missed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chainnode.failures import NodeFailure
from tests.chaos.findings import Finding, line, write_report
from tests.chaos.kills import cut_often, kill_often
from tests.chaos.members import join_and_change
from tests.chaos.outages import kill_leaders, pause_half

REPORT = Path("tests/chaos/results/chaos.json")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    options = parser.parse_args()
    scenarios: dict[str, Callable[[Path, int], list[Finding]]] = {
        "leader": kill_leaders,
        "members": join_and_change,
        "pause": pause_half,
        "cuts": cut_often,
        "kills": partial(kill_often, kills=options.kills),
    }
    unknown = set(options.names) - set(scenarios)
    if unknown:
        parser.error(f"unknown {sorted(unknown)}; there are {', '.join(scenarios)}")
    began, findings = time.monotonic(), list[Finding]()
    for name, play in scenarios.items():
        if options.names and name not in options.names:
            continue
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"chaos-{name}-") as folder:
            try:
                found = play(Path(folder), options.seed)
            except (AssertionError, NodeFailure, OSError) as error:  # what it saw so far is lost, the others go on
                found = [Finding(name, "goes through to its end", "yes", f"{type(error).__name__}: {error}", False)]
        findings += found
        print("\n".join(line(finding) for finding in found), flush=True)
        print(f"  load average now {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    write_report(options.report, findings, options.seed, time.monotonic() - began)
    tried = [finding for finding in findings if not finding.skipped]
    missed = sum(not finding.held for finding in tried)
    print(f"{len(tried) - missed} of {len(tried)} targets held, {len(findings) - len(tried)} skipped, "
          f"{time.monotonic() - began:.0f} s; {options.report}")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
