"""Latency histograms: HdrHistogram, in microseconds, three significant digits, kept raw in the result file."""

from collections.abc import Iterable
from typing import Final

import msgspec
from hdrh.histogram import HdrHistogram

HIGHEST_US: Final = 3_600_000_000  # an hour; longer ones count as an hour
DIGITS: Final = 3


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds. Of no value at all: count 0 and zeros."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


def histogram_of(seconds: Iterable[float]) -> HdrHistogram:
    """All of these durations; a negative one (a clock that stepped) counts as the smallest."""
    histogram = HdrHistogram(1, HIGHEST_US, DIGITS)
    for duration in seconds:
        histogram.record_value(min(max(round(duration * 1e6), 1), HIGHEST_US))
    return histogram


def merged(histograms: Iterable[HdrHistogram]) -> HdrHistogram:
    """One histogram of all values."""
    together = HdrHistogram(1, HIGHEST_US, DIGITS)
    for histogram in histograms:
        together.add(histogram)
    return together


def percentiles(histogram: HdrHistogram) -> Percentiles:
    """What people ask of a histogram."""
    count: int = histogram.get_total_count()
    if not count:
        return Percentiles(0, 0.0, 0.0, 0.0, 0.0)
    p50, p95, p99 = (histogram.get_value_at_percentile(p) / 1000 for p in (50, 95, 99))
    return Percentiles(count, p50, p95, p99, histogram.get_max_value() / 1000)


def encoded(histogram: HdrHistogram) -> str:
    """The histogram's own compressed text form, which every HdrHistogram tool reads."""
    text: bytes = histogram.encode()
    return text.decode("ascii")


def decoded(text: str) -> HdrHistogram:
    """What `encoded` wrote."""
    return HdrHistogram.decode(text.encode("ascii"))
