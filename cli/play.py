"""`hnchain play`: a scenario file on an engine, one JSON line per step."""

import tempfile
from pathlib import Path

import click

from cli.language import example, t
from cli.output import with_output
from cli.verdicts import Refusal, Verdict
from primitives.codes import Code


@click.command(help=t("Run a scenario file; one JSON line per step, exit 1 at the first expectation that fails.",
                      "运行场景文件；每步输出一行 JSON，首个不符即退出 1。"),
               epilog=example("hnchain play scenarios/02-cross-redemption.json"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--engine", type=click.Choice(["instant", "devnet"]), default="instant", show_default=True,
              help=t("In this process, or four real nodes.", "单进程或四个真实节点。"))  # fmt: skip
@click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True,
              help=t("Of the devnet engine.", "devnet 引擎的节点数。"))  # fmt: skip
@with_output
def play(file: Path, engine: str, validators: int) -> int:
    from chainnode.play import ENGINES, play_file, print_line

    if engine in ENGINES:
        return play_file(file, ENGINES[engine], print_line)
    from chainnode.devnet_calls import NoAnswer, Refused
    from chainnode.failures import NodeFailure
    from chainnode.play_devnet import EngineFailed, devnet_engine

    folder = tempfile.TemporaryDirectory(prefix="hnchain-play-")
    try:
        with folder, devnet_engine(Path(folder.name), validators) as opened:
            return play_file(file, opened, print_line)
    except (EngineFailed, NoAnswer, Refused, NodeFailure) as error:
        detail = t(f"no verdict, the network failed: {error}", f"网络故障，未得出结论：{error}")
        raise Refusal(Verdict.UNKNOWN, Code.NODE_UNREACHABLE, detail) from error
