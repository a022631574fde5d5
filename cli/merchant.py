"""`hnchain merchant`: classes, reserve, issuing, charging, holds, refunds. Settlement commands: merchant_settlement."""

import secrets
import sys
from typing import Any, get_args

import click

from cli.amounts import AMOUNT, DURATION, HEX, IDENTIFIER
from cli.governance import apply, wind_down
from cli.language import example, t
from cli.merchant_campaigns import campaign
from cli.merchant_settlement import breakage, exposure, leg, legs
from cli.merchant_statement import settlement_statement
from cli.network import Network, with_network
from cli.output import answer, day_text, say, with_output
from cli.payment_text import payment_plain, qr_picture, qr_text, read_pay_code, sign_request
from cli.submission import Sending, block_time, send_and_report, send_as, with_sending
from cli.wallet_payments import authorize, sponsor_for
from cli.wallets import Signer, find_wallet, resolve, with_signer
from primitives.kinds import (
    AccountKey,
    Bucket,
    Capture,
    Category,
    ClassCreate,
    ClassKind,
    ClassRetire,
    Issue,
    IssueReason,
    RedeemByToken,
    Refund,
    RefundPolicy,
    ReserveAttest,
    ReverseIssue,
    Void,
)

NO_TERM = 4_102_444_800  # 2100-01-01: "for ever" of a static code, which has no term
PROPOSED_EARN_CAP_BPS = 2_000  # D5: what `class create` proposes against wash issuance


@click.group(help=t("Issue, charge, refund, settle.", "发放、收款、退款、结算。"),
             epilog=example("hnchain merchant issue --help"))  # fmt: skip
def merchant() -> None:
    pass


for command in (authorize, breakage, exposure, legs, leg, settlement_statement):
    merchant.add_command(command)
merchant.add_command(apply)
merchant.add_command(wind_down)


merchant.add_command(campaign)


@merchant.group("class", help=t("Classes of points.", "积分类别。"),
                epilog=example("hnchain merchant class create stay --as hotel"))  # fmt: skip
def class_group() -> None:
    pass


@class_group.command("create", help=t("Create a class; the common unit by default (1 point = 1 fen).",
                                      "创建类别，默认通用单位（1 分 = 1 分钱）。"),
                     epilog=example("hnchain merchant class create stay --validity 365d --pending 7d --as hotel"))
@click.argument("class_id", metavar="CLASS", type=IDENTIFIER)
@click.option("--uv", type=AMOUNT, default="10000", show_default=True, help=t("uY per unit, 1 to 10000.",
                                                                              "每单位微元数。"))
@click.option("--validity", type=DURATION, default="365d", show_default=True, help=t("Whole days.", "有效期（整天）。"))
@click.option("--bucket", type=click.Choice(get_args(Bucket), case_sensitive=False), default="DAY", show_default=True,
              help=t("Expiry at the end of the day, month or year.", "到期口径：日、月末、年末。"))  # fmt: skip
@click.option("--pending", type=DURATION, default="0d", help=t("Days until spendable.", "多少天后可用。"))
@click.option("--refund-policy", type=click.Choice(get_args(RefundPolicy)), default="GRACE", show_default=True,
              help=t("What a refund does with expired points.", "退款遇过期积分的处理。"))  # fmt: skip
@click.option("--grace", type=DURATION, default="30d", show_default=True, help=t("Days of grace.", "宽限天数。"))
@click.option("--scope", multiple=True, type=click.Choice(get_args(Category)), help=t("Only in these categories.",
                                                                                      "限定业态。"))
@click.option("--kind", type=click.Choice(get_args(ClassKind)), help=t("RESTRICTED: for those in a campaign's list.",
                                                                       "RESTRICTED 只发给活动名单内的账户。"))
@click.option("--transferable", is_flag=True, help=t("Holders may transfer.", "可转让。"))
@click.option("--earn-cap", "earn_cap", type=AMOUNT, default=str(PROPOSED_EARN_CAP_BPS), show_default=True,
              help=t("Value per price paid, in 1/10000; 0 = off.",
                     "积分价值占消费额的万分比上限，0 为不限。"))  # fmt: skip
