"""Events of blocks: what time and epochs did stands in no receipt, so the state itself tells it for a while.

Under the state root like everything else, so whoever asks gets it with a proof; it leaves by rule after a week, when
every follower of the feed has had its chance. What a block corrected by an erratum stays as long as the erratum's own
record: no receipt and no time tells it, and without it an account's history would not add up.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from points.clearing_records import Told
from points.days import DAY_SECONDS
from points.errata import ERRATA_DAYS
from points.keys import told_key
from points.turn import Turn
from points.view import View
from primitives.receipt import Event

TOLD_SECONDS: Final = 7 * DAY_SECONDS
LASTING_SECONDS: Final = ERRATA_DAYS * DAY_SECONDS
_CORRECTION: Final = "ErrataApplied"  # of every erratum
EVENTS_PER_RECORD: Final = 64  # the state's values stay small


def keep_events(turn: Turn, events: Sequence[Event]) -> None:
    """Write the events of this block; none: nothing is written."""
    lasting = any(event.kind == _CORRECTION for event in events)
    for number, start in enumerate(range(0, len(events), EVENTS_PER_RECORD)):
        turn.put(told_key(turn.height, number), Told(tuple(events[start : start + EVENTS_PER_RECORD]), lasting))


def told_seconds(record: Told) -> int:
    """How long it stays."""
    return LASTING_SECONDS if record.lasting else TOLD_SECONDS


def events_of(view: View, height: int) -> Iterator[Event]:
    """The events of a block in order; none for a block that had none, or a week ago."""
    for _, record in view.range(told_key(height, 0), told_key(height + 1, 0)):
        told: Told = record
        yield from told.events
