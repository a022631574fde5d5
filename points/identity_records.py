"""What the state holds about accounts that are being recovered."""

from typing import Final

from primitives.codec import Record
from primitives.kinds import AccountKey


class Recovery(Record):
    """One set of keys that an account may get, and who asked for it.

    Invariant: ready_at is below 2**64 - 1 exactly while the approvals suffice.
    """

    id: bytes  # primitives.recovery.recovery_id
    keys: tuple[AccountKey, ...]
    threshold: int
    approvals: tuple[bytes, ...]  # accounts, in the order in which they approved
    ready_at: int  # it may be finished from this second on
    expires: int  # and counts no more from this second on


class Recoveries(Record):
    """All recoveries of one account. Stays, empty, until `expires`, so that a second is noted for removal once only.

    Invariant: nobody stands behind two of them; at most one per guardian or office, RECOVERIES_MAX in all.
    """

    expires: int  # the latest of any since the record began; it leaves the state then
    open: tuple[Recovery, ...] = ()

    def lives(self, time_s: int) -> bool:
        """Whether it is still in force at this second."""
        return time_s < self.expires


NO_RECOVERIES: Final = Recoveries(0)
