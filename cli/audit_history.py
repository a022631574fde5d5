"""`hnchain audit history`: every movement of an account's points with its reason; opening + sum = closing."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cli.as_of import AsOf, read_as_of, read_second
from cli.client import Client
from cli.csv_cells import csv_cell
from cli.language import example, t
from cli.lot_ledger import LotLedger, Movement, opening_and_closing
from cli.merchant_statement import PAGE
from cli.network import Network, with_network
from cli.output import answer, day_text, points, say, table, with_output
from cli.outsider import Outsider
from cli.proven_reads import join_pages, read_history
from cli.statement_rows import NO_TRANSACTION
from cli.trust_options import with_trust
from cli.verdicts import Refusal, Verdict, usage
from cli.wallet_reads import proven_balance, say_proven
from cli.wallets import name_of, subject
from primitives.address import encode_address
from primitives.codes import Code
from primitives.keys import Address

Plain = Any
COLUMNS: Final = (
    "time", "height", "index", "tx", "reason", "why", "class", "expires", "units", "held", "counterparty", "reference",
)  # fmt: skip
TRIES: Final = 3  # the chain goes on while it is read

REASONS: Final = {
    "issued": ("issued", "发放"), "reversed": ("taken back", "冲正"), "redeemed": ("redeemed", "核销"),
    "refunded": ("refunded", "退回"), "forfeited": ("forfeited", "作废"), "expired": ("expired", "过期"),
    "exchanged_out": ("exchanged", "换出"), "exchanged_in": ("exchanged into", "换入"),
    "transferred_out": ("given", "转出"), "transferred_in": ("received", "转入"), "held": ("set aside", "冻结"),
    "released": ("released", "释放"), "hold_expired": ("hold ended", "预授权到期"),
    "corrected": ("corrected", "更正"), "taken": ("taken", "扣除"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """An account's receipts, oldest first, up to a height, and its balances there by class as of `time_s`."""

    receipts: list[Plain]
    height: int
    block_s: int  # time of the block that `height` is proven by
    time_s: int
    by_class: Plain
    proof: Plain


