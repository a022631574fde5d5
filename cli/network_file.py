"""Which network: the nodes to ask, the chain id to sign for, the user's folder. One place decides for all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from cli.client import Client, Tickets
from cli.language import t
from cli.output import say
from cli.verdicts import usage
from primitives.codec import Malformed
from primitives.genesis import Genesis, chain_id, load_genesis

DEVNET_DIRECTORY: Final = ".devnet"  # in the working directory, as `devnet up` makes it
NETWORK_FILE: Final = "network.json"
HOME_VARIABLE: Final = "HNCHAIN_HOME"


class NetworkFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """network.json: how to reach a network. `identities` maps demo names to addresses."""

    format: int
    name: str
    chain_id: str
    nodes: list[str]
    identities: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Network:
    """What a command knows of its network; `directory` is the devnet's, if it is one. `tickets`: for nodes that show
    things only to those whom they concern."""

    nodes: tuple[str, ...]
    file: NetworkFile | None
    directory: Path | None
    tickets: Tickets | None = None

    def client(self) -> Client:
        """To its nodes."""
        return Client(self.nodes, self.tickets)

    def chain_id(self) -> bytes:
        """For signing: of the network file; else, said aloud, what the node claims.

        Raises: Refusal (exit 2) if the node is on another chain than the file.
        """
        claimed = bytes.fromhex(str(self.client().get("/v1/status")["chain_id"]))
        if self.file is None:
            say(t(f"no network file: taking the node's word for chain {claimed.hex()[:16]}",
                  f"未找到网络文件，采用节点所报的链 {claimed.hex()[:16]}"))  # fmt: skip
        if self.file is not None and claimed.hex() != self.file.chain_id:
            found, expected = claimed.hex()[:16], self.file.chain_id[:16]
            raise usage(t(f"the node is on chain {found}, the network file says {expected}",
                          f"节点所在链为 {found}，网络文件为 {expected}"))  # fmt: skip
        return claimed


def home() -> Path:
    """The user's folder: $HNCHAIN_HOME, else ~/.config/hnchain."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "hnchain"


def find_network(nodes: tuple[str, ...], directory: Path | None) -> Network:
    """--node, else --devnet, else a devnet in the working directory, else the user's own network file.

    Raises: Refusal (exit 2) if a named folder holds no network.
    """
    if directory is not None and not (directory / NETWORK_FILE).is_file():
        raise usage(t(f"{directory} holds no {NETWORK_FILE}", f"{directory} 中没有 {NETWORK_FILE}"))
    if directory is None and (Path(DEVNET_DIRECTORY) / NETWORK_FILE).is_file():
        directory = Path(DEVNET_DIRECTORY)
    if directory is not None:
        file = read_network(directory / NETWORK_FILE)
        return Network(nodes or tuple(file.nodes), file, directory)
    own = home() / NETWORK_FILE
    if own.is_file():
        file = read_network(own)
        return Network(nodes or tuple(file.nodes), file, None)
    return Network(nodes, None, None)


def read_network(path: Path) -> NetworkFile:
    """Raises: Refusal (exit 2) for a file that is none."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=NetworkFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise usage(f"{path}: {error}") from error
    if file.format != 1:
        raise usage(f"{path}: format {file.format}, this release reads 1")
    return file


def read_genesis(path: Path) -> Genesis:
    """The genesis of a file; Refusal (exit 2) with the field's path."""
    try:
        return load_genesis(path.read_bytes())
    except (OSError, Malformed) as error:
        raise usage(f"{path}: {error}") from error


def network_file(genesis: Genesis, nodes: list[str], identities: dict[str, str]) -> NetworkFile:
    """The file that `devnet up` leaves for the other commands."""
    return NetworkFile(1, genesis.name, chain_id(genesis).hex(), nodes, identities)
