"""What a merchant writes on the chain runs in no spreadsheet, and programs get it back as it was."""

import csv
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.audit_history import write_rows
from cli.csv_cells import csv_cell, text_of
from cli.export_files import ExportFolder, Format
from cli.merchant_statement import write_csv
from cli.statement_rows import COLUMNS

ORDERS = ("=1+1", "+1+1", "-2+3", "@SUM(A1)", "'=1", "=HYPERLINK(\"http://x\",\"a\")", "R-1", "-5", "1e5")
SHOWN = ["'=1+1", "'+1+1", "'-2+3", "'@SUM(A1)", "''=1", "'=HYPERLINK(\"http://x\",\"a\")", "R-1", "-5", "1e5"]


def column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def export(folder: Path, form: Format) -> None:
    rows = [(1, 2, "0" * 64, 1, "hn1a", "hn1b", -3, "refund", order) for order in ORDERS]
    with ExportFolder(folder, form, ["obligations"]) as opened:
        opened.add({"obligations": rows})
        opened.finish({})


def test_an_order_that_is_a_formula_is_text_in_every_file(tmp_path: Path) -> None:
    statement = [dict.fromkeys(COLUMNS, "") | {"order_id": order, "net": "-29.85"} for order in ORDERS]
    write_csv(tmp_path / "statement.csv", statement)
    history: list[dict[str, Any]] = [{"reference": order, "units": -3, "why": None} for order in ORDERS]
    write_rows(tmp_path / "history.csv", ("reference", "units", "why"), history)
    export(tmp_path / "all", "csv")
    files = {"statement.csv": "order_id", "history.csv": "reference", "all/obligations.csv": "order_id"}
    for path, name in files.items():
        assert column(tmp_path / path, name) == SHOWN
        assert tuple(map(text_of, column(tmp_path / path, name))) == ORDERS
    assert set(column(tmp_path / "statement.csv", "net")) == {"-29.85"}
    assert set(column(tmp_path / "history.csv", "units")) == {"-3"}
    assert set(column(tmp_path / "history.csv", "why")) == {""}


def test_files_for_programs_hold_what_the_chain_holds(tmp_path: Path) -> None:
    export(tmp_path / "all", "json")
    assert '"order_id":"=1+1"' in (tmp_path / "all" / "obligations.jsonl").read_text()



@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert text_of(csv_cell(text)) == text
