"""How a command comes to its trust: the genesis of its chain, the record of the last time, and whether to check."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from chainnode.proven_account import genesis_root
from cli.client import Answer, NoAnswer, NotSent, exchange, unreachable
from cli.language import t
from cli.network import Network, home, read_genesis
from cli.output import say
from cli.outsider import Distrusted, Outsider
from cli.trust_store import FOLDER, TrustStore
from cli.verdicts import Refusal, Verdict
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id, load_genesis
from primitives.light_client import TrustedEpochs

F = TypeVar("F", bound=Callable[..., Any])
GENESIS_FILE: Final = "genesis.json"


def with_trust(command: F) -> F:
    """Adds --trust and --genesis; the command gets `outsider`, None with --trust. Stands below with_network."""

    @click.option("--trust", "believe", is_flag=True,
                  help=t("Take the node's word; check nothing.", "直接采信节点，不作核验。"))  # fmt: skip
    @click.option("--genesis", "genesis_path", type=click.Path(path_type=Path), metavar="FILE",
                  help=t("The network's genesis.json; by default found by its chain id.",
                         "网络的 genesis.json，默认按链编号获取。"))  # fmt: skip
    @functools.wraps(command)
    def wrapper(*args: Any, network: Network, believe: bool, genesis_path: Path | None, **kwargs: Any) -> Any:
        outsider = None if believe else open_outsider(network, genesis_path)
        return command(*args, network=network, outsider=outsider, **kwargs)

    return wrapper  # type: ignore[return-value]  # adds options only


def open_outsider(network: Network, genesis_path: Path | None = None) -> Outsider:
    """Trust from --genesis, else from the chain id of the network file; without either from what the first node says,
    aloud, and from then on from that.

    Raises: Refusal, exit 2 for files of different chains, 1 or 4 if no node has the genesis of the chain.
    """
    if not network.nodes:
        network.client()  # refuses with a sentence
    store = TrustStore((network.directory or home()) / FOLDER)
    expected = None if network.file is None else bytes.fromhex(network.file.chain_id)
    distrusted: list[Distrusted] = []
    genesis = _kept_genesis(network, genesis_path, expected, store)
    if genesis is None:
        genesis = _fetched_genesis(network, expected, distrusted)
        store.keep_genesis(genesis)
    chain = chain_id(genesis)
    if expected is None and genesis_path is None:
        say(t(f"no network file: taking the node's word for chain {chain.hex()[:16]}",
              f"未找到网络文件，采用节点所报的链 {chain.hex()[:16]}"))  # fmt: skip
    trusted = TrustedEpochs(genesis, store.record(chain), lambda: genesis_root(genesis))
    outsider = Outsider(network, genesis, store, trusted)
    for one in distrusted:
        outsider.distrust(one.node, one.kind, one.said, one.proven)
    return outsider


def _kept_genesis(
    network: Network, genesis_path: Path | None, expected: bytes | None, store: TrustStore
) -> Genesis | None:
    """Of a file at hand; Refusal (exit 2) if it is of another chain than the network file says."""
    if genesis_path is None and network.directory is not None and (network.directory / GENESIS_FILE).is_file():
        genesis_path = network.directory / GENESIS_FILE
    if genesis_path is None:
        return None if expected is None else store.genesis(expected)
    genesis = read_genesis(genesis_path)
    if expected is not None and chain_id(genesis) != expected:
        found, named = chain_id(genesis).hex()[:16], expected.hex()[:16]
        detail = t(f"{genesis_path} is of chain {found}, the network file says {named}",
                   f"{genesis_path} 属于链 {found}，网络文件为 {named}")  # fmt: skip
        raise Refusal(Verdict.USAGE, Code.WRONG_GENESIS, detail)
    return genesis


def _fetched_genesis(network: Network, expected: bytes | None, distrusted: list[Distrusted]) -> Genesis:
    last: Exception | None = None
    for node in network.nodes:
        try:
            answer = exchange(node, "GET", "/v1/genesis")
            genesis = _genesis_of(answer)
        except (NotSent, NoAnswer, Malformed) as error:
            last = error
            continue
        if expected is None or chain_id(genesis) == expected:
            return genesis
        said = t(f"chain {chain_id(genesis).hex()[:16]}", f"链 {chain_id(genesis).hex()[:16]}")
        distrusted.append(Distrusted(node, "lying", said, expected.hex()[:16]))
    if distrusted:
        detail = t("no node has the genesis of this chain", "没有节点持有此链的创世文件")
        plain = [one.plain() for one in distrusted]
        raise Refusal(Verdict.REJECTED, Code.LYING_NODE, detail, "--genesis FILE", distrusted=plain)
    raise unreachable(network.nodes, last)


def _genesis_of(answer: Answer) -> Genesis:
    if answer.status != 200:
        raise Malformed(f"HTTP {answer.status}")
    return load_genesis(answer.raw)
