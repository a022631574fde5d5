"""What the commands of the load side say before they begin: help in both languages, and what does not go together."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.command import bench
from benchmarks.report import SUPPLY, Settings
from cli.main import run
from tests.code_under_test import environment

COMMANDS = ("run", "knee", "fund", "locust")


def test_help_ends_with_an_example_in_both_languages(tmp_path: Path) -> None:
    for name in COMMANDS:
        assert (bench.commands[name].epilog or "").startswith(f"Example: hnchain bench {name}")
        done = subprocess.run(
            [sys.executable, "-m", "cli", "--lang", "zh", "bench", name, "--help"], capture_output=True, text=True,
            timeout=60, cwd=tmp_path, check=False, env=environment(),
        )  # fmt: skip
        assert done.returncode == 0 and f"示例：hnchain bench {name}" in done.stdout, done


WRONG = [
    (("run", "--operations", "8"), "--profile batch"),
    (("run", "--rate", "0"), "--queries-per-second"),
    (("run", "--node", "http://x", "--transport", "ingress"), "--transport http"),
    (("run", "--node", "http://x"), "--node needs --dir"),
    (("run", "--dir", "net", "--signed", "file"), "--dir"),
    (("run", "--signed", "foreign"), "no file of signed transactions"),
    (("run", "--report", "nowhere/result.json"), "no folder"),
    (("run", "--report", "."), "is a folder"),
    (("run", "--dir", "net"), "holds no local network"),
    (("knee", "--report", "nowhere/knee.json"), "no folder"),
    (("overload", "--report", "nowhere/overload.json"), "no folder"),
    (("fund", "--dir", "net"), "holds no local network"),
]


@pytest.mark.parametrize(("arguments", "says"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_what_does_not_go_is_said_with_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...],
    says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "foreign").write_text("hello\n" * 50)
    assert run(["bench", *arguments]) == 2
    told = capsys.readouterr()
    assert "HN-9011" in told.err and says in told.err, told.err
    assert told.out == "" and {path.name for path in tmp_path.iterdir()} == {"foreign"}


def test_run_goes_the_way_of_shops_and_knee_that_of_gateways() -> None:
    defaults = {name: {one.name: one.default for one in bench.commands[name].params} for name in ("run", "knee")}
    assert (defaults["run"]["transport"], defaults["knee"]["transport"]) == ("http", "ingress")


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (Settings("mixed", "http", 100.0, 10.0, 2.0, 0, 4, 8), 1_200),
        (Settings("mixed", "http", 0.0, 10.0, 2.0, 0, 4, 8, queries_per_second=5), 0),
        (Settings("mixed", "http", 0.0, 10.0, 2.0, 64, 4, 8), 12 * SUPPLY),
        (Settings("batch", "http", 0.0, 10.0, 2.0, 64, 4, 8, operations=100), 12 * 800),
        (Settings("mixed", "http", 0.0, 10.0, 2.0, 64, 4, 8, supply=7), 84),
    ],
)
def test_how_many_transactions_are_signed(asked: Settings, count: int) -> None:
    assert asked.transactions == count
