"""The invariants recomputed while a test network runs: a broken one stops the node in the block that broke it.

One pass costs as much as the state is large, so it is for development: `check_invariants_blocks` of the configuration,
0 in production. A pass that takes long is made more rarely, so that a node under load spends at most a tenth on it;
one that would hold up the votes of a round is the last.
"""

import logging
from collections.abc import Callable
from typing import Final

from chainnode.failures import InvariantBroken
from points.invariants import violations
from points.view import View

SHARE: Final = 10  # a pass of 1 ms is followed by at least 9 ms without one
PASS_MS_MAX: Final = 250  # a quarter of the progress timer: the votes wait meanwhile
SENTENCES_MAX: Final = 5
LOG: Final = logging.getLogger(__name__)


class InvariantWatch:
    """Called after every block; `every` blocks at the most often, 0 never."""

    def __init__(
        self, every: int, clock_ms: Callable[[], int], fail: Callable[[Exception], None], checked: Callable[[], None]
    ) -> None:
        """`checked` is called after each pass, `fail` with the failure that must end the node."""
        self._every = every
        self._clock_ms: Final = clock_ms
        self._fail: Final = fail
        self._checked: Final = checked
        self._blocks = 0
        self._quiet_until = 0

    def executed(self, height: int, view: View, time_s: int, changed: bool) -> None:
        """A block stands in the state; `changed`: it is another one than before."""
        self._blocks += changed
        if not self._every or self._blocks < self._every or self._clock_ms() < self._quiet_until:
            return
        self._blocks = 0
        began = self._clock_ms()
        found = violations(view, time_s)
        took = self._clock_ms() - began
        self._quiet_until = began + SHARE * took
        self._checked()
        if took > PASS_MS_MAX:
            LOG.warning("the invariants take %d ms, limit %d: not checked after block %d", took, PASS_MS_MAX, height)
            self._every = 0
        if found:
            more = f", and {len(found) - SENTENCES_MAX} more" if len(found) > SENTENCES_MAX else ""
            self._fail(InvariantBroken(f"after block {height}: {'; '.join(found[:SENTENCES_MAX])}{more}"))
