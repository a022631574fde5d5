"""What the commands of the table say before they measure."""

from pathlib import Path

import pytest

from benchmarks.command import bench
from benchmarks.growth import CURVES, Point, load_growth
from benchmarks.trial import Stand
from cli.main import run
from cli.verdicts import Verdict
from ledger.failures import LedgerDamaged

WRONG = [
    (("table", "--rows", "best,worst"), "no row worst"),
    (("soak", "--duration", "0s"), "--duration 0"),
    (("stages", "--duration", "1s"), "at least 3s"),
    (("compare", "nowhere", "nowhere"), "no result file"),
    (("report", "--results", "empty"), "nothing measured"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_wrong_use_ends_with_two_and_says_why(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_curve_that_fails_is_told_and_the_others_are_kept(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(_: Stand) -> list[Point]:
        raise LedgerDamaged("segment 3 is gone")

    monkeypatch.setitem(CURVES, "operations", damaged)
    monkeypatch.setitem(CURVES, "accounts", lambda _: [Point("10", 1.0, 2.0, 3.0, 4.0, True)])
    results = tmp_path / "growth.json"
    command = ["bench", "growth", "--curve", "operations", "--curve", "accounts", "--results", str(results)]
    assert run(command) == Verdict.UNKNOWN
    assert "segment 3 is gone" in capsys.readouterr().err
    assert list(load_growth(results).curves) == ["accounts"]


def test_help_ends_with_an_example() -> None:
    for name in ("table", "soak", "stages", "compare", "growth", "report"):
        assert (bench.commands[name].epilog or "").startswith(f"Example: hnchain bench {name}")
