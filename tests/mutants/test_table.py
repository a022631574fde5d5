"""The tables fit the tree: a planted bug that does not apply proves nothing."""

from pathlib import Path

import pytest

from tests.mutants.page import PAGES, cell, listed_names
from tests.mutants.table import Mutant, load_mutants

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MUTANTS = load_mutants(HERE)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_row_applies(mutant: Mutant) -> None:
    """Its old text stands once, the new one differs, and its test files exist."""
    text = (ROOT / mutant.file).read_text()
    assert mutant.applied_to(text) != text
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file()
        assert f"def {name.partition('[')[0]}(" in (ROOT / path).read_text() or not name


def test_every_rule_of_the_protocol_has_a_planted_bug() -> None:
    """Whoever removes a rule turns a test red."""
    rules = {f"S{i}" for i in range(13)} | {f"L{i}" for i in range(1, 9)} | {f"C{i}" for i in range(1, 18)}
    assert rules - {mutant.rule for mutant in MUTANTS} == set()


def test_the_page_lists_exactly_these_rows() -> None:
    """`python -m tests.mutants.run --page` renews it."""
    assert listed_names() == [cell(mutant.name) for mutant in MUTANTS]
    for page in PAGES[1:]:
        table = [path.read_text(encoding="utf-8").partition("\n|---|")[2] for path in (PAGES[0], page)]
        assert table[0] == table[1]


def test_there_are_enough() -> None:
    """The floor that the project set itself."""
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