def read_proven(outsider: Outsider, client: Client, who: Address) -> Told:
    """Balance first, then every page of the history down to genesis, each receipt proven. Raises: Refusal."""
    reading = proven_balance(outsider, who)
    height, items, cursor = reading.header.exec_height, [], ""
    pages = outsider.gather(lambda node: read_history(outsider, node, who, None))
    while True:
        page, rest = join_pages(outsider, pages)
        items += [item for item in page if item["height"] <= height]
        if rest is None:
            break
        cursor = rest
        pages = outsider.gather(lambda node: read_history(outsider, node, who, cursor))  # noqa: B023  (called at once)
    say_proven(reading)
    found = in_order([*items, *events_of_blocks(client, encode_address(who), height)])
    plain = reading.value.plain
    return Told(found, height, reading.header.time_ms // 1000, plain["time_s"], plain["by_class"], outsider.plain())


def read_told(client: Client, who: Address) -> Told:
    """The same as a node says, unproven."""
    address = encode_address(who)
    status = client.get("/v1/status")
    by_class = client.get(f"/v1/accounts/{address}")["by_class"]
    items = [item for item in all_items(client, address, 0) if item["height"] <= status["height"]]
    time_s = status["block_time_ms"] // 1000
    now_s = time_s if status["test_clock"] else max(time_s, status["clock_ms"] // 1000)
    return Told(in_order(items), status["height"], time_s, now_s, by_class, {})


def all_items(client: Client, address: str, since_ms: int) -> list[Plain]:
    """Receipts and events of blocks that name the account, the newest first, back to `since_ms`."""
    found: list[Plain] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/v1/accounts/{address}/history", cursor=cursor or None, limit=PAGE)
        items = [item for item in page["items"] if item["time_ms"] >= since_ms]
        found += items
        cursor = page["next"] if len(items) == len(page["items"]) else None
    return found


def events_of_blocks(client: Client, address: str, height: int) -> list[Plain]:
    """What an erratum of the committee did to the account by time: in no receipt, and without proof."""
    try:
        if not client.get("/v1/errata", limit=1)["items"]:
            return []
    except Refusal as refusal:
        if refusal.code != Code.READ_DENIED:  # who may read this account only looks through all of its history
            raise
    told = all_items(client, address, 0)
    return [item for item in told if item["tx"] == NO_TRANSACTION and item["height"] <= height]


def in_order(items: Sequence[Plain]) -> list[Plain]:
    """Oldest first; what a block did by itself came before its transactions (D10)."""
    return sorted(items, key=lambda item: (item["height"], item["tx"] != NO_TRANSACTION, item["index"]))


def faults_of(told: Told, me: str) -> list[str]:
    """Where the sum of all movements is not what the state holds, per class."""
    ledger = LotLedger(me)
    for receipt in told.receipts:
        ledger.read(receipt)
    ledger.pass_time(told.block_s)
    sums = ledger.balances(told.time_s)
    found = list(ledger.faults)
    for class_id in sorted({*sums, *told.by_class}):
        summed, row = sum(sums.get(class_id, {}).values()), told.by_class.get(class_id, {})
        stated = sum(row.get(name, 0) for name in ("spendable", "pending", "held"))
        if summed != stated:
            found.append(t(f"{class_id}: movements give {summed} units, the state holds {stated}",
                           f"{class_id}：逐笔合计 {summed}，状态中为 {stated}"))  # fmt: skip
    return found


def history_plain(told: Told, me: str, since_s: int | None, as_of: AsOf | None) -> Plain:
    """The document: classes with opening, sum and closing, the rows between, and what does not agree."""
    moment = AsOf(told.block_s) if as_of is None else as_of
    ledger = LotLedger(me)
    for receipt in told.receipts:
        if moment.holds(receipt):
            ledger.read(receipt)
    ledger.pass_time(moment.time_s)
    held = ledger.balances(moment.time_s)
    classes = {
        class_id: {"opening": opening, "sum": moved, "closing": closing, "held": held.get(class_id, {}).get("held", 0)}
        for class_id, opening, moved, closing in opening_and_closing(ledger.rows, since_s)
    }
    rows = [row_plain(row) for row in ledger.rows if since_s is None or row.time >= since_s]
    return {
        "account": me, "since": since_s, "as_of": moment.time_s, "height": told.height, "classes": classes,
        "rows": rows, "faults": faults_of(told, me), **told.proof,
    }  # fmt: skip


def row_plain(row: Movement) -> dict[str, Plain]:
    """A movement by the names of COLUMNS; what time alone did has no transaction."""
    place = (row.height, row.position, row.tx) if row.tx else (None, None, None)
    cells = (row.time, *place, row.reason, row.why, row.class_id, row.bucket or None, row.units, row.held,
             row.counterparty or None, row.reference or None)  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Plain]]) -> None:
    """CSV under column names, UTF-8; empty for None. Raises: Refusal if the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows({name: csv_cell(cell) for name, cell in row.items()} for row in rows)
    except OSError as error:
        raise usage(t(f"cannot write {path}: {error}", f"无法写入 {path}：{error}")) from error


def _text(plain: Plain, network: Network) -> str:
    lines = [f"{plain['account']}  {t('as of', '截至')} {day_text(plain['as_of'])} (UTC+8)"]
    sums = [(class_id, *(points(row[name]) for name in ("opening", "sum", "closing", "held")))
            for class_id, row in plain["classes"].items()]  # fmt: skip
    lines.append(table((t("class", "类别"), t("opening", "期初"), t("sum", "合计"), t("closing", "期末"),
                        t("of it held", "其中冻结")), sums))  # fmt: skip
    rows = [
        (day_text(row["time"]), t(*REASONS[row["reason"]]), row["why"], row["class"], signed(row["units"]),
         signed(row["held"]), name_of(row["counterparty"], network) if row["counterparty"] else "",
         row["reference"] or "")
        for row in plain["rows"]
    ]  # fmt: skip
    lines.append(table((t("time (UTC+8)", "时间（北京时间）"), t("movement", "变动"), t("reason", "原因"),
                        t("class", "类别"), t("units", "数量"), t("held", "冻结"), t("with", "对方"),
                        t("reference", "编号")), rows))  # fmt: skip
    lines += [f"✗ {sentence}" for sentence in plain["faults"]]
    return "\n".join(lines)


def signed(units: int) -> str:
    """+5, -5, or nothing."""
    return f"{units:+,}" if units else ""


@click.command("history", help=t(
    "Every movement of an account's points with its reason, as of a day (UTC+8) or height: opening + sum = closing, "
    "held against the state.",
    "账户积分的逐笔变动及原因，截至某日（UTC+8）或某高度：期初 + 合计 = 期末，并与状态核对。",
), epilog=example("hnchain audit history alice --as-of 2026-05-01 --csv alice.csv"))  # fmt: skip
@click.argument("party")
@click.option("--as-of", "as_of", metavar="DATE|HEIGHT", help=t("Default: now.", "默认当前。"))
@click.option("--since", metavar="DATE", help=t("What was before is the opening; default: nothing.",
                                                "此前的变动计入期初，默认全部列出。"))  # fmt: skip
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Also write the rows there.", "同时把明细写入该文件。"))  # fmt: skip
@with_network
@with_trust
@with_output
def account_history(
    party: str, as_of: str | None, since: str | None, csv_file: Path | None, network: Network,
    outsider: Outsider | None,
) -> int:  # fmt: skip
    client, who = network.client(), subject(party, network)
    moment = None if as_of is None else read_as_of(as_of, client)
    since_s = None if since is None else read_second(since, last=False)
    if moment is not None and since_s is not None and since_s > moment.time_s:
        raise usage(t("--since is behind --as-of", "--since 晚于 --as-of"))
    for _ in range(TRIES):
        told = read_told(client, who) if outsider is None else read_proven(outsider, client, who)
        plain = history_plain(told, encode_address(who), since_s, moment)
        if not plain["faults"]:
            break
    if csv_file is not None:
        write_rows(csv_file, COLUMNS, plain["rows"])
        say(f"{csv_file}  {len(plain['rows'])}")
    if not plain["classes"]:
        say(t("it never had points; of a merchant see hnchain merchant statement and hnchain audit exposure",
              "该账户从未持有积分；商户请见 hnchain merchant statement 与 hnchain audit exposure"))  # fmt: skip
    answer(plain, _text(plain, network))
    lied = outsider is not None and any(one.kind == "lying" for one in outsider.distrusted)
    return int(Verdict.REJECTED if plain["faults"] or lied else Verdict.DONE)
