"""Each Byzantine strategy where it bites: no rule broken, everything of the honest decided, and its own demand met.

`make sim-strategies` plays each a hundred times and prints the table.
"""

import re

import pytest
from _pytest.mark import ParameterSet

from simulation.byzantine_trials import SIZES, idle, play_trial
from simulation.roles import Role
from simulation.strategies.catalogue import STRATEGIES
from simulation.strategy import Expect

SEEDS = 3  # one for each size of the network


def _case(role: Role) -> ParameterSet:
    """Marked with the pitfalls that the strategy names."""
    named = re.search(r"pitfalls? ([\d, ]+)", STRATEGIES[role].attacks)
    numbers = [int(number) for number in re.findall(r"\d+", named[1])] if named else []
    return pytest.param(role, marks=[pytest.mark.pitfall(*numbers)] if numbers else [])


@pytest.mark.parametrize("role", [_case(role) for role in Role])
def test_strategy(role: Role) -> None:
    """Expectations stand beside the strategy; a strategy that never acted proves nothing."""
    trials = [play_trial((role, SIZES[seed % len(SIZES)], seed)) for seed in range(SEEDS)]
    assert [trial.failure for trial in trials if trial.failure] == []
    assert idle(trials) == []


def test_the_catalogue_is_complete() -> None:
    """Every role has a strategy that says what it attacks; some of each expectation exist."""
    assert set(STRATEGIES) == set(Role)
    assert all(strategy.attacks for strategy in STRATEGIES.values())
    assert {expected for strategy in STRATEGIES.values() for expected in strategy.expects} == set(Expect)
    assert len(Role) >= 25
