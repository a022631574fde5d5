"""What the state holds of errata: per corrected transaction the sum of what was done for it."""

from primitives.codec import Record
from primitives.kinds_errata import ErrataReason


class ClassNet(Record):
    """Units credited and burned in one class."""

    class_id: str
    credited: int
    debited: int


class DebtNet(Record):
    """uY booked from one debtor to one creditor."""

    debtor: bytes
    creditor: bytes
    value: int


class Erratum(Record):
    """All errata of one transaction; leaves the state at `expires`. Invariant: the sums are those of their entries."""

    number: int  # how many were carried out
    reason: ErrataReason  # of the last one, as the fields down to `expires`
    evidence: bytes
    by: bytes  # the member that proposed it, or carried it out when it was tried again
    applied: int
    expires: int
    gross: int = 0  # uY credited, burned and booked; what the cap bounds
    units: tuple[ClassNet, ...] = ()  # in order of class ids
    debts: tuple[DebtNet, ...] = ()  # in order of debtors, then creditors

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second."""
        return time_s < self.expires
