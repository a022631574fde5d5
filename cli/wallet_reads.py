"""`hnchain wallet balance`, `expiring`, `history`: proven to the wallet, unless it is told to take a node's word."""

from typing import Any

import click

from cli.language import example, t
from cli.network import Network, with_network
from cli.output import answer, day_text, points, say, table, with_output, yuan
from cli.outsider import Outsider, Reading
from cli.proven_reads import Balance, join_pages, read_balance, read_history
from cli.recovery_notice import warn_of_recovery
from cli.trust_options import with_trust
from cli.verdicts import Refusal, Verdict
from cli.wallets import subject
from primitives.address import encode_address
from primitives.block import header_digest
from primitives.codes import Code
from primitives.keys import Address

Plain = Any


def proven_balance(outsider: Outsider, who: Address) -> Reading[Balance]:
    """The newest of the proven balances. Raises: Refusal ACCOUNT_UNKNOWN where its absence is proven; see gather."""
    reading = outsider.gather(lambda node: read_balance(outsider, node, who))[0]
    if reading.value.plain is None:
        detail = t(f"no account has this address; proven at block {reading.header.height}",
                   f"没有此地址的账户；已在区块 {reading.header.height} 得到证明")  # fmt: skip
        raise Refusal(Verdict.REJECTED, Code.ACCOUNT_UNKNOWN, detail, **proven_plain(outsider, reading))
    return reading


def proven_plain(outsider: Outsider, reading: Reading[Any]) -> dict[str, Plain]:
    """What a JSON answer says about its proof: the certified header, and the nodes that were not believed."""
    header = reading.header
    proven = {"height": header.height, "epoch": header.epoch, "time_ms": header.time_ms,
              "hash": header_digest(header).hex(), "node": reading.node}  # fmt: skip
    return {"proven": proven, **outsider.plain()}


def say_proven(reading: Reading[Any]) -> None:
    """For people, beside the answer."""
    moment = day_text(reading.header.time_ms // 1000)
    say(t(f"✓ proven at block {reading.header.height} ({moment} UTC+8)",
          f"✓ 已证明，区块 {reading.header.height}（北京时间 {moment}）"))  # fmt: skip


def account_plain(who: Address, network: Network, outsider: Outsider | None) -> Plain:
    """An account in the form of its route: proven, or without an outsider as a node says. Raises: Refusal."""
    if outsider is None:
        return network.client().get(f"/v1/accounts/{encode_address(who)}")
    reading = proven_balance(outsider, who)
    say_proven(reading)
    return reading.value.plain | proven_plain(outsider, reading)


def balance_text(who: str, plain: Plain) -> str:
    """A table by class under the total."""
    rows = [
        (class_id, points(entry["spendable"]), points(entry["pending"]), points(entry["held"]))
        for class_id, entry in sorted(plain.get("by_class", {}).items())
    ]
    headers = (t("class", "类别"), t("spendable", "可用"), t("pending", "待生效"), t("held", "冻结中"))
    total = (t("total (fen)", "合计（分）"), points(plain["spendable"]), points(plain["pending"]),
             points(plain["held"]))  # fmt: skip
    return f"{who}\n" + table(headers, [total, *rows])


@click.command(help=t("Spendable, pending and held points, recomputed here from proven records.",
                      "可用、待生效与冻结中的积分，由本机依据证明重新计算。"),
               epilog=example("hnchain wallet balance alice"))  # fmt: skip
@click.argument("party", required=False)
@with_network
@with_trust
@with_output
def balance(party: str | None, network: Network, outsider: Outsider | None) -> None:
    who = subject(party, network)
    plain = account_plain(who, network, outsider)
    answer(plain, balance_text(encode_address(who), plain))
    warn_of_recovery(network, who)


@click.command(help=t("What expires when.", "到期日历。"),
               epilog=example("hnchain wallet expiring alice"))  # fmt: skip
@click.argument("party", required=False)
@with_network
@with_trust
@with_output
def expiring(party: str | None, network: Network, outsider: Outsider | None) -> None:
    who = subject(party, network)
    if outsider is None:
        plain = network.client().get(f"/v1/accounts/{encode_address(who)}/expiring")
    else:
        reading = proven_balance(outsider, who)
        items = [{"expires_at": row["expires"], **row} for row in reading.value.expiring]
        plain = {"items": items, **proven_plain(outsider, reading)}
        say_proven(reading)
    rows = [
        (day_text(item["expires_at"]), item["class"], points(item["units"]), yuan(item["value"]))
        for item in plain["items"]
    ]
    headers = (t("expires (UTC+8)", "到期（北京时间）"), t("class", "类别"), t("units", "数量"), t("value", "价值"))
    answer(plain, table(headers, rows))


@click.command(help=t("What happened to an account, newest first; every receipt is proven, and other nodes are asked "
                      "whether one is missing.",
                      "账户流水，最新在前；逐笔核验凭证，并向其他节点核对有无遗漏。"),
               epilog=example("hnchain wallet history alice"))  # fmt: skip
@click.argument("party", required=False)
@click.option("--cursor", help=t("Continue from here.", "从此处继续。"))
@with_network
@with_trust
@with_output
def history(party: str | None, cursor: str | None, network: Network, outsider: Outsider | None) -> None:
    who = subject(party, network)
    if outsider is None:
        plain = network.client().get(f"/v1/accounts/{encode_address(who)}/history", cursor=cursor)
    else:
        readings = outsider.gather(lambda node: read_history(outsider, node, who, cursor))
        items, rest = join_pages(outsider, readings)
        plain = {"items": items, "next": rest, **proven_plain(outsider, readings[0])}
        say_proven(readings[0])
    rows = [
        (day_text(item["time_ms"] // 1000), f"{item['height']}.{item['index']}", item["kind"], item["code"],
         item["tx"][:16] if item["tx"].strip("0") else "-")  # an event of the block itself
        for item in plain["items"]
    ]  # fmt: skip
    headers = (t("time (UTC+8)", "时间（北京时间）"), t("position", "位置"), t("kind", "类型"), t("code", "结果"),
               t("transaction", "交易"))  # fmt: skip
    more = f"\n--cursor {plain['next']}" if plain["next"] else ""
    answer(plain, table(headers, rows) + more)
