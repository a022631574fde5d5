"""What a holder signs: payments, pay codes, holds, exchanges, transfers, and the opening of the account."""

import sys
from pathlib import Path

import click
import msgspec

from cli.amounts import AMOUNT, DURATION, IDENTIFIER
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, say, with_output
from cli.passphrase import PassphraseSource
from cli.payment_text import payment_plain, qr_picture, qr_text, read_request, sign_pay_code
from cli.receipts import keep_proof
from cli.submission import Sending, block_time, send_and_report, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, find_wallet, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.json_form import from_plain
from primitives.keys import Address
from primitives.kinds import AccountKey, AccountOpen, Authorize, Exchange, PaymentRequest, Redeem, Transfer
from primitives.transaction import sponsor_digest

PAY_CODE_SECONDS = 55  # the chain allows 60 ahead of block time (D18); clocks differ a little


@click.command(help=t("Pay a merchant's request: a JSON file, JSON text or the text of its QR code.",
                      "支付商户请求：JSON 文件、JSON 文本或二维码文本。"),
               epilog=example("hnchain wallet pay request.json --as alice"))  # fmt: skip
@click.argument("request_text", metavar="REQUEST")
@click.option("--value", type=AMOUNT, help=t("Fen, for a static code.", "静态码的金额（分）。"))
@click.option("--memo", default="", help=t("Up to 128 bytes.", "备注，最多 128 字节。"))
@click.option("--receipt", "receipt_path", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Save the receipt that proves itself here.", "将可自证的凭证保存到此文件。"))  # fmt: skip
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_network
@with_signer
@with_sending
@with_output
def pay(
    request_text: str, value: int | None, memo: str, receipt_path: Path | None, yes: bool, network: Network,
    signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    if receipt_path is not None and receipt_path.exists():
        raise usage(t(f"{receipt_path} exists", f"{receipt_path} 已存在"))
    request = read_request(request_text)
    due = _due(request, value)
    payee = name_of(encode_address(Address(request.merchant)), network)
    say(t(f"pay {points(due)} points to {payee}, order {request.order_id or '(static code)'}",
          f"向 {payee} 支付 {points(due)} 分，订单 {request.order_id or '（静态码）'}"))  # fmt: skip
    if not yes and sys.stdin.isatty():
        click.confirm(t("Pay?", "确认支付？"), abort=True, err=True)
    opened = signer.unlock()
    body = Redeem(request, due, memo.encode("utf-8", "surrogateescape"))
    text = t(f"paid {points(due)} points to {payee}", f"已向 {payee} 支付 {points(due)} 分")
    receipt = send_and_report(network, opened.address, [opened.key], body, sending, text)
    if receipt is not None and receipt_path is not None:
        keep_proof(network, receipt["tx"], receipt_path)


def _due(request: PaymentRequest, value: int | None) -> int:
    if request.static:
        if value is None:
            raise usage(t("a static code names no amount", "静态码未含金额"), "--value FEN")
        return value
    if value is not None and value != request.value:
        raise usage(t(f"the request is for {request.value}", f"该请求金额为 {request.value}"))
    return request.value


@click.command(help=t("Show a one-time pay code, valid for one minute.", "显示一次性付款码，一分钟内有效。"),
               epilog=example("hnchain wallet code --max 5000 --as alice"))  # fmt: skip
@click.option("--max", "max_value", type=AMOUNT, required=True, help=t("Most that it may take, in fen.",
                                                                       "最高金额（分）。"))
@click.option("--merchant", help=t("Valid at this merchant only.", "仅限该商户。"))
@click.option("--qr/--no-qr", default=None, help=t("Draw the QR code; default: on a terminal.",
                                                   "显示二维码，默认仅在终端。"))
@with_network
@with_signer
@with_output
def code(max_value: int, merchant: str | None, qr: bool | None, network: Network, signer: Signer) -> None:
    payee = None if merchant is None else resolve(merchant, network)
    expires_at = block_time(network.client()) + PAY_CODE_SECONDS
    opened = signer.unlock()
    pay_code = sign_pay_code(network.chain_id(), opened.address, opened.key, max_value, expires_at, payee)
    text = qr_text(pay_code)
    if qr or (qr is None and sys.stdout.isatty()):
        say(qr_picture(text))
    answer(payment_plain(pay_code), text)


@click.command(help=t("Exchange points of one class for another; --quote only asks.", "积分互换；--quote 仅询价。"),
               epilog=example("hnchain wallet exchange hotel 1000 museum --quote --as alice"))  # fmt: skip
@click.argument("class_id", metavar="CLASS", type=IDENTIFIER)
@click.argument("units", type=AMOUNT)
@click.argument("to_class", type=IDENTIFIER)
@click.option("--min-out", type=AMOUNT, help=t("Fewest units to accept; default: the quote's.",
                                               "最少换得数量，默认取询价。"))
@click.option("--quote", is_flag=True, help=t("Show legs, fee and expiry; send nothing.", "只显示明细，不发送。"))
@with_network
@with_signer
@with_sending
@with_output
def exchange(
    class_id: str, units: int, to_class: str, min_out: int | None, quote: bool, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    asked = {"account": encode_address(signer.address), "class": class_id, "units": str(units), "to_class": to_class}
    if quote or min_out is None:
        offer = network.client().post("/v1/quotes/exchange", asked)
        if quote:
            answer(offer, pairs([(key, value) for key, value in offer.items() if not isinstance(value, list | dict)]))
            return
        min_out = int(offer["out"])
    opened = signer.unlock()
    body = Exchange(class_id, units, to_class, min_out)
    send_and_report(network, opened.address, [opened.key], body, sending)


@click.command(help=t("Give points to another holder, where the class allows it.", "向他人转让积分（须类别允许）。"),
               epilog=example("hnchain wallet transfer hotel 100 --to bob --as alice"))  # fmt: skip
@click.argument("class_id", metavar="CLASS", type=IDENTIFIER)
@click.argument("units", type=AMOUNT)
@click.option("--to", "to", required=True, help=t("Address or name.", "地址或名称。"))
@click.option("--memo", default="", help=t("Up to 128 bytes.", "备注，最多 128 字节。"))
@with_network
@with_signer
@with_sending
@with_output
def transfer(
    class_id: str, units: int, to: str, memo: str, network: Network, signer: Signer, sending: Sending
) -> None:
    body = Transfer(class_id, units, resolve(to, network), memo.encode("utf-8", "surrogateescape"))
    opened = signer.unlock()
    send_and_report(network, opened.address, [opened.key], body, sending)


@click.command(help=t("Set points aside for one merchant (a deposit); the payer signs.",
                      "为某商户预授权（押金），由持有人签名。"),
               epilog=example("hnchain wallet authorize hotel 80000 --ttl 3d --as alice"))  # fmt: skip
@click.argument("merchant")
@click.argument("value", type=AMOUNT)
@click.option("--ttl", type=DURATION, default="1d", show_default=True, help=t("60s to 30d.", "60s 至 30d。"))
@click.option("--memo", default="", help=t("Up to 128 bytes.", "备注，最多 128 字节。"))
@with_network
@with_signer
@with_sending
@with_output
def authorize(
    merchant: str, value: int, ttl: int, memo: str, network: Network, signer: Signer, sending: Sending
) -> None:
    body = Authorize(resolve(merchant, network), value, ttl, memo.encode("utf-8", "surrogateescape"))
    opened = signer.unlock()
    text = t(f"held until {day_text(block_time(network.client()) + ttl)} at the latest",
             f"最迟保留至 {day_text(block_time(network.client()) + ttl)}")  # fmt: skip
    send_and_report(network, opened.address, [opened.key], body, sending, text)


class Sponsorship(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `merchant sponsor` writes for a new account of one key; addresses bech32m, the rest hex."""

    sponsor: str
    sponsor_key: str
    sponsor_sig: str


@click.command("open", help=t("Open the account on chain; a merchant or operator vouches for it.",
                              "在链上开户，由商户或运营方担保。"),
               epilog=example("hnchain wallet open --as me --sponsor hotel"))  # fmt: skip
@click.option("--sponsor", help=t("A wallet on this machine that vouches.", "本机担保方的钱包。"))
@click.option("--sponsorship", type=click.Path(path_type=Path, exists=True), metavar="FILE",
              help=t("What the sponsor wrote with `merchant sponsor`.",
                     "担保方用 merchant sponsor 生成的文件。"))  # fmt: skip
@click.option("--guardian", "guardians", multiple=True, metavar="NAME",
              help=t("Who may recover the account, more than half of them together; repeat for more.",
                     "可协助找回账户的人，须过半数同意；可重复。"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def open_account(
    sponsor: str | None, sponsorship: Path | None, guardians: tuple[str, ...], network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    opened = signer.unlock()
    keys = (AccountKey(opened.key.public_key),)
    if sponsorship is not None:
        try:
            given = msgspec.json.decode(sponsorship.read_bytes(), type=Sponsorship)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise usage(f"{sponsorship}: {error}") from error
    elif sponsor is not None:
        voucher = find_wallet(sponsor, network)
        source = PassphraseSource(None, None) if voucher.demo else signer.source  # a demo wallet has its own
        given = sponsor_for(network, Signer(voucher, source), keys)
    else:
        raise usage(t("who vouches for the account?", "请指明担保方"), "--sponsor NAME | --sponsorship FILE")
    chosen = [encode_address(resolve(name, network)) for name in guardians]
    plain = {**msgspec.structs.asdict(given), "keys": [{"key": opened.key.public_key.hex()}], "threshold": 1,
             "guardians": chosen}  # fmt: skip
    try:
        body = from_plain(AccountOpen, plain, str(sponsorship or "$"))
    except Malformed as error:
        raise usage(str(error)) from error
    send_and_report(network, opened.address, [opened.key], body, sending)


def sponsor_for(network: Network, signer: Signer, keys: tuple[AccountKey, ...]) -> Sponsorship:
    """The sponsor's signature over a new account of these keys, threshold 1."""
    opened = signer.unlock()
    digest = sponsor_digest(network.chain_id(), opened.address, keys, 1)
    public = opened.key.public_key.hex()
    return Sponsorship(encode_address(opened.address), public, opened.key.sign(digest).hex())
