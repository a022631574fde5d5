"""`audit export`: every form holds the same rows; sums follow from them by programs that know nothing of this one."""

import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.export_files import ExportFolder
from cli.export_tables import TABLES
from cli.verdicts import Refusal
from primitives.codes import Code
from primitives.kinds import Authorize, Refund
from tests.chainnode.solo import Town, call, text
from tests.cli.asking import Ask, asker
from tests.cli.lying_node import Door
from tests.points.market import ADDRESS, DAY


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Two issues, two payments, a refund and a hold that ends by itself."""
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.issue("o2", 500, "B"))
    town.run(town.redeem("b1", 100))
    town.run(town.redeem("c1", 301, "C"))
    town.run(town.sign("B", Refund("b1", "r1", 40)))
    town.run(town.sign("u", Authorize(ADDRESS["B"], 500, 60)))
    town.node.set_clock(town.node.now_ms() + DAY * 1000)
    town.run(town.redeem("b2", 99_999))  # refused
    for _ in range(3):
        town.node.flush()
    with Door(town).open() as opened:
        yield opened


@pytest.fixture
def ask(door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    door.lie, door.headers = None, {}
    act = asker(capsys, "--node", door.url)
    return lambda *arguments: act("audit", "export", *arguments)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_adds_up_to_the_state(ask: Ask, door: Door, tmp_path: Path) -> None:
    code, manifest, _ = ask("--to", "out")
    assert (code, manifest["faults"], set(manifest["files"])) == (0, [], {f"{name}.csv" for name in TABLES})
    for name, file in manifest["files"].items():
        raw = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == file["sha256"]
        assert len(rows(tmp_path / "out" / name)) == file["rows"]
    assert json.loads((tmp_path / "out/manifest.json").read_bytes()) == {k: v for k, v in manifest.items()
                                                                         if k != "folder"}  # fmt: skip
    sums: dict[tuple[str, str], int] = {}
    for row in rows(tmp_path / "out/movements.csv"):
        key = (row["account"], row["class"])
        sums[key] = sums.get(key, 0) + int(row["units"])
    told_balances = rows(tmp_path / "out/balances.csv")
    balances = {(r["account"], r["class"]): int(r["available"]) + int(r["held"]) for r in told_balances}
    assert {key: units for key, units in sums.items() if units} == balances
    told = call(door.town, "GET", f"/v1/accounts/{text('u')}")[1]["by_class"]
    assert {c: row["spendable"] + row["held"] for c, row in told.items()} == {
        c: units for (who, c), units in balances.items() if who == text("u")
    }
    supply = call(door.town, "GET", "/v1/supply")[1]
    for row in rows(tmp_path / "out/supply.csv"):
        assert {name: int(row[name]) for name in row if name != "class"} == {
            name: supply[row["class"]][name] for name in row if name != "class"
        }


def test_obligations_are_those_of_the_state(ask: Ask, door: Door, tmp_path: Path) -> None:
    assert ask("--to", "out")[0] == 0
    sums: dict[str, int] = {}
    for row in rows(tmp_path / "out/obligations.csv"):
        name = f"{row['debtor']}->{row['creditor']}"
        sums[name] = sums.get(name, 0) + int(row["value"])
    assert sums == call(door.town, "GET", "/v1/obligations")[1]


def test_json_lines_hold_the_same(ask: Ask, tmp_path: Path) -> None:
    assert ask("--to", "c")[0] == 0
    assert ask("--to", "j", "--format", "json")[0] == 0
    for name in TABLES:
        plain = [json.loads(line) for line in (tmp_path / f"j/{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        found = [{key: "" if cell is None else str(cell) for key, cell in row.items()} for row in plain]
        assert found == rows(tmp_path / f"c/{name}.csv")


def test_parquet_holds_the_same_with_exact_types(ask: Ask, tmp_path: Path) -> None:
    import duckdb

    assert ask("--to", "c")[0] == 0
    code, manifest, _ = ask("--to", "p", "--format", "parquet")
    assert code == 0
    assert {path.name for path in (tmp_path / "p").iterdir()} == {*manifest["files"], "manifest.json"}
    for name, columns in TABLES.items():
        found = duckdb.read_parquet(str(tmp_path / f"p/{name}.parquet"))
        assert list(zip(found.columns, map(str, found.types), strict=True)) == list(columns)
        cells = [tuple("" if cell is None else str(cell) for cell in row) for row in found.fetchall()]
        assert cells == [tuple(row.values()) for row in rows(tmp_path / f"c/{name}.csv")]


def test_the_largest_amounts_and_odd_texts_survive_parquet(tmp_path: Path) -> None:
    import duckdb

    most, odd = 2**64 - 1, 'a "quoted", comma\nand line'
    row = ("hn1x", 1, None, None, None, odd, "", "hA", None, -most, most, "", "")
    with ExportFolder(tmp_path / "o'p", "parquet", ["movements"]) as folder:
        folder.add({"movements": [row], "supply": [("left", "out")]})
        folder.finish({})
    [found] = duckdb.read_parquet(str(tmp_path / "o'p" / "movements.parquet")).fetchall()
    assert found == ("hn1x", 1, None, None, None, odd, None, "hA", None, -most, most, None, None)


def test_parquet_without_its_package_says_so(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    code, plain, said = ask("--to", "p", "--format", "parquet")
    assert (code, plain["code"], plain["name"]) == (2, "HN-9020", "EXPORT_MISSING")
    assert "hnchain[export]" in said and not (tmp_path / "p").exists()
    assert ask("--to", "c")[0] == 0, "CSV needs nothing"


def test_parts_of_the_chain(ask: Ask, tmp_path: Path) -> None:
    code, manifest, _ = ask("--to", "late", "--from", "3")
    assert code == 0 and "movements.csv" not in manifest["files"]
    assert [row["height"] for row in rows(tmp_path / "late/blocks.csv")][:2] == ["3", "4"]
    code, manifest, _ = ask("--to", "early", "--as-of", "2")
    assert (code, manifest["to"]) == (0, 2)
    assert {r["available"] for r in rows(tmp_path / "early/balances.csv")} == {"10000", "500"}
    assert ask("--to", "none", "--from", "999")[0] == 2


def test_a_folder_in_use_is_left_alone(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/x").write_text("mine")
    assert ask("--to", "used")[0] == 2
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["x"]
    with pytest.raises(Refusal) as refused, ExportFolder(tmp_path / "used", "csv", TABLES):
        pass
    assert refused.value.code == Code.USAGE


def test_a_feed_without_a_receipt_is_noticed(ask: Ask, door: Door, tmp_path: Path) -> None:
    """An export that ends with a fault ends with exit code 1, its manifest says so."""

    def hide(path: str, truth: Any) -> Any:
        if not path.startswith("/v1/events"):
            return truth
        return b"\n\n".join(m for m in truth.split(b"\n\n") if b'"order_id":"o1"' not in m)

    door.lie = hide
    code, manifest, _ = ask("--to", "out")
    assert code == 1 and manifest["faults"]


def test_a_block_left_out_is_no_feed(ask: Ask, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.event_stream.BREAKS_MAX", 2)

    def skip(path: str, truth: Any) -> Any:
        return truth.replace(b"id: 3.", b"id: 4.").replace(b'"height":3', b'"height":4') if "/events" in path else truth

    door.lie = skip
    code, plain, _ = ask("--to", "out")
    assert (code, plain["name"]) == (3, "NOT_READY") and "block 3" in plain["detail"]


def test_a_feed_that_shows_the_readers_own_only_is_refused(ask: Ask, door: Door) -> None:
    """A node with scoped reads says so; an export of a part would look like the whole."""
    door.headers = {"HN-Reads": "own"}
    code, plain, _ = ask("--to", "out")
    assert (code, plain["name"]) == (1, "READ_DENIED") and "--as" in plain["fix"]
