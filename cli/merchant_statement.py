"""`hnchain merchant statement`: every movement of a window or a day, opening + sum = closing, checked and hashed."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import click

from cli.amounts import AMOUNT
from cli.client import Client
from cli.csv_cells import csv_cell
from cli.language import example, t
from cli.merchant_settlement import read_window
from cli.network import Network, with_network
from cli.output import answer, say, table, with_output, yuan
from cli.statement_rows import (
    COLUMNS,
    UY_PER_FEN,
    Row,
    by_counterparty,
    cells,
    in_order,
    movements,
    owed,
    payout,
    root_of,
    shared_rows,
    yuan_text,
)
from cli.verdicts import Verdict, usage
from cli.wallets import name_of, subject
from primitives.address import FUND_ADDRESS, encode_address

Plain = Any
UTC8: Final = timezone(timedelta(hours=8))
DAY_SECONDS: Final = 86_400
PAGE: Final = 200
FUND_TEXT: Final = encode_address(FUND_ADDRESS)


@dataclass(frozen=True, slots=True)
class Period:
    """The windows that a statement reads, and the seconds that it shows: start <= time < stop; None: all of them."""

    windows: tuple[Plain, ...]  # as /v1/windows/{id}, oldest first
    start: int | None = None
    stop: int | None = None

    def holds(self, row: Row) -> bool:
        return self.start is None or self.stop is None or self.start <= row.time < self.stop


def merchant_text(party: str | None, network: Network) -> str:
    """Whose statement it is. Raises: Refusal for FUND: payments name issuer and merchant, not the fund's share."""
    me = encode_address(subject(party, network))
    if me == FUND_TEXT:
        raise usage(t("a statement is a merchant's; of the fund: /v1/fund", "对账单属于商户；基金见 /v1/fund"))
    return me


def day_period(client: Client, date: str) -> Period:
    """The day's windows. Raises: Refusal for a date that is none, or a day whose windows have left the state."""
    try:
        start = int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC8).timestamp())
    except ValueError as error:
        raise usage(t(f"{date!r} is no date", f"{date!r} 不是日期"), "YYYY-MM-DD") from error
    found = []
    listed = client.get("/v1/windows")["items"]
    id = listed[0]["id"]
    while id > 0:
        plain = client.find(f"/v1/windows/{id}")
        if plain is None or (plain["closed"] is not None and plain["closed"] < start):
            break
        if plain["opened"] < start + DAY_SECONDS:
            found.append(plain)
        id -= 1
    if not found:
        raise usage(t(f"no settlement window of {date} is in the state", f"状态中没有 {date} 的结算期"))
    return Period(tuple(reversed(found)), start, start + DAY_SECONDS)


