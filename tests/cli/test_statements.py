"""Statements and reconciliation: every row adds up with what the state says, for every merchant of a busy market."""

import csv
from pathlib import Path
from typing import Any

import pytest

from cli.audit_reconcile import read_books, read_fen, sales_in
from cli.merchant_statement import FUND_TEXT, Period, build_statement, date_of, day_period, receipts_since, write_csv
from cli.statement_rows import COLUMNS, NO_TRANSACTION, Sale, cells, movements, reconcile, root_of
from cli.verdicts import Refusal
from points import queries, queries_clearing
from points.view import Memory
from primitives.address import decode_address, encode_address
from primitives.codes import Code
from primitives.genesis import Parameters
from primitives.kinds import Exchange, LegConfirm, LegPaid, Refund, ReserveAttest, WindowClose
from primitives.receipt import Receipt
from primitives.receipt_form import receipt_to_plain
from tests.properties.small_market import CLASSES, DAY, START, issue
from tests.properties.world import World

MERCHANTS = ("A", "B", "C")


class Recorded(World):
    """Keeps every receipt with its block's time, as the history of a node does."""

    def __init__(self, **parameters: int) -> None:
        self.receipts: list[dict[str, Any]] = []
        reserves = {"A": 4_000_000, "B": 4_000_000, "C": 400_000, "D": 0}
        super().__init__(START, reserves, ["u", "v"], CLASSES, Parameters(**parameters))  # type: ignore[arg-type]

    def run(self, *transactions: Any, at: int | None = None) -> list[Receipt]:
        receipts = super().run(*transactions, at=at)
        self.receipts += [{**receipt_to_plain(receipt), "time_ms": self.now * 1000} for receipt in receipts]
        return receipts


class Answers:
    """The paths of the API that statements read, answered from a state; a page of history holds three receipts."""

    def __init__(self, world: Recorded) -> None:
        self.world = world

    def get(self, path: str, **query: Any) -> Any:
        found = self.find(path, **query)
        assert found is not None, path
        return found

    def find(self, path: str, **query: Any) -> Any:
        world, parts = self.world, path.split("/")[2:]
        view: Memory = world.memory
        match parts:
            case ["windows"]:
                return {"items": [{"id": row["window"], **row} for row in queries.windows(view, world.now)]}
            case ["windows", id]:
                plain = queries.window(view, world.now, int(id))
                return None if plain is None else {"id": int(id), **plain}
            case ["windows", id, "shared"]:
                return {"items": queries_clearing.shared(view, world.now, int(id))}
            case ["obligations"]:
                return queries.obligations(view, world.now, query["window"])
            case ["accounts", who, "history"]:
                return self._history(who, int(query["cursor"] or 10**9))
        raise AssertionError(path)

    def _history(self, who: str, before: int) -> Any:
        told = enumerate(self.world.receipts)
        mine = [n for n, r in told if n < before and any(who in e.values() for e in r["events"])]
        page = mine[::-1][:3]
        items = [self.world.receipts[n] for n in page]
        return {"items": items, "next": str(page[-1]) if len(mine) > 3 else None}


def busy(**parameters: int) -> Recorded:
    """Own and foreign points, overshoots, refunds in parts, exchanges between and within issuers, two windows."""
    world = Recorded(**parameters)
    for n, (class_id, units) in enumerate((("hA", 900), ("a2", 777), ("hB", 500), ("b9", 333))):
        assert issue(world, class_id, "u", units, f"i{n}") == "OK"
    for n, (payee, value) in enumerate((("B", 100), ("C", 333), ("A", 77), ("C", 501))):
        assert world.redeem("u", payee, f"o{n}", value) == "OK"
    assert world.code("C", Refund("o1", "r1", 100)) == "OK"
    assert world.code("u", Exchange("hA", 50, "hB", 1)) == "OK"
    assert world.code("op", WindowClose()) == "OK"
    world.now += 3600
    assert world.code("C", Refund("o1", "r2", 233)) == "OK"
    assert world.code("C", Refund("o3", "r1", 7)) == "OK"
    assert world.code("u", Exchange("b9", 33, "hB", 1)) == "OK"
    assert world.redeem("u", "B", "o9", 33) == "OK"
    world.run(at=world.now + 20 * 3600)
    return world


def me_of(world: World, name: str) -> str:
    return encode_address(world.address[name])


def period_of(world: Recorded, window: int) -> Period:
    return Period((Answers(world).get(f"/v1/windows/{window}"),))


