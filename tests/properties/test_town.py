"""A town lives: all kinds, all offices, jumps of time; every step is judged (town_laws), the whole is replayed.

The short profile runs with every test; `make properties` runs a hundred thousand operations (town_run.py).
"""

from collections import Counter
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.properties import town_life, town_walk
from tests.properties.town import Town

numbers = st.integers(0, 2**48)


class Life(RuleBasedStateMachine):
    """Each rule draws a number; what it means is in town_life. The counts are of all examples together."""

    operations = 0
    reached: ClassVar[Counter[tuple[str, str]]] = Counter()

    @initialize(seed=numbers, gifts=st.lists(numbers, min_size=2, max_size=6))
    def begin(self, seed: int, gifts: list[int]) -> None:
        self.town = Town(seed)
        self.end = seed
        for number in gifts:
            town_life.step(self.town, number, "issue")

    @rule(number=numbers, kind=st.sampled_from(town_life.EVERYDAY))
    def everyday(self, number: int, kind: str) -> None:
        town_life.step(self.town, number, kind)

    @rule(number=numbers, kind=st.sampled_from(town_life.KINDS))
    def anything(self, number: int, kind: str) -> None:
        town_life.step(self.town, number, kind)

    @rule(number=numbers)
    def again(self, number: int) -> None:
        town_life.again(self.town, number)

    @rule(number=numbers)
    def crowd(self, number: int) -> None:
        town_life.crowd(self.town, number)

    @rule(number=numbers)
    def wait(self, number: int) -> None:
        town_life.wait(self.town, number)

    @rule(number=numbers, action=st.sampled_from(town_life.ACTIONS))
    def decide(self, number: int, action: str) -> None:
        town_life.decide(self.town, number, action)

    @rule(number=numbers)
    def recover(self, number: int) -> None:
        town_life.recover(self.town, number)

    @rule(number=numbers)
    def settle(self, number: int) -> None:
        town_life.settle(self.town, number)

    def teardown(self) -> None:
        if not hasattr(self, "town"):
            return
        if self.end % 5 == 0:
            town_life.sunset(self.town, self.end)
        self.town.replay()
        Life.operations += self.town.operations
        Life.reached.update(self.town.reached)


@pytest.mark.parametrize("seed", range(48))
def test_a_walk_of_a_town(seed: int) -> None:
    """Longer than what hypothesis tries, and not shrunk: a planted bug turns it red at once."""
    town_walk.play(seed, town_walk.plan(seed, 220))


TestTown = Life.TestCase
TestTown.settings = settings(
    max_examples=60, stateful_step_count=50, derandomize=True, deadline=None, database=None,
    phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
)  # fmt: skip
