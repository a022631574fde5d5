"""What the state holds of anchors and assets. Both leave it at `expires`; the blocks keep what proves them."""

from primitives.codec import Record


class Anchored(Record):
    """The first evidence of a hash in a namespace."""

    by: bytes
    time: int
    expires: int
    tx: bytes
    height: int
    index: int

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second."""
        return time_s < self.expires


class Asset(Record):
    """A registered asset. Invariant: price > 0 only while its owner is a merchant."""

    content: bytes  # hash
    rights_code: str
    registrant: bytes
    owner: bytes
    registered: int
    expires: int
    since: int  # when the owner got it
    seller: bytes = b""  # the merchant that sold it to the owner; b"" while it was not sold
    order_id: str = ""  # of the offer, or of the sale to the owner
    price: int = 0  # fen; 0: not for sale
    locked: bool = False

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second; a disputed one stays until it is unlocked."""
        return self.locked or time_s < self.expires