@pytest.mark.parametrize("name", MERCHANTS)
@pytest.mark.parametrize("window", [1, 2])
def test_the_rows_of_a_window_are_its_obligations(name: str, window: int) -> None:
    """Opening + sum = closing, and closing is what the state instructs and carries."""
    world = busy()
    me = me_of(world, name)
    statement = build_statement(Answers(world), me, period_of(world, window))  # type: ignore[arg-type]
    assert statement["faults"] == []
    assert statement["rows"]
    told = queries.window(world.memory, world.now, window)
    assert statement["closing_uy"] == told["fen"][me] * 10_000 + told["carry"][me]
    assert statement["opening_uy"] + statement["total_uy"] == statement["closing_uy"]
    lines = [tuple(row[column] for column in COLUMNS) for row in statement["rows"]]
    assert statement["root"] == root_of(lines).hex()


@pytest.mark.parametrize("name", MERCHANTS)
def test_days_follow_one_another(name: str) -> None:
    """The closing balance of a day opens the next one; a settlement leaves the carry."""
    world = busy()
    client, me = Answers(world), me_of(world, name)
    days = [date_of(START), date_of(START + DAY)]
    first, second = (build_statement(client, me, day_period(client, day)) for day in days)  # type: ignore[arg-type]
    assert first["faults"] == second["faults"] == []
    assert first["opening_uy"] == 0
    assert first["closing_uy"] == second["opening_uy"]
    assert sum(row["kind"] == "settlement" for row in (*first["rows"], *second["rows"])) == 2
    assert abs(second["closing_uy"]) < 10_000
    assert all(row["date"] == days[0] for row in first["rows"])


def test_shared_losses_stand_in_the_statement() -> None:
    """They are booked by time, in no receipt; what comes back is in one."""
    world = Recorded(fee_bps=0, loss_share_bps=10_000)
    for n, (issuer, payee, fen) in enumerate((("A", "C", 400), ("B", "D", 100))):
        assert issue(world, f"h{issuer}", "u", fen, f"i{n}") == "OK"
        assert world.redeem("u", payee, f"o{n}", fen) == "OK"
    attest = ReserveAttest(world.address["A"], 0, world.now, bytes(32))
    assert world.code("bank", attest, ("bank", "A")) == "OK"
    assert world.code("op", WindowClose()) == "OK"
    assert world.code("B", LegPaid(1, world.leg("B", "D"), bytes(32))) == "OK"
    world.run(at=world.now + 2 * DAY)
    booked = world.memory.get(b"w").window
    told = queries_clearing.shared(world.memory, world.now, booked)
    assert [(world.name_text(row["debtor"]), world.name_text(row["creditor"]), row["fen"]) for row in told] == [
        ("D", "C", 80)
    ]
    assert world.code("C", LegConfirm(1, world.leg("A", "C"))) == "OK"
    world.run(at=world.now + DAY)
    client = Answers(world)
    for name, kinds in (("C", ["loss_share", "loss_returned"]), ("D", ["loss_share", "loss_returned"]), ("A", [])):
        statement = build_statement(client, me_of(world, name), period_of(world, booked))  # type: ignore[arg-type]
        assert statement["faults"] == []
        assert sorted(row["kind"] for row in statement["rows"]) == sorted(kinds)


def test_a_row_that_is_left_out_is_a_fault() -> None:
    world = busy()
    world.receipts = [r for r in world.receipts if not any(e.get("order_id") == "o1" for e in r["events"])]
    statement = build_statement(Answers(world), me_of(world, "C"), period_of(world, 1))  # type: ignore[arg-type]
    assert statement["faults"]


def test_a_batch_gives_each_leg_to_its_own_order() -> None:
    events = [
        {"kind": "Redeemed", "order_id": "x", "window": 1, "merchant": "m", "payer": "p", "value": 1},
        {"kind": "RedeemedLeg", "issuer": "i", "pay": 10_000, "fee": 50, "over": 0},
        {"kind": "Redeemed", "order_id": "y", "window": 1, "merchant": "m", "payer": "p", "value": 2},
        {"kind": "RedeemedLeg", "issuer": "i", "pay": 20_000, "fee": 100, "over": 7},
    ]
    receipt = {"time_ms": 0, "tx": "t", "height": 1, "events": events}
    rows = list(movements([receipt], "m", FUND_TEXT))
    assert [(row.order_id, row.gross, row.fee, row.net) for row in rows] == [
        ("x", 10_000, -50, 9_950), ("y", 20_000, -100, 19_900),
    ]  # fmt: skip
    rows = list(movements([receipt], "i", FUND_TEXT))
    assert [(row.order_id, row.counterparty == FUND_TEXT, row.net) for row in rows] == [
        ("x", False, -9_950), ("x", True, -50), ("y", False, -19_900), ("y", True, -107),
    ]  # fmt: skip


