"""What an auditor takes away from a node whose reads are scoped, and that others get no part in place of the whole."""

import csv
from pathlib import Path

from tests.chainnode.solo import text
from tests.cli.test_scoped_reads import ME, Desk, desk, encode_address

__all__ = ["desk"]  # the fixture


def test_an_auditor_gets_everything_and_a_tourist_itself(desk: Desk, tmp_path: Path) -> None:
    code, plain = desk.act("audit", "history", text("u"), "--as", "office")
    assert (code, plain["faults"]) == (0, [])
    assert sum(row["units"] for row in plain["rows"]) == 9_700
    code, plain = desk.act("audit", "supply", "--recompute", "--as", "office")
    assert (code, plain["faults"], plain["classes"]["hA"]["redeemed"]) == (0, [], 300)
    code, plain = desk.act("audit", "export", "--to", "books", "--as", "office")
    assert (code, plain["faults"]) == (0, [])
    with (tmp_path / "books/balances.csv").open(encoding="utf-8", newline="") as file:
        assert {row["account"]: row["available"] for row in csv.DictReader(file)} == {
            encode_address(ME.address): "500", text("u"): "9700",
        }  # fmt: skip
    code, plain = desk.act("audit", "bundle", "make", "--account", text("u"), "--to", "u.hnbundle", "--as", "office")
    assert (code, plain["receipts"]) == (0, 2)
    code, plain = desk.act("audit", "history", "me", "--as", "me")
    assert (code, plain["faults"], plain["classes"]["hA"]["closing"]) == (0, [], 500)


def test_nobody_else_gets_a_part_that_looks_like_the_whole(desk: Desk, tmp_path: Path) -> None:
    for arguments in (
        ("audit", "export", "--to", "books", "--as", "me"), ("audit", "supply", "--recompute", "--as", "me"),
        ("audit", "history", text("u"), "--as", "me"),
        ("audit", "bundle", "make", "--account", text("u"), "--to", "u.hnbundle", "--as", "me"),
    ):  # fmt: skip
        code, plain = desk.act(*arguments)
        assert (code, plain["name"]) == (1, "READ_DENIED"), arguments
    assert not (tmp_path / "u.hnbundle").exists()
    assert not list((tmp_path / "books").iterdir()), "what did not end leaves nothing"
    assert desk.act("audit", "export", "--to", "books", "--as", "office")[0] == 0
