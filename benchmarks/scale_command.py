"""`hnchain bench scale`: one node beside a large state and a long chain."""

import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks import scale as scales
from benchmarks.result_file import save_json
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict
from ledger.leveldb import MAPPED_MIB, MAPPED_MIB_MAX, MAPPED_MIB_MIN

RESULTS: Final = Path("benchmarks/results/scale.json")


def _progress(text: str) -> None:
    """On a terminal only."""
    if sys.stderr.isatty():
        say(text)


@click.command(help=t("Executing and storing on one node beside many accounts, the start with many blocks, a snapshot "
                      "written and loaded. Nothing is signed or sent.",
                      "单节点在大量账户下的执行与写入、含大量区块时的启动、快照写出与载入；不签名、不联网。"),
               epilog=example("hnchain bench scale --accounts 10000 --accounts 1000000 --blocks 100000"))  # fmt: skip
@click.option("--accounts", type=click.IntRange(min=1), multiple=True, default=scales.ACCOUNTS, show_default=True,
              help=t("Sizes of the state; repeatable.", "状态规模，可重复。"))  # fmt: skip
@click.option("--blocks", type=click.IntRange(min=0), default=scales.BLOCKS, show_default=True,
              help=t("Of the chain that a process starts with; 0 leaves it out.",
                     "启动时链上的区块数；0 表示不测。"))  # fmt: skip
@click.option("--rounds", type=click.IntRange(min=1), default=scales.ROUNDS, show_default=True,
              help=t("Turns of ten blocks of each state.", "每个规模的轮数，每轮十个区块。"))  # fmt: skip
@click.option("--mapped-mib", type=click.IntRange(MAPPED_MIB_MIN, MAPPED_MIB_MAX), default=MAPPED_MIB,
              show_default=True, help=t("What ledger_mapped_mib of node.toml is to be.",
                                        "node.toml 中 ledger_mapped_mib 的取值。"))  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=RESULTS, show_default=True,
              metavar="FILE.json", help=t("Where the result is kept.", "结果保存位置。"))  # fmt: skip
@with_output
def scale(accounts: tuple[int, ...], blocks: int, rounds: int, mapped_mib: int, report: Path) -> int:
    found = scales.measure(accounts, blocks, rounds, _progress, mapped_mib=mapped_mib)
    save_json(report, found)
    answer(msgspec.to_builtins(found), scales.text_of(found))
    return int(Verdict.DONE)
