"""`audit history` over real HTTP: as of a day, as of a height, against a node that leaves something out."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from cli.as_of import read_second
from cli.audit import splits
from cli.merchant_statement import date_of
from cli.network import network_file
from cli.verdicts import Refusal
from primitives.codes import Code
from primitives.genesis import genesis_text
from primitives.kinds import Authorize
from tests.chainnode.solo import Town, text
from tests.cli.asking import Ask, asker
from tests.cli.lying_node import Door
from tests.points.market import ADDRESS, DAY


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """u gets 10,000, pays 100, sets 500 aside for a minute; a day later it pays 30."""
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.redeem("b1", 100))
    town.run(town.sign("u", Authorize(ADDRESS["B"], 500, 60)))
    town.node.set_clock(town.node.now_ms() + DAY * 1000)
    town.run(town.redeem("b2", 30))
    for _ in range(3):
        town.node.flush()
    with Door(town).open() as opened:
        yield opened


@pytest.fixture
def ask(door: Door, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    door.lie = None
    return asker(capsys, "--node", door.url)


@pytest.mark.parametrize("trust", [(), ("--trust",)])
def test_every_movement_with_its_reason(ask: Ask, tmp_path: Path, trust: tuple[str, ...]) -> None:
    code, plain, _ = ask("audit", "history", text("u"), "--csv", "u.csv", *trust)
    assert (code, plain["faults"]) == (0, [])
    assert plain["classes"] == {"hA": {"opening": 0, "sum": 9_870, "closing": 9_870, "held": 0}}
    found = [(row["reason"], row["why"], row["units"], row["held"]) for row in plain["rows"]]
    assert found == [
        ("issued", "EARN", 10_000, 0), ("redeemed", "redeem", -100, 0), ("held", "", 0, 500),
        ("hold_expired", "", 0, -500), ("redeemed", "redeem", -30, 0),
    ]  # fmt: skip
    with (tmp_path / "u.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["units"] for row in read] == ["10000", "-100", "0", "0", "-30"]
    assert read[3]["tx"] == "" and read[1]["reference"] == "b1" and read[1]["counterparty"] == text("B")


def test_as_of_a_day_and_as_of_a_height(ask: Ask, door: Door) -> None:
    today = date_of(door.town.node.now_ms() // 1000)
    code, plain, _ = ask("audit", "history", text("u"), "--since", today)
    assert (code, plain["classes"]["hA"]["opening"], plain["classes"]["hA"]["sum"]) == (0, 9_900, -30)
    yesterday = date_of(door.town.node.now_ms() // 1000 - DAY)
    code, plain, _ = ask("audit", "history", text("u"), "--as-of", yesterday)
    assert (code, plain["classes"]["hA"]["closing"], len(plain["rows"])) == (0, 9_900, 4)
    code, plain, _ = ask("audit", "history", text("u"), "--as-of", "1")
    assert plain["classes"]["hA"] == {"opening": 0, "sum": 10_000, "closing": 10_000, "held": 0}
    code, plain, _ = ask("audit", "history", text("u"), "--as-of", "3")
    assert plain["classes"]["hA"]["held"] == 500


def test_moments_that_are_none(ask: Ask) -> None:
    assert ask("audit", "history", text("u"), "--as-of", "soon")[0] == 2
    assert ask("audit", "history", text("u"), "--as-of", "2026-01-01", "--since", "2026-01-02")[0] == 2
    assert ask("audit", "history", text("u"), "--as-of", "999999")[0] == 1
    with pytest.raises(Refusal) as refused:
        read_second("2026-02-30", last=True)
    assert refused.value.code == Code.USAGE
    assert read_second("1970-01-01", last=False) == -8 * 3600
    assert read_second("1970-01-01 08:00", last=False) == 0


def test_a_receipt_left_out_shows_against_the_state(ask: Ask, door: Door) -> None:
    """One node alone can hide a receipt; it cannot hide that the sum is wrong."""

    def hide(path: str, truth: Any) -> Any:
        if "/history" in path:
            truth["items"] = [i for i in truth["items"] if not any(e.get("order_id") == "b2" for e in i["events"])]
        return truth

    door.lie = hide
    code, plain, _ = ask("audit", "history", text("u"))
    assert (code, plain["faults"]) == (1, ["hA: movements give 9900 units, the state holds 9870"])
    code, shown, _ = ask("audit", "history", text("u"), form="text")
    assert code == 1 and "✗ hA" in shown


def test_an_account_without_points(ask: Ask) -> None:
    code, plain, said = ask("audit", "history", text("B"))
    assert (code, plain["rows"]) == (0, []) and "merchant statement" in said


def test_supply_as_of_a_day_and_held_against_the_state(ask: Ask, door: Door) -> None:
    head = door.town.node.chain.head.height
    code, plain, _ = ask("audit", "supply", "--recompute")
    assert (code, plain["faults"], plain["height"]) == (0, [], plain["checked_at"])
    assert plain["classes"]["hA"] == {
        "issued": 10_000, "exch_in": 0, "restored": 0, "redeemed": 130, "expired": 0, "burned": 0, "outstanding": 9_870,
    }  # fmt: skip
    assert plain["checked_at"] <= head
    yesterday = date_of(door.town.node.now_ms() // 1000 - DAY)
    code, plain, _ = ask("audit", "supply", "--as-of", yesterday)
    assert (code, plain["classes"]["hA"]["redeemed"], plain["height"]) == (0, 100, 3)
    code, plain, _ = ask("audit", "supply", "--as-of", "1", "--trust")
    assert (code, plain["classes"]["hA"]["outstanding"]) == (0, 10_000)
    code, plain, _ = ask("audit", "supply")
    assert plain["hA"]["redeemed"] == 130


def test_exposure_as_of_a_height(ask: Ask) -> None:
    code, plain, _ = ask("audit", "exposure", "--as-of", "2")
    [of_a] = [item for item in plain["items"] if item["merchant"] == text("A")]
    assert (code, of_a["classes"]["hA"], of_a["outstanding"], plain["faults"]) == (0, 9_900, 9_900, [])
    code, shown, _ = ask("audit", "exposure", "--as-of", "2", form="text")
    assert code == 0 and "¥99.00" in shown


def test_a_feed_that_leaves_a_receipt_out_does_not_give_the_state(ask: Ask, door: Door) -> None:
    def hide(path: str, truth: Any) -> Any:
        if not path.startswith("/v1/events"):
            return truth
        return b"\n\n".join(m for m in truth.split(b"\n\n") if b'"order_id":"b2"' not in m)

    door.lie = hide
    code, plain, _ = ask("audit", "supply", "--recompute")
    assert (code, plain["faults"]) == (1, ["hA: receipts give redeemed 100, the state says 130"])


def test_a_feed_that_breaks_off_is_no_answer(ask: Ask, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.event_stream.BREAKS_MAX", 2)
    door.lie = lambda path, truth: b"event: receipt\ndata: {}\n\n" if path.startswith("/v1/events") else truth
    assert ask("audit", "supply", "--recompute")[0] == 3


def test_a_genesis_of_another_chain_is_named(ask: Ask, tmp_path: Path, door: Door) -> None:
    """The network file says which chain it is; a genesis.json of another one beside it is no use."""
    other = replace(door.town.genesis, name="other")
    (tmp_path / "other.json").write_bytes(genesis_text(other))
    file = network_file(door.town.genesis, [door.url], {})
    (tmp_path / "network.json").write_bytes(msgspec.json.encode(file))
    code, plain, _ = ask("audit", "history", text("u"), "--genesis", "other.json", "--devnet", str(tmp_path))
    assert (code, plain["name"]) == (2, "WRONG_GENESIS")


def test_nodes_of_one_height_have_one_state() -> None:
    def told(height: int, root: str) -> dict[str, Any]:
        return {"height": height, "state_root": root, "violations": []}

    assert splits({"a": told(5, "x"), "b": told(6, "y"), "c": told(5, "x")}) == []
    [sentence] = splits({"a": told(5, "x"), "b": told(6, "y"), "c": told(5, "z")})
    assert "c" in sentence and "height 5" in sentence
