"""The simulated year and the midnight, small: what they measure is there, and they would notice if it were not."""

from functools import cache
from pathlib import Path

from msgspec.structs import replace

from benchmarks import midnight, year_report
from benchmarks.year import LEAVES, simulate
from benchmarks.year_report import RESTING, Leaving, Year
from chainnode.ledger_audit import SortedState
from points.invariants import violations
from points.state import RECORDS
from points.transition import RULES

TRANSACTIONS = 4_000


@cache
def small_year() -> tuple[Year, tuple[str, ...]]:
    """One for all tests, with what it told meanwhile."""
    lines: list[str] = []
    return simulate(TRANSACTIONS, 1, lines.append), tuple(lines)


def test_a_year_is_sound_and_everything_leaves() -> None:
    year, lines = small_year()
    assert year.faults == []
    assert [month.number for month in year.months] == [*range(1, 13), 0]
    assert len(lines) == 13
    assert year.transactions >= TRANSACTIONS
    assert year.codes["OK"] > 0.8 * year.transactions
    most = {row.first: row.most for row in year.leaving}
    assert most["O"] > 500 and most["H"] > 10 and most["W"] > 150 and most["b"] > 0  # there was something to leave
    rest = year.months[-1].state
    assert rest["A"] == year.months[11].state["A"], "accounts stay"
    assert "1" in year_report.text_of(year)


def test_orders_are_level_once_they_leave_as_fast_as_they_come() -> None:
    year, _ = small_year()
    orders = [month.state["O"].records for month in year.months[:12]]
    assert orders[5] > 5 * orders[0]
    assert max(orders[7:]) < 1.15 * orders[6]


def test_a_record_that_stays_is_a_fault() -> None:
    year, _ = small_year()
    stayed = replace(year, leaving=(Leaving("H", "holds", 9, 1),))
    assert stayed.faults == ["1 holds have not left"]
    assert set(RESTING) < set(LEAVES) < set(RECORDS)


def test_the_same_seed_gives_the_same_year() -> None:
    first, second = small_year()[0], simulate(TRANSACTIONS, 1)
    assert first.codes == second.codes
    assert [month.state for month in first.months] == [month.state for month in second.months]


def test_most_kinds_take_part() -> None:
    """Not those of validators, who have no place in a year without a network."""
    year, _ = small_year()
    assert len(year.kinds) > 0.5 * len(RULES)


def test_the_midnight_closes_every_bucket_and_the_second_before_none(tmp_path: Path) -> None:
    found = midnight.measure(60, 2)
    assert (found.buckets, found.expired) == (40, 60 * midnight.LOTS * midnight.UNITS)
    assert found.ratio > 0
    assert "40" in midnight.text_of(found)
    state = SortedState()
    state.apply(midnight.state(60))
    assert violations(state, midnight.MIDNIGHT - 1) == []
    midnight.build(tmp_path / "state", 3)
    assert midnight._once(tmp_path / "state", midnight.MIDNIGHT - 1, midnight.START)[1] == (0, 0)


def test_a_slow_midnight_is_said() -> None:
    found = midnight.measure(3, 1)
    slow = replace(found, midnight_ms=midnight.Spread(1.0, 5.0, 9.0))
    assert not slow.is_fast
    assert "NOT below" in midnight.text_of(slow) or "不低于" in midnight.text_of(slow)
