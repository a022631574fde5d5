"""`hnchain audit alerts` and `audit report`: what a regulator reads of a morning, and the figures of the trial."""

import hashlib
import time
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec

from chainnode.web.texts import words
from cli.amounts import HEX
from cli.language import current, example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, pairs, points, say, table, wants_json, with_output, yuan
from cli.submission import Sending, send_and_report, with_sending
from cli.terminal import shown, shown_json
from cli.verdicts import usage
from cli.wallets import Signer, name_of, resolve, with_signer
from primitives.kinds_risk import AlertAck, RiskRule

Plain = Any
HASH_BYTES: Final = 32
WATCH_SECONDS: Final = 2.0
LISTED: Final = 1000


@click.group(invoke_without_command=True,
             help=t("The inbox of risk alerts, newest first; `alerts ack` closes one.",
                    "风险预警收件箱，新的在前；用 alerts ack 处理。"),
             epilog=example("hnchain audit alerts --open --watch"))  # fmt: skip
@click.option("--open", "only_open", is_flag=True, help=t("Only those nobody has acknowledged.", "仅待处理。"))
@click.option("--rule", type=click.Choice(get_args(RiskRule)), help=t("Only one rule.", "仅一种规则。"))
@click.option("--watch", is_flag=True, help=t("Go on and print new ones as they come, one per line.",
                                              "持续运行，逐行输出新的预警。"))  # fmt: skip
@with_network
@with_output
@click.pass_context
def alerts(context: click.Context, only_open: bool, rule: str | None, watch: bool, network: Network) -> None:
    if context.invoked_subcommand is not None:
        return
    query = {"limit": LISTED, **({"state": "OPEN"} if only_open else {}), **({"rule": rule} if rule else {})}
    plain = network.client().get("/v1/alerts", **query)
    if not watch:
        answer(plain, table(_headers(), [_row(item, network) for item in plain["items"]]))
        return
    seen: set[tuple[object, ...]] = set()
    while True:
        for item in reversed(plain["items"]):
            cause = (item["rule"], item["subject"], item["other"], item["last"], item["state"])
            if cause not in seen:
                seen.add(cause)
                click.echo(_line(item, network))
        time.sleep(WATCH_SECONDS)
        plain = network.client().get("/v1/alerts", **query)


def _headers() -> tuple[str, ...]:
    return (t("state", "状态"), t("rule", "规则"), t("about", "主体"), t("measured", "数值"), t("threshold", "阈值"),
            t("last seen", "最近一次"), t("days", "天数"))  # fmt: skip


def _row(item: Plain, network: Network) -> tuple[str, ...]:
    word, parties = words(current()), [item["subject"], item["other"]]
    about = " ⇄ ".join(name_of(party, network) for party in parties if party)
    return (word[f"alert_{item['state']}"], f"{item['rule']} {word['rule_' + item['rule']]}", about,
            measured(item["unit"], item["value"]), measured(item["unit"], item["limit"]), day_text(item["last"]),
            str(item["days"]))  # fmt: skip


def _line(item: Plain, network: Network) -> str:
    return shown_json(msgspec.json.encode(item).decode()) if wants_json() else shown("  ".join(_row(item, network)))


def measured(unit: str, value: int) -> str:
    """A figure of an alert with its unit."""
    match unit:
        case "fen":
            return yuan(value)
        case "bps":
            return share(value)
        case "days":
            return f"{value} {t('days', '天')}"
        case _:
            return f"{value} {t('accounts', '个账户')}"


def share(bps: int) -> str:
    """A part of a whole, in percent."""
    return f"{bps // 100}.{bps % 100:02d} %"


@alerts.command(help=t("Close an alert with a note; the note stays with you, its SHA-256 goes on the chain.",
                       "处理一条预警。处理记录自行保存，链上只记其 SHA-256。"),
                epilog=example("hnchain audit alerts ack NEAR_CAP hotel --note visit.pdf --as regulator"))  # fmt: skip
@click.argument("rule", type=click.Choice(get_args(RiskRule)))
@click.argument("subject")
@click.argument("other", required=False)
@click.option("--note", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help=t("The note.", "处理记录文件。"))  # fmt: skip
@click.option("--note-hash", type=HEX, help=t("In place of the file.", "以哈希代替文件。"))
@with_network
@with_signer
@with_sending
@with_output
def ack(
    rule: RiskRule, subject: str, other: str | None, note: Path | None, note_hash: bytes | None, network: Network,
    signer: Signer, sending: Sending,
) -> None:  # fmt: skip
    digest = hashlib.sha256(note.read_bytes()).digest() if note is not None else note_hash
    if digest is None or len(digest) != HASH_BYTES:
        raise usage(t("give the note", "请给出处理记录"), "--note FILE | --note-hash HEX64")
    body = AlertAck(rule, resolve(subject, network), digest, None if other is None else resolve(other, network))
    opened = signer.unlock()
    send_and_report(network, opened.address, [opened.key], body, sending)


