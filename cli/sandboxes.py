"""`hnchain sandbox`: trials of a merchant within hard caps, from proposal to report; and the emergency pause."""

from typing import Any
from urllib.parse import quote

import click

from cli.amounts import AMOUNT, DURATION, HEX, IDENTIFIER
from cli.governance import document_hash, print_proposal, with_reasons
from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, table, with_output
from cli.submission import Sending, block_time, send_as, with_sending
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.address import encode_address
from primitives.kinds_sandbox import EmergencyPause, EmergencyResume, SandboxEnrol

Plain = Any


def _addresses(names: tuple[str, ...], network: Network) -> list[str]:
    return [encode_address(resolve(name, network)) for name in names]


@click.group(help=t("Regulatory sandboxes: trials within hard caps.", "监管沙盒：严格限额内的试点。"),
             epilog=example("hnchain sandbox list"))  # fmt: skip
def sandbox() -> None:
    pass


@sandbox.command("open", help=t("An unsigned proposal to open a sandbox, for `gov sign` and `gov submit`.",
                                "生成开设沙盒的未签名提案，再用 gov sign 与 gov submit 处理。"),
                 epilog=example("hnchain sandbox open night-market --merchant hotel --accounts 200 --value 500000 "
                                "--lasts 90d --loss-reserve 200000 --at restaurant --exit plan.pdf --reasons why.pdf "
                                "--sender m1 > p.json"))  # fmt: skip
@click.argument("name", metavar="SANDBOX", type=IDENTIFIER)
@click.option("--merchant", required=True, help=t("Whose trial it is.", "试点商户。"))
@click.option("--accounts", "max_accounts", type=AMOUNT, required=True, help=t("How many may take part.", "人数上限。"))
@click.option("--value", "max_value", type=AMOUNT, required=True,
              help=t("fen that it may grant, less what expires.", "可发放总额（分），扣除到期部分。"))  # fmt: skip
@click.option("--loss-reserve", type=AMOUNT, required=True,
              help=t("fen of the merchant's reserve for it alone.", "专用风险准备金（分）。"))  # fmt: skip
@click.option("--after", type=DURATION, default="0s", show_default=True, help=t("Starts in.", "多久后开始。"))
@click.option("--lasts", type=DURATION, required=True, help=t("Time from start to end.", "持续时间。"))
@click.option("--at", "merchants", multiple=True, help=t("Where its points pay too; may be repeated.",
                                                         "还可在哪些商户使用，可多次。"))  # fmt: skip
@click.option("--enrol", "enrolled", multiple=True, help=t("The first that take part; may be repeated.",
                                                           "首批参与账户，可多次。"))  # fmt: skip
@click.option("--exit", "exit_plan", metavar="FILE", help=t("How the trial ends; its SHA-256 is published.",
                                                            "退出方案文件，公布其 SHA-256。"))  # fmt: skip
@click.option("--exit-hash", type=HEX, help=t("In place of the plan.", "以哈希代替方案文件。"))
@click.option("--proposal", type=IDENTIFIER, help=t("Its id; default: the sandbox's.", "提案编号，默认同沙盒编号。"))
@with_reasons
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def open_sandbox(
    name: str, merchant: str, after: int, lasts: int, merchants: tuple[str, ...], enrolled: tuple[str, ...],
    exit_plan: str | None, exit_hash: bytes | None, proposal: str | None, reasons_hash: bytes, sender: str,
    network: Network, **given: Plain,
) -> None:  # fmt: skip
    starts = block_time(network.client()) + after
    payload = {
        "sandbox": name, "merchant": encode_address(resolve(merchant, network)), "starts": starts,
        "ends": starts + lasts, "merchants": _addresses(merchants, network), "accounts": _addresses(enrolled, network),
        "exit_hash": document_hash(exit_plan, exit_hash).hex(), **given,
    }  # fmt: skip
    print_proposal(network, sender, proposal or name, "sandbox_open", payload, reasons_hash)


