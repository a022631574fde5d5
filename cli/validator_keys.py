"""`hnchain node candidate` and `rotate-key`: what only the machine that holds a voting key can say."""

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.config_option import with_config
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, say, with_output
from cli.passphrase import PassphraseSource
from cli.submission import Sending, send_and_report, with_sending
from cli.transactions import guarded
from cli.verdicts import failure_refusal, usage
from cli.wallets import Signer, find_wallet, passphrase_options
from primitives.genesis import Genesis, chain_id
from primitives.json_form import body_from_plain, to_plain
from primitives.keys import SigningKey
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey
from primitives.validators import vote_key_digest

if TYPE_CHECKING:
    from chainnode.config import NodeConfig
    from chainnode.handshake import TransportIdentity

Plain = Any


@click.command(help=t("What an operator needs to let this node join (gov validator-add) or take a place (gov "
                      "validator-replace): its public keys and address, signed by its voting key.",
                      "运营方让本节点加入（gov validator-add）或替换他人（gov validator-replace）所需的公开信息，"
                      "由投票密钥签名。"),
               epilog=example("hnchain node candidate --config sanya/node.toml --address 10.0.0.5:26600 > sanya.json"))
@with_config
@click.option("--address", required=True, metavar="HOST:PORT", help=t("Where the other validators connect to.",
                                                                      "其他验证者连接的地址。"))
@with_output
def candidate(config_path: Path, address: str) -> None:
    config, genesis, keys, identity = _read_node(config_path)
    key = keys[0]
    possession = key.sign(vote_key_digest(chain_id(genesis), config.name, key.public_key))
    body = ValidatorAdd(config.name, key.public_key, identity.certificate, address, possession)
    plain = to_plain(body)
    guarded(lambda: body_from_plain("validator_add", plain))  # the address is the user's: say it here, not at the node
    answer(plain, msgspec.json.encode(plain).decode())


@click.command("rotate-key", help=t(
    "Change this node's voting key: makes the next key beside the present one and the transaction that both sign. With "
    "--as a wallet sends it, otherwise its body is printed for `hnchain tx build validator_rekey`. The running node "
    "takes the new key when the next epoch begins. Safe to repeat: the same next key is used again.",
    "更换本节点的投票密钥：在现有密钥旁生成下一把，并由两把密钥共同签署交易。给出 --as 则由该钱包发送，否则输出内容供 "
    "hnchain tx build validator_rekey 使用。运行中的节点在下一纪元开始时启用新密钥。可安全重复执行。"),
    epilog=example("hnchain node rotate-key --config node.toml --as hotel"))
@with_config
@with_network
@click.option("--as", "wallet_name", metavar="NAME", help=t("The wallet that sends it; any will do.",
                                                            "发送的钱包，任何钱包均可。"))
@passphrase_options
@with_sending
@with_output
def rotate_key(
    config_path: Path, wallet_name: str | None, source: PassphraseSource, network: Network, sending: Sending
) -> None:
    config, genesis, keys, _ = _read_node(config_path)
    present = keys[0]
    following = keys[1] if len(keys) > 1 else _make_next(Path(config.vote_key))
    digest = vote_key_digest(chain_id(genesis), config.name, following.public_key)
    body = ValidatorRekey(
        config.name, present.public_key, following.public_key, present.sign(digest), following.sign(digest)
    )
    if wallet_name is None:
        plain = to_plain(body)
        answer(plain, msgspec.json.encode(plain).decode())
        return
    if network.chain_id() != chain_id(genesis):
        raise usage(t("the network is not the one of this node's genesis", "网络与本节点的创世文件不符"))
    opened = Signer(find_wallet(wallet_name, network), source).unlock()
    what = t(f"the key {following.public_key.hex()[:16]} votes from the next epoch on",
             f"密钥 {following.public_key.hex()[:16]} 自下一纪元起投票")
    send_and_report(network, opened.address, [opened.key], body, sending, what)


def _read_node(config_path: Path) -> "tuple[NodeConfig, Genesis, tuple[SigningKey, ...], TransportIdentity]":
    """Configuration, genesis, voting keys (the present one, then the next if there is one), transport identity.

    Raises: Refusal (exit 2).
    """
    from chainnode.config import load_config
    from chainnode.failures import NodeFailure
    from chainnode.genesis_file import read_genesis
    from chainnode.process import read_identity

    try:
        config = load_config(config_path)
        keys, identity = read_identity(config)
        return config, read_genesis(config.genesis), keys, identity
    except NodeFailure as error:
        raise failure_refusal(error) from error


def _make_next(vote_key: Path) -> SigningKey:
    """A fresh key in the next file, on the disk before anybody hears of it: a key that is lost costs the seat."""
    from chainnode.config import write_secret
    from chainnode.voting_keys import next_path

    path = next_path(vote_key)
    seed = secrets.token_bytes(32)
    write_secret(path, seed)
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    say(t(f"made {path}", f"已生成 {path}"))
    return SigningKey.from_seed(seed)
