"""`hnchain bench blocks`: what a block costs whatever is in it."""

from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.block_cost import BlockCost, measure
from benchmarks.result_file import save_json
from cli.language import example, t
from cli.output import answer, with_output
from cli.verdicts import Verdict
from primitives.validators import VALIDATORS_MAX, VALIDATORS_MIN

ROUNDS: Final = 200


@click.command(
    help=t("Make one block after the other on a network in this process and count what each costs every validator.",
           "在本进程内的网络上逐块出块，统计每个验证节点每块的开销。"),
    epilog=example("hnchain bench blocks --rounds 200"),
)  # fmt: skip
@click.option("--rounds", type=click.IntRange(10, 10_000), default=ROUNDS, show_default=True,
              help=t("Of transactions, one after the other.", "逐轮提交交易的轮数。"))  # fmt: skip
@click.option("--transactions", type=click.IntRange(1, 1_000), default=1, show_default=True,
              help=t("In each round.", "每轮交易数。"))  # fmt: skip
@click.option("--validators", type=click.IntRange(VALIDATORS_MIN, VALIDATORS_MAX), default=VALIDATORS_MIN,
              show_default=True, help=t("Of the network.", "验证节点数。"))  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help=t("Keep the result.", "保存结果。"))  # fmt: skip
@with_output
def blocks(rounds: int, transactions: int, validators: int, report: Path | None) -> int:
    """Exit code 0."""
    found = measure(validators, rounds, transactions, Path.cwd())
    if report is not None:
        save_json(report, found)
    answer(msgspec.to_builtins(found), text_of(found))
    return int(Verdict.DONE)


def text_of(found: BlockCost) -> str:
    """The table for people."""
    rows = [
        (t("blocks, validators", "区块数、验证节点数"), f"{found.blocks:,}, {found.validators}"),
        (t("transactions per round", "每轮交易数"), f"{found.transactions:,}"),
        (t("from handing in to the receipts", "从提交到收据"), f"p50 {found.p50_ms:.1f}  p99 {found.p99_ms:.1f} ms"),
        (t("per block and validator:", "每块每验证节点："), ""),
        (t("CPU", "CPU 时间"), f"{found.cpu_us:,.0f} us"),
        (t("of it the event loop", "其中事件循环"), f"{found.loop_us:,.0f} us"),
        *((name, f"{count:.2f}") for name, count in found.counts.items()),
    ]
    return "\n".join(f"{name:34} {value}".rstrip() for name, value in rows)
