"""What a chaos scenario measured against its target, and the report of a run."""

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """One target. `measured` and `target` are for people; `held` is the verdict."""

    scenario: str
    what: str
    target: str
    measured: str
    held: bool
    skipped: str = ""  # why it was not even tried; then `held` says nothing


def line(finding: Finding) -> str:
    """For the terminal."""
    if finding.skipped:
        return f"skip  {finding.scenario:10} {finding.what}: {finding.skipped}"
    mark = "ok  " if finding.held else "MISS"
    return f"{mark}  {finding.scenario:10} {finding.what:64} {finding.measured:>18}   target {finding.target}"


def write_report(path: Path, findings: list[Finding], seed: int, seconds: float) -> None:
    """The whole run as JSON: what was measured, where, on which revision, from which seed."""
    revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    report = {
        "revision": revision.stdout.strip(), "seed": seed, "seconds": round(seconds), "time": int(time.time()),
        "machine": platform.platform(), "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "findings": [asdict(finding) for finding in findings],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
