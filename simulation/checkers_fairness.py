"""Nobody waits for ever: a bound on the time from a client's submission to its decision (L7, C7)."""

from collections.abc import Callable

from consensus.settings import Timing
from primitives.hashing import Digest

SPREAD_MS = 1_200  # until a batch is with everybody, whoever of the honest took it
LAST_ROUND_MS = 3_000  # the view of an honest leader, its NEWVIEW included


def fair_bound_ms(faulty: int, timing: Timing) -> int:
    """How long a transaction of an honest node may wait in a network without faults besides `faulty` traitors.

    Each traitor leads at most once before an honest member does. It can pass a batch over for T_fair, and then keep
    everybody waiting for a NEWVIEW for T; both double with every view. Then an honest leader needs one round.
    """
    per_view = timing.inclusion_ms + timing.round_cap_ms
    return sum(per_view << view for view in range(faulty)) + faulty * SPREAD_MS + SPREAD_MS + LAST_ROUND_MS


class FairnessRule:
    """Give it every submission to an honest node and every execution there. `quiet_ms`: when the last fault ends;
    whoever injects later ones moves it."""

    def __init__(self, bound_ms: int, quiet_ms: int, now_ms: Callable[[], int]) -> None:
        self.bound_ms, self.quiet_ms, self._now_ms = bound_ms, quiet_ms, now_ms
        self._waiting: dict[Digest, int] = {}
        self._done: set[Digest] = set()
        self.slowest_ms = 0

    def submitted(self, transaction: Digest) -> None:
        """An honest node took it in."""
        if transaction not in self._done:
            self._waiting.setdefault(transaction, self._now_ms())

    def executed(self, transaction: Digest) -> None:
        """An honest node has executed it."""
        self._done.add(transaction)
        since = self._waiting.pop(transaction, None)
        if since is not None:
            self._check(transaction, since)

    def look(self) -> None:
        """Nothing waits too long now."""
        for transaction, since in self._waiting.items():
            self._check(transaction, since)

    def _check(self, transaction: Digest, since: int) -> None:
        waited = self._now_ms() - max(since, self.quiet_ms)
        self.slowest_ms = max(self.slowest_ms, waited)
        assert waited <= self.bound_ms, (
            f"FAIR: transaction {transaction.hex()[:8]} waits {waited} ms, the bound is {self.bound_ms} ms"
        )
