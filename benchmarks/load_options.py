"""The options of every command that loads a network of the reader's choice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click

from benchmarks.chosen_network import TOURISTS, TOURISTS_RUNNING
from benchmarks.workload import PROFILES
from cli.language import t

GENERATORS_MAX: Final = 12  # each has a connection to every node's ingress: below what a node allows one address

Command = TypeVar("Command", bound=Callable[..., Any])


def load_options(transport: Literal["http", "ingress"]) -> Callable[[Command], Command]:
    """--profile, --transport (this is its default), --generators, --dir (as `directory`), --validators, --tourists."""
    options = (
        click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True,
                     help=t("Which transactions.", "交易类型组合。")),
        click.option("--transport", type=click.Choice(["http", "ingress"]), default=transport, show_default=True,
                     help=t("HTTP bulks, or the binary listener.", "HTTP 批量接口或二进制接口。")),
        click.option("--generators", type=click.IntRange(1, GENERATORS_MAX), default=1, show_default=True,
                     help=t("Processes that send.", "发送进程数。")),
        click.option("--dir", "directory", type=click.Path(path_type=Path), metavar="DIR",
                     help=t("A running devnet's folder.", "运行中的 devnet 目录。")),
        click.option("--validators", type=click.IntRange(4, 22), default=4, show_default=True,
                     help=t("Of a throw-away network.", "临时网络的验证节点数。")),
        click.option("--tourists", type=click.IntRange(1, 20_000),
                     help=t(f"Accounts; default {TOURISTS}, on a running network {TOURISTS_RUNNING}.",
                            f"账户数；默认 {TOURISTS}，已运行的网络为 {TOURISTS_RUNNING}。")),
    )  # fmt: skip

    def with_options(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return with_options
