"""Events that name the lots of a movement, behind the event that says why: with them anybody outside can keep the lots
of an account, and knows what time alone took from it at the end of a bucket.
"""

from collections.abc import Iterable

from points.state import HoldLeg
from primitives.receipt import Event

LotUnits = tuple[str, int, int]  # class, bucket, units


def taken_events(rows: Iterable[LotUnits]) -> list[Event]:
    """Units that left the sender's lots: transferred, exchanged, or taken back by their issuer."""
    return [Event("UnitsTaken", _fields(*row)) for row in rows]


def held_events(legs: Iterable[HoldLeg]) -> list[Event]:
    """Units that a hold set aside."""
    return [Event("UnitsHeld", _fields(leg.class_id, leg.bucket, leg.units)) for leg in legs]


def released_events(legs: Iterable[HoldLeg]) -> list[Event]:
    """Units that an open hold gave back: what is paid out of it does not need them any more."""
    return [Event("UnitsReleased", _fields(leg.class_id, leg.bucket, leg.units)) for leg in legs]


def _fields(class_id: str, bucket: int, units: int) -> tuple[tuple[str, int | str], ...]:
    return (("class", class_id), ("bucket", bucket), ("units", units))
