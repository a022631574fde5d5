"""The knee: the highest rate that a network keeps up with, found by loads at fixed rates, the open loop.

Rates double (or halve) until one is kept and a higher one is not; then the interval is halved geometrically until it is
narrow. On a machine that others use too, a load may fail for their sake: a rate is too high when it failed twice.
"""

import math
from collections.abc import Callable, Generator
from typing import Final

import msgspec

from benchmarks.machine import Hardware
from benchmarks.report import Result, Settings

FORMAT: Final = 1
KEPT_SHARE: Final = 0.98  # committed within the measured time, of what was offered
TRIES: Final = 2
RATE_LEAST: Final = 10.0  # below it no search goes on
IDLE_RATE: Final = 5.0

Attempt = Callable[[float, float], "Step"]  # rate, seconds


class Step(msgspec.Struct, frozen=True):
    """One load. Rates per second, milliseconds over all submitted; `verify_us`: libsodium's check beside it."""

    rate: float
    seconds: float
    committed_per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    unresolved: int
    nodes_us_per_transaction: float
    generator_cores: float
    verify_us: float
    sound: bool

    def is_kept(self, p99_ms: float) -> bool:
        """Whether the network kept up, within a bound of the latency."""
        kept = self.committed_per_s >= KEPT_SHARE * self.rate
        return kept and self.p99_ms <= p99_ms and not self.refused and not self.unresolved


class Knee(msgspec.Struct, frozen=True):
    """The result. `rate` 0: nothing was kept; `bounded`: the highest rate that was allowed was kept, so the knee may
    lie above. `half` at half of it, `idle` at IDLE_RATE; with raw histograms in `results` under the same names."""

    format: int
    settings: Settings
    hardware: Hardware
    p99_ms: float
    precision: float
    rate: float
    bounded: bool
    steps: list[Step]
    half: Step | None = None
    idle: Step | None = None
    results: dict[str, Result] = {}

    @property
    def is_sound(self) -> bool:
        """No load lost anything or left the nodes apart."""
        return all(step.sound for step in (*self.steps, *(one for one in (self.half, self.idle) if one)))


def step_of(result: Result) -> Step:
    """What the search looks at."""
    latency = result.latency["all"]
    return Step(
        result.settings.rate, result.settings.duration, result.committed_per_s, latency.p50, latency.p99,
        sum(result.refused.values()), result.endings["unresolved"], result.cost.nodes_us_per_transaction,
        result.cost.generator_cores, result.baseline.us, result.is_sound,
    )  # fmt: skip


def search(first: float, most: float, precision: float) -> Generator[float, bool, None]:
    """Rates to try, one after the other: send whether each was kept. Ends when the knee lies between two rates that
    differ by `precision` at most, or when `most` was kept or nothing was.

    Use it through `find`.
    """
    low, high, rate = 0.0, math.inf, min(first, most)
    while high / max(low, 1e-9) > 1 + precision and low < most and rate >= RATE_LEAST:
        kept = yield rate
        if kept:
            low = rate
        else:
            high = rate
        if high == math.inf:
            rate = min(2 * low, most)
        elif not low:
            rate = high / 2
        else:
            rate = math.sqrt(low * high)


def find(attempt: Attempt, first: float, most: float, precision: float, p99_ms: float, seconds: float) -> list[Step]:
    """Every load that the search asked for, in order; see `knee_of`."""
    steps: list[Step] = []
    rates = search(first, most, precision)
    rate = next(rates, None)
    while rate is not None:
        kept = False
        for _ in range(TRIES):
            steps.append(attempt(rate, seconds))
            kept = steps[-1].is_kept(p99_ms)
            if kept:
                break
        try:
            rate = rates.send(kept)
        except StopIteration:
            rate = None
    return steps


def knee_of(steps: list[Step], p99_ms: float) -> float:
    """The highest rate that was kept; 0 if none was."""
    return max((step.rate for step in steps if step.is_kept(p99_ms)), default=0.0)
