"""Which network a command works on, as options; and as whom it reads there."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cli.language import t
from cli.network_file import (
    DEVNET_DIRECTORY,
    HOME_VARIABLE,
    NETWORK_FILE,
    Network,
    NetworkFile,
    find_network,
    home,
    network_file,
    read_genesis,
    read_network,
)
from cli.passphrase import PassphraseSource
from cli.wallets import passphrase_options, reading_as

__all__ = [
    "DEVNET_DIRECTORY", "HOME_VARIABLE", "NETWORK_FILE", "Network", "NetworkFile", "find_network", "home",
    "network_file", "read_genesis", "read_network", "with_network",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])
_READER: Final = "reader_name"
_SIGNS: Final = frozenset(("wallet_name", "source", "passphrase_fd"))  # options of commands that sign


def with_network(command: F) -> F:
    """Adds --node and --devnet, and to commands that sign nothing --as and the passphrase options; the command gets
    `network`, which reads as that wallet where a node asks for a ticket."""
    taken = {option.name for option in getattr(command, "__click_params__", ())}

    @click.option("--node", "nodes", multiple=True, metavar="URL",
                  help=t("A node's address; repeat for more.", "节点地址，可重复。"))  # fmt: skip
    @click.option("--devnet", "directory", type=click.Path(path_type=Path), metavar="DIR",
                  help=t("Folder of a local network.", "本地网络目录。"))  # fmt: skip
    @functools.wraps(command)
    def wrapper(*args: Any, nodes: tuple[str, ...], directory: Path | None, **kwargs: Any) -> Any:
        name, source = kwargs.pop(_READER, None), PassphraseSource(None, None)
        if not taken & _SIGNS:
            source = kwargs.pop("source", source)
        network = reading_as(find_network(nodes, directory), name, source)
        return command(*args, network=network, **kwargs)

    if taken & _SIGNS:
        return wrapper  # type: ignore[return-value]  # the decorator adds options, the callable stays what it was
    reads = click.option("--as", _READER, metavar="NAME",
                         help=t("Read as this wallet, where a node shows things only to those whom they concern.",
                                "以该钱包的身份查询（节点仅向有权者提供数据时）。"))  # fmt: skip
    return reads(passphrase_options(wrapper))  # type: ignore[return-value]  # as above
