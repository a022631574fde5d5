"""`hnchain bench table` and `hnchain bench soak`: every figure of the targets, measured and judged."""

import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from benchmarks import scoreboard
from benchmarks.chosen_network import progress
from benchmarks.durations import Seconds
from benchmarks.run import RunFailed
from benchmarks.scoreboard import Board
from benchmarks.targets import FIGURES, runs_held
from benchmarks.trial import Stand
from benchmarks.trials import TRIALS, Trial
from benchmarks.trials_rest import soak as soak_trial
from chainnode.failures import NodeFailure
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict, usage
from ledger.failures import FatalError

RESULTS: Final = Path("benchmarks/results/table.json")
RUNS: Final = 3


class Names(click.ParamType[tuple[str, ...]]):
    """Names of trials, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """See click.ParamType."""
        names = tuple(name for name in str(value).split(",") if name)
        unknown = [name for name in names if name not in TRIALS]
        if unknown or not names:
            known = ", ".join(TRIALS)
            wrong = ", ".join(unknown)
            self.fail(t(f"no row {wrong}; there are {known}", f"没有行 {wrong}；可用：{known}"))
        return names


@click.command(
    help=t(
        "Measure every figure of the targets on throw-away networks, judge it, and keep it. A row that was measured of "
        "these sources on this machine stands; --again measures it anew. Takes about 25 minutes. Exit code 1 if a gate "
        "is missed, 3 if a trial could not be made.",
        "在临时网络上测量全部指标，给出结论并保存。同一版本与机器上已测的行保留，--again 重新测量。全程约 25 分钟。"
        "有门槛未达标时退出码为 1，有试验无法进行时为 3。",
    ),
    epilog=example("hnchain bench table --rows best,w512"),
)
@click.option("--rows", type=Names(), default=",".join(TRIALS), show_default=True,
              help=t("Only these.", "仅这些行。"))  # fmt: skip
@click.option("--again", is_flag=True, help=t("Also rows that stand.", "已测的行也重新测量。"))
@click.option("--runs", type=click.IntRange(1, 9), default=RUNS, show_default=True,
              help=t("Of each row; a gate holds if it held in two of three.",
                     "每行运行次数；三次中两次达标即为达标。"))  # fmt: skip
@click.option("--short", is_flag=True,
              help=t("An eighth of the time, to try the trials; the rows say so.",
                     "约八分之一时长，仅供试用；结果会注明。"))  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), default=RESULTS, show_default=True,
              metavar="FILE.json", help=t("Where rows are kept.", "保存位置。"))  # fmt: skip
@with_output
def table(rows: tuple[str, ...], again: bool, runs: int, short: bool, results: Path) -> int:
    sources = scoreboard.sources_key()
    failed = []
    for name in (name for name in TRIALS if name in rows):
        board = scoreboard.load_board(results)
        if not again and scoreboard.stands(board, name, sources, short):
            say(t(f"{name}: stands", f"{name}：保留"))
            continue
        if not _make(name, TRIALS[name], stand_of(board, runs, short), sources, results):
            failed.append(name)
    board = scoreboard.load_board(results)
    answer(_plain(board), scoreboard.text_of(board, sources))
    if failed:
        say(t(f"could not be made: {', '.join(failed)}", f"无法进行：{', '.join(failed)}"))
        return int(Verdict.UNKNOWN)
    judged = [figure for figure in FIGURES if figure.trial in rows]
    missed = any(scoreboard.verdict_of(board, figure) == "misses" for figure in judged)
    return int(Verdict.REJECTED if missed else Verdict.DONE)


def _make(name: str, trial: Trial, stand: Stand, sources: str, results: Path) -> bool:
    """Make one trial and keep its row; False if it could not be made."""
    say(t(f"{name} ...", f"{name} ……"))
    began = time.monotonic()
    try:
        outcome = trial(stand)
    except (RunFailed, NodeFailure, FatalError, OSError) as error:
        say(t(f"{name}: {error}", f"{name}：{error}"))
        return False
    row = scoreboard.now_row(sources, stand.short, began, outcome)
    scoreboard.save_board(results, scoreboard.with_row(scoreboard.load_board(results), name, row))
    say(t(f"{name}: {row.seconds:.0f} s", f"{name}：{row.seconds:.0f} 秒"))
    return True


def stand_of(board: Board, runs: int, short: bool) -> Stand:
    """Where trials run: a folder of this machine's temporary disk is no disk, so the current one."""
    medians = ((figure.name, scoreboard.median_of(board, figure.name)) for figure in FIGURES)
    found = {name: value for name, value in medians if value is not None}
    return Stand(Path.cwd(), 1 if short else runs, short, say, progress(), found)


def _plain(board: Board) -> Any:
    return {
        **msgspec.to_builtins(board),
        "verdicts": {figure.name: scoreboard.verdict_of(board, figure) for figure in FIGURES},
        "runs_held": {figure.name: runs_held(figure, scoreboard.values_of(board, figure)) for figure in FIGURES},
    }


@click.command(
    help=t("Memory of the nodes under a long load at 60 % of the knee; the row `memory` of the table.",
           "在拐点 60% 的长时间负载下观察节点内存；写入表格的 memory 行。"),
    epilog=example("hnchain bench soak --duration 1h"),
)  # fmt: skip
@click.option("--duration", type=Seconds(), default="1h", show_default=True, help=t("How long.", "时长。"))
@click.option("--rate", type=click.FloatRange(min=1), help=t("Transactions per second, in place of 60 % of the knee.",
                                                             "每秒笔数，替代拐点的 60%。"))  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), default=RESULTS, show_default=True,
              metavar="FILE.json", help=t("Where rows are kept.", "保存位置。"))  # fmt: skip
@with_output
def soak(duration: float, rate: float | None, results: Path) -> int:
    if not duration:
        raise usage(t("--duration 0: nothing would be measured", "--duration 0：无可测量"))
    sources = scoreboard.sources_key()
    stand = stand_of(scoreboard.load_board(results), 1, short=False)
    if not _make("memory", lambda place: soak_trial(place, duration, rate or 0.0), stand, sources, results):
        return int(Verdict.UNKNOWN)
    board = scoreboard.load_board(results)
    figures = [figure for figure in FIGURES if figure.trial == "memory"]
    answer(_plain(board), "\n".join("  ".join(cells) for cells in scoreboard.rows_of(board, figures)))
    return int(Verdict.REJECTED if any(scoreboard.verdict_of(board, f) == "misses" for f in figures) else Verdict.DONE)
