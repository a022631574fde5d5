"""The file of the table: what each trial gave, of which sources, on which machine; a row stands until they change."""

import hashlib
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.machine import Hardware, git, hardware
from benchmarks.result_file import save_json
from benchmarks.targets import FIGURES, Figure, Judgement, figures_of, judge, ratio, runs_held
from chainnode import eight_lanes, executor
from cli.language import t
from cli.output import table
from ledger import state_tree
from points import transition

FORMAT: Final = 1
DRIFT: Final = 0.15  # of the base line between the runs of a row: beyond it the row says that it is noisy
STRANGERS: Final = 0.2  # cores used by neither the nodes nor the load: beyond it the row says that it was not alone
LIGHTS: Final[Mapping[Judgement, tuple[str, str]]] = {
    "goal": ("goal reached", "达到目标"), "holds": ("holds", "达标"), "misses": ("MISSES", "未达标"),
    "told": ("", ""), "not judged": ("not judged", "未判定"), "not measured": ("not measured", "未测"),
}  # fmt: skip


class Trace(msgspec.Struct, frozen=True):
    """Of one load: how it was offered, commits in each second, and the raw latency histogram of all submitted."""

    offered: str
    committed_per_s: float
    per_second: list[int]
    histogram: str


class Outcome(msgspec.Struct, frozen=True):
    """What a trial gave. `figures`: by name, a value per run. `verify_us`: libsodium's check on one core, beside each
    run. `strangers`: cores used by others meanwhile. `sound`: nothing lost, all nodes agree. `judged`: it lasted long
    enough to be judged. `notes`: English, Chinese.
    """

    figures: dict[str, list[float]]
    verify_us: list[float] = []
    strangers: float = 0.0
    sound: bool = True
    judged: bool = True
    notes: list[tuple[str, str]] = []
    traces: list[Trace] = []


class Row(msgspec.Struct, frozen=True):
    """A trial's outcome with its circumstances. `sources`: see `sources_key`. `taken`: unix seconds."""

    sources: str
    short: bool
    taken: int
    seconds: float
    outcome: Outcome


class Board(msgspec.Struct, frozen=True):
    """The file. `rows` by trial."""

    format: int
    hardware: Hardware
    rows: dict[str, Row]


def sources_key() -> str:
    """The commit, a digest of what the checkout changed of it, and the optional paths: all that a figure depends on
    besides the machine. "" without git."""
    commit = git("rev-parse", "HEAD")
    if not commit:
        return ""
    changed = git("diff", "HEAD")
    key = commit + (f"+{hashlib.sha256(changed.encode()).hexdigest()[:12]}" if changed else "")
    lanes = "/lanes" if eight_lanes.find("auto") is not None else "/libsodium"
    return key + lanes + ("/compiled" if is_compiled() else "")


def is_compiled() -> bool:
    """Whether the nodes run a compiled build of these sources."""
    return any(str(module.__file__).endswith((".so", ".pyd")) for module in (transition, state_tree, executor))


def sources_text(key: str) -> str:
    """The same for people: a short commit, + for changes, the paths."""
    commit, *paths = key.split("/")
    return " ".join([commit[:12] + "+" * ("+" in commit), *paths])


