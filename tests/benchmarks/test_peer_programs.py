"""Programs of the peers: ready or a reason, nothing left behind, CPU of the whole family; and what is missing."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.peers.programs import Program, missing_parts, program, tree_cpu_seconds, tree_of
from benchmarks.peers.systems import SystemFailed

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
child.stdout.readline()
open("ready", "w").close()
while True:
    time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
BUSY = "import time\nwhile time.process_time() < 0.4: pass\nprint(1, flush=True)\n"


def python(script: str, folder: Path) -> Program:
    return Program([sys.executable, "-c", script], folder / "log")


def parent_of(child: str, folder: Path) -> Program:
    started = python(PARENT.replace("CHILD", repr(child)), folder)
    started.wait_until((folder / "ready").exists)
    return started


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_a_program_that_ends_before_it_is_ready_says_its_last_words(tmp_path: Path) -> None:
    started = python("print('first'); print('no room on the disk'); print(); raise SystemExit(3)", tmp_path)
    with pytest.raises(SystemFailed, match=r"python[\d.]*: exit code 3: no room on the disk"):
        started.wait_until(lambda: False)


def test_a_program_that_is_late_says_so(tmp_path: Path) -> None:
    started = python("import time; time.sleep(300)", tmp_path)
    try:
        with pytest.raises(SystemFailed, match="not ready after 0 s"):
            started.wait_until(lambda: False, seconds=0.1)
    finally:
        started.stop()
    assert not is_alive(started.pid)


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemFailed, match="/no/such/server"):
        Program(["/no/such/server"], tmp_path / "log")


def test_a_program_that_ends_well_is_done_and_one_that_fails_is_not(tmp_path: Path) -> None:
    python("pass", tmp_path).wait_done()
    with pytest.raises(SystemFailed, match="exit code 1: it failed"):
        python("raise SystemExit('it failed')", tmp_path).wait_done()


def test_stopping_ends_children_that_do_not_listen_and_may_be_repeated(tmp_path: Path) -> None:
    started = parent_of(DEAF, tmp_path)
    family = tree_of(started.pid)
    assert len(family) == 2 and family[0] == started.pid
    started.stop(signal.SIGTERM)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.01)  # the system buries a child that was killed
    assert not any(is_alive(pid) for pid in family)
    started.stop()


def test_cpu_counts_children_that_have_ended_and_nobody_twice(tmp_path: Path) -> None:
    waits = PARENT.replace("child.stdout.readline()", "child.stdout.readline(); child.wait()")
    started = python(waits.replace("CHILD", repr(BUSY)), tmp_path)
    try:
        started.wait_until((tmp_path / "ready").exists)
        assert tree_of(started.pid) == [started.pid]
        assert 0.35 <= tree_cpu_seconds([started.pid]) < 1.5
    finally:
        started.stop()
    assert tree_cpu_seconds([started.pid]) == 0


def test_what_is_missing_is_named_with_what_installs_it() -> None:
    assert missing_parts({"sh": "/bin/sh"}, "dash", ["json"]) == ""
    both = missing_parts({"sh": "/bin/sh", "redis-server": None}, "redis-server", ["json", "no_such_module"])
    assert both == ("redis-server not found: apt-get install redis-server; "
                    "Python package no_such_module not found: pip install 'hnchain[peers]'")  # fmt: skip


def test_the_newest_release_is_taken_where_the_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for release in ("9", "15", "8"):
        binary = tmp_path / "lib" / release / "bin" / "initdb"
        binary.parent.mkdir(parents=True)
        binary.touch(0o755)
    (tmp_path / "lib/99/bin").mkdir(parents=True)
    assert program("initdb", f"{tmp_path}/lib/*/bin") == str(tmp_path / "lib/15/bin/initdb")
    assert program("initdb") is None
    os.symlink(tmp_path / "lib/9/bin/initdb", tmp_path / "initdb")
    assert program("initdb", f"{tmp_path}/lib/*/bin") == str(tmp_path / "initdb")
