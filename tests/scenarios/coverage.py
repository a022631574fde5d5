"""What the scenario files cover, read from them: which kind ends with which code, and which decisions are carried out.

What a file expects, it gets: test_scenarios plays all of them. So nothing needs to be played here.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chainnode.play_scenario import KINDS
from primitives.codes import Code

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = sorted((ROOT / "scenarios").glob("*.json"))
POINTS_PAGE: Final = ROOT / "docs" / "en" / "points.md"
CODES: Final = frozenset(code.name for code in Code)
_WORD: Final = re.compile(r"MEMO_\*|\b[A-Z0-9]+(?:_[A-Z0-9]+)*\b")
_MEMO: Final = ("MEMO_TOO_LONG", "MEMO_CHARSET")


@dataclass(slots=True)
class Covered:
    """Pairs of kind and code, of action and code, and the actions that a scenario sees EXECUTED; with a file each."""

    codes: dict[tuple[str, str], str] = field(default_factory=dict)
    actions: dict[tuple[str, str], str] = field(default_factory=dict)
    executed: dict[str, str] = field(default_factory=dict)


def covered(files: Sequence[Path] = FILES) -> Covered:
    """By these files."""
    found = Covered()
    for path in files:
        plain = json.loads(path.read_text())
        proposals: dict[str, str] = {}
        for step in _flat(plain["steps"]):
            _take(found, path.stem, step, proposals)
    return found


def _flat(steps: list[Any]) -> Iterator[Any]:
    for step in steps:
        if "block" in step:
            yield from step["block"]
        else:
            yield step


def _take(found: Covered, name: str, step: Any, proposals: dict[str, str]) -> None:
    expect = step.get("expect", "OK")
    if step.get("query") == "proposal" and isinstance(expect, dict) and expect.get("state") == "EXECUTED":
        found.executed.setdefault(proposals.get(step["of"], ""), name)
    kind, body = _transaction(step)
    if not kind:
        return
    code, operation = expect, None
    if isinstance(expect, dict):
        code, operation = expect.get("code", "OK"), expect.get("operation")
    if isinstance(code, int):
        code = Code(code).name
    found.codes.setdefault((kind, code), name)
    if kind == "gov_propose" and isinstance(body, dict):
        action = str(body.get("action"))
        found.actions.setdefault((action, code), name)
        if code == "OK":
            proposals[str(body.get("proposal"))] = action
    if kind == "batch" and isinstance(body, dict):
        _take_operations(found, name, body.get("operations", []), code, operation)


def _take_operations(found: Covered, name: str, operations: list[Any], code: str, operation: int | None) -> None:
    for number, item in enumerate(operations):
        inner = item["kind"] if "kind" in item else next(iter(item))
        if code == "OK":
            found.codes.setdefault((inner, "OK"), name)
        elif number == operation and code != "BAD_BATCH":
            found.codes.setdefault((inner, code), name)


def _transaction(step: Any) -> tuple[str, Any]:
    if "raw" in step:
        raw = step["raw"]
        return (str(raw.get("kind", "")), raw.get("body")) if isinstance(raw, dict) else ("", None)
    kinds = [key for key in step if key in KINDS]
    return (kinds[0], step[kinds[0]]) if kinds else ("", None)


# ---- what the pages promise


def codes_in(text: str) -> list[str]:
    """Names of codes in the order of a row; MEMO_* stands for two."""
    names: list[str] = []
    for word in _WORD.findall(text):
        names += _MEMO if word == "MEMO_*" else [word] if word in CODES else []
    return names


def precedence() -> dict[tuple[str, ...], list[str]]:
    """Kinds of a row of section 3 of the English page -> the codes of the row, references to other rows followed."""
    section = POINTS_PAGE.read_text().split("\n## 3. ")[1].split("\n## 4. ")[0]
    rows: dict[tuple[str, ...], list[str]] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        kinds = tuple(cells[0].removesuffix(" from an offline escrow").split(", "))
        if len(cells) != 2 or not set(kinds) <= KINDS:
            continue
        rows.setdefault(kinds, []).extend(_followed(cells[1], rows))
    return {kinds: list(dict.fromkeys(codes)) for kinds, codes in rows.items()}


def _followed(text: str, rows: dict[tuple[str, ...], list[str]]) -> list[str]:
    """The codes of a row, with those that "as redeem from KYC_REQUIRED on" and the like refer to."""
    names = codes_in(text)
    for kind, first in re.findall(r"\bas (?:the )?([a-z_]+)(?: from ([A-Z_]+) on)?", text):
        other = rows.get((kind,), [])
        names += other[other.index(first) :] if first in other else [] if first else other
    return names


def payload_checks() -> dict[tuple[str, ...], list[str]]:
    """Actions -> the codes that section 4 names for their payloads, by sentence "ACTION, ACTION: codes." or by row."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in POINTS_PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] in ("A payload's checks", "A sandbox's decisions"):
            for sentence in re.split(r"(?<=[.;]) ", cells[1]):
                head, colon, rest = sentence.partition(":")
                if colon:
                    found[_actions(head)] = codes_in(rest)
        elif cells[0] == "Payload of an erratum":
            found["errata",] = codes_in(cells[1])
        elif cells[0].startswith("Payload of "):
            found[_actions(cells[0])] = codes_in(cells[1])
    return found


def _actions(text: str) -> tuple[str, ...]:
    return tuple(name for name in re.findall(r"[a-z_]+", text) if "_" in name or name == "admit")
