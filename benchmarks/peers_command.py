"""`hnchain bench peers`: the same transfers on PostgreSQL, Redis, etcd and a network of ours, in one run."""

from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.durations import Seconds
from benchmarks.peers.rounds import NAMES, Plan, compare, missing_of, peers
from benchmarks.peers.table import text_of
from benchmarks.result_file import save_json
from cli.language import example, t
from cli.output import answer, say, with_output
from cli.verdicts import Verdict, usage

RESULT: Final = Path("benchmarks/results/peers.json")
ACCOUNTS: Final = 10_000
OUTSTANDING: Final = (64, 512)
ROUNDS: Final = 3


@click.command(
    name="peers",
    help=t(
        "The same transfers on PostgreSQL, Redis, etcd (three members) and a throw-away network of four validators, in "
        "interleaved rounds. Each is started on free ports in the current folder, with its durable settings, and "
        "stopped. What is not installed is named in the table. Exit code 1 if a system lost or made points.",
        "在 PostgreSQL、Redis、etcd（三成员）与四验证节点的临时网络上交替运行同样的转账。"
        "各系统在当前目录用空闲端口以持久化设置启动，用完即停。"
        "未安装的会在表中注明。有系统丢失或多出积分时退出码为 1。",
    ),
    epilog=example("hnchain bench peers --system hnchain --system PostgreSQL --rounds 1"),
)
@click.option("--system", "names", type=click.Choice(NAMES, case_sensitive=False), multiple=True, metavar="NAME",
              help=t(f"Only these of {', '.join(NAMES)}; repeatable.", f"仅测这些（{'、'.join(NAMES)}），可重复。"))
@click.option("--outstanding", type=click.IntRange(1, 10_000), multiple=True, default=OUTSTANDING, show_default=True,
              metavar="N", help=t("Transfers at a time; repeatable.", "同时在途笔数，可重复。"))  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 99), default=ROUNDS, show_default=True,
              help=t("Medians are shown.", "显示中位数。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="5s", show_default=True,
              help=t("Measured time of a load.", "每次负载的测量时长。"))  # fmt: skip
@click.option("--warmup", type=Seconds(), default="2s", show_default=True,
              help=t("Load before the measured time.", "测量前的预热时长。"))  # fmt: skip
@click.option("--accounts", type=click.IntRange(2, 20_000), default=ACCOUNTS, show_default=True,
              help=t("That transfers are drawn from.", "参与转账的账户数。"))  # fmt: skip
@click.option("--require", is_flag=True,
              help=t("A missing system is an error.", "有系统缺失即报错。"))  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), default=RESULT, show_default=True,
              metavar="FILE.json", help=t("Where the result is kept.", "结果保存位置。"))  # fmt: skip
@with_output
def peers_command(
    names: tuple[str, ...], outstanding: tuple[int, ...], rounds: int, duration: float, warmup: float, accounts: int,
    require: bool, report: Path,
) -> int:  # fmt: skip
    if not duration:
        raise usage(t("--duration 0: nothing would be measured", "--duration 0：无可测量"))
    systems = peers()
    chosen = [name for name in NAMES if name in names or not names]
    missing = missing_of(chosen, systems)
    if missing and require:
        raise usage("; ".join(f"{name}: {why}" for name, why in missing.items()))
    for name, why in missing.items():
        say(f"{name}: {why}")
    plan = Plan(chosen, sorted(set(outstanding)), rounds, warmup, duration, accounts, Path.cwd())
    comparison = compare(plan, systems, say)
    save_json(report, comparison)
    answer(msgspec.to_builtins(comparison), text_of(comparison))
    if comparison.faults:
        return int(Verdict.REJECTED)
    return int(Verdict.UNKNOWN if require and comparison.missing else Verdict.DONE)
