"""Twins (arXiv 2004.10617): correct code run twice under one key, the network cut anew in every round."""

from itertools import islice

import pytest

from simulation.twins import Scenario, Twins, drawn, enumerated, play

STRIDE, CHUNKS = 29, 4  # of the 6912 scenarios of two rounds; `make sim-strategies` plays them all


@pytest.mark.pitfall(9, 45)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_enumerated(chunk: int) -> None:
    """n = 4: a sample of all partitions, rounds and leaders that goes through the whole space."""
    failures = [failure for scenario in islice(enumerated(2), chunk * 7, None, STRIDE) if (failure := play(scenario))]
    assert failures == []


@pytest.mark.parametrize("nodes", [4, 7])
def test_drawn(nodes: int) -> None:
    """Longer ones, with two twins in seven members as well."""
    assert [failure for scenario in drawn(nodes, 60) if (failure := play(scenario))] == []


def test_twins_do_equivocate() -> None:
    """The generator bites: in most scenarios an honest member can prove that a twin signed twice."""
    proven = 0
    for scenario in drawn(4, 30):
        twins = Twins(scenario)
        twins.play()
        assert twins.checkers.evidence_against <= {0}
        proven += bool(twins.checkers.evidence_against)
    assert proven > 15


def test_the_enumeration_has_no_gap() -> None:
    """Three leaders in turn, each one of three, and sixteen partitions in each of two rounds; none comes twice."""
    scenarios = list(enumerated(2))
    assert len(scenarios) == len(set(scenarios)) == 3**3 * 16**2
    assert Scenario(4, 1, (0, 1, 2, 3), (0, 15)) in scenarios
