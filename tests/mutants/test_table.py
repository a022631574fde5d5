"""The tables fit the tree: a planted bug that does not apply proves nothing."""

from pathlib import Path

import pytest

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


def test_there_are_enough() -> None:
    """The floor that the project set itself."""
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
