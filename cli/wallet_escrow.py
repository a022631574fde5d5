"""`wallet escrow` and `wallet offline-code`: paying a merchant where there is no network."""

import sys
import time

import click

from cli.amounts import AMOUNT, DURATION
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, points, say, with_output
from cli.payment_text import payment_plain, qr_picture, qr_text, sign_pay_code
from cli.submission import Sending, block_time, send_and_report, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds_assets import OfflineEscrow


@click.command(help=t("Set points aside for one merchant before going where there is no network; at most a day.",
                      "前往无网络处之前为某商户预留积分，最长一天。"),
               epilog=example("hnchain wallet escrow ferry 3000 --ttl 10h --as alice"))  # fmt: skip
@click.argument("merchant")
@click.argument("value", type=AMOUNT)
@click.option("--ttl", type=DURATION, default="12h", show_default=True, help=t("60s to 1d.", "60s 至 1d。"))
@click.option("--yes", is_flag=True, help=t("Do not ask.", "不再确认。"))
@with_network
@with_signer
@with_sending
@with_output
def escrow(
    merchant: str, value: int, ttl: int, yes: bool, network: Network, signer: Signer, sending: Sending
) -> None:
    payee = resolve(merchant, network)
    until = day_text(block_time(network.client()) + ttl)
    name = name_of(encode_address(payee), network)
    say(t(f"set {points(value)} points aside for {name} until {until}; only pay codes for it take them",
          f"为 {name} 预留 {points(value)} 分至 {until}；只有给它的付款码才能扣款"))  # fmt: skip
    if not yes and sys.stdin.isatty():
        click.confirm(t("Set aside?", "确认预留？"), abort=True, err=True)
    opened = signer.unlock()
    send_and_report(network, opened.address, [opened.key], OfflineEscrow(payee, value, ttl), sending)


@click.command("offline-code", help=t("A one-time pay code that an escrow pays; asks no node.",
                                      "由预留积分支付的一次性付款码，无需联网。"),
               epilog=example("hnchain wallet offline-code ferry --max 1200 --ttl 8h --as alice"))  # fmt: skip
@click.argument("merchant")
@click.option("--max", "max_value", type=AMOUNT, required=True, help=t("Most that it may take, in fen.",
                                                                       "最高金额（分）。"))
@click.option("--ttl", type=DURATION, default="8h", show_default=True,
              help=t("Not longer than the escrow.", "不得晚于预留到期。"))  # fmt: skip
@click.option("--until", type=AMOUNT, help=t("Unix second in place of --ttl: the escrow's expires_at.",
                                             "以 Unix 秒代替 --ttl：预留的 expires_at。"))
@click.option("--qr/--no-qr", default=None, help=t("Draw the QR code; default: on a terminal.",
                                                   "显示二维码，默认仅在终端。"))
@with_network
@with_signer
@with_output
def offline_code(
    merchant: str, max_value: int, ttl: int, until: int | None, qr: bool | None, network: Network, signer: Signer
) -> None:
    if network.file is None:
        raise usage(t("no network file: which chain is the code for?", "未找到网络文件，无法确定链"), "--devnet DIR")
    payee = resolve(merchant, network)
    opened = signer.unlock()
    chain = bytes.fromhex(network.file.chain_id)
    expires_at = int(time.time()) + ttl if until is None else until
    pay_code = sign_pay_code(chain, opened.address, opened.key, max_value, expires_at, payee)
    text = qr_text(pay_code)
    if qr or (qr is None and sys.stdout.isatty()):
        say(qr_picture(text))
    say(t(f"valid until {day_text(expires_at)}", f"有效至 {day_text(expires_at)}"))
    answer(payment_plain(pay_code), text)