@sandbox.command("close", help=t("An unsigned proposal to stop a sandbox before its end.",
                                 "生成提前终止沙盒的未签名提案。"),
                 epilog=example("hnchain sandbox close night-market --reasons why.pdf --sender m1 > p.json"))
@click.argument("name", metavar="SANDBOX", type=IDENTIFIER)
@click.option("--proposal", type=IDENTIFIER, default="sandbox-close", show_default=True,
              help=t("Its id.", "提案编号。"))  # fmt: skip
@with_reasons
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def close_sandbox(
    name: str, proposal: str, reasons_hash: bytes, sender: str, network: Network
) -> None:  # fmt: skip
    payload = {"sandbox": name, "merchant": network.client().get(_path(name))["merchant"]}
    print_proposal(network, sender, proposal, "sandbox_close", payload, reasons_hash)


@sandbox.command(help=t("Let further accounts take part, at most 64 at once.", "登记更多参与账户，每次最多 64 个。"),
                 epilog=example("hnchain sandbox enrol night-market alice bob --as hotel"))  # fmt: skip
@click.argument("name", metavar="SANDBOX", type=IDENTIFIER)
@click.argument("accounts", nargs=-1, required=True)
@with_network
@with_signer
@with_sending
@with_output
def enrol(name: str, accounts: tuple[str, ...], network: Network, signer: Signer, sending: Sending) -> None:
    listed = tuple(bytes(resolve(account, network)) for account in accounts)
    send_as(network, signer, SandboxEnrol(name, listed), sending)


@sandbox.command("list", help=t("All sandboxes: state, accounts, value.", "全部沙盒：状态、人数、金额。"),
                 epilog=example("hnchain sandbox list"))  # fmt: skip
@with_network
@with_output
def list_sandboxes(network: Network) -> None:
    plain = network.client().get("/v1/sandboxes")
    headers = (t("sandbox", "沙盒"), t("merchant", "商户"), t("state", "状态"), t("accounts", "人数"),
               t("value", "金额"), t("until", "结束"))  # fmt: skip
    rows = [
        (row["sandbox"], name_of(row["merchant"], network), row["state"], f"{row['accounts']} / {row['max_accounts']}",
         f"{points(row['value'])} / {points(row['max_value'])}", day_text(row["ends"]))
        for row in plain["items"]
    ]  # fmt: skip
    answer(plain, table(headers, rows) if rows else t("no sandboxes", "没有沙盒"))


@sandbox.command(help=t("The report of a sandbox; amounts in points (fen).", "沙盒报告；金额以积分（分）计。"),
                 epilog=example("hnchain sandbox show night-market"))  # fmt: skip
@click.argument("name", metavar="SANDBOX", type=IDENTIFIER)
@with_network
@with_output
def show(name: str, network: Network) -> None:
    plain = network.client().get(_path(name))
    answer(plain, report_text(plain, lambda address: name_of(address, network)))


def report_text(plain: Plain, called: Any) -> str:
    """The numbers of a trial, one per line; `called` gives the name of an address."""
    amounts = [
        (t("granted", "已发"), "granted"), (t("spent", "已用"), "redeemed"), (t("refunded", "已退"), "refunded"),
        (t("expired", "已过期"), "expired"), (t("reversed", "已撤回"), "reversed"),
        (t("outstanding", "未兑付"), "outstanding"), (t("may still grant", "剩余额度"), "left"),
        (t("loss reserve", "风险准备金"), "loss_reserve"), (t("merchant's reserve", "商户准备金"), "merchant_reserve"),
    ]  # fmt: skip
    covered = t("covered", "足额") if plain["covered"] else t("NOT COVERED", "不足")
    rows: list[tuple[str, object]] = [
        (t("sandbox", "沙盒"), f"{plain['sandbox']}  {plain['state']}"),
        (t("merchant", "商户"), called(plain["merchant"])),
        (t("pays at", "可用商户"), ", ".join(called(other) for other in plain["merchants"]) or "-"),
        (t("from", "开始"), day_text(plain["starts"])), (t("until", "结束"), day_text(plain["ends"])),
        (t("accounts", "人数"), f"{plain['accounts']} / {plain['max_accounts']}"),
        (t("classes", "类别"), ", ".join(plain["classes"]) or "-"),
        *((label, points(plain[field])) for label, field in amounts if plain[field] is not None),  # None: not for us
        (t("reserve", "准备金"), covered), (t("exit plan", "退出方案"), plain["exit_hash"]),
    ]  # fmt: skip
    return pairs(rows)


