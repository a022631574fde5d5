"""INV-15 against a model of its own: whatever is tried, the campaigns grant what they promised, once, and no more.

The model is written from the table of kinds alone: budgets, limits, lists and times as sums over what succeeded.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from points.invariants import violations
from primitives.codes import Code
from primitives.kinds import Issue
from primitives.kinds_campaigns import BatchIssue, CampaignClaim, CampaignClose, CampaignCreate, list_root, prove_entry
from tests.properties.world import World

START = 1_759_913_600
DAY = 86_400
TOURISTS = ["u", "v", "w"]
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "hA": ("A", {"uv": 10_000, "validity_days": 365}),
    "a7": ("A", {"uv": 7_777, "validity_days": 3}),
    "hB": ("B", {"uv": 10_000, "validity_days": 30}),
}
NAMES = st.sampled_from(["c", "c", "c", "d", "e"])
ORDERS = count()  # each batch its own
CLASS_IDS = st.sampled_from(["hA", "hA", "a7", "hB"])
UNITS = st.sampled_from([1, 2, 5, 9, 10, 11, 40, 0])
PEOPLE = st.sampled_from([*TOURISTS, *TOURISTS, "A"])


@dataclass
class Promise:
    """A campaign as its terms and what has been granted."""

    issuer: str
    class_id: str
    budget: int
    per_account: int
    starts: int
    ends: int
    listed: list[tuple[str, int]]
    closed: bool = False
    had: dict[str, int] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)

    def open(self, now: int) -> bool:
        return self.starts <= now < self.ends and not self.closed

    def room(self, grants: list[tuple[str, int]]) -> bool:
        had = self.had | {to: self.had.get(to, 0) + units for to, units in grants}
        return sum(had.values()) <= self.budget and max(had.values()) <= self.per_account

    def take(self, grants: list[tuple[str, int]]) -> None:
        for to, units in grants:
            self.had[to] = self.had.get(to, 0) + units


class CampaignsAgainstModel(RuleBasedStateMachine):
    @initialize(budget=st.integers(10, 60), per_account=st.sampled_from([10, 15, 25]),
                units=st.lists(st.sampled_from([1, 5, 10]), min_size=3, max_size=3))  # fmt: skip
    def begin(self, budget: int, per_account: int, units: list[int]) -> None:
        """Everybody stands in the list of a first campaign, or most of what follows would be refused."""
        self.world = World(START, {"A": 4_000, "B": 10}, TOURISTS, CLASSES)  # B may issue 25 fen
        self.promises: dict[str, Promise] = {}
        self.units = {(name, class_id): 0 for name in TOURISTS for class_id in CLASSES}
        self.orders = 0
        self._create("c", Promise("A", "hA", budget, per_account, START, START + 30 * DAY,
                                  list(zip(TOURISTS, units, strict=True))), allowed=True)  # fmt: skip

    def done(self, sender: str, body: Any) -> bool:
        """Run it; a refusal writes nothing. Whether it succeeded."""
        receipt = self.world.do(sender, body)
        if receipt.code != Code.OK:
            assert (self.world.changed, receipt.events) == ({}, ())
        return receipt.code == Code.OK

    def check(self) -> None:
        assert violations(self.world.memory, self.world.now) == []
        for (name, class_id), units in self.units.items():
            if class_id != "a7":  # expires within the walk
                assert self.world.units(name, class_id)[0] == units
        for class_id in CLASSES:
            granted = sum(units for (_, of), units in self.units.items() if of == class_id)
            assert self.world.counters(class_id)[0] == granted

    def covered(self, class_id: str, units: int) -> bool:
        """INV-7; nothing is redeemed here, so outstanding only falls by expiry: the exact cap is asked of the books."""
        issuer, terms = CLASSES[class_id]
        reserve = {"A": 4_000, "B": 10}[issuer]
        return bool(sum(self.world.books(issuer)) + units * terms["uv"] <= reserve * 10_000 * 10_000 // 4_000)

    @rule(name=NAMES, class_id=CLASS_IDS, budget=UNITS, per_account=UNITS, starts=st.sampled_from([-5, 0, 100]),
          days=st.sampled_from([0, 1, 4, 1_095, 1_096]), people=st.lists(st.tuples(PEOPLE, UNITS), max_size=5),
          sender=st.sampled_from(["A", "A", "B", "u"]))  # fmt: skip
    def create(
        self, name: str, class_id: str, budget: int, per_account: int, starts: int, days: int,
        people: list[tuple[str, int]], sender: str,
    ) -> None:  # fmt: skip
        now = self.world.now
        promise = Promise(sender, class_id, 4 * budget, per_account, now + starts, now + days * DAY, people)
        fits = budget and per_account and now < promise.ends > promise.starts and days <= 1_095
        allowed = fits and CLASSES[class_id][0] == sender and name not in self.promises
        self._create(name, promise, bool(allowed))

    def _create(self, name: str, promise: Promise, allowed: bool) -> None:
        people = [(self.world.address[to], units) for to, units in promise.listed]
        body = CampaignCreate(
            name, promise.class_id, promise.budget, promise.per_account, promise.starts, promise.ends,
            list_root(name, people) if people else None,
        )  # fmt: skip
        assert self.done(promise.issuer, body) == allowed
        if allowed:
            self.promises[name] = promise
        self.check()

    @rule(name=NAMES, grants=st.lists(st.tuples(st.sampled_from(TOURISTS), st.sampled_from([1, 2, 5, 9])), min_size=1,
                                      max_size=3, unique_by=lambda grant: grant[0]))  # fmt: skip
    def good_batch(self, name: str, grants: list[tuple[str, int]]) -> None:
        """Nothing but its limits may stand against it."""
        promise = self.promises.get(name)
        if promise is not None:
            self.batch(name, promise.class_id, grants, promise.issuer)

    @rule(name=NAMES, class_id=CLASS_IDS, grants=st.lists(st.tuples(PEOPLE, UNITS), max_size=4),
          sender=st.sampled_from(["A", "A", "B"]))  # fmt: skip
    def batch(self, name: str, class_id: str, grants: list[tuple[str, int]], sender: str) -> None:
        entries = tuple((self.world.address[to], units) for to, units in grants)
        body = BatchIssue(name, class_id, entries, f"b{next(ORDERS)}")
        promise, people = self.promises.get(name), [to for to, _ in grants]
        well_formed = bool(grants) and all(u for _, u in grants) and len(set(people)) == len(people)
        allowed = (
            well_formed and set(people) <= set(TOURISTS) and CLASSES[class_id][0] == sender and promise is not None
            and promise.class_id == class_id and promise.open(self.world.now) and promise.room(grants)
            and self.covered(class_id, sum(units for _, units in grants))
        )  # fmt: skip
        assert self.done(sender, body) == allowed
        if allowed and promise is not None:
            self.granted(promise, grants)

    @rule(name=NAMES, sender=PEOPLE, pick=st.integers(0, 4), more=st.sampled_from([0, 0, 0, 1]))
    def claim(self, name: str, sender: str, pick: int, more: int) -> None:
        """With the proof of any entry of the list, the right one more often than not."""
        promise = self.promises.get(name)
        if promise is None or not promise.listed:
            return
        own = [i for i, (to, _) in enumerate(promise.listed) if to == sender]
        index = own[0] if own and pick else pick % len(promise.listed)
        to, units = promise.listed[index]
        entries = [(self.world.address[who], of) for who, of in promise.listed]
        body = CampaignClaim(name, units + more, prove_entry(name, entries, index))
        allowed = (
            sender in TOURISTS and to == sender and units > 0 and not more and sender not in promise.claimed
            and promise.open(self.world.now) and promise.room([(sender, units)])
            and self.covered(promise.class_id, units)
        )  # fmt: skip
        assert self.done(sender, body) == allowed
        if allowed:
            promise.claimed.add(sender)
            self.granted(promise, [(sender, units)])

    def granted(self, promise: Promise, grants: list[tuple[str, int]]) -> None:
        promise.take(grants)
        for to, units in grants:
            self.units[to, promise.class_id] += units
        assert sum(promise.had.values()) <= promise.budget
        self.check()

    @rule(name=NAMES, sender=st.sampled_from(["A", "B", "u"]), sure=st.sampled_from([False, False, True]))
    def close(self, name: str, sender: str, sure: bool) -> None:
        """Rarely: a closed campaign has little left to tell."""
        if not sure:
            return
        promise = self.promises.get(name)
        allowed = promise is not None and promise.issuer == sender and not promise.closed
        allowed = allowed and promise is not None and self.world.now < promise.ends
        assert self.done(sender, CampaignClose(name)) == allowed
        if promise is not None and allowed:
            promise.closed = True

    @rule(class_id=st.sampled_from(["hA", "hB"]), units=st.integers(1, 9))
    def issue(self, class_id: str, units: int) -> None:
        """Ordinary issues use the same room."""
        self.orders += 1
        body = Issue(class_id, self.world.address["u"], units, f"o{self.orders}", "EARN", 0)
        if self.done(CLASSES[class_id][0], body):
            self.units["u", class_id] += units
        self.check()

    @rule(seconds=st.sampled_from([1, 1, 99, 100, DAY, 3 * DAY]))
    def wait(self, seconds: int) -> None:
        self.world.run(at=self.world.now + seconds)
        self.check()


TestCampaignsAgainstModel = CampaignsAgainstModel.TestCase
