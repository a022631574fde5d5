"""No schedule forks: random walks of an adversary that owns the network and one validator (S0 to S9)."""

import pytest

from tests.consensus.adversary import Adversary

WALKS = 40


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("chunk", range(4))
def test_no_walk_forks(chunk: int, size: int) -> None:
    """The bench compares every decision with every other and every signature with every earlier one of its slot."""
    for seed in range(chunk * WALKS, (chunk + 1) * WALKS):
        Adversary(size, seed).walk(250)
