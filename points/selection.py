"""Which lots pay a price: soonest expiry first, whole units, then at most one unit that overshoots (D6)."""

from collections.abc import Iterator, Sequence

from points.keys import books_key, merchant_key
from points.lots import Spend
from points.sandbox_limits import draws_left, pays_at, sandbox_of
from points.state import NO_BOOKS, UY_PER_FEN, Books, Class, Lot, Merchant, MerchantStatus
from points.turn import Turn
from primitives.codes import Code

_WIND_DOWN, _SUSPENDED = MerchantStatus.WIND_DOWN, MerchantStatus.SUSPENDED

# Why a lot is passed over, in the order of precedence of the answers.
_SKIPS = (Code.SCOPE_DENIED, Code.CLASS_PAUSED, Code.ISSUER_RESERVE_EXHAUSTED)


class Purse:
    """One payer's lots before one payee. `aside`: they are chosen for a hold, not for a payment."""

    __slots__ = ("_aside", "_left", "_lots", "_merchant", "_payee", "_skipped", "_turn", "_winding_down")

    def __init__(self, turn: Turn, payee: bytes, merchant: Merchant, lots: Sequence[Lot], aside: bool = False) -> None:
        self._aside = aside
        self._turn = turn
        self._payee = payee
        self._merchant = merchant
        self._winding_down = merchant.status is _WIND_DOWN  # takes its own points only
        self._lots = lots
        # uY that suspended issuers' points still pay: in all (None), of each sandbox, of their other points ("")
        self._left: dict[tuple[bytes, str | None], int] | None = None
        self._skipped: dict[Code, int] | None = None  # uY of lots passed over

    def choose(self, value: int) -> list[Spend] | Code:
        """The legs that pay `value` uY, or why that is not possible: one of _SKIPS or INSUFFICIENT."""
        remaining = value
        spends: list[Spend] = []
        usable: list[tuple[int, Class]] = []
        class_of = self._turn.class_of
        for position in self._order():
            lot = self._lots[position]
            if not lot.avail or lot.from_day:
                continue
            of = class_of(lot.class_id)
            uv = of.uv
            units = remaining // uv
            if units > lot.avail:
                units = lot.avail
            if self._passed_over(lot.class_id, of, units * uv, lot.avail * uv):
                continue
            if units:
                spends.append(Spend(position, of.issuer, units, units * uv, 0))
                remaining -= units * uv
                if not remaining:
                    return spends
            if units < lot.avail:
                usable.append((position, of))
        if self._overshoot(spends, usable, remaining):
            return spends
        return self._shortage(remaining)

    def _order(self) -> Iterator[int]:
        """Positions in order of spending: the canonical one, but on equal expiry the payee's own points come first."""
        lots, payee, class_of = self._lots, self._payee, self._turn.class_of
        bucket = 0
        others: list[int] = []
        for position, lot in enumerate(lots):
            if lot.bucket != bucket:
                yield from others
                bucket, others = lot.bucket, []
            if class_of(lot.class_id).issuer == payee:
                yield position
            else:
                others.append(position)
        yield from others

    def _passed_over(self, class_id: str, of: Class, taken: int, whole: int) -> bool:
        """Whether a lot of this class may not be used here; its whole value is remembered for the answer."""
        foreign = of.issuer != self._payee
        if (
            (of.sandbox and not pays_at(self._turn, class_id, of, self._payee, self._aside))
            or (of.scope and self._merchant.category not in of.scope)
            or (foreign and self._winding_down)
        ):
            self._skip(Code.SCOPE_DENIED, whole)
        elif self._turn.time < of.paused_until:
            self._skip(Code.CLASS_PAUSED, whole)
        elif foreign and not self._covered(class_id, of, taken):
            self._skip(Code.ISSUER_RESERVE_EXHAUSTED, whole)
        else:
            return False
        return True

    def _skip(self, fault: Code, value: int) -> None:
        if self._skipped is None:
            self._skipped = {}
        self._skipped[fault] = self._skipped.get(fault, 0) + value

    def _covered(self, class_id: str, of: Class, taken: int) -> bool:
        """Whether a suspended issuer's reserve covers what it owes with this leg (D12); a true answer counts it."""
        issuer, turn = of.issuer, self._turn
        merchant: Merchant = turn.get(merchant_key(issuer))
        if merchant.status is not _SUSPENDED:
            return True
        books: Books = turn.get(books_key(issuer)) or NO_BOOKS
        found = sandbox_of(turn, class_id, of) if of.sandbox else None
        if self._left is None:
            self._left = {}
        left, whole = self._left, (issuer, None)
        pool: tuple[bytes, str | None] = (issuer, "" if found is None else of.sandbox)
        if whole not in left:
            left[whole] = merchant.reserve * UY_PER_FEN - books.payable
        if pool not in left:  # a sum over all its sandboxes: once per payment, not per lot
            left[pool] = draws_left(turn, merchant, books.payable, found)
        if taken > min(left[whole], left[pool]):
            return False
        left[whole] -= taken
        left[pool] -= taken
        return True

    def _overshoot(self, spends: list[Spend], usable: list[tuple[int, Class]], remaining: int) -> bool:
        """Pay the rest below one unit with a unit of the cheapest class above it; it joins its lot's leg."""
        candidates = sorted((of.uv, rank) for rank, (_, of) in enumerate(usable) if of.uv > remaining)
        for uv, rank in candidates:
            position, of = usable[rank]
            if of.issuer != self._payee and not self._covered(self._lots[position].class_id, of, uv):
                self._skip(Code.ISSUER_RESERVE_EXHAUSTED, uv)
                continue
            for i, spend in enumerate(spends):
                if spend.position == position:
                    spends[i] = Spend(position, of.issuer, spend.units + 1, spend.pay + remaining, uv - remaining)
                    return True
            spends.append(Spend(position, of.issuer, 1, remaining, uv - remaining))
            return True
        return False

    def _shortage(self, missing: int) -> Code:
        """The first of the reasons whose lots, with those before, would have met the price; else INSUFFICIENT."""
        skipped = self._skipped or {}
        for code in _SKIPS:
            missing -= skipped.get(code, 0)
            if missing <= 0:
                return code
        return Code.INSUFFICIENT
