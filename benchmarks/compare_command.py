"""`hnchain bench compare`: two result files, or two checkouts or commits run in turn."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.compare import RUN_FIGURES, NotComparable, compared, sampled_file, sampled_result, text_of
from benchmarks.durations import Seconds
from benchmarks.machine import git
from benchmarks.report import Result
from benchmarks.run import RunFailed
from benchmarks.workload import PROFILES
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import usage

ROUNDS: Final = 5
EXTRA_SECONDS: Final = 240.0  # beyond the load: a network, signatures, the look at the chain


@click.command(
    help=t("Compare two results (files of bench run --report or bench table), or two checkouts or commits, which are "
           "then run in turn. A difference is only claimed where the noise allows it.",
           "比较两份结果（bench run --report 或 bench table 的文件），或交替运行两个检出目录或提交。"
           "仅在超出噪声时才认定差异。"),
    epilog=example("hnchain bench compare HEAD~1 . --rounds 7"),
)  # fmt: skip
@click.argument("a")
@click.argument("b")
@click.option("--rounds", type=click.IntRange(2, 50), default=ROUNDS, show_default=True,
              help=t("Of two checkouts.", "检出目录的轮数。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="8s", show_default=True,
              help=t("Of each run.", "每次运行的时长。"))  # fmt: skip
@click.option("--outstanding", type=click.IntRange(1, 100_000), default=512, show_default=True,
              help=t("Transactions at a time.", "在途交易数。"))  # fmt: skip
@click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True,
              help=t("Which transactions.", "交易类型组合。"))  # fmt: skip
@with_output
def compare(a: str, b: str, rounds: int, duration: float, outstanding: int, profile: str) -> None:
    try:
        if Path(a).is_file() and Path(b).is_file():
            (one, figures), (other, others) = sampled_file(Path(a)), sampled_file(Path(b))
            if figures != others:
                raise NotComparable(t("one is a run, the other a table", "一个是单次运行，另一个是表格"))
            found = compared(figures, one, other, paired=False)
        else:
            figures = RUN_FIGURES
            arguments = ["--duration", str(duration), "--outstanding", str(outstanding), "--profile", profile]
            first, second = in_turn((a, b), rounds, arguments, duration)
            found = compared(figures, sampled_result(first), sampled_result(second), paired=True)
    except (NotComparable, RunFailed) as error:
        raise usage(str(error)) from error
    paired = not Path(a).is_file()
    answer([msgspec.to_builtins(one) for one in found], text_of(found, figures, (a, b), paired))


def in_turn(
    names: tuple[str, str], rounds: int, arguments: list[str], seconds: float
) -> tuple[list[Result], list[Result]]:  # fmt: skip
    """A B, B A, A B, ...: neither is always the first. Raises: RunFailed, NotComparable."""
    results: tuple[list[Result], list[Result]] = ([], [])
    with ExitStack() as stack:
        places = [stack.enter_context(checkout(name)) for name in names]
        for number in range(rounds):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                result = run_in(places[side], arguments, seconds)
                results[side].append(result)
                say(f"{number + 1}/{rounds} {'AB'[side]}: {result.committed_per_s:,.0f} tx/s, "
                    f"p50 {result.latency['all'].p50:,.1f} ms")  # fmt: skip
    return results


@contextmanager
def checkout(name: str) -> Iterator[Path]:
    """A folder with the sources, or a commit of this repository in a folder for a while. Raises: NotComparable."""
    if (Path(name) / "benchmarks").is_dir():
        yield Path(name).resolve()
        return
    commit = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if not commit:
        raise NotComparable(t(f"{name} is no result file, no checkout and no commit of this one",
                              f"{name} 不是结果文件、检出目录或本仓库的提交"))  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="hnchain-compare-") as folder:
        place = Path(folder) / "checkout"
        git("worktree", "add", "--detach", str(place), commit)
        if not (place / "benchmarks").is_dir():
            raise NotComparable(t(f"{name}: no checkout could be made", f"{name}：无法检出"))
        try:
            yield place
        finally:
            git("worktree", "remove", "--force", str(place))


def run_in(place: Path, arguments: list[str], seconds: float) -> Result:
    """One run by the sources there. Raises: RunFailed."""
    with tempfile.TemporaryDirectory(prefix="hnchain-compare-") as folder:
        report = Path(folder) / "result.json"
        command = [sys.executable, "-m", "cli", "bench", "run", "--transport", "ingress", *arguments,
                   "--report", str(report)]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(place)}
        try:
            done = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False,  # noqa: S603
                                  timeout=seconds + EXTRA_SECONDS)  # fmt: skip
            return msgspec.json.decode(report.read_bytes(), type=Result)
        except subprocess.TimeoutExpired as error:
            raise RunFailed(f"{place}: not finished in {error.timeout:.0f} s") from error
        except (OSError, msgspec.DecodeError) as error:
            said = done.stderr.decode("utf-8", "replace").strip()[-500:]
            raise RunFailed(f"{place}: exit code {done.returncode}: {said}") from error