@click.command(help=t("The figures by which the trial is judged, as of now; use it at programme end (-o json to keep).",
                      "试点评估指标，截至当前；可在项目结束时导出（-o json 便于存档）。"),
               epilog=example("hnchain audit report -o json > report.json"))  # fmt: skip
@with_network
@with_output
def report(network: Network) -> None:
    plain = network.client().get("/v1/report")
    answer(plain, "\n\n".join([pairs(_head(plain)), pairs(_points(plain)), pairs(_clearing(plain)),
                               table(*_merchants(plain, network)), pairs(_watching(plain))]))  # fmt: skip
    if plain["ended"]:
        say(t("the programme has ended: nothing more is issued", "试点已结束，不再发放"))


def _head(plain: Plain) -> list[tuple[str, object]]:
    return [
        (t("network", "网络"), plain["network"]), (t("filing", "备案号"), plain["filing"] or t("none", "无")),
        (t("since", "开始"), day_text(plain["since"])), (t("as of", "截至"), day_text(plain["time"])),
        (t("height", "高度"), plain["height"]), (t("state root", "状态根"), plain["state_root"]),
        (t("ends", "结束"), day_text(plain["program_end"]) if plain["program_end"] else t("not set", "未设定")),
        (t("orders kept", "订单保留"), f"{plain['retention_days']} {t('days', '天')}"),
        (t("accounts opened", "开户"), points(plain["accounts_opened"])),
        (t("merchants", "商户"), ", ".join(f"{name} {count}" for name, count in plain["statuses"].items())),
        (t("categories", "类别"), ", ".join(f"{name} {count}" for name, count in plain["categories"].items())),
    ]  # fmt: skip


def _points(plain: Plain) -> list[tuple[str, object]]:
    value = plain["points"]
    return [
        (t("issued", "发放"), yuan(value["issued"])),
        (t("redeemed", "核销"), f"{yuan(value['redeemed'])}  {share(plain['redeemed_bps'])}"),
        (t("expired", "过期"), f"{yuan(value['expired'])}  {share(plain['expired_bps'])}"),
        (t("outstanding", "流通"), yuan(value["outstanding"])),
        (t("spent elsewhere", "跨商户使用"), share(plain["elsewhere_bps"])),
    ]  # fmt: skip


def _clearing(plain: Plain) -> list[tuple[str, object]]:
    found = plain["settlement"]
    states = ", ".join(f"{name} {count}" for name, count in found["states"].items())
    return [
        (t("windows closed", "已关闭窗口"), f"{found['closed']}  ({states})"),
        (t("owed gross", "应付总额"), yuan(found["gross"])),
        (t("paid by banks", "银行划付"), f"{yuan(found['moved'])}  -{share(found['saved_bps'])}"),
        (t("fund available", "基金可用"), yuan(plain["fund"]["available"])),
    ]  # fmt: skip


def _merchants(plain: Plain, network: Network) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    headers = (t("merchant", "商户"), t("category", "类别"), t("status", "状态"), t("issued", "发放"),
               t("at others", "他处使用"), t("at home", "本店使用"), t("expired", "过期"), t("outstanding", "流通"),
               t("share", "占比"))  # fmt: skip
    amounts = ("issued", "redeemed_elsewhere", "self_redeemed", "expired", "outstanding")
    rows = [
        (name_of(row["merchant"], network), row["category"], row["status"], *(yuan(row[name]) for name in amounts),
         share(row["share_bps"]))
        for row in plain["merchants"]
    ]  # fmt: skip
    return headers, rows


def _watching(plain: Plain) -> list[tuple[str, object]]:
    found, decided = plain["alerts"], plain["decisions"]
    rules = ", ".join(f"{name} {count}" for name, count in found["rules"].items()) or t("none", "无")
    return [
        (t("alerts told", "累计预警"), points(found["told"])), (t("open", "待处理"), points(found["open"])),
        (t("kept", "在册"), rules), (t("campaigns", "活动"), points(plain["campaigns"]["kept"])),
        (t("proposals", "提案"), ", ".join(f"{name} {count}" for name, count in decided["proposals"].items())
         or t("none", "无")),
        (t("errata", "勘误"), points(decided["errata"])), (t("sandboxes", "沙盒"), points(decided["sandboxes"])),
        (t("challenges", "揭榜"), points(decided["challenges"])),
    ]  # fmt: skip
