"""The search for the knee, on networks that are a formula."""

import pytest
from msgspec.structs import replace

from benchmarks.knee import RATE_LEAST, TRIES, Step, find, knee_of

P99 = 500.0


class Formula:
    """Keeps every rate up to `capacity`; its p99 passes the bound from `slow` on."""

    def __init__(self, capacity: float, slow: float = float("inf")) -> None:
        self.capacity, self.slow = capacity, slow

    def attempt(self, rate: float, seconds: float) -> Step:
        committed = rate if rate <= self.capacity else 0.9 * self.capacity
        p99 = 50.0 if rate < self.slow else 501.0
        return Step(rate, seconds, committed, 20.0, p99, 0, 0, 400.0, 0.1, 40.0, True)


def search(network: Formula, first: float = 1_000, most: float = 20_000, precision: float = 0.05) -> list[Step]:
    return find(network.attempt, first, most, precision, P99, 6.0)


@pytest.mark.parametrize("capacity", [11, 15.0, 130, 999, 1_000, 1_001, 3_217, 7_500, 19_999])
@pytest.mark.parametrize("first", [20.0, 1_000, 20_000])
def test_the_knee_is_bracketed(capacity: float, first: float) -> None:
    steps = search(Formula(capacity), first)
    knee = knee_of(steps, P99)
    assert knee <= capacity
    if knee:
        assert capacity < knee * 1.051, [step.rate for step in steps]
    else:
        assert capacity < 2 * RATE_LEAST
    assert len(steps) < 40


def test_the_latency_is_a_bound_too() -> None:
    steps = search(Formula(9_000, slow=2_000))
    assert 2_000 / 1.051 < knee_of(steps, P99) < 2_000


def test_a_network_that_keeps_everything_is_tried_to_the_end_and_no_further() -> None:
    steps = search(Formula(10**9), most=5_000)
    assert [step.rate for step in steps] == [1_000, 2_000, 4_000, 5_000]
    assert knee_of(steps, P99) == 5_000


def test_a_network_that_keeps_nothing_has_no_knee() -> None:
    steps = search(Formula(0))
    assert knee_of(steps, P99) == 0 and min(step.rate for step in steps) >= RATE_LEAST
    assert len(steps) == TRIES * len({step.rate for step in steps})


def test_one_disturbed_load_does_not_end_the_search() -> None:
    """Others use the machine during the first load of every rate: the knee is the one of a quiet machine."""
    network = Formula(4_300)
    tried: set[float] = set()

    def attempt(rate: float, seconds: float) -> Step:
        step = network.attempt(rate, seconds)
        disturbed = rate not in tried
        tried.add(rate)
        return replace(step, committed_per_s=step.committed_per_s / 2) if disturbed else step

    steps = find(attempt, 1_000, 20_000, 0.05, P99, 6.0)
    assert knee_of(steps, P99) == knee_of(search(network), P99) > 4_300 / 1.051


@pytest.mark.parametrize("change", [{"refused": 1}, {"unresolved": 1}, {"p99_ms": 500.1}, {"committed_per_s": 97.9}])
def test_what_is_not_kept(change: dict[str, float]) -> None:
    fields = {
        "rate": 100.0, "seconds": 6.0, "committed_per_s": 98.0, "p50_ms": 1.0, "p99_ms": 500.0, "refused": 0,
        "unresolved": 0, "nodes_us_per_transaction": 1.0, "generator_cores": 0.1, "verify_us": 40.0, "sound": True,
    }  # fmt: skip
    assert Step(**fields).is_kept(P99)  # type: ignore[arg-type]
    assert not Step(**{**fields, **change}).is_kept(P99)  # type: ignore[arg-type]
