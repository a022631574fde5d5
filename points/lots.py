"""Lots of points in one account: ageing, merging, adding, and what a payment leaves of them.

A list of lots is in canonical order, (bucket, class, ext descending, from_day): the order of spending but for the
payee's own points (D6). Functions return new lists.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from points.state import HoldLeg, Lot
from primitives.codec import Record

LOTS_MAX: Final = 1024  # per account; a payment looks at all of them, so nobody may fill a wallet with crumbs


class Spend(Record):
    """A leg of a payment: units of lots[position], the uY credited, and the uY of its last unit beyond the price."""

    position: int
    issuer: bytes
    units: int
    pay: int
    over: int


def touched(lots: Sequence[Lot], time_s: int, day: int) -> Sequence[Lot]:
    """The lots as of now: expired ones hold nothing but what is held, matured ones are spendable (2.5, D13)."""
    if not lots:
        return lots
    if lots[0].bucket > time_s:
        for lot in lots:
            if lot.from_day and lot.from_day <= day:
                break
        else:
            return lots
    renewed: list[Lot] = []
    for lot in lots:
        if lot.bucket <= time_s:
            if lot.held:
                add_units(renewed, lot.bucket, lot.class_id, lot.ext, 0, 0, lot.held)
        else:
            from_day = lot.from_day if lot.from_day > day else 0
            add_units(renewed, lot.bucket, lot.class_id, lot.ext, from_day, lot.avail, lot.held)
    return renewed


def add_units(
    lots: list[Lot], bucket: int, class_id: str, ext: int, from_day: int, avail: int, held: int = 0
) -> None:
    """Add to the lot with this identity, in place; a new one is inserted where it belongs, an empty one removed."""
    position = len(lots)
    while position:
        lot = lots[position - 1]
        if lot.bucket < bucket:
            break
        if lot.bucket == bucket:
            if lot.class_id < class_id:
                break
            if lot.class_id == class_id:
                if lot.ext == ext and lot.from_day == from_day:
                    _replace(lots, position - 1, avail, held)
                    return
                if (-lot.ext, lot.from_day) < (-ext, from_day):
                    break
        position -= 1
    assert avail >= 0 and held >= 0, "units taken from a lot that is not there"
    lots.insert(position, Lot(bucket, class_id, ext, from_day, avail, held))


def _replace(lots: list[Lot], position: int, avail: int, held: int) -> None:
    lot = lots[position]
    avail, held = lot.avail + avail, lot.held + held
    assert avail >= 0 and held >= 0, "a lot fell below zero"
    if avail or held:
        lots[position] = Lot(lot.bucket, lot.class_id, lot.ext, lot.from_day, avail, held)
    else:
        del lots[position]


def only_class(lots: Sequence[Lot], class_id: str) -> list[Lot]:
    """The lots at their positions, with nothing available in other classes."""
    return [lot if lot.class_id == class_id else replace(lot, avail=0) for lot in lots]


def legs_of(lots: Sequence[Lot], spends: Sequence[Spend]) -> list[HoldLeg]:
    """What is taken of which lots."""
    legs = []
    for spend in spends:
        lot = lots[spend.position]
        legs.append(HoldLeg(lot.class_id, lot.bucket, lot.ext, spend.units, spend.pay, spend.over))
    return legs


def after_spending(lots: Sequence[Lot], spends: Sequence[Spend], hold: bool = False) -> list[Lot]:
    """The lots without the units spent, or with them held."""
    left = list(lots)
    emptied = False
    for spend in spends:
        lot = left[spend.position]
        avail, held = lot.avail - spend.units, lot.held + (spend.units if hold else 0)
        left[spend.position] = Lot(lot.bucket, lot.class_id, lot.ext, lot.from_day, avail, held)
        emptied = emptied or not (avail or held)
    return [lot for lot in left if lot.avail or lot.held] if emptied else left
