"""`hnchain bench`: load against a network, and the micro-benchmarks."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from benchmarks.block_command import blocks
from benchmarks.compare_command import compare
from benchmarks.growth_command import growth
from benchmarks.knee_command import knee
from benchmarks.overload_command import overload
from benchmarks.page_command import report
from benchmarks.peers_command import peers_command
from benchmarks.rules_command import midnight, year
from benchmarks.run_command import run
from benchmarks.scale_command import scale
from benchmarks.stages_command import stages
from benchmarks.swarm_command import fund, locust
from benchmarks.table_command import soak, table
from cli.language import example, t
from cli.verdicts import usage

PROJECT: Final = Path(__file__).resolve().parent.parent
MICRO: Final = PROJECT / "tests" / "benchmarks" / "micro"  # they look inside the rooms: no part of a release


@click.group(help=t("Load and micro benchmarks.", "负载与微基准测试。"), epilog=example("hnchain bench run --rate 200"))
def bench() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # networks and servers of a measurement end with it


bench.add_command(run)
bench.add_command(knee)
bench.add_command(fund)
bench.add_command(locust)
bench.add_command(year)
bench.add_command(midnight)
bench.add_command(table)
bench.add_command(peers_command)
bench.add_command(soak)
bench.add_command(compare)
bench.add_command(growth)
bench.add_command(report)
bench.add_command(stages)
bench.add_command(scale)
bench.add_command(overload)
bench.add_command(blocks)


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
