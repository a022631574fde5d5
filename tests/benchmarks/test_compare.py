"""A difference is claimed only where the runs show it."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.compare import NotComparable, Sampled, compared, sampled_file, text_of
from benchmarks.compare_command import checkout
from benchmarks.machine import hardware
from benchmarks.scoreboard import Board, Outcome, Row, save_board
from benchmarks.targets import FIGURES, Figure

RATE = Figure("rate", "", "rate", "速率", "tx/s", "more", kind="rate")
TIME = Figure("p50", "", "p50", "p50", "ms", "less", kind="time_ms")


def sampled(*values: float, checks: float = 20.0) -> Sampled:
    return {"rate": [(value, checks) for value in values], "p50": [(value, checks) for value in values]}


def verdicts(a: Sampled, b: Sampled, paired: bool = True) -> list[str]:
    return [one.better for one in compared((RATE, TIME), a, b, paired)]


def test_every_round_must_agree() -> None:
    base = (100, 200, 300, 100, 100)
    assert verdicts(sampled(*base), sampled(110, 220, 330, 110, 110)) == ["B", "A"]
    assert verdicts(sampled(*base), sampled(90, 180, 270, 90, 90)) == ["A", "B"]
    assert verdicts(sampled(*base), sampled(110, 220, 299, 110, 110)) == ["", ""]
    assert verdicts(sampled(*base), sampled(100.5, 201, 301.5, 100.5, 100.5)) == ["", ""]


def test_few_runs_show_nothing_however_far_apart() -> None:
    assert verdicts(sampled(1, 1, 1, 1), sampled(9, 9, 9, 9)) == ["too few", "too few"]
    assert verdicts(sampled(1, 1, 1), sampled(9, 9), paired=False) == ["too few", "too few"]


def test_ranges_that_meet_are_no_difference() -> None:
    assert verdicts(sampled(100, 105, 110), sampled(111, 115, 120), paired=False) == ["B", "A"]
    assert verdicts(sampled(100, 105, 112), sampled(111, 115, 120), paired=False) == ["", ""]


def test_results_of_different_times_are_compared_in_checks() -> None:
    slow_machine = sampled(50, 51, 50, checks=40.0)
    fast_machine = sampled(100, 102, 100, checks=20.0)
    rate, time = compared((RATE, TIME), slow_machine, fast_machine, paired=False)
    assert rate.ratio == pytest.approx(1.0, abs=0.02) and rate.better == ""
    assert time.ratio == pytest.approx(4.0, abs=0.1) and time.better == "A"
    assert rate.a == [50, 51, 50], "the values themselves are shown as they were"


def test_tables_are_read_and_strange_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    outcome = Outcome({"w512": [4_000.0, 4_100.0], "w512_p50": [100.0, 99.0]}, [20.0, 22.0])
    save_board(path, Board(1, hardware(), {"w512": Row("abc", False, 0, 1.0, outcome)}))
    found, figures = sampled_file(path)
    assert figures == FIGURES and found["w512"] == [(4_000.0, 21.0), (4_100.0, 21.0)]
    text = text_of(compared(FIGURES, found, found, paired=False), FIGURES, ("x", "y"), paired=False)
    assert "too few runs" in text and "B is better" not in text
    for content in ("{}", "nothing"):
        path.write_text(content)
        with pytest.raises(NotComparable):
            sampled_file(path)
    with pytest.raises(NotComparable):
        sampled_file(tmp_path / "missing.json")


def test_a_commit_is_laid_out_for_a_while_and_a_strange_name_is_refused() -> None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        pytest.skip("no git checkout")
    with checkout("HEAD") as place:
        assert (place / "benchmarks" / "run.py").is_file() and place != root
    assert not place.exists()
    listed = subprocess.run(["git", "-C", str(root), "worktree", "list"], capture_output=True, text=True, check=True)
    assert str(place) not in listed.stdout
    with pytest.raises(NotComparable), checkout("no-such-commit"):
        pass
