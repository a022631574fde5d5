"""Nothing is only promised: every kind, decision, refusal and line of the design stands in a scenario file.

What is missing is named. coverage.py reads the files; that they play as written is test_scenarios' matter.
"""

import re
from typing import Any, Final, get_args

import pytest

from points.state import MerchantStatus
from points.transition import RULES
from primitives import kinds
from primitives.kinds_governance import Payload
from tests.scenarios.coverage import FILES, ROOT, Covered, codes_in, covered, payload_checks, precedence

COVERED: Final[Covered] = covered()
ACTIONS: Final = tuple(str(of.__struct_config__.tag) for of in get_args(Payload))
# What no scenario can show, and why.
ELSEWHERE: Final = {
    ("validator_rekey", "BAD_VALIDATOR"): "a key that is none has signed nothing: admission says BAD_SIGNATURE first",
    ("offline_escrow", "MEMO_TOO_LONG"): "it is checked as authorize is, but has no memo",
    ("offline_escrow", "MEMO_CHARSET"): "it is checked as authorize is, but has no memo",
}
# Rows of the policy that are software (CORE, ADJ); the others are none (2.12, table 1).
POLICY: Final = {1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 20, 21, 22, 23}


def tags() -> list[str]:
    special = (kinds.AccountOpen, kinds.ReserveAttest, kinds.BatchOperations)
    return [str(of.__struct_config__.tag) for of in (*RULES, *special)]  # type: ignore[attr-defined]


def tables(language: str) -> list[list[list[str]]]:
    """The tables of the last section of a page, without their heads."""
    text = (ROOT / "docs" / language / "scenarios.md").read_text().rpartition("\n## ")[2]
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        found.append(rows[2:])
    return found


def files_of(cell: str) -> set[str]:
    """Stems of the files that a cell names by number."""
    numbers = re.findall(r"\b\d{2,3}\b", cell)
    stems = {path.stem for path in FILES if path.stem.split("-")[0] in numbers}
    unknown = [number for number in numbers if not any(stem.startswith(f"{number}-") for stem in stems)]
    assert not unknown, f"no such file: {unknown}"
    return stems


def named(cell: str) -> list[str]:
    return re.findall(r"`([a-zA-Z_]+)`", cell)


def test_every_kind_succeeds_in_a_scenario() -> None:
    assert [kind for kind in tags() if (kind, "OK") not in COVERED.codes] == []


def test_every_decision_is_carried_out_in_a_scenario() -> None:
    """Proposed with OK, and its proposal seen EXECUTED by a query."""
    assert [action for action in ACTIONS if (action, "OK") not in COVERED.actions] == []
    assert [action for action in ACTIONS if action not in COVERED.executed] == []


def test_every_kind_has_its_row_of_precedence() -> None:
    rows = precedence()
    assert [kind for kind in tags() if not any(kind in row for row in rows)] == []


def test_every_refusal_of_the_rows_of_precedence_is_met() -> None:
    missing = [
        (" or ".join(row), code)
        for row, codes in precedence().items()
        for code in codes
        if not any((kind, code) in COVERED.codes or (kind, code) in ELSEWHERE for kind in row)
    ]
    assert missing == []


def test_what_stands_elsewhere_is_still_promised() -> None:
    rows = precedence()
    for kind, code in ELSEWHERE:
        assert any(kind in row and code in codes for row, codes in rows.items()), f"{kind}: {code} is promised no more"
        assert (kind, code) not in COVERED.codes, f"{kind}: {code} is met after all"


def test_every_refusal_of_a_payload_is_met() -> None:
    """But TOO_MANY_CHANGES, which a payload meets only when it is carried out."""
    checks = payload_checks()
    missing = [
        (" or ".join(row), code)
        for row, codes in checks.items()
        if "validator_add" not in row
        for code in codes
        if not any((action, code) in COVERED.actions for action in row)
    ]
    assert missing == []
    assert {action for row in checks for action in row} == set(ACTIONS), "a decision has no row of its refusals"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_names_every_kind_and_decision_with_files_that_have_it(language: str) -> None:
    rows = tables(language)[0]
    listed = [kind for first, _ in rows for kind in named(first)]
    assert sorted(listed) == sorted({*tags(), *ACTIONS}), "a kind or decision is missing, or stands twice"
    for first, second in rows:
        stems = files_of(second)
        for kind in named(first):
            assert _succeeds(kind, stems), f"{kind} succeeds in none of {sorted(stems)}"


def _succeeds(kind: str, stems: set[str]) -> bool:
    return any(kind in _kinds_of(stem) for stem in stems)


def _kinds_of(stem: str) -> set[str]:
    one = covered([path for path in FILES if path.stem == stem])
    return {kind for kind, code in (*one.codes, *one.actions) if code == "OK"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_maps_the_policy_and_the_states_of_merchants(language: str) -> None:
    _, policy, states, _ = tables(language)
    assert {int(row[0]) for row in policy} == POLICY
    for row in policy:
        commands = re.findall(r"`make ([a-z-]+)`", row[2])
        assert files_of(row[2]) or commands, f"row {row[0]} is seen nowhere"
        for command in commands:
            assert f"\n{command}:" in (ROOT / "Makefile").read_text(), f"make {command} is no target"
    assert [named(row[0])[0] for row in states] == [
        status.name for status in MerchantStatus if status is not MerchantStatus.APPLIED
    ]
    for row in states:
        assert any(_mentions(stem, named(row[0])[0]) for stem in files_of(row[1])), f"{row[0]} is seen nowhere"


def _mentions(stem: str, status: str) -> bool:
    return f'"{status}"' in (ROOT / "scenarios" / f"{stem}.json").read_text()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_file_is_left_out(language: str) -> None:
    listed: set[str] = set()
    for rows in tables(language):
        for row in rows:
            listed |= files_of(row[-1])
    assert [path.stem for path in FILES if path.stem not in listed] == []


def test_both_pages_name_the_same_files() -> None:
    def last(language: str) -> list[Any]:
        return [[row[-1] for row in rows] for rows in tables(language)]

    assert last("en") == last("zh")


def test_the_reader_sees_what_is_missing() -> None:
    assert codes_in("MEMO_*, ACCOUNT_UNKNOWN (to), then KYC_REQUIRED; ALL, YES") == [
        "MEMO_TOO_LONG", "MEMO_CHARSET", "ACCOUNT_UNKNOWN", "KYC_REQUIRED",
    ]  # fmt: skip
    rows = precedence()
    assert len(rows) > 40 and "INSUFFICIENT" in rows["asset_swap",], "a reference to another row was not followed"
    assert ("issue", "DECODE") not in covered(FILES[:1]).codes
