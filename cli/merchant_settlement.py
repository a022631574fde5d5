"""Exposure and settlement legs: what a merchant owes and is owed. The statement: merchant_statement.py."""

import hashlib
from typing import Any

import click

from cli.amounts import AMOUNT
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, pairs, points, table, with_output, yuan
from cli.statement_rows import UY_PER_FEN
from cli.submission import Sending, send_as, with_sending
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, subject, with_signer
from primitives.address import encode_address
from primitives.kinds import LegConfirm, LegDispute, LegPaid


@click.command(help=t("Cap, outstanding points, debts and room to issue.", "额度上限、流通、应付与可发余量。"),
               epilog=example("hnchain merchant exposure hotel"))  # fmt: skip
@click.argument("party", metavar="[MERCHANT]", required=False)
@with_network
@with_output
def exposure(party: str | None, network: Network) -> None:
    plain = network.client().get(f"/v1/merchants/{encode_address(subject(party, network))}/exposure")
    answer(plain, exposure_text(plain))


def exposure_text(plain: Any) -> str:
    """The four figures in CNY, and at which ratio the reserve carries them."""
    labels = (("cap", t("cap", "上限")), ("outstanding", t("outstanding", "流通")),
              ("payable", t("payable", "应付")), ("room", t("room", "余量")))  # fmt: skip
    rows = [(label, yuan(plain[key])) for key, label in labels if key in plain]
    if "ratio_bps" in plain:
        rows.append((t("reserve ratio", "准备金比例"), f"{plain['ratio_bps'] // 100}.{plain['ratio_bps'] % 100:02d} %"))
    return pairs(rows)


@click.command(help=t("Settlement payments of a closed window.", "已关闭结算期的付款指令。"),
               epilog=example("hnchain merchant legs --window 1"))  # fmt: skip
@click.option("--window", type=AMOUNT, help=t("Default: the last closed one.", "默认最近关闭的结算期。"))
@with_network
@with_output
def legs(window: int | None, network: Network) -> None:
    plain = read_window(network, window)
    rows = [
        (*(name_of(side, network) for side in leg_name.split("->")), yuan(fen), plain["legs"][leg_name])
        for leg_name, fen in plain["instructions"].items()
    ]
    headers = (t("payer", "付款方"), t("payee", "收款方"), t("amount", "金额"), t("state", "状态"))
    answer(plain, f"{t('window', '结算期')} {plain['id']}: {plain['state']}\n" + table(headers, rows))


def read_window(network: Network, window: int | None) -> Any:
    """A window's answer, the last closed one without a number; Refusal (exit 2) if none is closed yet."""
    client = network.client()
    if window is not None:
        return client.get(f"/v1/windows/{window}")
    closed = [item for item in client.get("/v1/windows")["items"] if item["state"] != "OPEN"]  # newest first
    if not closed:
        raise usage(t("no window is closed yet", "还没有关闭的结算期"))
    return client.get(f"/v1/windows/{closed[0]['id']}")


@click.command(help=t("What expired of a merchant's points, by month (UTC+8).", "商户各月过期积分（北京时间）。"),
               epilog=example("hnchain merchant breakage hotel"))  # fmt: skip
@click.argument("party", metavar="[MERCHANT]", required=False)
@with_network
@with_output
def breakage(party: str | None, network: Network) -> None:
    plain = network.client().get(f"/v1/merchants/{encode_address(subject(party, network))}/breakage")
    rows = [(row["month"], row["class"], points(row["units"]), yuan(row["value"]),
             yuan(int(row["fund_share"]) // UY_PER_FEN)) for row in plain["items"]]  # fmt: skip
    headers = (t("month", "月份"), t("class", "类别"), t("units", "数量"), t("value", "价值"),
               t("fund's share", "基金份额"))  # fmt: skip
    answer(plain, table(headers, rows))


@click.group(help=t("Report on one settlement payment.", "单笔结算付款的登记。"),
             epilog=example("hnchain merchant leg paid 1 hotel seafood --bank-ref T123 --as hotel"))  # fmt: skip
def leg() -> None:
    pass


def leg_text(payer: str, payee: str, network: Network) -> str:
    """The leg's name on chain: two addresses."""
    return f"{encode_address(resolve(payer, network))}->{encode_address(resolve(payee, network))}"


@leg.command("paid", help=t("The payer has transferred the money.", "付款方已转账。"),
             epilog=example("hnchain merchant leg paid 1 hotel seafood --bank-ref T123 --as hotel"))  # fmt: skip
@click.argument("window", type=AMOUNT)
@click.argument("payer")
@click.argument("payee")
@click.option("--bank-ref", required=True, help=t("The bank's reference; only its hash goes on chain.",
                                                  "银行流水号，仅哈希上链。"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def paid(
    window: int, payer: str, payee: str, bank_ref: str, network: Network, signer: Signer, sending: Sending
) -> None:
    digest = hashlib.sha256(bank_ref.encode("utf-8", "surrogateescape")).digest()
    send_as(network, signer, LegPaid(window, leg_text(payer, payee, network), digest), sending)


@leg.command("confirm", help=t("The payee has received the money.", "收款方确认到账。"),
             epilog=example("hnchain merchant leg confirm 1 hotel seafood --as seafood"))  # fmt: skip
@click.argument("window", type=AMOUNT)
@click.argument("payer")
@click.argument("payee")
@with_network
@with_signer
@with_sending
@with_output
def confirm(window: int, payer: str, payee: str, network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, LegConfirm(window, leg_text(payer, payee, network)), sending)


@leg.command("dispute", help=t("One leg is not as agreed; only this leg waits.", "对单笔提出异议，仅该笔暂停。"),
             epilog=example("hnchain merchant leg dispute 1 hotel seafood --reason 'not received' --as seafood"))
@click.argument("window", type=AMOUNT)
@click.argument("payer")
@click.argument("payee")
@click.option("--reason", required=True, help=t("Text.", "原因。"))
@with_network
@with_signer
@with_sending
@with_output
def dispute(
    window: int, payer: str, payee: str, reason: str, network: Network, signer: Signer, sending: Sending
) -> None:
    body = LegDispute(window, leg_text(payer, payee, network), reason.encode("utf-8", "surrogateescape"))
    send_as(network, signer, body, sending)
