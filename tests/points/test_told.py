"""What blocks did by themselves is told for a week; what they did to an account's points, as long as its erratum."""

from points import queries
from points.errata import ERRATA_DAYS
from points.keys import told_key
from points.told import TOLD_SECONDS, events_of
from points.view import View
from tests.points.council import Council
from tests.points.market import DAY, address
from tests.points.test_errata import credit, debit, erratum, paid


def heights(view: View) -> set[int]:
    """Of the blocks whose events the state still tells."""
    return {int.from_bytes(key[2:10], "big") for key, _ in view.range(told_key(0, 0), told_key(2**63, 0))}


def corrected(council: Council) -> list[int]:
    return [height for height in sorted(heights(council.view))
            if any(event.kind.startswith("Errata") for event in events_of(council.view, height))]  # fmt: skip


def test_a_correction_is_told_as_long_as_the_erratum_is_known() -> None:
    council = Council(errata_cap=1_000)
    of = paid(council)
    council.decide(erratum(of, credit(7), debit(3)), "first")
    [height] = corrected(council)
    told = list(events_of(council.view, height))
    assert [event.kind for event in told if "Errata" in event.kind] == [
        "ErrataCredited", "ErrataDebited", "ErrataApplied",
    ]  # fmt: skip
    council.advance(DAY)
    others = heights(council.view) - {height}
    assert others, "the daily cut is told too"
    council.advance(TOLD_SECONDS + 1)
    council.advance(1)
    assert corrected(council) == [height]
    assert not others & heights(council.view)
    assert list(events_of(council.view, height)) == told
    council.advance(ERRATA_DAYS * DAY)
    council.advance(1)
    assert corrected(council) == []
    assert queries.account(council.view, council.time, address("u")) is not None
