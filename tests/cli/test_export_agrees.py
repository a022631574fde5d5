"""Statements and reconciliation agree with books that a second program computes from the exported events alone.

That program (tests/properties/recomputation.py) shares no line with this project; this file imports none of the rules.
"""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from primitives.address import FUND_ADDRESS, decode_address, encode_address
from primitives.kinds import Exchange, Refund
from tests.chainnode.solo import Town, text
from tests.cli.lying_node import Door
from tests.properties.recomputation import Recomputation

DAY_MS = 86_400_000
FUND = encode_address(FUND_ADDRESS)
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Two windows of payments at three merchants with points of two, refunds in parts, an exchange, odd fees."""
    town = Town()
    town.run(town.issue("i1", 9_999))
    town.run(town.issue("i2", 7_777, "B"))
    for number, (merchant, value) in enumerate((("B", 333), ("C", 501), ("A", 77), ("C", 1), ("B", 1_499))):
        town.run(town.redeem(f"o{number}", value, merchant))
    town.run(town.sign("C", Refund("o1", "r1", 100)))
    town.run(town.sign("u", Exchange("hA", 501, "hB", 0)))
    town.node.set_clock(town.node.now_ms() + DAY_MS)
    town.run(town.sign("C", Refund("o1", "r2", 401)))
    for number, (merchant, value) in enumerate((("C", 999), ("A", 3), ("B", 7_001)), 5):
        town.run(town.redeem(f"o{number}", value, merchant))
    town.node.set_clock(town.node.now_ms() + DAY_MS)
    with Door(town).open() as opened:
        yield opened


@pytest.fixture
def ask(door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def act(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = run([*arguments, "--node", door.url, "-o", "json"])
        return code, json.loads(capsys.readouterr().out)

    return act


def exported(ask: Ask, folder: Path) -> list[dict[str, Any]]:
    """Every event, in the order in which it happened."""
    assert ask("audit", "export", "--to", str(folder), "--format", "json")[0] == 0
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [{"kind": row["kind"], **json.loads(row["body"])} for row in map(json.loads, lines)]


def test_statements_are_what_the_exported_events_add_up_to(ask: Ask, door: Door, tmp_path: Path) -> None:
    classes = {c: {"uv": 10_000, "issuer": text(c[1:])} for c in ("hA", "hB", "hC")}
    again = Recomputation(classes, FUND, decode_address)
    for event in exported(ask, tmp_path / "books"):
        again.read(event)
    again.check_payments()
    assert sorted(again.fen) == [1, 2] and all(again.fen.values())
    for window in (1, 2):
        for merchant in "ABC":
            me = text(merchant)
            code, plain = ask("merchant", "statement", me, "--window", str(window))
            assert (code, plain["faults"]) == (0, [])
            assert plain["net_fen"] == again.fen[window].get(me, 0)
            assert plain["carry_uy"] == again.carries[window].get(me, 0) * 10_000
            assert plain["closing_uy"] == plain["net_fen"] * 10_000 + plain["carry_uy"]
            sums: dict[str, int] = {}
            for row in plain["rows"]:
                whole, _, part = row["net"].partition(".")
                value = int(whole.lstrip("-")) * 1_000_000 + int(part)
                sums[row["counterparty"]] = sums.get(row["counterparty"], 0) + (-value if whole[0] == "-" else value)
            expected: dict[str, int] = {}
            for (debtor, creditor), value in again.owed[window].items():
                for mine, other, sign in ((debtor, creditor, -1), (creditor, debtor, 1)):
                    if mine == me:
                        expected[other] = expected.get(other, 0) + sign * value
            assert {who: value for who, value in sums.items() if value} == {w: v for w, v in expected.items() if v}


def test_books_made_from_the_exported_events_reconcile(ask: Ask, tmp_path: Path) -> None:
    events = exported(ask, tmp_path / "books")
    for merchant in "ABC":
        rows = [
            (event["order_id"], event.get("refund_id", ""), f"{event['value'] // 100}.{event['value'] % 100:02d}")
            for event in events
            if event["kind"] in ("Redeemed", "Refunded") and (event["merchant"], event["window"]) == (text(merchant), 1)
        ]
        path = tmp_path / f"{merchant}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("order_id", "refund_id", "amount"), *rows])
        code, plain = ask("audit", "reconcile", str(path), text(merchant), "--window", "1")
        assert (code, plain["agreed"]) == (0, len(rows)) and rows
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("order_id", "refund_id", "amount"), *rows[1:]])
        code, plain = ask("audit", "reconcile", str(path), text(merchant), "--window", "1")
        assert (code, len(plain["missing"])) == (1, 1)


def test_the_exported_supply_is_what_the_events_add_up_to(ask: Ask, tmp_path: Path) -> None:
    classes = {c: {"uv": 10_000, "issuer": text(c[1:])} for c in ("hA", "hB", "hC")}
    again = Recomputation(classes, FUND, decode_address)
    for event in exported(ask, tmp_path / "books"):
        again.read(event)
    lines = (tmp_path / "books" / "supply.jsonl").read_text(encoding="utf-8").splitlines()
    found = {row.pop("class"): row for row in map(json.loads, lines)}
    assert found == {class_id: row for class_id, row in again.supply.items() if any(row.values())}
    assert found["hB"]["exch_in"] and found["hA"]["restored"]
