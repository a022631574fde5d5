"""The report: one HTML file per language with every result that is there, its charts and its raw data in it."""

import datetime
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
from markupsafe import Markup

from benchmarks import charts, growth, scoreboard
from benchmarks.charts import Series
from benchmarks.growth import Growth
from benchmarks.latencies import decoded
from benchmarks.peers import table
from benchmarks.peers.figures import Comparison
from benchmarks.scoreboard import Board, number
from benchmarks.stages import STAGES
from benchmarks.stages_run import Watched
from benchmarks.targets import FIGURES, Figure
from cli.language import Language, current, t, use

PERCENTILES: Final = (0, 50, 75, 90, 95, 99, 99.9, 99.99, 100)
CHINA: Final = datetime.timezone(datetime.timedelta(hours=8))
# JR/T 0193 names five metrics of a distributed ledger's performance; the figures that answer each of them.
STANDARD: Final = (
    (("transaction throughput", "交易吞吐率"), ("best", "w512", "batch")),
    (("query throughput", "查询吞吐率"), ("queries", "query_p99")),
    (("synchronisation performance", "同步性能"), ("sync", "sync_seconds", "replay_rate")),
    (("deployment efficiency", "部署效率"), ("deploy", "deploy_first")),
    (("ledger growth", "账本增长"), ("growth",)),
)


class Sources(msgspec.Struct, frozen=True):
    """What the page is made of; None or empty: not measured."""

    board: Board
    stages: Watched | None = None
    growth: Growth | None = None
    peers: Comparison | None = None


def html(sources: Sources, language: Language, other: str) -> str:
    """The page in a language. `other`: the name of the file in the other one."""
    before = current()
    use(language)
    try:
        return _template().render(_words(sources, other), t=t, number=number, language=language)
    finally:
        use(before)


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("report.html")


def _words(sources: Sources, other: str) -> dict[str, Any]:
    board = sources.board
    cells = scoreboard.rows_of(board)
    rows = [_row(board, figure, texts) for figure, texts in zip(FIGURES, cells, strict=True)]
    commits = sorted({row.sources for row in board.rows.values()})
    return {
        "other": other,
        "machine": board.hardware,
        "commits": [scoreboard.sources_text(commit) for commit in commits],
        "made": _moment(max((row.taken for row in board.rows.values()), default=0)),
        "rows": rows,
        "counts": _counts(board),
        "standard": [(t(*title), [row for row in rows if row["name"] in names]) for title, names in STANDARD],
        "latency": _latency(board),
        "seconds": _seconds(board),
        "stages": None if sources.stages is None else _stages(sources.stages),
        "watched": sources.stages,
        "growth": [] if sources.growth is None else _growth(sources.growth),
        "peers": None if sources.peers is None else _peers(sources.peers),
        "raw": Markup(msgspec.json.encode(board).decode().replace("<", "\\u003c")),  # noqa: S704  (JSON in a script)
    }


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, CHINA).strftime("%Y-%m-%d %H:%M") if seconds else ""


def _counts(board: Board) -> dict[str, int]:
    found = [scoreboard.verdict_of(board, figure) for figure in FIGURES if figure.better != "neither"]
    return {name: found.count(name) for name in ("goal", "holds", "misses", "not measured")}


def _row(board: Board, figure: Figure, cells: tuple[str, ...]) -> dict[str, Any]:
    values = scoreboard.values_of(board, figure)
    verdict = scoreboard.verdict_of(board, figure)
    drawn = ""
    if values and figure.gate and figure.goal:
        drawn = charts.gauge(min(values), statistics.median(values), max(values), figure.gate, figure.goal,
                             figure.better == "more")  # fmt: skip
    return {"name": figure.name, "cells": cells, "verdict": verdict.replace(" ", "-"), "gauge": drawn}


def _traces(board: Board, trials: Sequence[str]) -> Mapping[str, Any]:
    """The last load of each of these trials."""
    rows = ((trial, board.rows.get(trial)) for trial in trials)
    return {trial: row.outcome.traces[-1] for trial, row in rows if row is not None and row.outcome.traces}


def _latency(board: Board) -> Markup | None:
    """Percentiles of the loads, from their raw histograms."""
    lines = []
    for trace in _traces(board, ("idle", "half", "w512", "best", "leader")).values():
        histogram = decoded(trace.histogram)
        if histogram.get_total_count():
            values = [histogram.get_value_at_percentile(p) / 1000 for p in PERCENTILES]
            lines.append(Series(trace.offered, values))
    if not lines:
        return None
    return charts.plane([f"p{p:g}" for p in PERCENTILES], lines, "ms", logarithmic=True)


def _seconds(board: Board) -> Markup | None:
    """Commits in each second of the loads that say most."""
    found = _traces(board, ("best", "leader"))
    longest = max((len(trace.per_second) for trace in found.values()), default=0)
    if not longest:
        return None
    series = []
    for trial, trace in found.items():
        rest: list[float | None] = [None] * (longest - len(trace.per_second))
        name = t("leader killed", "杀死主节点") if trial == "leader" else t("best", "最高速率")
        series.append(Series(f"{name} ({trace.offered})", [*map(float, trace.per_second), *rest]))
    return charts.plane([str(second) for second in range(longest)], series, "tx/s")


def _stages(watched: Watched) -> Markup:
    names = {stage.name: t(stage.english, stage.chinese) for stage in STAGES}
    shares = sorted((share for share in watched.stages.shares if share.seconds), key=lambda share: -share.us)
    return charts.bars([(names[s.name], s.us, f"{s.us:.1f} us, {s.share:.1%}") for s in shares])


def _peers(found: Comparison) -> dict[str, Any]:
    return {"heads": table.headers(), "rows": table.rows_of(found), "notes": table.notes_of(found)}


def _growth(found: Growth) -> list[dict[str, Any]]:
    """Two planes for each curve: the rate, and what an operation costs a node."""
    drawn = []
    for name, curve in found.curves.items():
        places = [point.x for point in curve.points]
        rates = [point.rate for point in curve.points]
        costs = [point.node_us or None for point in curve.points]
        drawn.append({
            "title": t(*growth.TITLES.get(name, (name, name))), "short": curve.short,
            "rate": charts.plane(places, [Series("rate", rates)], t("op/s", "操作/秒")),
            "cost": charts.plane(places, [Series("cost", costs)], t("us per operation and node", "每操作每节点微秒"))
            if any(costs) else "",
        })  # fmt: skip
    return drawn
