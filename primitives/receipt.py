"""What became of a transaction: one receipt per executed mention, in the block's order (C2, C6)."""

from typing import Literal

from primitives.codec import U64, Bytes20, Bytes32, Record
from primitives.codes import Code

Status = Literal["committed", "rejected"]


class First(Record):
    """Where the first transaction of an idempotent repetition stands (D2)."""

    tx: Bytes32
    height: U64
    index: U64


class Event(Record):
    """One fact for the outside, in the order in which it happened.

    Three lists because the wire format has one text-like type per union: counts and texts, addresses, hashes; each
    value has a name. A leg list is written as repeated events, one per leg.
    """

    kind: str
    fields: tuple[tuple[str, int | str], ...] = ()
    accounts: tuple[tuple[str, Bytes20], ...] = ()
    hashes: tuple[tuple[str, Bytes32], ...] = ()


class Receipt(Record):
    """The outcome of a transaction. `operation` is the index of the failing operation of a batch envelope (D15)."""

    tx: Bytes32
    height: U64
    index: U64  # position among all mentions of the block, duplicates included
    code: U64  # a Code; kept as a number so that an old wallet reads a new code
    detail: str
    operation: U64 | None
    first: First | None
    events: tuple[Event, ...]


def status_of(code: int) -> Status:
    """committed for OK and OK_DUPLICATE, else rejected."""
    return "committed" if code in (Code.OK, Code.OK_DUPLICATE) else "rejected"
