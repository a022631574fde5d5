"""Whether an answer is what a scenario expects: every written key must match, a missing key of a map equals 0."""

from dataclasses import dataclass
from typing import Any, Final

Plain = Any
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first value that differs, with both values."""

    path: str
    expected: Plain
    found: Plain


def mismatch(expected: Plain, found: Plain, path: str) -> Mismatch | None:
    """None if `found` is what is expected.

    Maps are compared on the expected keys only, lists element by element, amounts as numbers however they are written.
    The key "event" is met by any one element of "events". A number where a row of columns stands (by_class) is meant
    for its column "spendable".
    """
    if isinstance(expected, dict):
        if found is None or found is _ABSENT:
            found = {}
        if not isinstance(found, dict):
            return Mismatch(path, expected, found)
        for key, value in expected.items():
            if key == "event" and "event" not in found:
                fault = _any_of(value, found.get("events", []), f"{path}.events")
            else:
                fault = mismatch(value, found.get(key, _ABSENT), f"{path}.{key}")
            if fault is not None:
                return fault
        return None
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return Mismatch(path, expected, None if found is _ABSENT else found)
        pairs = enumerate(zip(expected, found, strict=True))
        faults = (mismatch(want, have, f"{path}[{i}]") for i, (want, have) in pairs)
        return next((fault for fault in faults if fault is not None), None)
    if isinstance(found, dict) and "spendable" in found and _number(expected) is not None:
        found = found["spendable"]
    return None if _same(expected, found) else Mismatch(path, expected, None if found is _ABSENT else found)


def _any_of(expected: Plain, events: list[Plain], path: str) -> Mismatch | None:
    if any(mismatch(expected, event, path) is None for event in events):
        return None
    return Mismatch(path, expected, events)


def _same(expected: Plain, found: Plain) -> bool:
    if found is _ABSENT:
        return expected is None or _number(expected) == 0
    number = _number(expected)
    if number is not None:
        return number == _number(found)
    return type(expected) is type(found) and bool(expected == found)


def _number(value: Plain) -> int | None:
    """The whole number of an int or of decimal text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    return None
