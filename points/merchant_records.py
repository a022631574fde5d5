"""What the state holds about the trade of a merchant, so that it leaves only when nobody can come back to it."""

from primitives.codec import Record


class Traded(Record):
    """One per merchant that ever traded; leaves the state when the merchant exits."""

    day: int  # of UTC+8: the last on which it was paid, or its points paid elsewhere
