"""What the state holds of sandboxes and of the emergency pause. Times are unix seconds; amounts as the field says."""

from enum import IntEnum

from primitives.codec import Record


class Over(IntEnum):
    """Why a sandbox is over; from then on its points are spent, refunded and expire, nothing else (INV-16)."""

    NO = 0
    ENDED = 1  # its time
    CLOSED = 2  # by the committee
    UNCOVERED = 3  # the reserve fell below what is set apart, or that carries its value no longer
    ISSUER = 4  # its merchant was suspended, defaulted, or leaves


class Sandbox(Record):
    """A trial. Invariants (INV-16): accounts <= max_accounts; what its classes granted, less what expired or was
    reversed, is at most max_value, so their outstanding value is too, whatever is refunded.

    It leaves the state when it is over, nothing of it is outstanding and no order of it can be refunded any more.
    """

    merchant: bytes
    merchants: tuple[bytes, ...]  # where its points pay, beside `merchant`
    max_accounts: int
    max_value: int  # fen
    starts: int
    ends: int
    loss_reserve: int  # fen of the merchant's reserve that carry nothing else
    exit_hash: bytes
    opened: int
    classes: tuple[str, ...] = ()
    accounts: int = 0  # enrolled
    over: Over = Over.NO
    over_at: int = 0
    granted: int = 0  # units of its classes that had come into the world when it was over, modulo 2**64
    due: int = 0  # once it is over: the next look at whether it may leave the state
    moved: int = 0  # units spent and returned, as of the last look, modulo 2**64
    quiet_since: int = 0  # nothing outstanding and nothing moved since this look; 0: something was
    paid: int = 0  # uY spent as of the last look at which its merchant was not suspended, modulo 2**64


class Enrolled(Record):
    """Only its key matters."""


class Pause(Record):
    """The newest emergency pause, running while block time < until. Invariants: `used` + sole_until - started is at
    most 72 hours, until - started at most 30 days."""

    regulator: bytes
    started: int
    until: int
    sole_until: int  # how far it rests on the regulator's word alone
    used: int  # seconds of earlier pauses on that word since the last quiet week
    ratified: bool = False
