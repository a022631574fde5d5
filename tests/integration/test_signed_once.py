"""Transactions signed once, sent again in a network made again: the second run signs nothing and commits the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.latencies import decoded
from tests.code_under_test import environment


def bench(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ("--signed", str(folder / "signed"), "--duration", "2s", "--warmup", "1s", "--transport", "ingress")
    return subprocess.run(
        [sys.executable, "-m", "cli", "bench", "run", *arguments, "--tourists", "40", *more, "-o", "json"],
        capture_output=True, text=True, timeout=120, cwd=folder, check=False, env=environment(),
    )  # fmt: skip


def test_the_second_run_signs_nothing(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    for generators in ("1", "2"):
        done = bench(tmp_path, "--rate", "100", "--generators", generators, "--queries-per-second", "50")
        assert done.returncode == 0, (done.stdout, done.stderr)
        found.append(json.loads(done.stdout))
    assert [one["signing"]["fresh"] for one in found] == [300, 0]
    assert [one["endings"]["committed"] for one in found] == [300, 300], found
    assert all(one["chain"]["agreed"] and one["cost"]["generator_cores"] > 0 for one in found)
    for queries in (one["queries"] for one in found):
        assert queries["offered_per_s"] == 50 and not queries["failed"], queries
        assert decoded(queries["histogram"]).get_total_count() == 100, "every one was answered, some after the end"
    refused = bench(tmp_path, "--rate", "100", "--profile", "uniform")
    assert refused.returncode == 2 and "another profile: 'mixed'" in refused.stderr, refused.stderr
    assert not list(tmp_path.glob("hnchain-bench-*")), "the networks are gone"
