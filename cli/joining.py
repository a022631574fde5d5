"""`hnchain node bundle | join`: all that a newcomer needs in one file, and a node made of it."""

import shutil
from pathlib import Path
from typing import Annotated, Any, Final

import click
import msgspec

from cli.language import example, t
from cli.network import Network, read_genesis, with_network
from cli.node_keys import make_keys
from cli.output import answer, pairs, say, with_output
from cli.upkeep import run_resync, with_ticket_file
from cli.verdicts import usage
from primitives.codec import Malformed
from primitives.genesis import Genesis, chain_id, genesis_text, load_genesis
from primitives.json_form import to_plain

BUNDLE_FORMAT: Final = 1
BUNDLE_BYTES_MAX: Final = 32 * 1024 * 1024


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the genesis as JSON, the API of some nodes, and where validators listen for nodes ("host:port")."""

    format: int
    chain_id: str
    nodes: Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)]
    genesis: msgspec.Raw
    peers: dict[str, str] = {}


def read_bundle(path: Path) -> tuple[Bundle, Genesis]:
    """The bundle and its genesis. Raises: Refusal (exit 2) with what is wrong."""
    try:
        raw = path.read_bytes()
        if len(raw) > BUNDLE_BYTES_MAX:
            raise usage(f"{path}: {len(raw)} bytes, limit {BUNDLE_BYTES_MAX}")
        bundle = msgspec.json.decode(raw, type=Bundle)
        genesis = load_genesis(bytes(bundle.genesis))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, Malformed) as error:
        raise usage(f"{path}: {error}") from error
    if bundle.format != BUNDLE_FORMAT:
        raise usage(f"{path}: format {bundle.format}, this release reads {BUNDLE_FORMAT}")
    if chain_id(genesis).hex() != bundle.chain_id:
        raise usage(f"{path}: its genesis is of chain {chain_id(genesis).hex()}, it says {bundle.chain_id[:64]}")
    return bundle, genesis


@click.command(help=t("Print what a newcomer needs: the genesis, addresses of nodes and of validators. Nothing in it "
                      "is secret; tell the chain id another way too.",
                      "输出新节点所需的内容：创世文件、节点地址与验证者地址。其中没有秘密；请另行告知链编号。"),
               epilog=example("hnchain node bundle --genesis genesis.json --node http://10.0.0.2:26601 > net.json"))
@click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Default: the devnet's.", "默认取本地网络的创世文件。"))  # fmt: skip
@click.option("--peer", "peers", multiple=True, metavar="NAME=HOST:PORT",
              help=t("Where a validator listens for nodes, if the chain does not say; repeat for more.",
                     "验证者的节点监听地址（链上没有时填写），可重复。"))
@with_network
@with_output
def bundle(genesis_path: Path | None, peers: tuple[str, ...], network: Network) -> None:
    if genesis_path is None:
        if network.directory is None:
            raise usage(t("which network?", "请指明网络"), "--genesis FILE")
        genesis_path = network.directory / "genesis.json"
    genesis = read_genesis(genesis_path)
    given = dict(peer.split("=", 1) for peer in peers if "=" in peer)
    if len(given) != len(peers):
        raise usage(f"--peer {' '.join(peers)}", "--peer NAME=HOST:PORT")
    plain = {"format": BUNDLE_FORMAT, "chain_id": chain_id(genesis).hex(), "nodes": list(network.nodes),
             "genesis": to_plain(genesis), "peers": _peers(network, given)}  # fmt: skip
    answer(plain, msgspec.json.format(msgspec.json.encode(plain), indent=1).decode())


def _peers(network: Network, given: dict[str, str]) -> dict[str, str]:
    """Those given, else those of the devnet; the chain's own addresses are found without them."""
    if given or network.directory is None:
        return given
    from chainnode.devnet import is_devnet, open_devnet

    if not is_devnet(network.directory):
        return {}
    return {place.name: f"127.0.0.1:{place.peer_port}" for place in open_devnet(network.directory).places}


@click.command(help=t("Make a node of a bundle in a new folder: keys, node.toml, and a ledger from a proven snapshot. "
                      "It waits for a seat; then it catches up and votes.",
                      "用邀请文件在新目录中创建节点：密钥、node.toml，以及由可证明快照得到的账本。"
                      "取得席位后追上账本并投票。"),
               epilog=example("hnchain node join net.json --name sanya-hotel --dir sanya"))  # fmt: skip
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help=t("The node's name, as it will stand in the validator set.",
                                              "节点名称，与将来的验证者名称一致。"))  # fmt: skip
@click.option("--dir", "directory", type=click.Path(path_type=Path), required=True, help=t("A new folder.", "新目录。"))
@click.option("--port-base", type=int, default=26600, show_default=True, metavar="P",
              help=t("Peers P, API P+1, admin P+2, ingress P+3.",
                     "对等 P，接口 P+1，管理 P+2，接入 P+3。"))  # fmt: skip
@with_ticket_file
@with_output
def join(file: Path, name: str, directory: Path, port_base: int, ticket_file: Path | None) -> None:
    invitation, genesis = read_bundle(file)
    plain = make_node(invitation, genesis, name, directory, port_base, ticket_file)
    say(t(f"start it: hnchain node run --config {directory}/node.toml; for a seat: hnchain node candidate",
          f"启动：hnchain node run --config {directory}/node.toml；申请席位：hnchain node candidate"))
    answer(plain, pairs([(t("folder", "目录"), directory), (t("height", "高度"), plain["height"]),
                         (t("chain id", "链编号"), plain["chain_id"])]))  # fmt: skip


def make_node(
    invitation: Bundle, genesis: Genesis, name: str, directory: Path, port_base: int, ticket_file: Path | None = None
) -> dict[str, Any]:
    """Keys, configuration, genesis and data directory; the folder is gone again if no ledger could be made."""
    others = {member: address for member, address in invitation.peers.items() if member != name}
    make_keys(name, directory, port_base, observer=True, peers=others)
    try:
        (directory / "genesis.json").write_bytes(genesis_text(genesis))
        done = run_resync(directory / "node.toml", tuple(invitation.nodes), None, True, ticket_file)
    except BaseException:
        shutil.rmtree(directory)
        raise
    return {"folder": str(directory), "chain_id": chain_id(genesis).hex(), **done}


COMMANDS = (bundle, join)
