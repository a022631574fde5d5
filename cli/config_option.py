"""The node's configuration file as an option."""

from pathlib import Path

import click

from cli.language import t

with_config = click.option(
    "--config", "config_path", type=click.Path(path_type=Path), default="node.toml", show_default=True, metavar="FILE",
    help=t("The node's configuration.", "节点配置文件。"),
)  # fmt: skip
