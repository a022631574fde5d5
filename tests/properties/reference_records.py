"""The nouns of the reference model, its calendar, and its brute-force selection, rounding and matching."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

FUND = "FUND"
UY = 10_000  # per fen
UTC8 = timezone(timedelta(hours=8))
Codes = set[str]


def day_of(time_s: int) -> int:
    return (datetime.fromtimestamp(time_s, UTC8).date() - date(1970, 1, 1)).days


def midnight_after(day: int) -> int:
    last = date(1970, 1, 1) + timedelta(days=day + 1)
    return int(datetime(last.year, last.month, last.day, tzinfo=UTC8).timestamp())


def expiry_of(issued_day: int, validity_days: int, bucket: str) -> int:
    last = date(1970, 1, 1) + timedelta(days=issued_day + validity_days)
    if bucket == "MONTH_END":
        following = (last.replace(day=28) + timedelta(days=4)).replace(day=1)
        last = following - timedelta(days=1)
    if bucket == "YEAR_END":
        last = last.replace(month=12, day=31)
    return midnight_after((last - date(1970, 1, 1)).days)


@dataclass
class ClassModel:
    issuer: str
    uv: int
    days: int
    bucket: str = "DAY"
    pending: int = 0
    policy: str = "GRACE"
    grace: int = 30
    transferable: bool = True
    issued: int = 0
    exch_in: int = 0
    restored: int = 0
    redeemed: int = 0
    expired: int = 0
    burned: int = 0


LotKey = tuple[int, str, int, int]  # expiry, class, -ext, from_day: the order of spending but for the payee's own


@dataclass
class LotModel:
    avail: int = 0
    held: int = 0


@dataclass
class LegModel:
    lot: LotKey
    units: int
    pay: int
    over: int
    fee: int = 0
    refunded: int = 0


@dataclass
class HoldModel:
    payer: str
    merchant: str
    value: int
    expires: int
    legs: list[LegModel]
    state: str = "OPEN"
    closed: int = 0  # time; a closed hold leaves the state 180 days later


@dataclass
class OrderModel:
    kind: str
    compared: tuple[object, ...]
    created: int
    payer: str = ""
    value: int = 0
    refunded: int = 0
    legs: list[LegModel] = field(default_factory=list)
    lot: LotKey | None = None
    units: int = 0
    reversed: int = 0


@dataclass
class WindowModel:
    gross: dict[tuple[str, str], int] = field(default_factory=dict)
    closed: bool = False
    fen: dict[str, int] = field(default_factory=dict)
    legs: dict[tuple[str, str], str] = field(default_factory=dict)
    amounts: dict[tuple[str, str], int] = field(default_factory=dict)

    def settled(self) -> bool:
        return self.closed and all(state == "CONFIRMED" for state in self.legs.values())

    def released(self, who: str) -> bool:
        """Whether what `who` owes in this window no longer counts against its cap (D11)."""
        if not self.closed:
            return False
        side = 1 if self.fen.get(who, 0) > 0 else 0
        return all(state == "CONFIRMED" for leg, state in self.legs.items() if leg[side] == who)


def choose_legs(
    candidates: list[tuple[LotKey, int]], uv_of: Callable[[LotKey], int], value: int
) -> list[LegModel] | None:
    """Whole units in the given order, then one overshooting unit of the cheapest class (D6); None: not enough."""
    taken = [0] * len(candidates)
    left = value
    for i, (key, units) in enumerate(candidates):
        taken[i] = min(units, left // uv_of(key))
        left -= taken[i] * uv_of(key)
    over_at = None
    if left:
        spare = [
            (uv_of(key), i) for i, (key, units) in enumerate(candidates) if taken[i] < units and uv_of(key) > left
        ]
        if not spare:
            return None
        over_at = min(spare)[1]
    legs = []
    for i, (key, _) in enumerate(candidates):
        uv = uv_of(key)
        if i == over_at:
            legs.append(LegModel(key, taken[i] + 1, taken[i] * uv + left, uv - left))
        elif taken[i]:
            legs.append(LegModel(key, taken[i], taken[i] * uv, 0))
    return legs


def round_to_fen(nets: dict[str, int], address_of: dict[str, bytes]) -> tuple[dict[str, int], dict[str, int]]:
    """(fen, carry) by largest remainder, ties to the lower address (2.9)."""
    fen = {who: net // UY for who, net in nets.items()}
    by_remainder = sorted(nets, key=lambda who: (-(nets[who] % UY), address_of[who]))
    for who in by_remainder[: -sum(fen.values())]:
        fen[who] += 1
    return fen, {who: nets[who] - UY * fen[who] for who in nets}


def greedy_payments(fen: dict[str, int], address_of: dict[str, bytes]) -> dict[tuple[str, str], int]:
    """(debtor, creditor) -> fen: both sides largest first, ties to the lower address (2.9)."""

    def largest_first(sign: int) -> list[str]:
        return sorted((w for w in fen if sign * fen[w] > 0), key=lambda who: (-abs(fen[who]), address_of[who]))

    left = {who: abs(amount) for who, amount in fen.items()}
    payments = {}
    for creditor in largest_first(1):
        for debtor in largest_first(-1):
            amount = min(left[debtor], left[creditor])
            if amount:
                left[debtor], left[creditor] = left[debtor] - amount, left[creditor] - amount
                payments[debtor, creditor] = amount
    return payments
