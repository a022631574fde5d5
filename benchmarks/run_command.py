"""`hnchain bench run`: one load, and what became of it."""

from pathlib import Path

import click
import msgspec

from benchmarks.chosen_network import chosen_network, failed, progress
from benchmarks.durations import Seconds
from benchmarks.load_options import load_options
from benchmarks.report import SUPPLY, Result, Settings, text_of
from benchmarks.result_file import ResultFile, save_json
from benchmarks.run import RunFailed, measure
from benchmarks.workload import BATCH_OPERATIONS, Profile
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict, usage
from primitives.kinds import OPERATIONS_MAX


@click.command(
    help=t(
        "Send signed issues and redemptions at a fixed rate and report what became of each. Without --dir: the network "
        "of .devnet if it runs, else a throw-away one.",
        "以固定速率发送已签名的发放与核销交易，并报告每笔结果。"
        "未指定 --dir 时使用运行中的 .devnet 网络，否则临时新建一个。",
    ),
    epilog=example("hnchain bench run --rate 200 --duration 20s"),
)
@click.option("--rate", type=click.FloatRange(min=0), default=200.0, show_default=True,
              help=t("Transactions per second; 0: queries alone.", "每秒交易数；0 表示只查询。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="20s", show_default=True,
              help=t("Measured time.", "测量时长。"))  # fmt: skip
@click.option("--warmup", type=Seconds(), default="2s", show_default=True,
              help=t("Load before the measured time.", "测量前的预热时长。"))  # fmt: skip
@load_options(transport="http")
@click.option("--operations", type=click.IntRange(1, OPERATIONS_MAX),
              help=t(f"Of each envelope, with --profile batch; default {BATCH_OPERATIONS}.",
                     f"每个信封的操作数，用于 --profile batch；默认 {BATCH_OPERATIONS}。"))  # fmt: skip
@click.option("--outstanding", type=click.IntRange(1, 100_000), metavar="N",
              help=t("Closed loop: N at a time, --rate is ignored.", "闭环：保持 N 笔在途，忽略 --rate。"))  # fmt: skip
@click.option("--supply", type=click.IntRange(1, 1_000_000), metavar="N",
              help=t(f"Signed per second of a closed loop; default {SUPPLY}.",
                     f"闭环每秒预签名笔数；默认 {SUPPLY}。"))  # fmt: skip
@click.option("--queries-per-second", "queries", type=click.FloatRange(min=0, max=100_000), default=0.0, metavar="Q",
              help=t("Balances and outcomes asked for beside it.", "施压同时查询余额与交易结果的速率。"))  # fmt: skip
@click.option("--node", "nodes", multiple=True, metavar="URL",
              help=t("Send only to these nodes of it; repeatable.", "仅发往这些节点，可重复。"))  # fmt: skip
@click.option("--report", type=ResultFile(), metavar="FILE.json",
              help=t("Keep the result with its raw histograms.", "保存结果与原始直方图。"))  # fmt: skip
@click.option("--signed", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help=t("Transactions signed once: kept there, used again in a network made again for them.",
                     "已签名交易文件：首次保存，之后在重建的同一网络中复用。"))  # fmt: skip
@with_output
def run(
    rate: float, duration: float, warmup: float, profile: Profile, operations: int | None, transport: str,
    outstanding: int | None, supply: int | None, generators: int, queries: float, directory: Path | None,
    nodes: tuple[str, ...], validators: int, tourists: int | None, report: Path | None, signed: Path | None,
) -> None:  # fmt: skip
    if not (rate or outstanding or queries):
        raise usage(t("--rate 0 goes with --queries-per-second", "--rate 0 须与 --queries-per-second 同用"))
    if operations and profile != "batch":
        raise usage(t("--operations goes with --profile batch", "--operations 须与 --profile batch 同用"))
    if nodes and transport == "ingress":
        raise usage(t("--node names HTTP addresses: it goes with --transport http", "--node 仅适用于 --transport http"))
    with chosen_network(directory, nodes, validators, tourists, profile, signed) as network:
        settings = Settings(
            profile, transport, 0.0 if outstanding else rate, duration, warmup, outstanding or 0,
            len(network.devnet.places), len(network.cast.tourists),
            (operations or BATCH_OPERATIONS) if profile == "batch" else 1, generators, queries,
            supply or 0,
        )  # fmt: skip
        try:
            result = measure(network, settings, profile, progress(), signed)
        except (RunFailed, OSError) as error:
            raise failed(error) from error
    if report is not None:
        save_json(report, result)
    answer(msgspec.to_builtins(result), text_of(result))
    if not result.is_sound:
        raise SystemExit(_unsound(result))


def _unsound(result: Result) -> int:
    chain = result.chain
    say(t(f"not sound: lost {chain.lost}, unresolved {result.endings['unresolved']}, nodes agree: {chain.agreed}, "
          f"broken invariants: {len(chain.invariants or ())}",
          f"结果不可信：丢失 {chain.lost}，未决 {result.endings['unresolved']}，节点一致：{chain.agreed}，"
          f"被破坏的不变量：{len(chain.invariants or ())}"))  # fmt: skip
    return int(Verdict.REJECTED if chain.lost or chain.invariants else Verdict.UNKNOWN)
