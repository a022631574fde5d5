"""What the second implementation says of errata: entries of (kind, ...), all of them or none."""

from typing import Any

from tests.properties.reference_model import Model
from tests.properties.reference_records import Codes, expiry_of, midnight_after


class ErrataModel(Model):
    """`done` counts the errata of each order."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.done: dict[tuple[str, str], int] = {}

    def errata(self, merchant: str, order_id: str, number: int, entries: list[tuple[Any, ...]]) -> Codes:
        """Call it on a copy: a refusal leaves it half done."""
        done = self.done.get((merchant, order_id), 0)
        if 1 <= number <= done:
            return {"ALREADY_APPLIED"}
        if number != done + 1 or number > 8:
            return {"ERRATA_BOUNDS"}
        if (merchant, order_id) not in self.orders:
            return {"ORDER_UNKNOWN"}
        for kind, *rest in entries:
            code: str = getattr(self, f"_erratum_{kind}")(*rest)
            if code != "OK":
                return {code}
        self.done[merchant, order_id] = number
        return {"OK"}

    def _erratum_credit(self, to: str, class_id: str, units: int, days: int) -> str:
        """`days` after the midnight that ends today."""
        of = self.classes[class_id]
        if not units:
            return "BAD_AMOUNT"
        expires = midnight_after(self.today + days)
        if days < 0 or expires > expiry_of(self.today, of.days, of.bucket):
            return "ERRATA_BOUNDS"
        self._mature(to)
        self._lot(to, (expires, class_id, -1, 0)).avail += units
        of.issued += units
        return "OK"

    def _erratum_debit(self, account: str, class_id: str, units: int) -> str:
        if not units:
            return "BAD_AMOUNT"
        self._mature(account)
        lots = self.lots[account]
        for key in sorted(key for key in lots if key[1] == class_id):
            taken = min(units, lots[key].avail)
            lots[key].avail -= taken
            self.classes[class_id].burned += taken
            units -= taken
        return "OK" if not units else "ERRATA_BOUNDS"

    def _erratum_debt(self, debtor: str, creditor: str, value: int) -> str:
        if not value:
            return "BAD_AMOUNT"
        if debtor == creditor:
            return "ERRATA_BOUNDS"
        self._owe(debtor, creditor, value)
        return "OK"
