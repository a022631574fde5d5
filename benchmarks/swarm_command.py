"""`hnchain bench fund` and `hnchain bench locust`: load from many machines."""

import importlib.util
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from benchmarks.chosen_network import TOURISTS_RUNNING, failed, progress
from benchmarks.network import running_network
from benchmarks.run import LIFETIME_MAX, RunFailed, prepare
from benchmarks.workload import FUNDED_UNITS, Writer
from chainnode.devnet import child_environment
from chainnode.failures import NodeFailure
from cli.language import current, example, t
from cli.network import DEVNET_DIRECTORY
from cli.output import answer, with_output
from cli.verdicts import usage

LOCUSTFILE: Final = Path(__file__).resolve().parent / "locustfile.py"


@click.command(
    help=t("Open the accounts of a load on a running network and give them points.",
           "在运行中的网络上为压测开户并发放积分。"),
    epilog=example("hnchain bench fund --dir .devnet --tourists 200"),
)  # fmt: skip
@click.option("--dir", "directory", type=click.Path(path_type=Path), default=DEVNET_DIRECTORY, show_default=True,
              metavar="DIR", help=t("The network's folder.", "网络目录。"))  # fmt: skip
@click.option("--tourists", type=click.IntRange(1, 20_000), default=TOURISTS_RUNNING, show_default=True,
              help=t("Accounts.", "账户数。"))  # fmt: skip
@click.option("--units", type=click.IntRange(1, 1_000_000), default=FUNDED_UNITS, show_default=True,
              help=t("Points for each.", "每户积分。"))  # fmt: skip
@with_output
def fund(directory: Path, tourists: int, units: int) -> None:
    tell = progress()
    tell("prepare", 0.0)
    try:
        network = running_network(directory, tourists)
        writer = Writer(network.cast, secrets.token_hex(4), int(time.time() + LIFETIME_MAX), secrets.randbits(32))
        prepare(network, writer, units)
    except NodeFailure as error:
        raise usage(str(error)) from error
    except (RunFailed, OSError) as error:
        raise failed(error) from error
    text = t(f"{tourists:,} accounts, {units:,} points more each", f"{tourists:,} 个账户，每户新增 {units:,} 积分")
    answer({"tourists": tourists, "units": units}, text)


@click.command(
    help=t(
        "Load from many machines with Locust: everything behind `locust` goes to it. A machine says --master, the "
        "others --worker --master-host; each has a copy of the network's folder. First: hnchain bench fund.",
        "用 Locust 从多台机器施压：locust 之后的参数全部交给它。一台用 --master，其余用 --worker --master-host；"
        "每台机器都要有网络目录的副本。请先运行 hnchain bench fund。",
    ),
    epilog=example("hnchain bench locust --network .devnet --headless -u 40 -r 40 -t 30s --report swarm.json"),
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def locust(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Its own --help lists its options and ours."""
    if not importlib.util.find_spec("locust"):
        raise usage(t("Locust is not installed", "未安装 Locust"), "pip install 'hnchain[node,bench]'")
    if "--help" in arguments:
        click.echo(context.get_help() + "\n")
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *arguments]
    environment = {**child_environment(), "LC_ALL": "zh_CN.UTF-8" if current() == "zh" else "C.UTF-8"}
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603  (our interpreter)
