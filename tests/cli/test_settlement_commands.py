"""Statement, breakage and reconciliation as commands, over real HTTP: answers, files, exit codes."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.merchant_statement import date_of
from tests.chainnode.solo import Town, text
from tests.cli.asking import Ask, asker
from tests.cli.lying_node import Door
from tests.points.market import DAY


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """B was paid 100 and 30 fen with A's points, then the daily cut."""
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 100))
    town.run(town.redeem("b2", 30))
    town.node.set_clock(town.node.now_ms() + DAY * 1000)
    with Door(town).open() as opened:
        yield opened


@pytest.fixture
def ask(door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return asker(capsys, "--node", door.url)


def test_a_statement_with_its_file(ask: Ask, tmp_path: Path) -> None:
    code, plain, _ = ask("merchant", "statement", text("B"), "--csv", "s.csv")
    assert (code, plain["window"], plain["state"], plain["net_fen"]) == (0, 1, "INSTRUCTED", 129)
    assert [row["net"] for row in plain["rows"]] == ["0.995000", "0.298500"]
    assert (plain["opening_uy"], plain["total_uy"], plain["closing_uy"]) == (0, 1_293_500, 1_293_500)
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == plain["rows"]
    code, shown, _ = ask("merchant", "statement", text("A"), form="text")
    assert code == 0 and "-1.300000 CNY" in shown


def test_a_day_of_a_merchant(ask: Ask, door: Door) -> None:
    today = date_of(door.town.node.now_ms() // 1000 - DAY)
    code, plain, _ = ask("merchant", "statement", text("B"), "--date", today)
    assert (code, len(plain["rows"]), plain["faults"]) == (0, 2, [])
    code, plain, _ = ask("merchant", "statement", text("B"), "--date", "2025-13-01")
    assert (code, plain["name"]) == (2, "USAGE")
    code, plain, _ = ask("merchant", "statement", text("B"), "--date", "1999-01-01")
    assert code == 2
    code, plain, _ = ask("merchant", "statement", text("B"), "--date", today, "--window", "1")
    assert code == 2
    assert ask("merchant", "statement", "FUND")[0] == 2


def test_reconciliation_by_command(ask: Ask, tmp_path: Path) -> None:
    books = tmp_path / "books.csv"
    books.write_text("order_id,amount\nb1,1.00\nb2,0.30\n", encoding="utf-8")
    code, plain, _ = ask("audit", "reconcile", str(books), text("B"))
    assert (code, plain["agreed"], plain["missing"], plain["unknown"], plain["differs"]) == (0, 2, [], [], [])
    books.write_text("order_id,amount\nb1,1.01\nb9,5\n", encoding="utf-8")
    code, plain, _ = ask("audit", "reconcile", str(books), text("B"))
    assert code == 1
    assert plain["differs"] == [{"order_id": "b1", "refund_id": None, "fen": 100, "books_fen": 101}]
    assert plain["missing"] == [{"order_id": "b2", "refund_id": None, "fen": 30}]
    assert plain["unknown"] == [{"order_id": "b9", "refund_id": None, "fen": 500}]
    books.write_text("order_id,amount\nb1,one\n", encoding="utf-8")
    code, plain, _ = ask("audit", "reconcile", str(books), text("B"))
    assert (code, plain["code"], plain["name"]) == (2, "HN-9018", "BAD_BOOKS")


def test_breakage_by_command(ask: Ask) -> None:
    assert ask("merchant", "breakage", text("A"))[:2] == (0, {"items": []})
