"""What the commands of the table say before they measure."""

from pathlib import Path

import pytest

from benchmarks.command import bench
from cli.main import run

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


def test_help_ends_with_an_example() -> None:
    for name in ("table", "soak", "stages", "compare", "growth", "report"):
        assert (bench.commands[name].epilog or "").startswith(f"Example: hnchain bench {name}")
