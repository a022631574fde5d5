"""Locust as the engine for many machines: a master and two workers against a real network, without a browser."""

import json
import subprocess
import sys
from pathlib import Path

from tests.code_under_test import environment
from tests.integration.test_bench_survives_a_crash import base_port

USERS = ("--headless", "-u", "6", "-r", "6", "--user-rate", "10", "--bulk", "2", "--only-summary")


def hnchain(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=120, cwd=folder,
        check=False, env=environment(),
    )  # fmt: skip


def test_two_workers_load_a_network_and_their_figures_come_together(tmp_path: Path) -> None:
    up = hnchain(tmp_path, "devnet", "up", "-d", "--dir", "net", "--port-base", str(base_port()))
    assert up.returncode == 0, up.stderr
    try:
        refused = hnchain(tmp_path, "bench", "locust", "--network", "net", *USERS, "-t", "5s", "--tourists", "30")
        assert refused.returncode == 2 and "hnchain bench fund --tourists 30" in refused.stderr, refused.stderr
        assert hnchain(tmp_path, "bench", "fund", "--dir", "net", "--tourists", "30").returncode == 0
        done = hnchain(
            tmp_path, "bench", "locust", "--network", "net", *USERS, "-t", "4s", "--tourists", "30", "--processes", "2",
            "--report", "swarm.json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads((tmp_path / "swarm.json").read_text())
        assert found["processes"] == 2 and found["users"] == 6
        assert set(found["outcomes"]) == {"committed"} and found["outcomes"]["committed"] >= 12, found
        assert found["latency"]["all"]["count"] == found["outcomes"]["committed"]
        assert f" {found['outcomes']['committed']} " in done.stderr + done.stdout, "the count is Locust's own, too"
    finally:
        hnchain(tmp_path, "devnet", "down", "--dir", "net")
