"""What the rules remember to watch for risks: alerts, and a merchant's figures of the days before (2.7)."""

from typing import Final

from primitives.codec import Record

ALERT_SECONDS: Final = 90 * 86_400  # an alert leaves the state so long after its cause was last seen


class Alert(Record):
    """One cause: a rule, whom it is about, and for CIRCULAR the other merchant. Its key says which.

    It is told at most once per day (UTC+8). A cause that comes back after its alert was acknowledged opens it anew.
    """

    first: int  # when it was opened, or opened anew
    last: int  # when its cause was last seen
    days: int  # on which it was told since `first`
    value: int  # what was measured, in the unit of the rule (risks.py)
    limit: int  # what it reached
    expires: int
    acked: int = 0  # second of the acknowledgement; 0 while open
    by: bytes = b""  # the regulator
    note: bytes = b""  # hash

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second."""
        return time_s < self.expires


class Pulse(Record):
    """A merchant's books at the last daily cut, and what it issues on a day; uY."""

    issued: int = 0
    revoked: int = 0
    average: int = 0  # of the daily issue, the last days weighing most


class Watch(Record):
    """How far the daily examination has come, and what the evaluation report counts."""

    window: int = 1  # the first settlement window that no examination has seen
    accounts: int = 0  # opened since genesis
    told: int = 0  # alerts told since genesis
