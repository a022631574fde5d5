"""`hnchain asset` and `hnchain anchor`: digital assets with a posted price, and hashes as evidence."""

import hashlib
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from cli.amounts import AMOUNT, HEX, IDENTIFIER
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, say, table, with_output
from cli.submission import Sending, send_as, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds_assets import Anchor, AssetLock, AssetOffer, AssetRegister, AssetReturn, AssetSwap, AssetUnlock

_CHUNK: Final = 1 << 20


def _hash_of(path: Path | None, given: bytes | None) -> bytes:
    """SHA-256 of a file that stays here, or the hash itself; Refusal (exit 2) unless exactly one is given."""
    if (path is None) == (given is None):
        raise usage(t("name the content: FILE, or --hash", "请给出文件或 --hash"))
    if path is None:
        return given or b""
    try:
        with path.open("rb") as stream:
            digest = hashlib.sha256()
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise usage(f"{path}: {error.strerror}") from error
    return digest.digest()


@click.group(help=t("Digital assets: register, sell for points, return.", "数字资产：登记、以积分出售、退回。"),
             epilog=example("hnchain asset register --help"))  # fmt: skip
def asset() -> None:
    pass


@asset.command(help=t("Register what you have the rights in; only its hash leaves this machine.",
                      "登记享有权利的内容；只有哈希会离开本机。"),
               epilog=example("hnchain asset register print-7 print.png --rights copyright --as museum"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@click.argument("path", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--hash", "given", type=HEX, help=t("SHA-256 of the content, in place of FILE.", "内容的 SHA-256。"))
@click.option("--rights", "rights_code", type=IDENTIFIER, required=True, help=t("Such as ticket or copyright.",
                                                                                "权利代码，如 ticket、copyright。"))
@with_network
@with_signer
@with_sending
@with_output
def register(
    asset_id: str, path: Path | None, given: bytes | None, rights_code: str, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    send_as(network, signer, AssetRegister(asset_id, _hash_of(path, given), rights_code), sending)


@asset.command(help=t("Post a price in fen, or change it.", "挂出或修改价格（分）。"),
               epilog=example("hnchain asset offer print-7 --price 2500 --order P-7 --as museum"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@click.option("--price", type=AMOUNT, required=True, help=t("Fen.", "金额（分）。"))
@click.option("--order", type=IDENTIFIER, help=t("Your order id of the sale; default: a new one.",
                                                 "成交时的订单号，默认新生成。"))
@with_network
@with_signer
@with_sending
@with_output
def offer(
    asset_id: str, price: int, order: str | None, network: Network, signer: Signer, sending: Sending
) -> None:
    send_as(network, signer, AssetOffer(asset_id, price, order), sending)


@asset.command(help=t("Take an offer back.", "撤回报价。"),
               epilog=example("hnchain asset withdraw print-7 --as museum"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def withdraw(asset_id: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, AssetOffer(asset_id), sending)


@asset.command(help=t("Buy at the posted price with points; asset and points change hands together.",
                      "按挂出的价格用积分购买，资产与积分同时交割。"),
               epilog=example("hnchain asset buy print-7 --price 2500 --as alice"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@click.option("--price", type=AMOUNT, help=t("What you agree to, in fen; default: the posted price, after a question.",
                                             "同意的价格（分），默认取挂出的价格并询问。"))
@click.option("--class", "class_id", type=IDENTIFIER, help=t("Pay with this class only.", "只用此类别支付。"))
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_network
@with_signer
@with_sending
@with_output
def buy(
    asset_id: str, price: int | None, class_id: str | None, yes: bool, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    plain = _read(network, asset_id)
    if price is None:
        if not plain["price"]:
            raise usage(t("no price is posted", "没有挂出价格"))
        if not yes and not sys.stdin.isatty():
            raise usage(t("agree to a price", "请写明同意的价格"), "--price FEN")
        price = int(plain["price"])
    seller = name_of(plain["owner"], network)
    say(t(f"buy {asset_id} from {seller} for {points(price)} points",
          f"以 {points(price)} 分向 {seller} 购买 {asset_id}"))  # fmt: skip
    if not yes and sys.stdin.isatty():
        click.confirm(t("Buy?", "确认购买？"), abort=True, err=True)
    send_as(network, signer, AssetSwap(asset_id, price, class_id), sending)


@asset.command("return", help=t("Give it back to its seller; a refund is the seller's own act.",
                                "退回给卖方；退款由卖方另行办理。"),
               epilog=example("hnchain asset return print-7 --as alice"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def give_back(asset_id: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, AssetReturn(asset_id), sending)


@asset.command(help=t("Regulator: stop sales and returns of a disputed asset.", "监管方：锁定有争议的资产。"),
               epilog=example("hnchain asset lock print-7 --reason 'two claim it' --as regulator"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@click.option("--reason", default="", help=t("Text, up to 128 bytes.", "原因，最多 128 字节。"))
@with_network
@with_signer
@with_sending
@with_output
def lock(asset_id: str, reason: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, AssetLock(asset_id, reason.encode("utf-8", "surrogateescape")), sending)


@asset.command(help=t("Regulator: the dispute is over.", "监管方：解除锁定。"),
               epilog=example("hnchain asset unlock print-7 --as regulator"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def unlock(asset_id: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, AssetUnlock(asset_id), sending)


@asset.command(help=t("Owner, price and terms of an asset.", "资产的持有人、价格与期限。"),
               epilog=example("hnchain asset show print-7"))  # fmt: skip
@click.argument("asset_id", metavar="ASSET", type=IDENTIFIER)
@with_network
@with_output
def show(asset_id: str, network: Network) -> None:
    plain = _read(network, asset_id)
    price = points(plain["price"]) if plain["price"] else t("not for sale", "未出售")
    rows = [(t("owner", "持有人"), name_of(plain["owner"], network)), (t("price", "价格"), price),
            (t("rights", "权利"), plain["rights_code"]), (t("content", "内容哈希"), plain["content_hash"]),
            (t("until", "保留至"), day_text(plain["expires"]))]  # fmt: skip
    if plain["locked"]:
        rows.append((t("state", "状态"), t("locked by a regulator", "已被监管方锁定")))
    answer(plain, pairs(rows))


@asset.command("list", help=t("Assets in order of their ids; one page.", "资产列表，按编号，每次一页。"),
               epilog=example("hnchain asset list --owner alice"))  # fmt: skip
@click.option("--owner", help=t("Address or name.", "地址或名称。"))
@click.option("--after", default="", help=t("The last id of the page before.", "上一页最后的编号。"))
@with_network
@with_output
def list_assets(owner: str | None, after: str, network: Network) -> None:
    of = f"&owner={encode_address(resolve(owner, network))}" if owner is not None else ""
    plain = network.client().get(f"/v1/assets?after={quote(after, safe='')}{of}")
    rows = [(i["asset"], name_of(i["owner"], network), points(i["price"]) if i["price"] else "-", i["rights_code"])
            for i in plain["items"]]  # fmt: skip
    headers = (t("asset", "资产"), t("owner", "持有人"), t("price", "价格"), t("rights", "权利"))
    more = "\n" + t(f"more: --after {plain['next']}", f"下一页：--after {plain['next']}") if plain["next"] else ""
    answer(plain, table(headers, rows) + more)


def _read(network: Network, asset_id: str) -> Any:
    return network.client().get(f"/v1/assets/{quote(asset_id, safe='')}")


@click.group(help=t("Hashes as evidence: who knew a document, and when.", "哈希存证：谁在何时知悉某份文件。"),
             epilog=example("hnchain anchor add --help"))  # fmt: skip
def anchor() -> None:
    pass


@anchor.command(help=t("Anchor the hash of a document; the document stays here.", "存证文件的哈希；文件不会离开本机。"),
                epilog=example("hnchain anchor add report.pdf --namespace elderly-care --as hotel"))  # fmt: skip
@click.argument("path", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--hash", "given", type=HEX, help=t("SHA-256, in place of FILE.", "文件的 SHA-256。"))
@click.option("--namespace", type=IDENTIFIER, required=True, help=t("The field, such as elderly-care.",
                                                                    "领域，如 elderly-care。"))
@with_network
@with_signer
@with_sending
@with_output
def add(
    path: Path | None, given: bytes | None, namespace: str, network: Network, signer: Signer, sending: Sending
) -> None:
    send_as(network, signer, Anchor(namespace, _hash_of(path, given)), sending)


@anchor.command("show", help=t("Who anchored a document first.", "谁首先存证了某份文件。"),
                epilog=example("hnchain anchor show report.pdf --namespace elderly-care"))  # fmt: skip
@click.argument("path", metavar="[FILE]", type=click.Path(path_type=Path), required=False)
@click.option("--hash", "given", type=HEX, help=t("SHA-256, in place of FILE.", "文件的 SHA-256。"))
@click.option("--namespace", type=IDENTIFIER, required=True, help=t("The field.", "领域。"))
@with_network
@with_output
def show_anchor(path: Path | None, given: bytes | None, namespace: str, network: Network) -> None:
    evidence = _hash_of(path, given).hex()
    plain = network.client().get(f"/v1/anchors/{quote(namespace, safe='')}/{evidence}")
    rows = [(t("by", "存证方"), name_of(plain["by"], network)), (t("time", "时间"), day_text(plain["time"])),
            (t("transaction", "交易"), plain["tx"])]  # fmt: skip
    answer(plain, pairs(rows))