def receipts_since(client: Client, me: str, opened: int) -> list[Plain]:
    """All receipts that name the merchant, back to that second; oldest first."""
    found: list[Plain] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/v1/accounts/{me}/history", cursor=cursor or None, limit=PAGE)
        items = [item for item in page["items"] if item["time_ms"] // 1000 >= opened]
        found += items
        cursor = page["next"] if len(items) == len(page["items"]) else None
    return found[::-1]


def rows_of(client: Client, me: str, period: Period) -> list[Row]:
    """All movements of the period's windows in order, each closed window with its payout."""
    wanted = {window["window"] for window in period.windows}
    receipts = receipts_since(client, me, period.windows[0]["opened"])
    rows = [row for row in movements(receipts, me, FUND_TEXT) if row.window in wanted]
    for window in period.windows:
        shared = client.get(f"/v1/windows/{window['window']}/shared")["items"]
        rows += shared_rows(shared, window["window"], window["opened"], me)
        if window["closed"] is not None and window["fen"].get(me, 0):
            rows.append(payout(window, me))
    return in_order(rows)


def carry_into(client: Client, window: Plain, me: str) -> int:
    """uY that the window before left; that one may be forgotten while a default keeps this one."""
    if window["closed"] is not None:
        known: int = window["carry_in"].get(me, 0)
        return known
    before = client.find(f"/v1/windows/{window['window'] - 1}") if window["window"] > 1 else None
    carry: int = before["carry"].get(me, 0) if before is not None else 0
    return carry


def faults(client: Client, me: str, period: Period, rows: Sequence[Row], carry_in: int) -> Iterator[str]:
    """Where the rows say something else than the state, per closed window: its obligations, the position at its close.

    The open window goes on while it is read, so nothing is compared.
    """
    for window in period.windows:
        number = window["window"]
        if window["closed"] is None:
            continue
        mine = [row for row in rows if row.window == number]
        expected = owed(client.get("/v1/obligations", window=number), me)
        found = by_counterparty(mine)
        for who in sorted({*expected, *found}):
            if expected.get(who, 0) != found.get(who, 0):
                yield f"window {number}: {who}: rows {found.get(who, 0)} uY, obligations {expected.get(who, 0)} uY"
        position = window["fen"].get(me, 0) * UY_PER_FEN + window["carry"].get(me, 0)
        summed = carry_in + sum(found.values())
        if summed != position:
            yield f"window {number}: rows and carry give {summed} uY, the position is {position} uY"
        carry_in = window["carry"].get(me, 0)


def date_of(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(UTC8).strftime("%Y-%m-%d")


def build_statement(client: Client, me: str, period: Period) -> Plain:
    """The document: opening, rows, total, closing, root, and what does not agree with the state."""
    rows = rows_of(client, me, period)
    carry_in = carry_into(client, period.windows[0], me)
    wrong = list(faults(client, me, period, rows, carry_in))
    if period.start is None:  # of one window: its payout is told beside the rows
        rows = [row for row in rows if row.kind != "settlement"]
    opening = carry_in + sum(row.net for row in rows if period.start is not None and row.time < period.start)
    shown = [row for row in rows if period.holds(row)]
    lines = [cells(row, date_of(row.time)) for row in shown]
    total = sum(row.net for row in shown)
    return {
        "opening_uy": opening, "total_uy": total, "closing_uy": opening + total, "root": root_of(lines).hex(),
        "rows": [dict(zip(COLUMNS, line, strict=True)) for line in lines], "faults": wrong,
    }  # fmt: skip


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """The rows under their column names, UTF-8. Raises: Refusal if the file cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows({name: csv_cell(cell) for name, cell in row.items()} for row in rows)
    except OSError as error:
        raise usage(t(f"cannot write {path}: {error}", f"无法写入 {path}：{error}")) from error


def _position(plain: Plain, me: str) -> Plain:
    own = {name: fen for name, fen in plain["instructions"].items() if me in name.split("->")}
    return {
        "window": plain["id"], "state": plain["state"], "net_fen": plain["fen"].get(me, 0),
        "carry_uy": plain["carry"].get(me, 0),
        "legs": [{"leg": name, "fen": fen, "state": plain["legs"][name]} for name, fen in own.items()],
    }  # fmt: skip


def _text(statement: Plain, network: Network) -> str:
    lines = []
    if "window" in statement:
        title, net = t("window", "结算期"), t("net", "净额")
        lines.append(f"{title} {statement['window']} {statement['state']}  {net} {yuan(statement['net_fen'])}")
        legs = [("→".join(name_of(side, network) for side in leg["leg"].split("->")), yuan(leg["fen"]), leg["state"])
                for leg in statement["legs"]]  # fmt: skip
        lines.append(table((t("payment", "付款"), t("amount", "金额"), t("state", "状态")), legs))
    rows = [
        (row["date"], row["window"], name_of(row["counterparty"], network) if row["counterparty"] else "",
         *(row[column] for column in ("order_id", "kind", "gross", "fee", "net")))
        for row in statement["rows"]
    ]  # fmt: skip
    headers = (t("date", "日期"), t("window", "结算期"), t("counterparty", "对方"), t("order", "订单"),
               t("kind", "类型"), t("gross", "总额"), t("fee", "手续费"), t("net", "净额"))  # fmt: skip
    lines.append(table(headers, rows))
    for key, label in (("opening_uy", t("opening", "期初")), ("total_uy", t("sum", "合计")),
                       ("closing_uy", t("closing", "期末"))):  # fmt: skip
        lines.append(f"{label}  {yuan_text(statement[key])} CNY")
    lines.append(f"{t('root', '默克尔根')}  {statement['root']}")
    lines += [f"✗ {sentence}" for sentence in statement["faults"]]
    return "\n".join(lines)


@click.command("statement", help=t("Every movement of a window or a day: opening + sum = closing, with a Merkle root.",
                                   "某结算期或某日的逐笔对账单：期初 + 合计 = 期末，附默克尔根。"),
               epilog=example("hnchain merchant statement hotel --date 2026-05-01 --csv day.csv"))  # fmt: skip
@click.argument("party", metavar="[MERCHANT]", required=False)
@click.option("--window", type=AMOUNT, help=t("Default: the last closed one.", "默认最近关闭的结算期。"))
@click.option("--date", metavar="YYYY-MM-DD", help=t("A day of UTC+8 instead.", "改为按日（UTC+8）。"))
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE",
              help=t("Also write the rows there.", "同时把明细写入该文件。"))  # fmt: skip
@with_network
@with_output
def settlement_statement(
    party: str | None, window: int | None, date: str | None, csv_file: Path | None, network: Network
) -> int:
    if window is not None and date is not None:
        raise usage(t("--window or --date, not both", "--window 与 --date 只能选一个"))
    me = merchant_text(party, network)
    client = network.client()
    if date is None:
        plain = read_window(network, window)
        statement = {"merchant": me, **_position(plain, me), **build_statement(client, me, Period((plain,)))}
    else:
        statement = {"merchant": me, "date": date, **build_statement(client, me, day_period(client, date))}
    if csv_file is not None:
        write_csv(csv_file, statement["rows"])
        say(f"{csv_file}  {statement['root']}")
    answer(statement, _text(statement, network))
    return int(Verdict.REJECTED if statement["faults"] else Verdict.DONE)
