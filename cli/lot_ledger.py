"""Lots kept from receipts alone: every movement of units with its reason, and what time took at the end of a bucket.

Receipts in their public JSON form, oldest first. A ledger is of one account, or of everybody (the supply of classes).
No balance is believed: each begins at 0 and is the sum of its movements. Expiry and the end of a hold stand in no
receipt; they follow from the buckets and the `expires_at` that receipts name, as of that second (2.5, D9).
"""

import heapq
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

Plain = Any
Lot = tuple[str, int]  # class, bucket: the second from which its units are gone
COUNTERS: Final = ("issued", "exch_in", "restored", "redeemed", "expired", "burned")  # of INV-1


class Movement(NamedTuple):
    """`units` joined (+) or left (-) the account, `held` of them were set aside (+) or are so no more (-).

    `reason` says what happened, `why` how its receipt puts it. `tx` "" and height 0: time alone did it.
    """

    time: int  # unix seconds
    height: int
    position: int  # in its block
    tx: str
    reason: str
    why: str
    class_id: str
    bucket: int
    units: int
    held: int
    counterparty: str
    reference: str  # an order, refund or campaign


class _Place(NamedTuple):
    time: int
    height: int
    position: int
    tx: str


class _Reason(NamedTuple):
    """Of the events that follow: whom they touch, and what a movement says of them."""

    event: str = ""
    who: str = ""
    other: str = ""
    why: str = ""
    reference: str = ""
    hold: str = ""