def test_csv_and_json_hold_the_same_rows(tmp_path: Path) -> None:
    world = busy()
    statement = build_statement(Answers(world), me_of(world, "C"), period_of(world, 1))  # type: ignore[arg-type]
    write_csv(tmp_path / "s.csv", statement["rows"])
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == statement["rows"]
    assert root_of([tuple(row[column] for column in COLUMNS) for row in read]).hex() == statement["root"]


def test_reconciliation_finds_each_kind_of_difference() -> None:
    world = busy()
    me = me_of(world, "C")
    client = Answers(world)
    chain = sales_in(receipts_since(client, me, 0), me, period_of(world, 1))  # type: ignore[arg-type]
    assert chain == [Sale("o1", "", 333), Sale("o3", "", 501), Sale("o1", "r1", -100)]
    assert reconcile(chain, chain).agreed == 3
    books = [Sale("o1", "", 334), Sale("o1", "r1", -100), Sale("x", "", 5), Sale("o1", "r1", -100)]
    found = reconcile(chain, books)
    assert (found.agreed, found.missing) == (1, [Sale("o3", "", 501)])
    assert found.unknown == [Sale("x", "", 5), Sale("o1", "r1", -100)]
    assert found.differs == [(Sale("o1", "", 333), Sale("o1", "", 334))]


@pytest.mark.parametrize(
    ("text", "fen"),
    [("30", 3000), ("30.5", 3050), ("-0.07", -7), ("0.00", 0), ("1e3", None), ("1.234", None), ("", None), (".5", None),
     ("5.", None), ("+5", None), ("１", None), ("--5", None), ("9" * 18, None)],
)  # fmt: skip
def test_amounts_of_books_are_exact(text: str, fen: int | None) -> None:
    assert read_fen(text) == fen


@pytest.mark.parametrize(
    ("content", "place"),
    [("order_id,sum\na,1\n", ":1"), ("order_id,amount\na,1\n,2\n", ":3"), ("order_id,amount\na,1e2\n", ":2"),
     ("order_id,amount\na\n", ":2"), ("", ":1"), ("order_id,amount\n\xff,1\n", "")],
)  # fmt: skip
def test_bad_books_name_the_line(tmp_path: Path, content: str, place: str) -> None:
    path = tmp_path / "books.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(Refusal) as refused:
        read_books(path)
    assert refused.value.code == Code.BAD_BOOKS
    assert f"{path}{place}:" in refused.value.detail


def test_good_books(tmp_path: Path) -> None:
    path = tmp_path / "books.csv"
    path.write_text("﻿till,order_id,amount,refund_id\n1,o1,3.33,\n1,o1,1.00,r1\n2,o2,-2,r9\n", encoding="utf-8")
    assert read_books(path) == [Sale("o1", "", 333), Sale("o1", "r1", -100), Sale("o2", "r9", -200)]


def test_addresses_in_rows_can_be_read() -> None:
    world = busy()
    rows = movements(world.receipts, me_of(world, "A"), FUND_TEXT)
    lines = [cells(row, date_of(row.time)) for row in rows]
    assert lines and all(decode_address(line[2]) for line in lines)
    assert all(len(line) == len(COLUMNS) for line in lines)


def test_what_time_booked_stands_once_in_the_statement() -> None:
    """An erratum's debt is told by its block alone; a shared loss by the state, whatever the history says."""
    debt = {"kind": "ObligationAdded", "window": 3, "value": 5_000, "debtor": "d", "creditor": "c"}
    loss = {**debt, "value": 7, "reason": "loss_share", "of_window": 2}
    told = {"time_ms": 9_000, "tx": NO_TRANSACTION, "height": 4, "events": [debt, loss]}
    rows = [row for me in ("d", "c") for row in movements([told], me, FUND_TEXT)]
    assert [(row.window, row.counterparty, row.net, row.tx, row.kind) for row in rows] == [
        (3, "c", -5_000, "", "obligation"), (3, "d", 5_000, "", "obligation"),
    ]  # fmt: skip


class Forgetful(Answers):
    """The first window has left the state, as a settled one does while a default keeps the one behind it."""

    def find(self, path: str, **query: Any) -> Any:
        return None if path == "/v1/windows/1" else super().find(path, **query)


@pytest.mark.parametrize("name", MERCHANTS)
def test_the_carry_of_a_window_that_is_forgotten_is_known(name: str) -> None:
    world = busy()
    me, period = me_of(world, name), period_of(world, 2)
    assert period.windows[0]["carry_in"][me], "else nothing is tried"
    statement = build_statement(Forgetful(world), me, period)  # type: ignore[arg-type]
    assert statement == build_statement(Answers(world), me, period)  # type: ignore[arg-type]
    assert statement["faults"] == []
