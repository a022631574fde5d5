"""Every run that once broke a rule is played again for ever; no plan is ever removed from tests/regressions."""

from pathlib import Path

import pytest

from simulation.plan import load_plan
from simulation.run import run_plan

REGRESSIONS = sorted((Path(__file__).resolve().parents[1] / "regressions").glob("*.json"))


def test_there_are_plans() -> None:
    assert REGRESSIONS, "the other test would pass for nothing"


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_regression(path: Path) -> None:
    run_plan(load_plan(path))
