"""A load as stubborn clients make it: what was not answered is sent again, the same bytes, to another node."""

import http.client
import itertools
import time

from primitives.transaction import decode_transaction
from tests.integration.local_network import Load

ATTEMPTS = 8


class StubbornLoad(Load):
    """Each bulk goes on to the next node until it is answered `committed`: only then can a double be seen at all.

    `moments`: the monotonic time of each bulk acknowledged, in seconds. `contradicted`: ids that two answers place
    differently. `resent`: how many transactions went to more than one node.
    """

    def __enter__(self) -> "StubbornLoad":
        self.moments: list[float] = []
        self.contradicted: set[str] = set()
        self.resent = 0
        super().__enter__()
        return self

    def gap(self, since: float) -> float:
        """The longest time between two acknowledgements from `since` (monotonic, s) until now."""
        with self._lock:
            marks = [since, *(moment for moment in self.moments if moment >= since), time.monotonic()]
        return max(after - before for before, after in itertools.pairwise(marks))

    def _work(self, number: int) -> None:
        places = itertools.cycle(self.network.places[number:] + self.network.places[:number])
        while not self._stop.is_set():
            raws = [self.network.issue(f"{self.prefix}-{next(self._numbers)}") for _ in range(self.bulk)]
            waiting = {decode_transaction(raw).id.hex(): raw for raw in raws}
            with self._lock:
                self.submitted.update(waiting)
            for attempt in range(ATTEMPTS):
                try:
                    lines = self.network.submit(next(places), list(waiting.values()), timeout_ms=5_000)
                except (OSError, http.client.HTTPException, AssertionError):  # AssertionError: 429 or 503
                    if self._stop.wait(0.02):
                        return
                    lines = []
                self._take(lines, waiting)
                if not waiting:
                    break
                if attempt == 0:
                    with self._lock:
                        self.resent += len(waiting)

    def _take(self, lines: list[dict[str, object]], waiting: dict[str, bytes]) -> None:
        with self._lock:
            for line in lines:
                if line["status"] != "committed":
                    continue
                identity, where = str(line["id"]), (int(str(line["height"])), int(str(line["index"])))
                if self.acknowledged.setdefault(identity, where) != where:
                    self.contradicted.add(identity)
                waiting.pop(identity, None)
                self.moments.append(time.monotonic())
