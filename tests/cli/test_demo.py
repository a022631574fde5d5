"""The demo as a newcomer runs it: it proves every step, and leaves nothing behind, whatever happens."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from cli.demo_stage import _numeral
from tests.code_under_test import environment

# What the year must tell of, by a word of each chapter.
CHAPTERS = (
    "TIMELOCK", "dining", "culture", "transport", "hotel:", "check-in", "SETTLED", "window 1 stays as it was",
    "not a second earlier", "is a merchant", "CLAIMED", "SANDBOX_LIMIT", "RECOVERY_DELAY", "ALREADY_APPLIED",
    "SUSPENDED", "EXITED", "the last points have expired", "the regulator", "the trial's report", "verified offline",
    "a bundle", "every invariant",
)  # fmt: skip


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "demo", *arguments], cwd=home, text=True,
        env=environment(TMPDIR=str(home), PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def nodes_of(home: Path) -> list[str]:
    """Command lines of living processes that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line and "node run" in line:
            found.append(line)
    return found


def test_headings_count_as_chinese_does() -> None:
    assert [_numeral(number) for number in (1, 9, 10, 11, 20, 21)] == ["一", "九", "十", "十一", "二十", "二十一"]


def test_every_receipt_is_proven_and_nothing_stays(tmp_path: Path) -> None:
    with start(tmp_path, "-o", "json") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    answer = json.loads(out)
    assert answer["ok"] and answer["verified"] >= 80
    told = " ".join(step["text"] for step in answer["steps"])
    for word in CHAPTERS:
        assert word in told, f"nothing is told of: {word}"
    assert nodes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_demo_stops_what_it_started(tmp_path: Path) -> None:
    with start(tmp_path, "--lang", "zh") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("一、"):  # the nodes run, the story has begun
                break
        assert len(nodes_of(tmp_path)) == 4
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode != 0
    assert nodes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
