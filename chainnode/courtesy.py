"""What an address may cost this node with transactions that come to nothing (T9, T26). No IO; the clock is given.

Who only sends what is taken in never meets it. Beyond its budget an address is not read for a while, so that a flood of
forged signatures stays in the sender's own socket; the node spends a few percent of a core on it, whatever its rate.
Who was told to come again later, and comes before, is not looked at: that is what makes a refusal under overload free.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from math import ceil
from typing import Final

from chainnode.budget import Budget
from primitives.codes import Code

REFUSED_COST: Final = 1  # decoding and a look at pool and state: about 5 us
UNREAD_PER_COST: Final = 32  # transactions that are refused unread: about 0.15 us each
FORGED_COST: Final = 24  # and a signature that both verifiers refuse: about 60 us, and nobody honest sends it
BURST: Final = 12_000.0  # 500 forged ones, some 30 ms of one core
PER_SECOND: Final = 8_000.0  # 2 to 4 % of one core
ADDRESSES_MAX: Final = 10_000  # beyond, the longest unused budget is forgotten: it was full again anyway


def cost_of(code: int) -> int:
    """Of the answer to one transaction; nothing for what was taken in. Sending again is cheap, not free."""
    match code:
        case Code.OK:
            return 0
        case Code.BAD_SIGNATURE:
            return FORGED_COST
        case _:
            return REFUSED_COST


def cost_of_unread(count: int) -> int:
    """Of a bulk of so many transactions that nobody looked into."""
    return 1 + count // UNREAD_PER_COST


def house_of(address: str) -> str:
    """Who answers for an address: of IPv6 the first 64 bits, one line has all the rest; a mapped IPv4 is itself."""
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


class Courtesy:
    """One per node, for all its doors."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock: Final = clock
        self._budgets: Final[OrderedDict[str, Budget]] = OrderedDict()
        self._told: Final[OrderedDict[str, float]] = OrderedDict()  # when it may come again

    def spend(self, address: str, codes: Iterable[int]) -> float:
        """These answers went there. Returns: the seconds for which nothing more should be read from it."""
        return self.charge(address, sum(map(cost_of, codes)))

    def charge(self, address: str, cost: int) -> float:
        """Like `spend`, with the sum; 0 asks how things stand."""
        now, house = self._clock(), house_of(address)
        budget = self._budgets.pop(house, None)
        if budget is None:
            if not cost:
                return 0.0
            budget = Budget(BURST, PER_SECOND, now)
        self._budgets[house] = budget
        if len(self._budgets) > ADDRESSES_MAX:
            self._budgets.popitem(last=False)
        return budget.spend(cost, now)

    def tell(self, address: str, wait_ms: int) -> None:
        """It was told that there is no room, whoever sends, and to come again after `wait_ms`."""
        house = house_of(address)
        self._told.pop(house, None)
        self._told[house] = self._clock() + wait_ms / 1000
        if len(self._told) > ADDRESSES_MAX:
            self._told.popitem(last=False)

    def told_ms(self, address: str) -> int:
        """How much of that time is left; 0: what it sends is looked at."""
        house = house_of(address)
        until = self._told.get(house)
        if until is None:
            return 0
        left = until - self._clock()
        if left <= 0:
            del self._told[house]
            return 0
        return ceil(left * 1000)