def load_board(path: Path) -> Board:
    """The file, or an empty board of this machine if there is none, or one of another format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Board)
    except (OSError, msgspec.DecodeError):
        return Board(FORMAT, hardware(), {})


def with_row(board: Board, trial: str, row: Row) -> Board:
    """The board after a trial was measured; the machine is the one of now."""
    return Board(FORMAT, hardware(), {**board.rows, trial: row})


def save_board(path: Path, board: Board) -> None:
    """Whole or not at all."""
    save_json(path, board)


def stands(board: Board, trial: str, sources: str, short: bool) -> bool:
    """Whether the row needs no new measurement: same sources, same machine, and not a short one where a full one is
    asked for; every figure of today is in it."""
    row = board.rows.get(trial)
    if row is None or not sources or row.sources != sources or (row.short and not short):
        return False
    machine = hardware()
    same = (board.hardware.processor, board.hardware.cores) == (machine.processor, machine.cores)
    return same and all(row.outcome.figures.get(figure.name) for figure in figures_of(trial))


def values_of(board: Board, figure: Figure) -> list[float]:
    """Of all runs; [] if it was not measured."""
    row = board.rows.get(figure.trial)
    return row.outcome.figures.get(figure.name, []) if row is not None else []


def median_of(board: Board, name: str) -> float | None:
    """Of a figure by its name; None if it was not measured."""
    values = next((values_of(board, figure) for figure in FIGURES if figure.name == name), [])
    return statistics.median(values) if values else None


def verdict_of(board: Board, figure: Figure) -> Judgement:
    """See targets.judge."""
    row = board.rows.get(figure.trial)
    if row is not None and not row.outcome.judged and values_of(board, figure):
        return "not judged"
    return judge(figure, values_of(board, figure), row is None or row.outcome.sound)


def verdict_text(board: Board, figure: Figure) -> str:
    """The verdict, and in how many of the runs the gate held: "holds 2/3"."""
    verdict, values = verdict_of(board, figure), values_of(board, figure)
    held = f" {runs_held(figure, values)}/{len(values)}" if verdict in ("goal", "holds", "misses") else ""
    return t(*LIGHTS[verdict]) + held


def doubts_of(row: Row) -> list[str]:
    """What a reader must know before he believes a row, in the language in use."""
    outcome = row.outcome
    found = [t(*note) for note in outcome.notes]
    if not outcome.sound:
        found.append(t("NOT SOUND: lost, unresolved or disagreeing", "结果不可信：有丢失、未决或不一致"))
    if row.short:
        found.append(t("short runs", "短时运行"))
    if outcome.verify_us and max(outcome.verify_us) > min(outcome.verify_us) * (1 + DRIFT):
        drift = max(outcome.verify_us) / min(outcome.verify_us) - 1
        found.append(t(f"noisy: the base line moved by {drift:.0%}", f"有噪声：基线变动 {drift:.0%}"))
    if outcome.strangers > STRANGERS:
        found.append(t(f"not alone: {outcome.strangers:.1f} cores used by others",
                       f"非独占：其他进程占用 {outcome.strangers:.1f} 核"))  # fmt: skip
    return found


def number(value: float) -> str:
    """Three digits where it is small, separators where it is large."""
    return f"{value:,.0f}" if value == 0 or abs(value) >= 100 else f"{value:.3g}"


def rows_of(board: Board, figures: Iterable[Figure] = FIGURES) -> list[tuple[str, ...]]:
    """Cells as texts: what, unit, gate, goal, measured, least to most, in base lines, verdict, remarks."""
    found: list[tuple[str, ...]] = []
    told: set[str] = set()
    for figure in figures:
        row, values = board.rows.get(figure.trial), values_of(board, figure)
        measured = number(statistics.median(values)) if values else "-"
        span = f"{number(min(values))} .. {number(max(values))}" if len(values) > 1 else ""
        checks = row.outcome.verify_us if row is not None else []
        against = ratio(figure, statistics.median(values), statistics.median(checks)) if values and checks else None
        doubts = doubts_of(row) if row is not None and figure.trial not in told else []
        told.add(figure.trial)
        found.append((
            t(figure.english, figure.chinese), figure.unit,
            "" if figure.gate is None else number(figure.gate), "" if figure.goal is None else number(figure.goal),
            measured, span, "" if against is None else number(against), verdict_text(board, figure),
            t("; ", "；").join(doubts),
        ))  # fmt: skip
    return found


def heads() -> tuple[str, ...]:
    """Of the columns of rows_of."""
    return (
        t("figure", "指标"), t("unit", "单位"), t("gate", "门槛"), t("goal", "目标"), t("median", "中位"),
        t("least .. most", "最小 .. 最大"), t("in checks", "以验签计"), t("verdict", "结论"), t("remarks", "备注"),
    )  # fmt: skip


def text_of(board: Board, sources: str) -> str:
    """The table for a terminal, and what it was measured on."""
    machine = board.hardware
    older = [trial for trial, row in board.rows.items() if row.sources != sources]
    lines = [table(heads(), rows_of(board)), "", f"{machine.processor}, {machine.cores} {t('cores', '核')}, "
             f"Python {machine.python}, {sources_text(sources)}"]  # fmt: skip
    lines.append(t("in checks: a rate as a share of libsodium's checks per second on one core in the same run, a time "
                   "as a number of checks",
                   "以验签计：速率为同次运行中单核 libsodium 每秒验签数的占比，时间折合验签次数"))  # fmt: skip
    if older:
        lines.append(t(f"measured of other sources: {', '.join(older)}", f"来自其他版本的行：{', '.join(older)}"))
    lines += [
        t("verdict: in how many runs the gate held; it holds if in two of three",
          "结论：门槛达标的次数；三次中两次达标即为达标"),
        _summary(board),
    ]  # fmt: skip
    return "\n".join(lines)


def _summary(board: Board) -> str:
    """How many gates hold, and the names of all others."""
    verdicts = {figure.name: verdict_of(board, figure) for figure in FIGURES if figure.gate is not None}
    hold = sum(verdict in ("goal", "holds") for verdict in verdicts.values())
    parts = [t(f"gates that hold: {hold} of {len(verdicts)}", f"达标：{hold} / {len(verdicts)}")]
    for kind in ("misses", "not judged", "not measured"):
        names = ", ".join(name for name, verdict in verdicts.items() if verdict == kind)
        english = "gates missed" if kind == "misses" else kind
        parts.append(t(english, LIGHTS[kind][1]) + t(": ", "：") + (names or t("none", "无")))
    return "\n".join(parts)


def now_row(sources: str, short: bool, began: float, outcome: Outcome) -> Row:
    """A row that is ready now. `began`: time.monotonic() of the start."""
    return Row(sources, short, int(time.time()), round(time.monotonic() - began, 1), outcome)
