"""The table's judgement, its file, and what the trials compute from what they saw."""

import math
import mmap
import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import scoreboard, trials_rest
from benchmarks.aftermath import Chain
from benchmarks.machine import hardware, resident_and_mapped_mib
from benchmarks.outcomes import Book
from benchmarks.report import SUPPLY, Baseline, Settings, Spent, result_of
from benchmarks.scoreboard import (
    Board,
    Outcome,
    Row,
    Trace,
    doubts_of,
    load_board,
    median_of,
    save_board,
    stands,
    verdict_of,
)
from benchmarks.targets import FIGURES, Figure, figures_of, judge, ratio
from benchmarks.trial import Stand, Tally, _supply
from benchmarks.trials import TRIALS
from benchmarks.trials_load import steadiness
from benchmarks.trials_rest import Sample, changed_bytes, files_of, slope_per_hour, steepest

RATE = Figure("r", "t", "rate", "速率", "tx/s", "more", 4_000, 8_000, "rate")
TIME = Figure("p", "t", "p50", "p50", "ms", "less", 120, 50, "time_ms")


def board(*rows: tuple[str, Row]) -> Board:
    return Board(1, hardware(), dict(rows))


def full_row(trial: str, sources: str = "abc", short: bool = False, **changes: object) -> Row:
    figures = {figure.name: [1.0, 2.0, 3.0] for figure in figures_of(trial)}
    return Row(sources, short, 0, 1.0, replace(Outcome(figures), **changes))


def test_a_gate_holds_if_it_held_in_two_of_three_runs() -> None:
    assert judge(RATE, [3_999, 4_000, 9_000]) == "holds"
    assert judge(RATE, [3_999, 3_999, 9_000]) == "misses"
    assert judge(RATE, [8_000]) == "goal"
    assert judge(TIME, [500, 120, 119]) == "holds"
    assert judge(TIME, [120.1, 120.1, 10]) == "misses"
    assert judge(TIME, [50]) == "goal"
    assert judge(RATE, [4_000, 3_999]) == "misses", "one of two is not two of three"
    assert judge(RATE, [8_000, 8_000, 1]) == "goal"


def test_the_verdict_says_in_how_many_runs_the_gate_held() -> None:
    runs = {"w512": [3_999.0, 4_000.0, 9_000.0], "w512_p50": [130.0, 121.0, 119.0]}
    measured = board(("w512", full_row("w512", figures=runs)))
    assert [scoreboard.verdict_text(measured, figure) for figure in figures_of("w512")] == ["holds 2/3", "MISSES 1/3"]
    assert [scoreboard.verdict_text(measured, figure) for figure in figures_of("queries")] == ["not measured"] * 2


def test_what_is_not_sound_misses_and_what_has_no_gate_is_only_told() -> None:
    assert judge(RATE, [9_000], sound=False) == "misses"
    assert judge(RATE, []) == "not measured"
    assert judge(Figure("x", "t", "x", "x", "s"), [1.0], sound=False) == "told"


def test_figures_in_checks_of_the_same_run() -> None:
    assert ratio(RATE, 4_000, 25.0) == pytest.approx(0.1)
    assert ratio(TIME, 100, 25.0) == pytest.approx(4_000)
    assert ratio(TIME, 100, 0.0) is None
    assert ratio(Figure("x", "t", "x", "x", "s"), 1.0, 25.0) is None


def test_every_figure_has_a_trial_and_a_gate_is_no_harder_than_its_goal() -> None:
    assert {figure.trial for figure in FIGURES} == set(TRIALS)
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert (figure.gate is None) == (figure.better == "neither"), figure.name
        if figure.gate is not None and figure.goal is not None:
            assert judge(figure, [figure.goal]) == "goal"
            assert judge(figure, [figure.gate]) in ("holds", "goal")


