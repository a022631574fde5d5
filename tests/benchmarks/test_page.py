"""The report: whole in both languages, safe from what results hold, and its charts draw what was measured."""

import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.charts import Series, bars, gauge, plane
from benchmarks.growth import Curve, Growth, Point
from benchmarks.latencies import encoded, histogram_of
from benchmarks.machine import Hardware
from benchmarks.page import Sources, html
from benchmarks.scoreboard import Board, Outcome, Row, Trace
from benchmarks.stages import table_of
from benchmarks.stages_run import Watched
from benchmarks.targets import FIGURES
from cli.language import Language

MACHINE = Hardware("Xeon <script>", 2, 4096, "Linux", "3.11", "abcdef", False)


def sources() -> Sources:
    histogram = encoded(histogram_of([0.01, 0.02, 0.5]))
    outcome = Outcome({"best": [5_100.0, 5_000.0, 4_000.0], "share": [0.2]}, [20.0], traces=[
        Trace("mixed, 2048 outstanding", 5_000.0, [4_000, 5_000], histogram)])  # fmt: skip
    late = Outcome({"idle_p50": [99.0]}, [20.0], notes=[("</script><b>", "备注")])
    board = Board(1, MACHINE, {"best": Row("c0ffee/lanes", False, 1, 1.0, outcome),
                               "idle": Row("c0ffee/lanes", True, 1, 1.0, late)})  # fmt: skip
    stages = Watched(table_of([({"rules": 3.0, "tree": 1.0}, 400)], 1_000, 2.0), 5_000.0, 512, 20.0)
    curve = Curve("c0ffee", [Point("4", 5_000, 90, 100, 20, True), Point("7", 3_000, 150, 120, 20, True)], False)
    return Sources(board, stages, Growth(1, {"validators": curve}))


def drawn(markup: str) -> ElementTree.Element:
    """The first SVG; raises if it is not well-formed."""
    found = re.search(r"<svg.*?</svg>", markup, re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found.group())  # noqa: S314  (our own)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_whole_and_alone(language: Language) -> None:
    page = html(sources(), language, "other.html")
    assert all((figure.english if language == "en" else figure.chinese) in page for figure in FIGURES)
    assert "Xeon &lt;script&gt;" in page and "Xeon <script>" not in page
    assert not re.search(r"(src|href)=\"?(https?:)?//", page), "nothing is fetched from elsewhere"
    assert page.count("<svg") >= 6 and "5,000" in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)  # noqa: S314  (our own)
    assert ("MISSES" if language == "en" else "未达标") in page
    assert ("未测" in page) == (language == "zh")


def test_the_raw_data_are_in_the_page_and_end_nothing() -> None:
    page = html(sources(), "en", "other.html")
    raw = re.search(r'<script type="application/json" id="results">(.*?)</script>', page, re.DOTALL)
    assert raw is not None
    assert msgspec.json.decode(raw.group(1), type=Board) == sources().board


def test_without_results_the_page_still_says_what_is_missing() -> None:
    page = html(Sources(Board(1, MACHINE, {})), "en", "other.html")
    assert page.count("not measured") >= len([figure for figure in FIGURES if figure.better != "neither"])


def test_bars_have_lengths_in_proportion() -> None:
    rects = drawn(bars([("a", 30.0, "30"), ("b & c", 10.0, "10"), ("d", 0.0, "0")])).findall(".//rect")
    widths = [float(rect.attrib["width"]) for rect in rects]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01) and widths[2] == 1


def test_lines_rise_where_values_do_and_leave_out_what_is_missing() -> None:
    root = drawn(plane(["1", "2", "3"], [Series("x", [1.0, None, 3.0]), Series("y", [0.0, 0.0, 0.0])], "ms"))
    one, other = (line.attrib["points"].split() for line in root.findall("polyline"))
    assert len(one) == 2 and len(other) == 3
    assert float(one[0].split(",")[1]) > float(one[1].split(",")[1]), "up is smaller"
    drawn(plane([], [], "ms"))
    drawn(plane(["p50"], [Series("x", [0.0])], "ms", logarithmic=True))


def test_a_gauge_shows_whether_the_gate_is_reached() -> None:
    assert 'class="good"' in gauge(4, 5, 6, 5, 15, more=True)
    assert 'class="bad"' in gauge(4, 4.9, 6, 5, 15, more=True)
    assert 'class="good"' in gauge(1, 3, 4, 3, 1, more=False)
    assert 'class="bad"' in gauge(0, 3.1, 4, 3, 1, more=False)


def test_the_template_is_in_the_package() -> None:
    assert (Path(__file__).resolve().parents[2] / "benchmarks" / "templates" / "report.html").is_file()