class LotLedger:
    """`read` the receipts in order; `pass_time` brings it to a second. `rows` holds the movements so far."""

    def __init__(self, account: str | None = None) -> None:
        """None: of everybody; then transfers move nothing."""
        self.account: Final = account
        self.rows: Final[list[Movement]] = []
        self.faults: Final[list[str]] = []
        self.counters: Final[dict[str, dict[str, int]]] = {}
        self._avail: Final[dict[Lot, int]] = {}
        self._held: Final[dict[Lot, int]] = {}
        self._holds: Final[dict[str, dict[Lot, int]]] = {}
        self._ends: Final[dict[str, int]] = {}  # open hold -> expires_at
        self._due: Final[list[tuple[int, str]]] = []  # a heap of (expires_at, hold); some are closed already
        self._buckets: Final[list[int]] = []  # a heap of what is in _avail, and perhaps more

    def read(self, receipt: Mapping[str, Plain]) -> None:
        """One receipt with its block's `time_ms`; what was due before it happens first (D10)."""
        place = _Place(receipt["time_ms"] // 1000, receipt["height"], receipt["index"], receipt["tx"].strip("0") and
                       receipt["tx"])  # fmt: skip
        self.pass_time(place.time)
        reason = _Reason()
        for event in receipt["events"]:
            reason = _reason_of(event) or reason
            self._apply(event, reason, place)

    def pass_time(self, until_s: int) -> None:
        """Holds end and buckets expire up to this second, in order of time; at one second holds end first."""
        while True:
            hold_at = self._due[0][0] if self._due else until_s + 1
            bucket = self._buckets[0] if self._buckets else until_s + 1
            if min(hold_at, bucket) > until_s:
                return
            if hold_at <= bucket:
                _, hold = heapq.heappop(self._due)
                if self._ends.get(hold) == hold_at:  # else it was closed, and perhaps opened again
                    self._end_hold(hold, _Place(hold_at, 0, 0, ""), "hold_expired")
            else:
                heapq.heappop(self._buckets)
                for lot in sorted(lot for lot in self._avail if lot[1] == bucket):
                    self._drop(lot, bucket)

    def balances(self, time_s: int) -> dict[str, dict[str, int]]:
        """{class: {"avail", "held"}} as of a second at or after the last that passed; empty classes left out."""
        found: dict[str, dict[str, int]] = {}
        for name, lots in (("avail", self._avail), ("held", self._held)):
            for (class_id, bucket), units in lots.items():
                if units and (name == "held" or bucket > time_s):
                    row = found.setdefault(class_id, {"avail": 0, "held": 0})
                    row[name] += units
        return found

    # ---- events

    def _apply(self, event: Plain, reason: _Reason, place: _Place) -> None:
        kind, mine = event["kind"], self.account in (None, reason.who)
        match kind:
            case "Issued" | "ErrataCredited":
                if mine:
                    name = "issued" if kind == "Issued" else "corrected"
                    self._join(event["class"], event["bucket"], event["units"], name, "issued", reason, place)
            case "RedeemedLeg":
                if mine:
                    self._leave(event, "redeemed", "redeemed", reason, place)
            case "UnitsReturned":
                if mine:
                    self._returned(event, reason, place)
            case "UnitsTaken":
                self._taken(event, reason, place)
            case "Exchanged":
                if mine:
                    into, bucket, units = event["to_class"], event["bucket"], event["out"]
                    self._join(into, bucket, units, "exchanged_in", "exch_in", reason, place)
            case "HoldOpened":
                if mine:
                    self._holds[event["hold"]] = {}
                    self._ends[event["hold"]] = event["expires_at"]
                    heapq.heappush(self._due, (event["expires_at"], event["hold"]))
            case "UnitsHeld" | "UnitsReleased":
                if mine:
                    self._hold_moves(event, 1 if kind == "UnitsHeld" else -1, reason, place)
            case "HoldCaptured" | "HoldVoided" | "HoldExpired":
                if mine:
                    self._end_hold(event["hold"], place, "released")

    def _taken(self, event: Plain, reason: _Reason, place: _Place) -> None:
        """Behind a transfer: the units come out of one account's lots into another's; else they are burned."""
        if reason.event == "Transferred":
            if self.account == reason.who:
                self._leave(event, "transferred_out", "", reason, place)
            elif self.account == reason.other:
                back = reason._replace(who=reason.other, other=reason.who)
                self._join(event["class"], event["bucket"], event["units"], "transferred_in", "", back, place)
        elif self.account in (None, reason.who):
            names = {"Exchanged": "exchanged_out", "Reversed": "reversed", "ErrataDebited": "corrected"}
            self._leave(event, names.get(reason.event, "taken"), "burned", reason, place)

    def _returned(self, event: Plain, reason: _Reason, place: _Place) -> None:
        """A refund; bucket 0: the units are forfeited at once (D13)."""
        class_id, units, bucket = event["class"], event["units"], event["bucket"]
        self._join(class_id, bucket, units, "refunded", "restored", reason, place)
        if not bucket:
            self._change(self._avail, (class_id, 0), -units, place)
            self._count(class_id, "expired", units)
            self._row(place, "forfeited", reason, class_id, 0, -units)

    def _join(
        self, class_id: str, bucket: int, units: int, name: str, counter: str, reason: _Reason, place: _Place
    ) -> None:  # fmt: skip
        self._change(self._avail, (class_id, bucket), units, place)
        self._count(class_id, counter, units)
        self._row(place, name, reason, class_id, bucket, units)

    def _leave(self, event: Plain, name: str, counter: str, reason: _Reason, place: _Place) -> None:
        """Out of what is available, or out of the hold that a payment names."""
        lot, units = (event["class"], event["bucket"]), event["units"]
        legs = self._holds.get(reason.hold)
        if legs is None:
            self._change(self._avail, lot, -units, place)
        else:
            self._change(legs, lot, -units, place)
            self._change(self._held, lot, -units, place)
        self._count(event["class"], counter, units)
        self._row(place, name, reason, event["class"], event["bucket"], -units, 0 if legs is None else -units)

    def _hold_moves(self, event: Plain, sign: int, reason: _Reason, place: _Place) -> None:
        lot, units = (event["class"], event["bucket"]), sign * event["units"]
        legs = self._holds.setdefault(reason.hold, {})
        self._change(legs, lot, units, place)
        self._change(self._held, lot, units, place)
        self._change(self._avail, lot, -units, place)
        self._row(place, "held" if sign > 0 else "released", reason, *lot, 0, units)
        self._drop_late(lot, place.time)

    def _end_hold(self, hold: str, place: _Place, name: str) -> None:
        """What is still in it becomes available again; of an expired bucket it expires now."""
        self._ends.pop(hold, None)
        reason = _Reason(hold=hold, reference=hold[:16])
        for lot, units in self._holds.pop(hold, {}).items():
            if units:
                self._change(self._held, lot, -units, place)
                self._change(self._avail, lot, units, place)
                self._row(place, name, reason, *lot, 0, -units)
                self._drop_late(lot, place.time)

    def _drop_late(self, lot: Lot, time_s: int) -> None:
        """What comes back to a bucket that is closed expires at once (2.5)."""
        if lot[1] <= time_s and lot in self._avail:
            self._drop(lot, time_s)

    def _drop(self, lot: Lot, time_s: int) -> None:
        units = self._avail.pop(lot)
        self._count(lot[0], "expired", units)
        self._row(_Place(time_s, 0, 0, ""), "expired", _Reason(), *lot, -units)

    # ---- sums

    def _change(self, lots: dict[Lot, int], lot: Lot, units: int, place: _Place) -> None:
        """A lot below zero: a receipt is missing."""
        left = lots.get(lot, 0) + units
        if left < 0:
            where = f"{place.height}.{place.position}" if place.tx else "by time"
            self.faults.append(f"{where}: {-units} units of {lot[0]} taken from a lot with {left - units}")
            left = 0
        if left:
            if lots is self._avail and lot not in lots and lot[1]:
                heapq.heappush(self._buckets, lot[1])
            lots[lot] = left
        else:
            lots.pop(lot, None)

    def _count(self, class_id: str, counter: str, units: int) -> None:
        if counter:
            self.counters.setdefault(class_id, dict.fromkeys(COUNTERS, 0))[counter] += units

    def _row(
        self, place: _Place, name: str, reason: _Reason, class_id: str, bucket: int, units: int, held: int = 0
    ) -> None:  # fmt: skip
        if self.account is not None:
            self.rows.append(Movement(
                *place, name, reason.why, class_id, bucket, units, held, reason.other, reason.reference,
            ))  # fmt: skip


