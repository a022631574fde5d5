"""`hnchain bench`: load against a network, and the micro-benchmarks."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from benchmarks.durations import Seconds
from benchmarks.network import Network, running_network, throwaway_network
from benchmarks.report import Result, Settings, text_of
from benchmarks.rules_command import midnight, year
from benchmarks.run import RunFailed, Tell, measure
from benchmarks.table_command import soak, table
from benchmarks.workload import BATCH_OPERATIONS, PROFILES, Profile, Scene, scene_of
from chainnode.devnet import is_devnet, open_devnet
from chainnode.failures import NodeFailure
from cli.language import example, t
from cli.network import DEVNET_DIRECTORY
from cli.output import answer, say, with_output
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code
from primitives.kinds import OPERATIONS_MAX

TOURISTS: Final = 1_000
TOURISTS_RUNNING: Final = 100  # of a network that runs already: their accounts are opened on it
PROJECT: Final = Path(__file__).resolve().parent.parent
MICRO: Final = PROJECT / "tests" / "benchmarks" / "micro"  # they look inside the rooms: no part of a release


@click.group(help=t("Load and micro benchmarks.", "负载与微基准测试。"), epilog=example("hnchain bench run --rate 200"))
def bench() -> None:
    pass


bench.add_command(year)
bench.add_command(midnight)
bench.add_command(table)
bench.add_command(soak)


@bench.command(
    help=t(
        "Send signed issues and redemptions at a fixed rate and report what became of each. Without --dir: the network "
        "of .devnet if it runs, else a throw-away one.",
        "以固定速率发送已签名的发放与核销交易，并报告每笔结果。"
        "未指定 --dir 时使用运行中的 .devnet 网络，否则临时新建一个。",
    ),
    epilog=example("hnchain bench run --rate 200 --duration 20s"),
)
@click.option("--rate", type=click.FloatRange(min=0.1), default=200.0, show_default=True,
              help=t("Transactions per second.", "每秒交易数。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="20s", show_default=True,
              help=t("Measured time.", "测量时长。"))  # fmt: skip
@click.option("--warmup", type=Seconds(), default="2s", show_default=True,
              help=t("Load before the measured time.", "测量前的预热时长。"))  # fmt: skip
@click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True,
              help=t("Which transactions.", "交易类型组合。"))  # fmt: skip
@click.option("--operations", type=click.IntRange(1, OPERATIONS_MAX),
              help=t(f"Of each envelope, with --profile batch; default {BATCH_OPERATIONS}.",
                     f"每个信封的操作数，用于 --profile batch；默认 {BATCH_OPERATIONS}。"))  # fmt: skip
@click.option("--transport", type=click.Choice(["http", "ingress"]), default="http", show_default=True,
              help=t("HTTP bulks, or the binary listener.", "HTTP 批量接口或二进制接口。"))  # fmt: skip
@click.option("--outstanding", type=click.IntRange(1, 100_000), metavar="N",
              help=t("Closed loop: N at a time, --rate is ignored.", "闭环：保持 N 笔在途，忽略 --rate。"))  # fmt: skip
@click.option("--dir", "directory", type=click.Path(path_type=Path), metavar="DIR",
              help=t("A running devnet's folder.", "运行中的 devnet 目录。"))  # fmt: skip
@click.option("--node", "nodes", multiple=True, metavar="URL",
              help=t("Send only to these nodes of it; repeatable.", "仅发往这些节点，可重复。"))  # fmt: skip
@click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True,
              help=t("Of a throw-away network.", "临时网络的验证节点数。"))  # fmt: skip
@click.option("--tourists", type=click.IntRange(1, 20_000),
              help=t(f"Accounts; default {TOURISTS}, on a running network {TOURISTS_RUNNING}.",
                     f"账户数；默认 {TOURISTS}，已运行的网络为 {TOURISTS_RUNNING}。"))  # fmt: skip
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.json",
              help=t("Keep the result with its raw histograms.", "保存结果与原始直方图。"))  # fmt: skip
@with_output
def run(
    rate: float, duration: float, warmup: float, profile: Profile, operations: int | None, transport: str,
    outstanding: int | None, directory: Path | None, nodes: tuple[str, ...], validators: int, tourists: int | None,
    report: Path | None,
) -> None:  # fmt: skip
    if operations and profile != "batch":
        raise usage(t("--operations goes with --profile batch", "--operations 须与 --profile batch 同用"))
    if nodes and transport == "ingress":
        raise usage(t("--node names HTTP addresses: it goes with --transport http", "--node 仅适用于 --transport http"))
    with _network(directory, nodes, validators, tourists, profile) as network:
        settings = Settings(
            profile, transport, 0.0 if outstanding else rate, duration, warmup, outstanding or 0,
            len(network.devnet.places), len(network.cast.tourists),
            (operations or BATCH_OPERATIONS) if profile == "batch" else 1,
        )  # fmt: skip
        try:
            result = measure(network, settings, profile, _progress())
        except RunFailed as error:
            raise usage(str(error)) from error
        except OSError as error:
            raise Refusal(Verdict.UNREACHABLE, Code.NODE_UNREACHABLE, str(error)) from error
    raw = msgspec.json.encode(result)
    if report is not None:
        report.write_bytes(msgspec.json.format(raw, indent=1) + b"\n")
    answer(msgspec.json.decode(raw), text_of(result))
    if not result.is_sound:
        raise SystemExit(_unsound(result))


def _unsound(result: Result) -> int:
    chain = result.chain
    say(t(f"not sound: lost {chain.lost}, unresolved {result.endings['unresolved']}, nodes agree: {chain.agreed}, "
          f"broken invariants: {len(chain.invariants or ())}",
          f"结果不可信：丢失 {chain.lost}，未决 {result.endings['unresolved']}，节点一致：{chain.agreed}，"
          f"被破坏的不变量：{len(chain.invariants or ())}"))  # fmt: skip
    return int(Verdict.REJECTED if chain.lost or chain.invariants else Verdict.UNKNOWN)


@contextmanager
def _network(
    directory: Path | None, nodes: tuple[str, ...], validators: int, tourists: int | None, profile: Profile
) -> Iterator[Network]:
    try:
        made_for = scene_of(profile) != Scene()  # its genesis holds what the profile needs
        if directory is None and not made_for and _runs(Path(DEVNET_DIRECTORY)):
            directory = Path(DEVNET_DIRECTORY)
        if directory is not None:
            yield running_network(directory, tourists or TOURISTS_RUNNING, nodes)
            return
        if nodes:
            raise usage(t("--node needs --dir: the keys that sign are in the network's folder",
                          "--node 需要 --dir：签名密钥位于网络目录中"))  # fmt: skip
        say(t(f"a throw-away network of {validators} validators", f"临时网络：{validators} 个验证节点"))
        with throwaway_network(validators, tourists or TOURISTS, Path.cwd(), profile) as network:
            yield network
    except NodeFailure as error:
        raise usage(str(error)) from error


def _runs(directory: Path) -> bool:
    """Whether a node of the network in this folder runs."""
    if not is_devnet(directory):
        return False
    devnet = open_devnet(directory)
    return any(devnet.process(place) is not None for place in devnet.places)


def _progress() -> Tell:
    """One line on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _what, _part: None
    names = {
        "prepare": t("accounts and points", "准备账户与积分"), "sign": t("signing", "预签名"),
        "load": t("load", "施加负载"), "inspect": t("comparing with the chain", "与链上核对"),
    }  # fmt: skip

    def tell(what: str, part: float) -> None:
        click.echo(f"\r\033[K{names[what]} {part:.0%}" if part else f"\r\033[K{names[what]} ...", nl=False, err=True)
        if what == "inspect":
            click.echo("\r\033[K", nl=False, err=True)

    return tell


@bench.command(
    help=t("Micro-benchmarks of the hot path (pytest-benchmark).", "热路径微基准测试（pytest-benchmark）。"),
    epilog=example("hnchain bench micro -k execute"),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def micro(arguments: tuple[str, ...]) -> None:
    """Everything behind `micro` goes to pytest."""
    if not MICRO.is_dir():
        raise usage(t(f"{MICRO} is not there: the micro-benchmarks are in a source checkout",
                      f"{MICRO} 不存在：微基准测试只在源代码目录中提供"))  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-only", "-p", "no:cacheprovider", str(MICRO)]
    raise SystemExit(subprocess.run([*command, *arguments], cwd=PROJECT, check=False).returncode)  # noqa: S603
