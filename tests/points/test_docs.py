"""The published page of rules names codes, kinds and events that exist, and every kind has its row."""

import re
from pathlib import Path
from typing import get_args

from points.state import LegState, MerchantStatus
from points.transition import RULES
from primitives.codes import Code
from primitives.kinds import AccountOpen, BatchOperations, ReserveAttest
from primitives.kinds_risk import RiskRule

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/en/points.md").read_text(encoding="utf-8")


def test_every_code_in_the_page_exists() -> None:
    words = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", PAGE))
    states = {*MerchantStatus.__members__, *LegState.__members__}
    unknown = words - {*Code.__members__, *states, *get_args(RiskRule)}
    assert not unknown, unknown


def test_every_kind_has_a_row() -> None:
    section = PAGE.split("## 3.")[1].split("## 4.")[0]
    heads = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    rows = {kind.strip() for head in heads for kind in head.split(",")}
    kinds = {kind.__struct_config__.tag for kind in (*RULES, AccountOpen, ReserveAttest, BatchOperations)}
    assert kinds <= rows, kinds - rows



def test_every_event_of_the_code_is_described() -> None:
    found = set()
    for path in (ROOT / "points").glob("*.py"):
        found |= set(re.findall(r'Event\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    described = set(re.findall(r"\b[A-Z][a-z]+[A-Za-z]*\b", PAGE.split("## 5.")[1]))
    assert found <= described, found - described