def _reason_of(event: Plain) -> _Reason | None:
    """Of an event that says why; None of one that only follows it."""
    kind, memo = event["kind"], str(event.get("memo", ""))
    match kind:
        case "Issued":
            reference = event.get("order_id") or event.get("campaign", "")
            return _Reason(kind, event["to"], event["merchant"], event["reason"], reference)
        case "ErrataCredited":
            return _Reason(kind, event["to"], event["merchant"], event["reason"], event["original"][:16])
        case "ErrataDebited":
            return _Reason(kind, event["from"], event["merchant"], event["reason"], event["original"][:16])
        case "Reversed":
            return _Reason(kind, event["from"], event["merchant"], memo, event["order_id"])
        case "Redeemed":
            hold = event.get("hold", "")
            return _Reason(kind, event["payer"], event["merchant"], event["by"], event["order_id"], hold)
        case "Refunded":
            return _Reason(kind, event["payer"], event["merchant"], event["refund_id"], event["order_id"])
        case "Exchanged":
            return _Reason(kind, event["holder"], event["to_issuer"], f"{event['class']}->{event['to_class']}")
        case "Transferred":
            return _Reason(kind, event["from"], event["to"], memo)
        case "HoldOpened" | "EscrowSpent" | "HoldCaptured" | "HoldVoided" | "HoldExpired":
            hold = event["hold"]
            return _Reason(kind, event["payer"], event["merchant"], memo, hold[:16], hold)
    return None


def opening_and_closing(rows: list[Movement], start_s: int | None) -> Iterator[tuple[str, int, int, int]]:
    """(class, opening, sum, closing) in units, held ones included: rows before `start_s` are in the opening."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        both = sums.setdefault(row.class_id, [0, 0])
        both[start_s is None or row.time >= start_s] += row.units
    for class_id, (opening, moved) in sorted(sums.items()):
        yield class_id, opening, moved, opening + moved
