"""`hnchain devnet snapshot`: a stopped network in one file, and back."""

from pathlib import Path

import click

from chainnode.devnet import open_devnet
from chainnode.devnet_snapshot import restore_snapshot, save_snapshot
from cli.devnet_options import with_directory
from cli.language import example, t
from cli.output import answer, with_output


@click.group(help=t("A stopped network in one file, and back.", "将已停止的网络存为文件，或从文件恢复。"),
             epilog=example("hnchain devnet snapshot save day-1.hnsnap"))  # fmt: skip
def snapshot() -> None:
    pass


@snapshot.command(help=t("Write the stopped network, its keys included, to a new file.",
                         "将已停止的网络（含密钥）写入新文件。"),
                  epilog=example("hnchain devnet snapshot save day-1.hnsnap"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@with_directory
@with_output
def save(file: Path, directory: Path) -> None:
    octets = save_snapshot(open_devnet(directory), file)
    answer({"file": str(file), "bytes": octets}, f"{file}  {octets:,} B")


@snapshot.command(help=t("Make the network of a file in a new folder, on the ports that it had.",
                         "在新目录恢复文件中的网络，端口不变。"),
                  epilog=example("hnchain devnet snapshot restore day-1.hnsnap --dir again"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@with_directory
@with_output
def restore(file: Path, directory: Path) -> None:
    network = restore_snapshot(file, directory)
    answer({"directory": str(directory), "nodes": [place.name for place in network.places]},
           t(f"{directory}: {len(network.places)} nodes; start them with hnchain devnet up",
             f"{directory}：{len(network.places)} 个节点；用 hnchain devnet up 启动"))  # fmt: skip