def _path(name: str) -> str:
    return f"/v1/sandboxes/{quote(name, safe='')}"


@click.command("pause", help=t("A regulator stops all movement of points, for at most 72 hours in a week.",
                               "监管方紧急暂停全部积分流动，一周内合计最长 72 小时。"),
               epilog=example("hnchain gov pause --lasts 12h --reason 'case 9' --as regulator"))  # fmt: skip
@click.option("--lasts", type=DURATION, required=True, help=t("Time from now.", "自现在起的时长。"))
@click.option("--reason", default="", help=t("At most 128 bytes, public.", "公开的理由，最多 128 字节。"))
@with_network
@with_signer
@with_sending
@with_output
def pause(lasts: int, reason: str, network: Network, signer: Signer, sending: Sending) -> None:
    until = block_time(network.client()) + lasts
    send_as(network, signer, EmergencyPause(until, reason.encode()), sending)


@click.command("resume", help=t("A regulator ends the pause now.", "监管方立即结束暂停。"),
               epilog=example("hnchain gov resume --as regulator"))  # fmt: skip
@with_network
@with_signer
@with_sending
@with_output
def resume(network: Network, signer: Signer, sending: Sending) -> None:
    send_as(network, signer, EmergencyResume(), sending)


@click.command("ratify", help=t("An unsigned proposal: how long the running pause lasts, at most 30 days in all.",
                                "生成追认暂停的未签名提案：暂停的期限，合计最长 30 天。"),
               epilog=example("hnchain gov ratify --lasts 10d --reasons why.pdf --sender m1 > p.json"))  # fmt: skip
@click.option("--lasts", type=DURATION, required=True, help=t("From its start.", "自暂停开始计。"))
@click.option("--proposal", type=IDENTIFIER, default="ratify-pause", show_default=True, help=t("Its id.", "提案编号。"))
@with_reasons
@click.option("--sender", required=True, help=t("The member that proposes.", "提案的成员。"))
@with_network
@with_output
def ratify(
    lasts: int, proposal: str, reasons_hash: bytes, sender: str, network: Network
) -> None:  # fmt: skip
    since = network.client().get("/v1/pause")["since"] or 0
    print_proposal(network, sender, proposal, "ratify_pause", {"until": since + lasts}, reasons_hash)


@click.command("paused", help=t("Whether the network is paused, and until when.", "是否处于紧急暂停，以及期限。"),
               epilog=example("hnchain gov paused"))  # fmt: skip
@with_network
@with_output
def paused(network: Network) -> None:
    plain = network.client().get("/v1/pause")
    answer(plain, pause_text(plain))


def pause_text(plain: Plain) -> str:
    """One line."""
    if not plain["paused"]:
        hours = plain["sole_seconds_left"] // 3600
        return t(f"not paused; a regulator may pause for {hours} h", f"未暂停；监管方可暂停 {hours} 小时")
    by = t("ratified by the committee", "已经委员会追认") if plain["ratified"] else t("by a regulator", "监管方决定")
    return t(f"PAUSED until {day_text(plain['until'])}, {by}", f"紧急暂停至 {day_text(plain['until'])}，{by}")


PAUSE_COMMANDS = (pause, resume, ratify, paused)
