"""The runner itself: what it refuses, what it fills in, how it compares, how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from chainnode.play import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, play_file
from chainnode.play_expect import Mismatch, mismatch
from chainnode.play_instant import open_instant
from chainnode.play_scenario import load_scenario
from primitives.codec import Malformed

START = 1_759_913_600
BASE: dict[str, Any] = {
    "identities": {"A": {"merchant": "HOTEL", "reserve": 400000}, "B": {"merchant": "TRANSPORT"}, "u": {"tourist": 2}},
    "classes": {"hA": {"issuer": "A", "uv": 10000, "validity_days": 365}},
}
GRANT: dict[str, Any] = {
    "class": "hA", "to": "u", "units": 100, "order_id": "o1", "reason": "EARN", "cash_value": 0,
}  # fmt: skip
ISSUE: dict[str, Any] = {"as": "A", "issue": GRANT}


def play(tmp_path: Path, steps: list[Any], **more: Any) -> tuple[int, list[Any]]:
    path = tmp_path / "made.json"
    path.write_text(json.dumps({**BASE, **more, "steps": steps}))
    lines: list[Any] = []
    return play_file(path, open_instant, lines.append), lines


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"step": []}, "$.step"),
        ({"params": {"fee": 1}}, "$.params.fee"),
        ({"params": {"fee_bps": -1}}, "$.params.fee_bps"),
        ({"identities": {"A": {"merchant": "BANK"}}}, "$.identities.A.merchant"),
        ({"identities": {"A": {"merchant": "HOTEL", "tourist": 2}}}, "$.identities.A"),
        ({"identities": {"A": {"merchant": "HOTEL", "cap": 2}}}, "$.identities.A.cap"),
        ({"identities": {"u": {"tourist": 3}}}, "$.identities.u.tourist"),
        ({"identities": {"FUND": {"tourist": 2}}}, "$.identities.FUND"),
        ({"steps": [{"as": "A", "isue": {}}]}, "$.steps[0]"),
        ({"steps": [{"as": "A", "issue": {}, "void": {}}]}, "$.steps[0]"),
        ({"steps": [{**ISSUE, "expects": "OK"}]}, "$.steps[0].expects"),
        ({"steps": [{**ISSUE, "count": 0}]}, "$.steps[0].count"),
        ({"steps": [{"query": "balance", "of": "u"}]}, "$.steps[0].query"),
        ({"steps": [{"query": "account"}]}, "$.steps[0].of"),
        ({"steps": [{"advance": -5}]}, "$.steps[0].advance"),
        ({"steps": [{"block": []}]}, "$.steps[0].block"),
        ({"steps": [{"check": "laws"}]}, "$.steps[0].check"),
    ],
)
def test_a_file_with_a_wrong_field_is_refused_with_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(Malformed) as refused:
        load_scenario("made", json.dumps({**BASE, "steps": [], **change}).encode())
    assert str(refused.value).startswith(path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"classes": {"hA": {"issuer": "Z", "uv": 1, "validity_days": 1}}}, "$.classes.hA.issuer"),
        ({"classes": {"hA": {"issuer": "A", "uv": 10001, "validity_days": 1}}}, "uv"),
        ({"classes": {"hA": {"issuer": "A", "validity_days": 1}}}, "$.classes.hA.uv"),
        ({"classes": {"hA": {"issuer": "A", "uv": 1, "validity_days": 1, "colour": 1}}}, "$.classes.hA.colour"),
    ],
)  # fmt: skip
def test_a_class_that_no_genesis_takes_ends_with_usage(
    tmp_path: Path, change: dict[str, Any], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(tmp_path, [], **change) == (EXIT_USAGE, [])
    assert named in capsys.readouterr().err


def test_the_first_failed_expectation_ends_the_run_with_both_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [ISSUE, {"query": "account", "of": "u", "expect": {"spendable": 99}}, ISSUE]
    code, lines = play(tmp_path, steps)
    assert code == EXIT_FAILED
    assert [line["step"] for line in lines] == [0, 1, 1]
    assert lines[-1] == {"step": 1, "failed": "$.steps[1].account.spendable", "expected": 99, "found": 100}
    assert "expected 99, found 100" in capsys.readouterr().err


def test_a_transaction_without_expect_must_be_ok(tmp_path: Path) -> None:
    code, lines = play(tmp_path, [{**ISSUE, "as": "B"}])
    assert (code, lines[-1]["found"]) == (EXIT_FAILED, "NOT_ISSUER")


def test_one_line_per_step_with_the_same_keys(tmp_path: Path) -> None:
    steps = [ISSUE, {"advance": 5}, {"query": "state_root"}, {"check": "invariants"}, {"block": [ISSUE, ISSUE]}]
    steps[4] = {"block": [{**ISSUE, "expect": "OK_DUPLICATE"}, {**ISSUE, "expect": "OK_DUPLICATE"}]}
    code, lines = play(tmp_path, steps)
    assert code == EXIT_DONE
    assert [set(line) for line in lines] == [{"step", "code", "height", "state_root", "result"}] * 5
    assert [line["code"] for line in lines] == ["OK", None, None, None, ["OK_DUPLICATE", "OK_DUPLICATE"]]
    assert [line["height"] for line in lines] == [1, 2, 2, 2, 3]
    assert lines[2]["result"] == lines[2]["state_root"]


def test_text_that_is_no_amount_never_reaches_a_block(tmp_path: Path) -> None:
    step = {"as": "A", "issue": {**GRANT, "units": "1e3"}, "expect": "BAD_AMOUNT"}
    code, lines = play(tmp_path, [step])
    assert (code, lines[0]["height"], lines[0]["result"]["height"]) == (EXIT_DONE, None, None)


def test_count_makes_one_block_with_numbered_orders(tmp_path: Path) -> None:
    steps = [{**ISSUE, "count": 3}, {"query": "order", "of": "A/o1-3", "expect": {"units": 100}}]
    code, lines = play(tmp_path, steps)
    assert (code, lines[0]["code"], lines[0]["height"], len(lines[0]["result"])) == (EXIT_DONE, "OK", 1, 3)


def test_steps_and_queries_do_not_move_time(tmp_path: Path) -> None:
    """A hold of 60 s taken after 30 steps of the same second is open at +59 and gone at +60."""
    hold = {"as": "u", "authorize": {"merchant": "B", "value": 5, "ttl": 60}, "save": "h"}
    steps = [{**ISSUE, "issue": {**GRANT, "order_id": f"o{i}"}} for i in range(30)]
    steps += [hold, {"at": START + 59}, {"query": "hold", "of": "$h", "expect": {"state": "OPEN"}}]
    steps += [{"at": START + 60}, {"query": "hold", "of": "$h", "expect": {"state": "EXPIRED"}}]
    assert play(tmp_path, steps)[0] == EXIT_DONE


def test_time_does_not_run_backwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(tmp_path, [ISSUE, {"at": START}])[0] == EXIT_USAGE
    assert "$.steps[1]" in capsys.readouterr().err


def test_time_has_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in ({"at": 253_402_300_800}, {"at": 2**64 - 1}, {"advance": 2**64 - 1}):
        assert play(tmp_path, [step])[0] == EXIT_USAGE
        assert "expected at most 253402300799" in capsys.readouterr().err


def test_an_unknown_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(tmp_path, [{"query": "hold", "of": "$nothing"}])[0] == EXIT_USAGE
    assert "nothing was saved as 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("of", ["A/o1", ["A", "o1"], {"merchant": "A", "order_id": "o1"}])
def test_an_order_is_named_in_three_ways(tmp_path: Path, of: Any) -> None:
    assert play(tmp_path, [ISSUE, {"query": "order", "of": of, "expect": {"units": 100, "to": "u"}}])[0] == EXIT_DONE


def test_a_further_key_signs_up_to_its_limit(tmp_path: Path) -> None:
    add = {"as": "A", "key_add": {"key": "A#2", "role": "issuer", "daily_limit": 150}}
    second = {"as": "A", "signers": ["A#2"], "issue": {**GRANT, "order_id": "o2", "units": 51}, "expect": "KEY_LIMIT"}
    steps = [{**ISSUE, "signers": ["A#2"], "expect": "BAD_SIGNATURE"}, add, {**ISSUE, "signers": ["A#2"]}, second]
    assert play(tmp_path, steps)[0] == EXIT_DONE


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    steps = [ISSUE, {"as": "u", "redeem": {"request": {"merchant": "B", "order_id": "b", "value": 30}}}]
    assert play(tmp_path, steps) == play(tmp_path, steps)


@pytest.mark.parametrize(
    ("expected", "found", "fault"),
    [
        ({"a": 0}, {}, None),
        ({"a": 1}, {}, Mismatch("$.a", 1, None)),
        ({"a": None}, {}, None),
        ({"a": "7"}, {"a": 7, "b": 8}, None),
        ({"a": 7}, {"a": "7"}, None),
        ({"a": {"b": 0}}, None, None),
        ({"a": True}, {"a": 1}, Mismatch("$.a", True, 1)),
        ({"hA": 5}, {"hA": {"spendable": 5, "held": 1}}, None),
        ([1, 2], [1, 2], None),
        ([1], [1, 2], Mismatch("$", [1], [1, 2])),
        ({"event": {"kind": "X"}}, {"events": [{"kind": "Y"}, {"kind": "X", "n": 1}]}, None),
        ({"event": {"kind": "Z"}}, {"events": []}, Mismatch("$.events", {"kind": "Z"}, [])),
        ("ab", "ab", None),
        ("ab", "cd", Mismatch("$", "ab", "cd")),
    ],
)
def test_expectations(expected: Any, found: Any, fault: Mismatch | None) -> None:
    assert mismatch(expected, found, "$") == fault