def test_who_joins_by_snapshot_is_judged_and_who_replays_is_told_and_each_says_which_it_is() -> None:
    judged, seconds, replay, rate = figures_of("sync")
    assert [figure.name for figure in (judged, seconds, replay, rate)] == [
        "sync", "sync_seconds", "replay", "replay_rate"]  # fmt: skip
    assert (judged.gate, judged.goal, judge(judged, [4.9]), judge(judged, [20.0])) == (5, 20, "misses", "goal")
    assert {judge(figure, [0.1]) for figure in (seconds, replay, rate)} == {"told"}
    assert all("snapshot" in f.english and "快照" in f.chinese for f in (judged, seconds))
    assert all("replays every block" in f.english and "重放全部区块" in f.chinese for f in (replay, rate))


def test_a_row_of_the_former_replay_is_not_taken_for_a_snapshot() -> None:
    former = Row("abc", False, 0, 1.0, Outcome({"sync": [3.3], "sync_rate": [20_000.0]}))
    assert not stands(board(("sync", former)), "sync", "abc", short=False)


def test_a_row_stands_while_sources_machine_and_figures_are_the_same() -> None:
    kept = board(("w512", full_row("w512")))
    assert stands(kept, "w512", "abc", short=False)
    assert not stands(kept, "w512", "abd", short=False)
    assert not stands(kept, "best", "abc", short=False)
    assert not stands(board(("w512", full_row("w512", sources=""))), "w512", "", short=False)
    other = Board(1, replace(hardware(), processor="another"), kept.rows)
    assert not stands(other, "w512", "abc", short=False)
    lacking = full_row("w512", figures={"w512": [1.0]})
    assert not stands(board(("w512", lacking)), "w512", "abc", short=False)


def test_a_short_row_stands_only_where_short_ones_are_asked_for() -> None:
    kept = board(("w512", full_row("w512", short=True)))
    assert stands(kept, "w512", "abc", short=True)
    assert not stands(kept, "w512", "abc", short=False)


def test_the_file_is_read_back_and_a_strange_one_is_an_empty_board(tmp_path: Path) -> None:
    path = tmp_path / "results" / "table.json"
    assert load_board(path).rows == {}
    kept = board(("w512", full_row("w512")))
    save_board(path, kept)
    assert load_board(path) == kept
    assert median_of(kept, "w512") == 2.0
    assert median_of(kept, "best") is None
    assert os.listdir(path.parent) == ["table.json"]
    path.write_text("{}")
    assert load_board(path).rows == {}


def test_a_row_says_when_it_is_noisy_short_unsound_or_not_alone() -> None:
    assert doubts_of(full_row("w512", verify_us=[20.0, 22.9], strangers=0.2)) == []
    assert "noisy" in doubts_of(full_row("w512", verify_us=[20.0, 23.1]))[0]
    assert "not alone" in doubts_of(full_row("w512", strangers=0.3))[0]
    assert "SOUND" in doubts_of(full_row("w512", sound=False))[0]
    assert doubts_of(full_row("w512", short=True)) == ["short runs"]


def test_the_text_has_every_figure_and_names_what_misses() -> None:
    kept = board(("w512", full_row("w512")), ("silence", full_row("silence", sources="older")))
    text = scoreboard.text_of(kept, "abc")
    assert all(figure.english in text for figure in FIGURES)
    assert "gates missed: w512, idle_bytes" in text
    assert f"gates that hold: 1 of {sum(figure.gate is not None for figure in FIGURES)}" in text
    assert "measured of other sources: silence" in text
    assert [verdict_of(kept, f) for f in figures_of("w512")] == ["misses", "goal"]


def test_bytes_that_files_gained(tmp_path: Path) -> None:
    grown, rewritten, same = (tmp_path / name for name in ("grown", "rewritten", "same"))
    for path in (grown, rewritten, same):
        path.write_bytes(bytes(100))
    before = files_of([tmp_path])
    grown.write_bytes(bytes(130))
    rewritten.write_bytes(bytes(100))
    os.utime(rewritten, ns=(1, 1))
    (tmp_path / "new").write_bytes(bytes(7))
    assert changed_bytes(before, files_of([tmp_path])) == 30 + 100 + 7
    assert changed_bytes(before, before) == 0


