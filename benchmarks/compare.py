"""Two results beside each other, and what may be said of their difference. Ratios are B to A.

Runs of two checkouts are made in turn, so that both meet the same machine: a round is a pair, and a difference is only
claimed if every round says the same. Results of different times are compared in libsodium's checks of their own run,
and a difference is only claimed if their ranges do not meet.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from benchmarks.report import Result
from benchmarks.scoreboard import Board, number
from benchmarks.targets import FIGURES, Figure, ratio
from cli.language import t
from cli.output import table

LEAST_DIFFERENCE: Final = 0.01  # below one per cent nobody should care, whatever the rounds say
ROUNDS_MIN: Final = 5  # of equal sides all agree by chance once in 16 times; of two rounds every other time
RUNS_MIN: Final = 3  # of each side, for ranges: they part by chance once in 10 times
Better = Literal["A", "B", "", "too few"]
RUN_FIGURES: Final = (
    Figure("rate", "", "committed", "已提交", "tx/s", "more", kind="rate"),
    Figure("operations", "", "operations", "操作", "op/s", "more", kind="rate"),
    Figure("p50", "", "p50", "p50", "ms", "less", kind="time_ms"),
    Figure("p99", "", "p99", "p99", "ms", "less", kind="time_ms"),
    Figure("cpu", "", "CPU of all nodes per transaction", "每笔交易的全部节点 CPU", "us", "less", kind="time_us"),
)
Sampled = dict[str, list[tuple[float, float]]]  # by figure: (value, us per check in that run)


class Comparison(msgspec.Struct, frozen=True):
    """Of one figure. `ratio`: median, `least`, `most`: of all that the runs allow. `better`: "" = no difference."""

    name: str
    unit: str
    a: list[float]
    b: list[float]
    ratio: float
    least: float
    most: float
    better: Better


class NotComparable(Exception):
    """The two have nothing in common."""


def sampled_result(results: Sequence[Result]) -> Sampled:
    """The figures of runs."""
    found: Sampled = {figure.name: [] for figure in RUN_FIGURES}
    for one in results:
        latency = one.latency["all"]
        for name, value in (
            ("rate", one.committed_per_s), ("operations", one.operations_per_s), ("p50", latency.p50),
            ("p99", latency.p99), ("cpu", one.cost.nodes_us_per_transaction),
        ):  # fmt: skip
            found[name].append((value, one.baseline.us))
    return found


def sampled_file(path: Path) -> tuple[Sampled, tuple[Figure, ...]]:
    """The figures of a result of `bench run` or of the table. Raises: NotComparable."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotComparable(f"{path}: {error.strerror}") from error
    try:
        return sampled_result([msgspec.json.decode(raw, type=Result)]), RUN_FIGURES
    except msgspec.DecodeError:
        pass
    try:
        board = msgspec.json.decode(raw, type=Board)
    except msgspec.DecodeError as error:
        raise NotComparable(f"{path} is neither a result of bench run nor of bench table: {error}") from error
    found: Sampled = {}
    for figure in FIGURES:
        row = board.rows.get(figure.trial)
        if row is not None and row.outcome.figures.get(figure.name):
            checks = statistics.median(row.outcome.verify_us) if row.outcome.verify_us else 0.0
            found[figure.name] = [(value, checks) for value in row.outcome.figures[figure.name]]
    return found, FIGURES


def compared(figures: Sequence[Figure], a: Sampled, b: Sampled, paired: bool) -> list[Comparison]:
    """Of every figure that both have. `paired`: round by round, as measured; else in checks, all against all."""
    found = []
    enough = ROUNDS_MIN if paired else RUNS_MIN
    for figure in figures:
        if not (a.get(figure.name) and b.get(figure.name)):
            continue
        ones, others = ([_measure(figure, v, paired) for v in side[figure.name]] for side in (a, b))
        if paired:
            ratios = [y / x for x, y in zip(ones, others, strict=True) if x]
        else:
            ratios = [y / x for x in ones for y in others if x]
        if not ratios:
            continue
        least, most = min(ratios), max(ratios)
        middle = statistics.median(ratios)
        found.append(Comparison(
            figure.name, figure.unit, [v for v, _ in a[figure.name]], [v for v, _ in b[figure.name]],
            middle, least, most,
            _better(figure, least, middle, most) if min(len(ones), len(others)) >= enough else "too few",
        ))  # fmt: skip
    return found


def _measure(figure: Figure, sample: tuple[float, float], raw: bool) -> float:
    value, checks = sample
    in_checks = None if raw else ratio(figure, value, checks)
    return value if in_checks is None else in_checks


def _better(figure: Figure, least: float, middle: float, most: float) -> Better:
    if figure.better == "neither" or abs(middle - 1) < LEAST_DIFFERENCE or least <= 1 <= most:
        return ""
    return "B" if (least > 1) == (figure.better == "more") else "A"


def _verdict_text(better: Better) -> str:
    match better:
        case "":
            return t("no difference", "无差异")
        case "too few":
            return t("too few runs to tell", "运行次数不足，无法判定")
        case _:
            return t(f"{better} is better", f"{better} 更好")


def text_of(found: Sequence[Comparison], figures: Sequence[Figure], names: tuple[str, str], paired: bool) -> str:
    """The table, and how it was compared."""
    titles = {figure.name: t(figure.english, figure.chinese) for figure in figures}
    rows = [
        (titles[c.name], c.unit, number(statistics.median(c.a)), number(statistics.median(c.b)), f"{c.ratio:.3f}",
         f"{c.least:.3f} .. {c.most:.3f}",
         _verdict_text(c.better))
        for c in found
    ]  # fmt: skip
    heads = (t("figure", "指标"), t("unit", "单位"), "A", "B", "B / A", t("least .. most", "最小 .. 最大"),
             t("verdict", "结论"))  # fmt: skip
    how = (
        t("rounds in turn; a difference is said only if every round shows it",
          "交替进行；仅当每一轮都一致时才认定有差异")
        if paired else
        t("of different times: ratios are of values in libsodium's checks of the same run; a difference is said only "
          "if the ranges do not meet",
          "非同时测量：比值按各自运行中的 libsodium 验签折算；仅当区间不重叠时才认定有差异")
    )  # fmt: skip
    return f"A: {names[0]}\nB: {names[1]}\n\n{table(heads, rows)}\n\n{how}"
