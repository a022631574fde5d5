"""The books of a network computed again from its exported events alone, by a program that shares no line with it.

Input: events in their public JSON form, in order, those of blocks included, and what is published of classes. Nothing
of this project is imported here.
"""

from collections import defaultdict
from fractions import Fraction
from typing import Any

Event = dict[str, Any]


class Recomputation:
    """`read` every event in order; then ask. Units per class, obligations and balances in uY, payments in fen."""

    def __init__(self, classes: dict[str, Any], fund: str, bytes_of: Any) -> None:
        """`classes`: {"uv", "issuer"} by id; `bytes_of`: an address text's bytes, by which ties are broken."""
        self.classes, self.fund, self.bytes_of = classes, fund, bytes_of
        self.supply: dict[str, dict[str, int]] = {
            name: dict.fromkeys(("issued", "exch_in", "restored", "redeemed", "expired", "burned"), 0)
            for name in classes
        }
        self.owed: dict[int, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
        self.carry: dict[str, Fraction] = {}
        self.fen: dict[int, dict[str, int]] = {}
        self.carries: dict[int, dict[str, Fraction]] = {}
        self.told: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)  # instructions as published
        self.legs: dict[int, dict[tuple[str, str], str]] = defaultdict(dict)
        self.failed: set[tuple[int, tuple[str, str]]] = set()
        self.breakage: dict[str, int] = defaultdict(int)
        self._payment: Event = {}

    def read(self, event: Event) -> None:
        """One event; unknown kinds move nothing."""
        handler = getattr(self, "_" + event["kind"], None)
        if handler is not None:
            handler(event)

    # ---- units

    def _Issued(self, e: Event) -> None:
        self.supply[e["class"]]["issued"] += e["units"]

    def _Reversed(self, e: Event) -> None:
        self.supply[e["class"]]["burned"] += e["reclaimed"]

    def _ErrataCredited(self, e: Event) -> None:
        self.supply[e["class"]]["issued"] += e["units"]
        assert e["value"] == e["units"] * self.classes[e["class"]]["uv"]

    def _ErrataDebited(self, e: Event) -> None:
        self.supply[e["class"]]["burned"] += e["units"]
        assert e["value"] == e["units"] * self.classes[e["class"]]["uv"]

    def _BucketExpired(self, e: Event) -> None:
        self.supply[e["class"]]["expired"] += e["units"]
        assert e["value"] == e["units"] * self.classes[e["class"]]["uv"]

    _HeldExpired = _BucketExpired

    def _UnitsReturned(self, e: Event) -> None:
        self.supply[e["class"]]["restored"] += e["units"]
        if not e["bucket"]:
            self.supply[e["class"]]["expired"] += e["units"]

    # ---- obligations

    def _owe(self, window: int, debtor: str, creditor: str, value: int) -> None:
        if value and debtor != creditor:
            self.owed[window][debtor, creditor] += value

    def _Redeemed(self, e: Event) -> None:
        self._payment = e

    def _RedeemedLeg(self, e: Event) -> None:
        merchant, window = self._payment["merchant"], self._payment["window"]
        self.supply[e["class"]]["redeemed"] += e["units"]
        assert e["units"] * self.classes[e["class"]]["uv"] == e["pay"] + e["over"]
        self._owe(window, e["issuer"], merchant, e["pay"] - e["fee"])
        self._owe(window, e["issuer"], self.fund, e["fee"] + e["over"])

    def _ObligationAdded(self, e: Event) -> None:
        self._owe(e["window"], e["debtor"], e["creditor"], e["value"])

    def _Exchanged(self, e: Event) -> None:
        self.supply[e["class"]]["burned"] += e["units"]
        self.supply[e["to_class"]]["exch_in"] += e["out"]
        taken_on = e["out"] * self.classes[e["to_class"]]["uv"]
        assert e["units"] * self.classes[e["class"]]["uv"] == taken_on + e["fee"] + e["dust"]
        self._owe(e["window"], e["issuer"], e["to_issuer"], taken_on)
        self._owe(e["window"], e["issuer"], self.fund, e["fee"] + e["dust"])

    # ---- windows

    def _WindowClosed(self, e: Event) -> None:
        """Net the window in fractions of fen; whole fen by largest remainder, the rest is carried."""
        window = e["window"]
        nets: dict[str, Fraction] = defaultdict(Fraction, self.carry)
        for (debtor, creditor), value in self.owed[window].items():
            nets[debtor] -= Fraction(value, 10_000)
            nets[creditor] += Fraction(value, 10_000)
        fen = {who: net.numerator // net.denominator for who, net in nets.items()}
        by_rest = sorted(nets, key=lambda who: (fen[who] - nets[who], self.bytes_of(who)))
        for who in by_rest[: -sum(fen.values())]:
            fen[who] += 1
        self.fen[window] = {who: amount for who, amount in fen.items() if amount}
        self.carry = {who: nets[who] - fen[who] for who in nets if nets[who] != fen[who]}
        self.carries[window] = dict(self.carry)

    def _InstructionCreated(self, e: Event) -> None:
        self.told[e["window"]][e["from"], e["to"]] = e["fen"]
        self.legs[e["window"]][e["from"], e["to"]] = "DUE"

    def _LegChanged(self, e: Event) -> None:
        self.legs[e["window"]][e["from"], e["to"]] = e["state"]
        if e["state"] == "DEFAULTED":
            self.failed.add((e["window"], (e["from"], e["to"])))

    # ---- answers

    def outstanding(self, issuer: str) -> int:
        """uY of its units with holders."""
        sums = 0
        for name, of in self.classes.items():
            if of["issuer"] == issuer:
                s = self.supply[name]
                units = s["issued"] + s["exch_in"] + s["restored"] - s["redeemed"] - s["expired"] - s["burned"]
                sums += units * of["uv"]
        return sums

    def payable(self, who: str) -> int:
        """uY that it owes, gross, in windows in which a payment of it or to it is still awaited."""
        total = 0
        for window, pairs in self.owed.items():
            if window in self.fen and not self._waits(window, who):
                continue
            total += sum(value for (debtor, _), value in pairs.items() if debtor == who)
        return total

    def _waits(self, window: int, who: str) -> bool:
        for pair, state in self.legs[window].items():
            if state != "CONFIRMED" and (pair[0] == who or (pair[1] == who and (window, pair) not in self.failed)):
                return True
        return False

    def check_payments(self) -> None:
        """What was instructed settles the nets, with fewer payments than participants."""
        for window, fen in self.fen.items():
            sums: dict[str, int] = defaultdict(int)
            for (payer, payee), amount in self.told[window].items():
                assert amount > 0
                sums[payer] -= amount
                sums[payee] += amount
            assert {who: amount for who, amount in sums.items() if amount} == fen, window
            assert len(self.told[window]) <= max(0, len(fen) - 1)
            assert sum(fen.values()) == 0 == sum(self.carries[window].values())
