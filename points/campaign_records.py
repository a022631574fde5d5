"""What the state holds of campaigns. Amounts are units of the campaign's class, times unix seconds."""

from primitives.codec import Record


class Campaign(Record):
    """Invariant (INV-15): granted = the sum of its grants <= budget; it never falls.

    Open while starts <= block time < ends and not closed. Remembered as long after `ends` as an order.
    """

    issuer: bytes
    class_id: str
    budget: int
    per_account: int
    starts: int
    ends: int
    root: bytes  # of the list of claims; b"": there is none
    granted: int = 0
    accounts: int = 0  # that were granted anything
    closed: bool = False


class BatchOrder(Record, tag="b"):
    """A batch_issue that was done, under its order id; it leaves the state like any order."""

    campaign: str
    batch: bytes  # hash of campaign, class and entries
    accounts: int
    units: int
    created: int
    tx: bytes
    height: int
    index: int


class Grant(Record):
    """What one account got from a campaign; it leaves the state once the campaign has ended.

    Invariant (INV-15): units <= per_account.
    """

    units: int
    claimed: bool  # the account's entry of the list is used up
