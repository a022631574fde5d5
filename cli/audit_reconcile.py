"""`hnchain audit reconcile`: a merchant's own books against the chain: unknown, missing, amount differs."""

import csv
from pathlib import Path
from typing import Any, Final

import click

from cli.amounts import AMOUNT
from cli.language import example, t
from cli.merchant_settlement import read_window
from cli.merchant_statement import Period, day_period, merchant_text, receipts_since
from cli.network import Network, with_network
from cli.output import answer, table, with_output, yuan
from cli.statement_rows import Reconciled, Sale, reconcile, sales
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code

Plain = Any
BOOKS_BYTES_MAX: Final = 64 * 1024 * 1024
NEEDED: Final = ("order_id", "amount")


def read_books(path: Path) -> list[Sale]:
    """The sales of a CSV file with columns order_id, amount (CNY, two decimals at most) and, for refunds, refund_id.

    A row with a refund_id is money given back, whatever its sign. Other columns are passed over.
    Raises: Refusal with BAD_BOOKS (exit 2), naming the line.
    """
    try:
        if path.stat().st_size > BOOKS_BYTES_MAX:
            raise bad_books(path, 0, t("too large", "文件过大"))
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            absent = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if absent:
                raise bad_books(path, 1, t(f"no column {absent[0]!r}", f"缺少列 {absent[0]!r}"))
            return [_sale(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise bad_books(path, 0, str(error)) from error


def bad_books(path: Path, line: int, why: str) -> Refusal:
    """Exit 2 with the place."""
    where = f"{path}:{line}" if line else str(path)
    return Refusal(Verdict.USAGE, Code.BAD_BOOKS, f"{where}: {why}")


def _sale(path: Path, line: int, row: dict[str, str | None]) -> Sale:
    order_id, refund_id = (row["order_id"] or "").strip(), (row.get("refund_id") or "").strip()
    if not order_id:
        raise bad_books(path, line, t("no order_id", "没有 order_id"))
    fen = read_fen((row["amount"] or "").strip())
    if fen is None:
        raise bad_books(path, line, t(f"amount {row['amount']!r}", f"金额 {row['amount']!r}"))
    return Sale(order_id, refund_id, -abs(fen) if refund_id else fen)


def read_fen(text: str) -> int | None:
    """Fen of an amount in CNY such as 30, 30.5 or -30.50; None for anything else: never a float, never a guess."""
    digits = text[1:] if text.startswith("-") else text
    whole, point, part = digits.partition(".")
    if not all(number.isascii() and number.isdigit() for number in (whole, part if point else "0")):
        return None
    if len(part) > 2 or len(whole) > 17:  # more fen than there can be
        return None
    fen = int(whole) * 100 + int(part.ljust(2, "0"))
    return -fen if text.startswith("-") else fen


def _plain(sale: Sale) -> Plain:
    return {"order_id": sale.order_id, "refund_id": sale.refund_id or None, "fen": sale.value}


def found_plain(found: Reconciled) -> Plain:
    """The JSON answer; `chain` and `books` of a difference are fen."""
    return {
        "agreed": found.agreed, "missing": [_plain(sale) for sale in found.missing],
        "unknown": [_plain(sale) for sale in found.unknown],
        "differs": [{**_plain(ours), "fen": ours.value, "books_fen": theirs.value} for ours, theirs in found.differs],
    }  # fmt: skip


def _text(found: Reconciled) -> str:
    missing, unknown = t("missing in the books", "账册缺少"), t("unknown to the chain", "链上没有")
    differs = t("amount differs", "金额不符")
    lines = [(missing, sale.order_id, sale.refund_id, yuan(sale.value), "") for sale in found.missing]
    lines += [(unknown, sale.order_id, sale.refund_id, "", yuan(sale.value)) for sale in found.unknown]
    lines += [(differs, a.order_id, a.refund_id, yuan(a.value), yuan(b.value)) for a, b in found.differs]
    headers = (t("finding", "结果"), t("order", "订单"), t("refund", "退款"), t("chain", "链上"), t("books", "账册"))
    return f"{t('agreed', '一致')}  {found.agreed}\n" + (table(headers, lines) if lines else "")


@click.command("reconcile", help=t(
    "A merchant's own books (CSV: order_id, amount in CNY, refund_id for refunds) against the chain.",
    "商户自有账册（CSV：order_id、amount（元）、退款另有 refund_id）与链上逐笔核对。",
), epilog=example("hnchain audit reconcile books.csv hotel --date 2026-05-01"))  # fmt: skip
@click.argument("books", type=click.Path(path_type=Path))
@click.argument("party", metavar="[MERCHANT]", required=False)
@click.option("--window", type=AMOUNT, help=t("Default: the last closed one.", "默认最近关闭的结算期。"))
@click.option("--date", metavar="YYYY-MM-DD", help=t("A day of UTC+8 instead.", "改为按日（UTC+8）。"))
@with_network
@with_output
def reconcile_books(books: Path, party: str | None, window: int | None, date: str | None, network: Network) -> int:
    if window is not None and date is not None:
        raise usage(t("--window or --date, not both", "--window 与 --date 只能选一个"))
    theirs = read_books(books)
    me = merchant_text(party, network)
    client = network.client()
    period = day_period(client, date) if date is not None else Period((read_window(network, window),))
    found = reconcile(sales_in(receipts_since(client, me, period.windows[0]["opened"]), me, period), theirs)
    answer({"merchant": me, **found_plain(found)}, _text(found))
    return int(Verdict.REJECTED if found.missing or found.unknown or found.differs else Verdict.DONE)


def sales_in(receipts: list[Plain], me: str, period: Period) -> list[Sale]:
    """The merchant's sales and refunds of the period: by time for a day, by their window else."""
    if period.start is not None and period.stop is not None:
        inside = [r for r in receipts if period.start <= r["time_ms"] // 1000 < period.stop]
        return list(sales(inside, me))
    wanted = {window["window"] for window in period.windows}
    return list(sales([{**r, "events": [e for e in r["events"] if e.get("window") in wanted]} for r in receipts], me))
