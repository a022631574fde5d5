"""`hnchain wallet`: keys in encrypted files. Reads: wallet_reads, payments: wallet_payments, receipts: receipts."""

import os
import sys
from pathlib import Path

import click

from cli.keystore import read_keystore, replace_keystore, seal, unlocked, write_keystore
from cli.language import current, example, t
from cli.merchant_campaigns import claim
from cli.network import Network, with_network
from cli.output import answer, pairs, say, table, with_output
from cli.passphrase import PassphraseSource, read_secret_file
from cli.phrase import ENTROPY_BYTES, entropy_of, phrase_of
from cli.receipts import receipt
from cli.verdicts import usage
from cli.wallet_escrow import escrow, offline_code
from cli.wallet_payments import authorize, code, exchange, open_account, pay, transfer
from cli.wallet_reads import balance, expiring, history
from cli.wallet_recovery import guardians, key_group, recover
from cli.wallet_ticket import ticket
from cli.wallets import (
    SUFFIX,
    Signer,
    all_wallets,
    check_name,
    find_wallet,
    passphrase_options,
    wallet_address,
    wallet_folder,
    with_signer,
)
from primitives.address import encode_address


@click.group(help=t("Keys, balances, payments, receipts.", "密钥、余额、支付、凭证。"),
             epilog=example("hnchain wallet new me"))  # fmt: skip
def wallet() -> None:
    pass


for command in (balance, expiring, history, pay, code, exchange, transfer, authorize, open_account, receipt, claim):
    wallet.add_command(command)
for command in (escrow, offline_code, ticket):
    wallet.add_command(command)
for group in (key_group, guardians, recover):
    wallet.add_command(group)


@wallet.command(help=t("Make a key, its recovery phrase, and the encrypted file.", "生成密钥、助记词和加密文件。"),
                epilog=example("hnchain wallet new me --words 12"))  # fmt: skip
@click.argument("name")
@click.option("--words", type=click.Choice(["12", "24"]), default="12", show_default=True,
              help=t("Length of the phrase.", "助记词个数。"))  # fmt: skip
@passphrase_options
@with_output
def new(name: str, words: str, source: PassphraseSource) -> None:
    path = _fresh_path(name)
    entropy = os.urandom(ENTROPY_BYTES[int(words)])
    _store(path, name, entropy, source)
    if sys.stderr.isatty():
        say(t("Recovery phrase; whoever has it has the points, without it they are lost:",
              "助记词（持有者即拥有积分，遗失则无法找回）："))  # fmt: skip
        say(f"\n  {phrase_of(entropy, current())}\n")
    else:
        say(t(f"write down the recovery phrase: hnchain wallet phrase --as {name}",
              f"请抄写助记词：hnchain wallet phrase --as {name}"))  # fmt: skip


@wallet.command(help=t("Make the wallet of a recovery phrase again.", "用助记词恢复钱包。"),
                epilog=example("hnchain wallet restore me --phrase-file words.txt"))  # fmt: skip
@click.argument("name")
@click.option("--phrase-file", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Read the phrase from this file of mode 0600.", "从该文件（权限 0600）读取助记词。"))  # fmt: skip
@passphrase_options
@with_output
def restore(name: str, phrase_file: Path | None, source: PassphraseSource) -> None:
    path = _fresh_path(name)
    if phrase_file is not None:
        phrase = read_secret_file(phrase_file).decode("utf-8", "replace")
    elif sys.stdin.isatty():
        phrase = click.prompt(t("Recovery phrase", "助记词"), hide_input=True, err=True)
    else:
        raise usage(t("the phrase is asked for on a terminal", "助记词需在终端输入"), "--phrase-file FILE")
    _store(path, name, entropy_of(phrase), source)


@wallet.command(help=t("Show the recovery phrase.", "显示助记词。"),
                epilog=example("hnchain wallet phrase --as me"))  # fmt: skip
@click.option("--chinese/--english", default=None, help=t("Spelling of the words.", "词表语言。"))
@with_network
@with_signer
@with_output
def phrase(network: Network, signer: Signer, chinese: bool | None) -> None:
    language = current() if chinese is None else ("zh" if chinese else "en")
    words = phrase_of(signer.unlock().entropy, language)
    answer({"phrase": words}, words)


@wallet.command("list", help=t("All wallets on this machine.", "本机所有钱包。"),
                epilog=example("hnchain wallet list"))  # fmt: skip
@with_network
@with_output
def list_wallets(network: Network) -> None:
    rows = [(w.name, encode_address(wallet_address(w)), "demo" if w.demo else "", str(w.path))
            for w in all_wallets(network)]  # fmt: skip
    plain = [{"name": name, "address": address, "demo": bool(demo), "path": path} for name, address, demo, path in rows]
    answer(plain, table((t("name", "名称"), t("address", "地址"), "", t("file", "文件")), rows))


@wallet.command(help=t("A wallet's address.", "钱包地址。"),
                epilog=example("hnchain wallet address me"))  # fmt: skip
@click.argument("name", required=False)
@with_network
@with_output
def address(name: str | None, network: Network) -> None:
    text = encode_address(wallet_address(find_wallet(name, network)))
    answer({"address": text}, text)


@wallet.command(help=t("Change a wallet's passphrase.", "修改钱包口令。"),
                epilog=example("hnchain wallet passwd --as me"))  # fmt: skip
@click.option("--new-passphrase-fd", type=int, metavar="N", help=t("Read the new one from here.", "从此读取新口令。"))
@click.option("--new-passphrase-file", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Read the new one from this file of mode 0600.", "从该文件（权限 0600）读取新口令。"))  # fmt: skip
@with_network
@with_signer
@with_output
def passwd(network: Network, signer: Signer, new_passphrase_fd: int | None, new_passphrase_file: Path | None) -> None:
    opened = signer.unlock()
    source = PassphraseSource(new_passphrase_fd, new_passphrase_file)
    secret = source.read(t("New passphrase", "新口令"), confirm=True)
    replace_keystore(signer.wallet.path, seal(opened, secret))
    plain = {"name": signer.wallet.name, "address": read_keystore(signer.wallet.path).header.address}
    answer(plain, t("the passphrase is changed", "口令已修改"))


def _fresh_path(name: str) -> Path:
    path = wallet_folder() / f"{check_name(name)}{SUFFIX}"
    if path.exists():
        raise usage(t(f"there is a wallet {name!r} already: {path}", f"钱包 {name!r} 已存在：{path}"))
    return path


def _store(path: Path, name: str, entropy: bytes, source: PassphraseSource) -> None:
    opened = unlocked(entropy)
    secret = source.read(t(f"Passphrase for {name}", f"为 {name} 设置口令"), confirm=True)
    write_keystore(path, seal(opened, secret))
    plain = {"name": name, "address": encode_address(opened.address), "public_key": opened.key.public_key.hex(),
             "path": str(path)}  # fmt: skip
    answer(plain, pairs([(t("name", "名称"), name), (t("address", "地址"), plain["address"]),
                         (t("file", "文件"), str(path))]))  # fmt: skip
