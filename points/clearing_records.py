"""What clearing remembers beside its windows: the fund's money, shared losses, expired value by month, block events.

All of them stand under one prefix and tell their type by a tag. Shared losses leave the state with their window; of
breakage there is one record per class and month.
"""

from primitives.codec import Record
from primitives.receipt import Event


class FundMoney(Record, tag="f"):
    """What the clearing fund may spend on defaults: received - committed - advanced, never below 0. All in fen.

    Receipts count when they are confirmed or drawn from a reserve, own payments as soon as they are due.
    """

    received: int = 0
    committed: int = 0  # payments that it had to make in closed windows
    advanced: int = 0  # paid to creditors in the place of those who defaulted


class Loss(Record, tag="o"):
    """What one creditor of a window is still owed by those who defaulted, after reserves and fund."""

    fen: int
    recovered: int = 0  # fen of it that came late


class Help(Record, tag="h"):
    """What one creditor bore of another's loss, so that all bear it in proportion to their claims."""

    fen: int
    window: int  # to which the obligation went: the one open at T+2
    returned: int = 0


class Breakage(Record, tag="b"):
    """Units of a class that expired in one month of UTC+8, and the part of their value that is due to the fund."""

    units: int = 0
    share: int = 0  # uY; reported, not booked (2.1)


class Told(Record, tag="t"):
    """Events of a block that are in no receipt; a part of them if there are many. `lasting`: the block corrected what
    an account has, and its history needs them longer."""

    events: tuple[Event, ...]
    lasting: bool = False


ClearingRecord = FundMoney | Loss | Help | Breakage | Told
NO_MONEY = FundMoney()
NO_BREAKAGE = Breakage()
