"""The operator's drill of the README: kill the leader while the benchmark runs, start it again, read the report."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chainnode.listening_ports import is_free

PROJECT = Path(__file__).resolve().parents[2]
GAP_MS_MAX = 5_000


def hnchain(*arguments: str) -> str:
    """stdout of a command that must end 0."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=120, cwd=PROJECT, check=False
    )
    assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_the_leader_dies_under_the_benchmark_and_nothing_is_lost(tmp_path: Path) -> None:
    directory = ("--dir", str(tmp_path / "net"))
    hnchain("devnet", "up", "-d", *directory, "--port-base", str(base_port()))
    try:
        command = [sys.executable, "-m", "cli", "bench", "run", *directory, "--rate", "200", "--duration", "12s"]
        with subprocess.Popen(
            [*command, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT
        ) as bench:
            wait_for_height(directory, 8)
            killed = json.loads(hnchain("devnet", "kill", "leader", *directory, "-o", "json"))["name"]
            time.sleep(4)  # the others go on without it for a while: what is measured, not what is waited for
            hnchain("devnet", "start", killed, *directory)
            out, err = bench.communicate(timeout=180)
        assert bench.returncode == 0, (out, err)
        check_report(json.loads(out))
        wait_for_equal_states(directory)
    finally:
        subprocess.run([sys.executable, "-m", "cli", "devnet", "down", *directory], cwd=PROJECT, check=False)


def check_report(report: dict[str, Any]) -> None:
    """Commits went on, nothing acknowledged is missing, and every transaction ended in one way that is counted."""
    assert report["chain"]["lost"] == 0 and report["chain"]["agreed"], report["chain"]
    assert len(report["chain"]["nodes"]) == 4 and report["chain"]["invariants"] == [], report["chain"]
    assert report["longest_gap_ms"] <= GAP_MS_MAX, report
    endings = report["endings"]
    assert endings["unresolved"] == 0, endings
    assert endings["committed"] + endings["rejected"] + endings["expired"] + endings["refused"] == 200 * 14, endings
    assert report["latency"]["all"]["count"] == 200 * 12, report["latency"]


def wait_for_height(directory: tuple[str, str], height: int) -> None:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        nodes = json.loads(hnchain("devnet", "status", *directory, "-o", "json"))
        if max(node["status"]["height"] for node in nodes) >= height:
            return
        time.sleep(0.1)
    raise AssertionError(f"no node reached height {height}")


def wait_for_equal_states(directory: tuple[str, str]) -> None:
    """The node that was away has caught up; on a busy machine the load may be over before it has."""
    deadline = time.monotonic() + 40
    while True:
        nodes = json.loads(hnchain("devnet", "status", *directory, "-o", "json"))
        found = {(node["status"]["height"], node["status"]["state_root"]) for node in nodes}
        if len(found) == 1:
            return
        assert time.monotonic() < deadline, nodes
        time.sleep(0.1)


def base_port() -> int:
    """The first of 40 free ports in a row."""
    for base in range(20_000 + os.getpid() % 100 * 100, 32_000, 50):
        if all(is_free(base + offset) for offset in range(40)):
            return base
    raise AssertionError("no 40 free ports in a row")
