"""`hnchain bench year` and `hnchain bench midnight`: the rules alone, without a network."""

import sys
import time
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks import midnight as midnights
from benchmarks import year_report
from benchmarks.result_file import save_json
from benchmarks.year import simulate
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict

TRANSACTIONS: Final = 1_000_000
ACCOUNTS: Final = 100_000
REPETITIONS: Final = 30


def _progress(text: str) -> None:
    """On a terminal only."""
    if sys.stderr.isatty():
        say(text)


@click.command(help=t("A simulated year over the rules: the curve of the live state, month by month.",
                      "在规则上模拟一年：逐月给出活动状态的曲线。"),
               epilog=example("hnchain bench year --transactions 1000000 --report year.json"))  # fmt: skip
@click.option("--transactions", type=click.IntRange(min=365), default=TRANSACTIONS, show_default=True,
              help=t("In the year.", "全年笔数。"))  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help=t("Decides what happens.", "决定发生什么。"))
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help=t("Keep the result.", "保存结果。"))  # fmt: skip
@with_output
def year(transactions: int, seed: int, report: Path | None) -> int:
    """Exit code 1 if an invariant is broken or something that must leave has stayed."""
    found = simulate(transactions, seed, _progress)
    if report is not None:
        save_json(report, found)
    answer(msgspec.to_builtins(found), year_report.text_of(found))
    return int(Verdict.REJECTED if found.faults else Verdict.DONE)


@click.command(help=t("begin_block at a midnight at which many points expire, against a quiet second.",
                      "大量积分到期的零点与无事一秒的 begin_block 用时对比。"),
               epilog=example("hnchain bench midnight --accounts 100000"))  # fmt: skip
@click.option("--accounts", type=click.IntRange(min=1), default=ACCOUNTS, show_default=True,
              help=t("That hold expiring lots.", "持有到期批次的账户数。"))  # fmt: skip
@click.option("--repetitions", type=click.IntRange(min=1), default=REPETITIONS, show_default=True,
              help=t("Each on a state opened anew.", "每次重新打开状态。"))  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help=t("Keep the result.", "保存结果。"))  # fmt: skip
@with_output
def midnight(accounts: int, repetitions: int, report: Path | None) -> int:
    """Exit code 1 if the median is not below the limit."""
    began = time.monotonic()
    found = midnights.measure(accounts, repetitions, _progress)
    _progress(t(f"{time.monotonic() - began:.0f} s", f"{time.monotonic() - began:.0f} 秒"))
    if report is not None:
        save_json(report, found)
    answer({**msgspec.to_builtins(found), "ratio": round(found.ratio, 1)}, midnights.text_of(found))
    return int(Verdict.DONE if found.is_fast else Verdict.REJECTED)
