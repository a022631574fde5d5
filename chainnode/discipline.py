"""What misbehaving costs: a budget per peer, and a closed door for a while once it is spent (T9). No IO, no clock."""

from typing import Final

from chainnode.budget import Budget
from primitives.validators import NodeId

LIE_COST: Final = 1_000  # the whole budget: malformed, forged or contradictory bytes that only a liar sends
CHARGE_PER_SECOND: Final = 10.0  # how fast smaller offences are forgiven


class Discipline:
    """Times are seconds of the caller's monotonic clock."""

    def __init__(self, ban_seconds: float) -> None:
        self.ban_seconds: Final = ban_seconds
        self._banned_until: Final[dict[NodeId, float]] = {}
        self._charges: Final[dict[NodeId, Budget]] = {}
        self.faults: Final[dict[NodeId, str]] = {}  # the last thing that was wrong with a peer or its link

    def charge(self, node: NodeId, cost: int, now: float) -> bool:
        """Count an offence; LIE_COST is the whole budget. False: the budget is spent, ban it."""
        budget = self._charges.setdefault(node, Budget(LIE_COST - 1, CHARGE_PER_SECOND, now))
        return budget.spend(cost, now) == 0

    def ban(self, node: NodeId, reason: str, now: float) -> None:
        """Refuse it for `ban_seconds`; afterwards it begins with a whole budget."""
        self._banned_until[node] = now + self.ban_seconds
        self._charges.pop(node, None)
        self.faults[node] = reason

    def banned_seconds(self, node: NodeId, now: float) -> float:
        """How long it stays out; 0 if it may come in."""
        return max(0.0, self._banned_until.get(node, 0.0) - now)

    def forget(self, node: NodeId) -> None:
        """Another member takes this seat."""
        for record in (self._banned_until, self._charges, self.faults):
            record.pop(node, None)
