"""What the reference model remembers, its sums and laws from scratch, and the movements between holders."""

import copy
from typing import Self

from tests.properties.reference_records import (
    FUND,
    UY,
    ClassModel,
    HoldModel,
    LegModel,
    LotKey,
    LotModel,
    OrderModel,
    WindowModel,
    choose_legs,
    day_of,
)


class Books:
    """All that the exchange remembers. Times in unix seconds, value in fen, books in uY, units per class."""

    def __init__(self, start: int, reserves: dict[str, int], classes: dict[str, ClassModel], tourists: list[str]):
        self.fee_bps, self.exchange_bps, self.ratio_bps = 50, 100, 4000
        self.start = self.now = start
        self.reserves, self.classes, self.tourists = reserves, classes, tourists
        self.lots: dict[str, dict[LotKey, LotModel]] = {name: {} for name in tourists}
        self.orders: dict[tuple[str, str], OrderModel] = {}
        self.refunds: dict[tuple[str, str, str], int] = {}
        self.holds: dict[str, HoldModel] = {}
        self.windows: list[WindowModel] = [WindowModel()]
        self.carry: dict[str, int] = {}

    # ---- sums, from scratch

    @property
    def today(self) -> int:
        return day_of(self.now)

    def outstanding(self, issuer: str) -> int:
        """uY of every unit of its classes that somebody holds."""
        return sum(
            (lot.avail + lot.held) * self.classes[key[1]].uv
            for lots in self.lots.values()
            for key, lot in lots.items()
            if self.classes[key[1]].issuer == issuer
        )

    def payable(self, who: str) -> int:
        """uY owed in every role, gross, in windows that are not released (D12)."""
        return sum(
            value
            for window in self.windows
            for (debtor, _), value in window.gross.items()
            if debtor == who and not window.released(who)
        )

    def cap(self, issuer: str) -> int:
        """uY; a reserve attested more than 90 days ago counts one to one (D12)."""
        ratio = self.ratio_bps if self.now <= self.start + 90 * 86_400 else 10_000
        return self.reserves[issuer] * UY * 10_000 // ratio

    def units(self, name: str, class_id: str) -> tuple[int, int, int]:
        """(spendable, pending, held)."""
        mine = [(key, lot) for key, lot in self.lots[name].items() if key[1] == class_id]
        spendable = sum(lot.avail for key, lot in mine if key[3] <= self.today)
        return spendable, sum(lot.avail for _, lot in mine) - spendable, sum(lot.held for _, lot in mine)

    def value_of(self, name: str) -> int:
        """uY of everything that a holder has."""
        return sum((lot.avail + lot.held) * self.classes[key[1]].uv for key, lot in self.lots[name].items())

    def nets(self) -> dict[str, int]:
        """Of the open window, carry included; uY."""
        nets = {who: carry for who, carry in self.carry.items() if carry}
        for (debtor, creditor), value in self.windows[-1].gross.items():
            nets[debtor] = nets.get(debtor, 0) - value
            nets[creditor] = nets.get(creditor, 0) + value
        return nets

    def copy(self) -> Self:
        return copy.deepcopy(self)

    def check_laws(self) -> None:
        """INV-1, 4, 5, 6, 8, 9 of the model itself: if they fail, the description or this model is wrong."""
        for class_id, of in self.classes.items():
            held = sum(sum(self.units(name, class_id)) for name in self.tourists)
            assert of.issued + of.exch_in + of.restored == held + of.redeemed + of.expired + of.burned, class_id
        for lots in self.lots.values():
            assert all(lot.avail >= 0 and lot.held >= 0 for lot in lots.values())
        assert sum(self.nets().values()) == 0
        assert sum(self.carry.values()) == 0
        assert all(abs(carry) < UY for carry in self.carry.values())
        for order in self.orders.values():
            assert 0 <= order.refunded <= order.value

    # ---- movements

    def _lot(self, name: str, key: LotKey) -> LotModel:
        return self.lots[name].setdefault(key, LotModel())

    def _mature(self, name: str) -> None:
        for key in [k for k in self.lots[name] if 0 < k[3] <= self.today]:
            lot = self.lots[name].pop(key)
            into = self._lot(name, (key[0], key[1], key[2], 0))
            into.avail, into.held = into.avail + lot.avail, into.held + lot.held

    def _owe(self, debtor: str, creditor: str, value: int) -> None:
        if value < 0:
            debtor, creditor, value = creditor, debtor, -value
        if value and debtor != creditor:
            gross = self.windows[-1].gross
            gross[debtor, creditor] = gross.get((debtor, creditor), 0) + value

    def _uv(self, key: LotKey) -> int:
        return self.classes[key[1]].uv

    def _select(self, payer: str, payee: str, value: int) -> list[LegModel] | None:
        self._mature(payer)
        order = sorted(
            (key for key, lot in self.lots[payer].items() if lot.avail and not key[3]),
            key=lambda key: (key[0], self.classes[key[1]].issuer != payee, key[1].encode(), key[2], key[3]),
        )
        return choose_legs([(key, self.lots[payer][key].avail) for key in order], self._uv, value)

    def _book_payment(self, payee: str, legs: list[LegModel]) -> None:
        for leg in legs:
            of = self.classes[leg.lot[1]]
            leg.fee = leg.pay * self.fee_bps // 10_000 if of.issuer != payee else 0
            self._owe(of.issuer, payee, leg.pay - leg.fee)
            self._owe(of.issuer, FUND, leg.fee + leg.over)
            of.redeemed += leg.units

    def _give_back(self, name: str, key: LotKey, units: int) -> None:
        """Release held units: spendable again, or expired if their day has passed (2.5)."""
        lot = self._lot(name, key)
        lot.held -= units
        if key[0] > self.now:
            lot.avail += units
        else:
            self.classes[key[1]].expired += units
