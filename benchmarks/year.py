"""A year of the points exchange over the rules alone: how large the live state grows, and what leaves it again.

Every day has a block at midnight, one at the daily cut and as many as its transactions fill; after the year comes a
rest in which nobody does anything, so that everything which leaves by rule has left. Invariants are checked monthly.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from benchmarks.year_office import Office
from benchmarks.year_oversight import Oversight
from benchmarks.year_people import Pen, year_genesis
from benchmarks.year_report import Leaving, Month, Prefix, Year
from benchmarks.year_traffic import Traffic, Written
from chainnode.ledger_audit import SortedState
from points.invariants import violations
from points.state import RECORDS, encode_value
from points.transition import apply_block, genesis_state
from primitives.codes import Code
from primitives.genesis import Genesis
from primitives.kinds import kind_of

START: Final = 1_767_196_800 - 28_800  # 2026-01-01 00:00 UTC+8
DAY: Final = 86_400
DAYS: Final = 365
REST_DAYS: Final = 220  # longer than an order can be refunded, and a campaign's last month
REST_BLOCKS: Final = 4  # per day
MONTH_ENDS: Final = (31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)
PER_BLOCK: Final = 250
OPENING_HOUR, CLOSING_HOUR = 8, 23
OPENINGS_PART: Final = 0.08  # of a day's transactions
NAMES: Final = {
    "O": "orders", "R": "refunds", "H": "holds", "T": "hold timers", "U": "used pay codes", "D": "daily sums",
    "W": "windows", "Y": "obligations", "N": "positions", "E": "legs", "X": "window timers", "a": "campaigns",
    "b": "grants", "h": "proposals", "i": "votes", "k": "proposal timers", "x": "alerts",
    "s": "sandboxes", "u": "enrolments", "d": "recoveries", "n": "challenges", "q": "applicants",
}
# First bytes of what stays, is one record, or lives for years: people, merchants, classes and their sums; parameters,
# validators, committee, offices, a pause; assets, anchors, errata with the lists that say when they end.
STAYS: Final = frozenset("ALMBCKGgVlpwrvjmtyzocefP")
LEAVES: Final = {first: NAMES.get(first, f"records {first!r}") for first in RECORDS if first not in STAYS}
Tell = Callable[[str], None]


class Simulation:
    """One year. Deterministic in its seed but for the seconds that it took."""

    def __init__(self, transactions: int, seed: int, tell: Tell) -> None:
        self.genesis: Final[Genesis] = year_genesis(START)
        self.state: Final = SortedState()
        self.state.apply(genesis_state(self.genesis))
        self.pen: Final = Pen(self.genesis)
        self.traffic: Final = Traffic(self.pen, self.state, seed)
        self.oversight: Final = Oversight(self.traffic, self.state)
        self.office: Final = Office(self.traffic, self.state, self.oversight)
        self._random: Final = random.Random(seed)
        self._wanted: Final = transactions
        self._tell: Final = tell
        self.time = START
        self.height = 0
        self.kinds: Final[Counter[str]] = Counter()
        self.codes: Final[Counter[str]] = Counter()
        self.sent = 0
        self.busiest = 0.0
        self._began = time.perf_counter()

    def run(self) -> Year:
        """The whole year and the rest after it."""
        months: list[Month] = []
        for day in range(DAYS):
            self._day(day)
            if day + 1 in MONTH_ENDS:
                months.append(self._month(len(months) + 1))
        for day in range(DAYS, DAYS + REST_DAYS):
            self._rest_day(day)
        months.append(self._month(0))
        seconds = time.perf_counter() - self._began
        return Year(
            self.sent, self.height, round(seconds, 1), dict(sorted(self.kinds.items())),
            dict(sorted(self.codes.items())), months, self._leaving(months), round(self.busiest * 1000, 2),
        )  # fmt: skip

    # ---- days

    def _day(self, day: int) -> None:
        midnight = START + day * DAY
        left = (self._wanted * (day + 1)) // DAYS - (self._wanted * day) // DAYS
        if day:
            self._block(midnight, [])
            self._block(midnight + 7_200, [])
        self._set(midnight + OPENING_HOUR * 3_600)
        plan = self._plan(day, left)
        first = max(1, -(-left // PER_BLOCK))
        step = (CLOSING_HOUR - OPENING_HOUR) * 3_600 // (first + 1)
        at, done = midnight + OPENING_HOUR * 3_600, 0
        while done < left:
            self._set(at)
            batch = self._take(plan, min(PER_BLOCK, left - done))
            self._block(at, batch)
            done += len(batch)
            at += step

    def _plan(self, day: int, left: int) -> Iterator[Written]:
        """Openings and offices first, then whatever people do, without end; written when it is taken."""
        coming = self.traffic.arrivals(max(1, int(left * OPENINGS_PART)))
        yield from map(self.traffic.opening, coming)
        for act in self.office.of_day(day):
            yield act()
        for act in self.oversight.of_day(day):
            yield act()
        while True:
            yield self.traffic.later.popleft()() if self.traffic.later else self.traffic.act()

    @staticmethod
    def _take(plan: Iterator[Written], most: int) -> list[Written]:
        return list(islice(plan, most))

    def _rest_day(self, day: int) -> None:
        """Nobody buys anything; what is owed is still paid."""
        for part in range(REST_BLOCKS):
            at = START + day * DAY + part * DAY // REST_BLOCKS + 7_200
            self._set(at)
            self._block(at, [act() for act in self.office.payments()] if part else [])

    def _set(self, at: int) -> None:
        self.traffic.now = at

    # ---- blocks

    def _block(self, at: int, written: list[Written]) -> None:
        previous, self.time = self.time, at
        self.height += 1
        began = time.perf_counter()
        outcome = apply_block(
            self.state, time_s=at, previous_s=previous, height=self.height, chain_id=self.pen.chain_id,
            transactions=[one.decoded for one in written], seen=lambda _: False,
        )  # fmt: skip
        self.state.apply(outcome.changes)
        if not written:
            self.busiest = max(self.busiest, time.perf_counter() - began)
        self.sent += len(written)
        for one, receipt in zip(written, outcome.receipts, strict=True):
            if receipt is None:
                continue
            self.kinds[kind_of(one.decoded.transaction.envelope.body)] += 1
            self.codes[Code(receipt.code).name] += 1
            if one.then is not None and receipt.code == Code.OK:
                one.then(receipt)

    # ---- measuring

    def _month(self, number: int) -> Month:
        table: dict[str, Prefix] = {}
        records: Counter[str] = Counter()
        octets: Counter[str] = Counter()
        for key, record in self.state.range(b"\x00", b"\xff"):
            first = chr(key[0])
            records[first] += 1
            octets[first] += len(key) + len(encode_value(record))
        for first in sorted(records):
            table[first] = Prefix(records[first], octets[first])
        month = Month(
            number, self.sent, self.height, round(time.perf_counter() - self._began, 1), table,
            tuple(violations(self.state, self.time)),
        )  # fmt: skip
        self._tell(month.line())
        return month

    @staticmethod
    def _leaving(months: list[Month]) -> tuple[Leaving, ...]:
        """What stood in the state at most at the end of a month, and what is left of it after the rest."""
        found = []
        for first, name in LEAVES.items():
            counts = [month.state[first].records if first in month.state else 0 for month in months]
            found.append(Leaving(first, name, max(counts[:-1]), counts[-1]))
        return tuple(found)


def simulate(transactions: int, seed: int = 1, tell: Tell = lambda _: None) -> Year:
    """A year with so many transactions; `tell` gets one line per month."""
    return Simulation(transactions, seed, tell).run()