@click.option("--sandbox", type=IDENTIFIER, help=t("The trial that it is for.", "所属监管沙盒。"))
@with_network
@with_signer
@with_sending
@with_output
def create_class(
    class_id: str, uv: int, validity: int, bucket: Bucket, pending: int, refund_policy: RefundPolicy, grace: int,
    scope: tuple[Category, ...], kind: ClassKind | None, transferable: bool, earn_cap: int, sandbox: str | None,
    network: Network, signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    body = ClassCreate(
        class_id=class_id, uv=uv, validity_days=_days(validity), bucket=bucket, pending_days=_days(pending),
        refund_policy=refund_policy, grace_days=_days(grace), scope=scope, kind=kind, transferable=transferable,
        earn_cap_bps=earn_cap, sandbox=sandbox,
    )  # fmt: skip
    send_as(network, signer, body, sending)


@class_group.command("retire", help=t("Stop issuing a class.", "停止发放某类别。"),
                     epilog=example("hnchain merchant class retire stay --as hotel"))  # fmt: skip
@click.argument("class_id", metavar="CLASS", type=IDENTIFIER)
@with_network
@with_signer
@with_sending
@with_output
def retire_class(class_id: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, ClassRetire(class_id), sending)


@merchant.group("reserve", help=t("Reserve attestations.", "准备金证明。"),
                epilog=example("hnchain merchant reserve attest hotel 400000 --as custodian"))  # fmt: skip
def reserve() -> None:
    pass


@reserve.command("attest", help=t("The custodian states a merchant's reserve; the merchant signs too.",
                                  "托管方证明商户准备金，商户共同签名。"),
                 epilog=example("hnchain merchant reserve attest hotel 400000 --as custodian"))  # fmt: skip
@click.argument("merchant_name", metavar="MERCHANT")
@click.argument("amount", type=AMOUNT)
@click.option("--statement-hash", type=HEX, default="00" * 32, help=t("Of the bank statement.", "银行对账单哈希。"))
@click.option("--cosigner", help=t("The merchant's wallet; default: the same name.", "商户钱包，默认同名。"))
@with_network
@with_signer
@with_sending
@with_output
def attest(
    merchant_name: str, amount: int, statement_hash: bytes, cosigner: str | None, network: Network, signer: Signer,
    sending: Sending,
) -> None:  # fmt: skip
    payee = resolve(merchant_name, network)
    second = Signer(find_wallet(cosigner or merchant_name, network), signer.source).unlock()
    opened = signer.unlock()
    body = ReserveAttest(payee, amount, block_time(network.client()), statement_hash)
    send_and_report(network, opened.address, [opened.key, second.key], body, sending)


@merchant.command(help=t("Grant points for a purchase; the same order is never granted twice.",
                         "按消费发放积分；同一订单不会重复发放。"),
                  epilog=t("Example: hnchain merchant issue --class hotel --to alice --units 888 --order H-1 "
                           "--cash 8880 --as hotel",
                           "示例：hnchain merchant issue --class hotel --to alice --units 888 --order H-1 "
                           "--cash 8880 --as hotel"))  # fmt: skip
@click.option("--class", "class_id", type=IDENTIFIER, required=True, help=t("The class.", "类别。"))
@click.option("--to", required=True, help=t("Address or name.", "地址或名称。"))
@click.option("--units", type=AMOUNT, required=True, help=t("Units of the class.", "数量。"))
@click.option("--order", type=IDENTIFIER, required=True, help=t("Your order id.", "订单号。"))
@click.option("--reason", type=click.Choice(get_args(IssueReason)), default="EARN", show_default=True,
              help=t("Points are granted, never sold.", "积分只赠不售。"))  # fmt: skip
@click.option("--cash", type=AMOUNT, default="0", help=t("Price paid in money, in fen.", "现金消费额（分）。"))
@click.option("--memo", default="", help=t("Up to 128 bytes.", "备注，最多 128 字节。"))
@with_network
@with_signer
@with_sending
@with_output
def issue(
    class_id: str, to: str, units: int, order: str, reason: IssueReason, cash: int, memo: str, network: Network,
    signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    body = Issue(class_id, resolve(to, network), units, order, reason, cash, memo.encode("utf-8", "surrogateescape"))
    send_as(network, signer, body, sending)


@merchant.command(help=t("Take points of a returned purchase back.", "退货时收回所发积分。"),
                  epilog=example("hnchain merchant reverse H-1 888 --as hotel"))  # fmt: skip
@click.argument("order", type=IDENTIFIER)
@click.argument("units", type=AMOUNT)
@click.option("--reason", default="", help=t("Text.", "原因。"))
@with_network
@with_signer
@with_sending
@with_output
def reverse(order: str, units: int, reason: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, ReverseIssue(order, units, reason.encode("utf-8", "surrogateescape")), sending)


@merchant.command(help=t("A signed payment request as QR code; without --order a static code.",
                         "生成签名付款请求（二维码）；不带 --order 为静态码。"),
                  epilog=example("hnchain merchant request --order R-7 --value 3000 --as seafood -o json > r.json"))
@click.option("--order", type=IDENTIFIER, help=t("Your order id.", "订单号。"))
@click.option("--value", type=AMOUNT, default="0", help=t("Fen.", "金额（分）。"))
@click.option("--ttl", type=DURATION, default="5m", show_default=True, help=t("Valid for; at most 1d.",
                                                                              "有效期，最多 1d。"))
@click.option("--terminal", type=IDENTIFIER, help=t("Till.", "终端号。"))
@click.option("--qr/--no-qr", default=None, help=t("Draw the QR code; default: on a terminal.",
                                                   "显示二维码，默认仅在终端。"))
@with_network
@with_signer
@with_output
def request(
    order: str | None, value: int, ttl: int, terminal: str | None, qr: bool | None, network: Network, signer: Signer
) -> None:
    opened = signer.unlock()
    expires_at = NO_TERM if order is None else block_time(network.client()) + ttl
    signed = sign_request(network.chain_id(), opened.address, opened.key, order, value, expires_at, terminal)
    text = qr_text(signed)
    if qr or (qr is None and sys.stdout.isatty()):
        say(qr_picture(text))
    say(t(f"valid until {day_text(expires_at)}", f"有效至 {day_text(expires_at)}"))
    answer(payment_plain(signed), text)


@merchant.command(help=t("Charge a tourist's pay code.", "扫描游客付款码收款。"),
                  epilog=example("hnchain merchant charge CODE --value 1200 --order R-8 --as seafood"))  # fmt: skip
@click.argument("code")
@click.option("--value", type=AMOUNT, required=True, help=t("Fen.", "金额（分）。"))
@click.option("--order", type=IDENTIFIER, help=t("Your order id; default: a new one.", "订单号，默认新生成。"))
@with_network
@with_signer
@with_sending
@with_output
def charge(code: str, value: int, order: str | None, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, RedeemByToken(read_pay_code(code), value, order or f"o-{secrets.token_hex(8)}"), sending)


@merchant.command(help=t("Take what is due from a hold; the rest is released.", "预授权扣款，余额自动释放。"),
                  epilog=example("hnchain merchant capture HOLD --value 60000 --order H-2 --as hotel"))  # fmt: skip
@click.argument("hold", type=HEX)
@click.option("--value", type=AMOUNT, required=True, help=t("Fen.", "金额（分）。"))
@click.option("--order", type=IDENTIFIER, required=True, help=t("Your order id.", "订单号。"))
@with_network
@with_signer
@with_sending
@with_output
def capture(hold: bytes, value: int, order: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, Capture(hold, value, order), sending)


@merchant.command(help=t("Release a hold.", "撤销预授权。"),
                  epilog=example("hnchain merchant void HOLD --as hotel"))  # fmt: skip
@click.argument("hold", type=HEX)
@with_network
@with_signer
@with_sending
@with_output
def void(hold: bytes, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, Void(hold), sending)


@merchant.command(help=t("Give a payment back, in whole or in part.", "全额或部分退款。"),
                  epilog=example("hnchain merchant refund --order R-7 --refund-id 1 --value 1000 --as seafood"))
@click.option("--order", type=IDENTIFIER, required=True, help=t("The payment's order id.", "原订单号。"))
@click.option("--refund-id", type=IDENTIFIER, required=True, help=t("Your id of this refund.", "退款号。"))
@click.option("--value", type=AMOUNT, required=True, help=t("Fen.", "金额（分）。"))
@with_network
@with_signer
@with_sending
@with_output
def refund(order: str, refund_id: str, value: int, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, Refund(order, refund_id, value), sending)


@merchant.command(help=t("Vouch for a tourist's new account.", "为游客开户担保。"),
                  epilog=example("hnchain merchant sponsor PUBLIC_KEY --as hotel > s.json"))  # fmt: skip
@click.argument("public_key", type=HEX)
@with_network
@with_signer
@with_output
def sponsor(public_key: bytes, network: Network, signer: Signer) -> None:
    given = sponsor_for(network, signer, (AccountKey(public_key),))
    plain: Any = {"sponsor": given.sponsor, "sponsor_key": given.sponsor_key, "sponsor_sig": given.sponsor_sig}
    import msgspec

    answer(plain, msgspec.json.encode(plain).decode())


def _days(seconds: int) -> int:
    if seconds % 86_400:
        raise click.BadParameter(t("expected whole days, such as 30d", "应为整天，如 30d"))
    return seconds // 86_400
