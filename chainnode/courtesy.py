"""What an address may cost this node with transactions that come to nothing (T9, T26). No IO; the clock is given.

Who only sends what is taken in never meets it. Beyond its budget an address is not read for a while, so that a flood of
forged signatures stays in the sender's own socket; the node spends a few percent of a core on it, whatever its rate.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from typing import Final

from chainnode.budget import Budget
from primitives.codes import Code

REFUSED_COST: Final = 1  # decoding and a look at pool and state: about 5 us
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
