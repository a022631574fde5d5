"""A measurement that is ended from outside ends what it has started."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.code_under_test import FOLDER

START_SECONDS = 60


def processes_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_text()
        except OSError:
            continue
        if str(folder) in words:
            found.append(int(entry.parent.name))
    return found


def test_a_terminated_benchmark_leaves_no_node_and_no_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import cli.__main__",
               "bench", "run", "--duration", "120s", "--rate", "5"]  # fmt: skip
    with (tmp_path / "said").open("w") as said:
        running = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said)
    try:
        _end(running, tmp_path)
    finally:
        for pid in (running.pid, *processes_in(tmp_path)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        running.wait()


def _end(running: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while len(processes_in(tmp_path)) < 4 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)  # four nodes are processes of their own: there is nothing to wait for but the system
    assert len(processes_in(tmp_path)) == 4, (tmp_path / "said").read_text()
    running.terminate()
    assert running.wait(START_SECONDS) != 0
    assert not processes_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["said"]
