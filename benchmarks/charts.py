"""Charts as inline SVG: no script, no font, no file beside the page. Colours and sizes of text come from its styles."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from benchmarks.scoreboard import number

WIDTH: Final = 640
LINE: Final = 26  # height of a bar with its label
LABEL: Final = 250  # left of bars
PLOT: Final = (64, 34, 616, 236)  # left, top, right, bottom of a plane
HEIGHT: Final = 268


class Series(NamedTuple):
    """One line of a plane: a value for each place on the x axis, None where there is none."""

    name: str
    values: Sequence[float | None]


def bars(rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Horizontal bars from zero: label, length, what stands at the end of the bar."""
    longest = max((value for _, value, _ in rows), default=0.0) or 1.0
    room = WIDTH - LABEL - 130
    parts = []
    for place, (label, value, text) in enumerate(rows):
        top = place * LINE
        size = max(1.0, room * value / longest)
        parts.append(
            f'<text class="label" x="{LABEL - 10}" y="{top + 17}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="c0" x="{LABEL}" y="{top + 4}" width="{size:.1f}" height="{LINE - 8}" rx="3"/>'
            f'<text x="{LABEL + size + 8:.1f}" y="{top + 17}">{escape(text)}</text>'
        )
    return _svg(len(rows) * LINE + 4, parts, ", ".join(f"{label}: {text}" for label, _, text in rows))


def plane(places: Sequence[str], series: Sequence[Series], unit: str, logarithmic: bool = False) -> Markup:
    """Lines over named places, which stand at equal distances; the y axis begins at zero, or counts in powers."""
    left, top, right, bottom = PLOT
    known = [value for line in series for value in line.values if value is not None and (value > 0 or not logarithmic)]
    ticks = _powers(known) if logarithmic else _steps(max(known, default=1.0))

    def x(place: int) -> float:
        return left + (right - left) * (place + 0.5) / max(len(places), 1)

    def y(value: float) -> float:
        low, high = (math.log(ticks[0]), math.log(ticks[-1])) if logarithmic else (ticks[0], ticks[-1])
        at = math.log(max(value, ticks[0])) if logarithmic else value
        return bottom - (bottom - top) * (at - low) / ((high - low) or 1.0)

    parts = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text class="label" x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        for tick in ticks
    ]
    parts.append(f'<text class="label" x="4" y="14">{escape(unit)}</text>')
    every = math.ceil(len(places) / 10)
    parts += [
        f'<text class="label" x="{x(place):.1f}" y="{bottom + 20}" text-anchor="middle">{escape(name)}</text>'
        for place, name in enumerate(places) if place % every == 0
    ]  # fmt: skip
    said = []
    for index, line in enumerate(series):
        points = [(x(i), y(value), value) for i, value in enumerate(line.values) if value is not None]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _ in points)
        parts.append(f'<polyline class="s{index % 5}" points="{path}"/>')
        if len(points) <= 16:
            parts += [
                f'<circle class="c{index % 5}" cx="{a:.1f}" cy="{b:.1f}" r="3.5"><title>{escape(line.name)}: '
                f"{number(value)} {escape(unit)}</title></circle>"
                for a, b, value in points
            ]
        said.append(f"{line.name}: " + ", ".join(number(value) for _, _, value in points[:40]))
    return _svg(HEIGHT, parts, f"{unit}; {'; '.join(said)}") + _legend([line.name for line in series])


def gauge(least: float, middle: float, most: float, gate: float, goal: float, more: bool) -> Markup:
    """Where a value stands between gate and goal, on a scale of powers: the span of all runs, the median as a dot."""
    floor = max(min(v for v in (gate, goal, middle, 1e9) if v > 0) / 3, 1e-9)
    ends = math.log(floor), math.log(max(gate, goal, most, floor) * 1.6)

    def x(value: float) -> float:
        return 6 + 148 * (math.log(max(value, floor)) - ends[0]) / ((ends[1] - ends[0]) or 1.0)

    reached = middle >= gate if more else middle <= gate
    parts = [
        '<line class="grid" x1="6" x2="154" y1="11" y2="11"/>',
        *(f'<line class="{name}" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="3" y2="19"/>'
          for v, name in ((gate, "gate"), (goal, "goal"))),
        f'<line class="span" x1="{x(least):.1f}" x2="{x(most):.1f}" y1="11" y2="11"/>',
        f'<circle class="{"good" if reached else "bad"}" cx="{x(middle):.1f}" cy="11" r="5"/>',
    ]  # fmt: skip
    return Markup(f'<svg class="gauge" viewBox="0 0 160 22" aria-hidden="true">{"".join(parts)}</svg>')  # noqa: S704


def _svg(height: float, parts: Sequence[str], said: str) -> Markup:
    """All texts in `parts` are escaped where they are made."""
    return Markup(  # noqa: S704
        f'<div class="scroll"><svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg></div>"
    )


def _legend(names: Sequence[str]) -> Markup:
    items = "".join(f'<span><i class="k{i % 5}"></i>{escape(name)}</span>' for i, name in enumerate(names))
    return Markup(f'<p class="legend">{items}</p>') if len(names) > 1 else Markup("")  # noqa: S704


def _steps(highest: float) -> list[float]:
    """From zero to above the highest value in 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(highest / 4)) if highest > 0 else 1.0
    step = next(size * power for size in (1, 2, 5, 10) if highest <= 5 * size * power)
    return [i * step for i in range(math.ceil(highest / step) + 1)]


def _powers(values: Sequence[float]) -> list[float]:
    """Powers of ten around positive values."""
    low = math.floor(math.log10(min(values, default=1.0)))
    high = math.ceil(math.log10(max(values, default=1.0)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]