def test_a_soak_judges_all_resident_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is mapped counts: 2 MiB/h in all, of which 1 is the node's own."""
    rising = [Sample(float(x), 50 + x / 1800, 10 + x / 3600) for x in range(100)]
    monkeypatch.setattr(trials_rest, "sampling", lambda _network: nullcontext({"a": rising}))
    monkeypatch.setattr(trials_rest, "load", lambda _stand, tally, *_, **__: tally.verify_us.append(60.0))
    monkeypatch.setattr(Stand, "network", lambda _stand: nullcontext())
    stand = Stand(Path(), 1, True, lambda _: None, lambda *_: None)
    found = trials_rest.soak(stand, 0.0, 1.0).figures
    assert found["slope"] == [pytest.approx(2.0)]
    assert found["own_slope"] == [pytest.approx(1.0)]
    assert [(one.gate, one.name) for one in FIGURES if one.trial == "memory"] == [(8, "slope"), (None, "own_slope")]


def test_the_steepest_node_is_judged_by_its_second_half() -> None:
    flat = [Sample(float(x), 50.0, 10.0) for x in range(100)]
    rising = [Sample(float(x), 50 + x / 3600, 10 + x / 1800) for x in range(100)]
    filled = [Sample(float(x), min(50.0, float(x)), 0.0) for x in range(100)]
    samples = {"a": flat, "b": rising, "c": filled}
    assert steepest(samples, 100, lambda sample: sample.resident)[0] == pytest.approx(1.0)
    assert steepest({"b": rising}, 100, lambda sample: sample.resident - sample.mapped)[0] == pytest.approx(-1.0)


def test_pages_of_files_are_a_part_of_what_is_resident(tmp_path: Path) -> None:
    file, size = tmp_path / "table", 8 * 2**20
    file.write_bytes(bytes(size))
    _, mapped = resident_and_mapped_mib(os.getpid())
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_READ) as table:
        assert sum(table[:: mmap.PAGESIZE]) == 0, "every page is read"
        resident, more = resident_and_mapped_mib(os.getpid())
    assert more - mapped == pytest.approx(size / 2**20, abs=4) and resident > more
    assert resident_and_mapped_mib(2**31 - 1) == (0.0, 0.0)


def test_the_slope_of_a_line_is_its_slope_and_noise_is_its_error() -> None:
    slope, error = slope_per_hour([(x, 50 + x / 3600) for x in range(100)])
    assert slope == pytest.approx(1.0) and error == pytest.approx(0, abs=1e-6)
    assert slope_per_hour([(x, 50.0) for x in range(100)]) == (0, 0)
    assert slope_per_hour([(0, 1.0), (1, 9.0)]) == (0, math.inf)
    waves = [(x, 50 + 5 * math.sin(x / 20)) for x in range(600)]  # neighbours resemble each other
    slope, error = slope_per_hour(waves)
    assert abs(slope) < 3 * error and error > 5


def test_a_closed_loop_gets_twice_what_it_took_before_and_never_less_than_an_unknown_one() -> None:
    known = {"mixed, 64 outstanding": 9_000.0, "mixed, 9 outstanding": 30_000.0}
    tally = Tally(traces=[Trace(offered, rate, [], "") for offered, rate in known.items()])
    assert _supply(tally, "mixed, 64 outstanding", 1) == 18_000
    assert _supply(tally, "mixed, 2 outstanding", 1) == SUPPLY
    assert _supply(Tally(traces=[Trace("x", 20.0, [], "")]), "x", 100) == 800


def test_steadiness_is_the_last_quarter_over_the_first() -> None:
    book = Book(0)
    settings = Settings("mixed", "ingress", 0.0, 8.0, 2.0, 64, 4, 10)
    chain = Chain({}, agreed=True, lost=0, invariants=[])
    result = result_of(book, settings, hardware(), Baseline(1, 1, 1), Spent(0, 0, {}, {}), chain)
    per_second = [900, 900, 100, 100, 90, 80, 70, 60, 50, 50, 999]
    assert steadiness(replace(result, per_second=per_second)) == 0.5
    assert steadiness(result) == 0
