"""A test network stops in the block that breaks an invariant, and nobody pays for that elsewhere."""

from msgspec.structs import replace

from chainnode.devnet_layout import node_config, place_on
from chainnode.failures import InvariantBroken
from chainnode.invariant_watch import PASS_MS_MAX, InvariantWatch
from points.keys import counters_key
from points.view import Memory
from tests.points.market import START, Market


class Clock:
    """Each pass takes `pass_ms`: the watch reads the clock before and after it."""

    def __init__(self, pass_ms: int) -> None:
        self.now, self.pass_ms = 0, pass_ms

    def __call__(self) -> int:
        self.now += self.pass_ms
        return self.now


class Watched:
    """A watch with what it tells."""

    def __init__(self, every: int, pass_ms: int = 0) -> None:
        self.failures: list[Exception] = []
        self.passes = 0
        self.executed = InvariantWatch(every, Clock(pass_ms), self.failures.append, self._checked).executed

    def _checked(self) -> None:
        self.passes += 1


def broken() -> Memory:
    market = Market()
    market.issue("hA", 100)
    key = counters_key("hA")
    market.view.apply({key: replace(market.view.get(key), issued=101)})
    return market.view


def test_a_sound_state_goes_on_and_a_broken_one_names_the_block_and_the_rule() -> None:
    watch = Watched(1)
    watch.executed(7, Market().view, START, True)
    assert (watch.passes, watch.failures) == (1, [])
    watch.executed(8, broken(), START, True)
    assert isinstance(watch.failures[0], InvariantBroken)
    assert str(watch.failures[0]).startswith("after block 8: INV-1: hA: 101 units came in, 100 are outstanding")


def test_a_production_node_never_looks() -> None:
    watch = Watched(0)
    for height in range(1, 50):
        watch.executed(height, broken(), START, True)
    assert (watch.passes, watch.failures) == (0, [])


def test_only_blocks_that_changed_something_count() -> None:
    watch = Watched(3)
    view = Market().view
    for height, changed in enumerate((True, False, False, True, False, True, True), 1):
        watch.executed(height, view, START, changed)
        assert watch.passes == (height >= 6)


def test_a_slow_pass_is_made_more_rarely_and_one_that_holds_up_votes_is_the_last() -> None:
    view = Market().view
    watch = Watched(1, pass_ms=40)
    for height in range(1, 21):
        watch.executed(height, view, START, True)
    assert 1 < watch.passes < 6
    watch = Watched(1, pass_ms=PASS_MS_MAX + 1)
    for height in range(1, 100):
        watch.executed(height, view, START, True)
    assert watch.passes == 1


def test_a_plain_devnet_does_not_check_and_a_checked_one_does() -> None:
    places = place_on(list(range(7_000, 7_016)))
    assert node_config(places[0], places).check_invariants_blocks == 0
    assert node_config(places[0], places, checked=True).check_invariants_blocks == 1
