"""INV-16 against what the table of kinds promises: whatever is tried, a sandbox stays within its caps and its list, and
after its end nothing of it begins."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from points.invariants import violations
from points.keys import merchant_key
from points.queries_sandboxes import sandbox
from points.state import Merchant
from primitives.kinds import (
    Authorize,
    Body,
    Capture,
    ClassCreate,
    Exchange,
    Issue,
    Refund,
    ReserveAttest,
    ReverseIssue,
    Transfer,
    Void,
)
from primitives.kinds_campaigns import BatchIssue, CampaignCreate
from primitives.kinds_governance import GovPropose, GovVote, Payload, SetStatus
from primitives.kinds_sandbox import SandboxClose, SandboxEnrol, SandboxOpen
from primitives.receipt import Event, Receipt
from tests.properties.world import World

START = 1_759_913_600
DAY = 86_400
TOURISTS = ["u", "v", "w"]
UV = {"s1": 10_000, "s2": 3_333}
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "hA": ("A", {"uv": 10_000, "validity_days": 365}), "hB": ("B", {"uv": 10_000, "validity_days": 365}),
}  # fmt: skip
BEGINS = {"Issued", "HoldOpened", "Transferred", "Exchanged", "SandboxEnrolled", "ClassCreated"}
PEOPLE = st.sampled_from(["u", "u", "u", "v", "w"])
OWN = st.sampled_from(sorted(UV))
UNITS = st.sampled_from([1, 2, 5, 10, 20])


class SandboxInItsCaps(RuleBasedStateMachine):
    @initialize(most=st.sampled_from([20, 40, 60]), days=st.sampled_from([3, 20]), accounts=st.sampled_from([1, 2, 3]))
    def begin(self, most: int, days: int, accounts: int) -> None:
        self.world = World(START, {"A": 4_000, "B": 4_000, "C": 4_000}, TOURISTS, CLASSES, members=["m"])
        self.most, self.ends, self.accounts, self.listed = most, START + DAY + days * DAY, accounts, {"u"}
        self.count, self.over, self.reserve = 0, False, 4_000
        self.orders: dict[str, list[str]] = {"issue": [], "pay": []}
        self.holds: list[bytes] = []
        a, b, u = (self.world.address[name] for name in "ABu")
        self.decide(SandboxOpen("s", a, accounts, most, START, self.ends, most, bytes(32), (b,), (u,)))
        for class_id, uv in UV.items():
            self.ok("A", ClassCreate(class_id, uv, 5, transferable=True, sandbox="s"))
        self.ok("A", CampaignCreate("c", "s1", 1000, 1000, START, self.ends + DAY, None))

    def next_id(self) -> str:
        self.count += 1
        return f"o{self.count}"

    def decide(self, payload: Payload) -> None:
        name = self.next_id()
        if self.world.code("m", GovPropose(name, payload, bytes(32))) == "OK":
            self.world.do("m", GovVote(name, "YES"))
            self.wait(DAY)
            self.wait(1)

    def ok(self, sender: str, body: Body) -> None:
        assert self.world.code(sender, body) == "OK"

    def do(self, sender: str, body: Body) -> Receipt:
        receipt = self.world.do(sender, body)
        self.check(receipt.events)
        return receipt

    def check(self, events: tuple[Event, ...]) -> None:
        """The caps, summed up from the lots; and what began after the end."""
        assert violations(self.world.memory, self.world.now) == []
        out = {name: sum(sum(self.world.units(name, c)) * uv for c, uv in UV.items()) for name in TOURISTS}
        assert sum(out.values()) <= self.most * 10_000
        assert {name for name, value in out.items() if value} <= self.listed
        assert len(self.listed) <= self.accounts
        merchant: Merchant = self.world.memory.get(merchant_key(self.world.address["A"]))
        self.over |= self.world.now >= self.ends or merchant.reserve < self.most
        if self.over:
            began = [event for event in events if event.kind in BEGINS]
            assert not any(dict(event.fields).get("class") in UV for event in began), began

    @rule(class_id=OWN, units=UNITS, to=PEOPLE)
    def grant(self, class_id: str, units: int, to: str) -> None:
        order = self.next_id()
        value = sum((c[0] + c[1] - c[4] - c[5]) * UV[name] for name in UV for c in [self.world.counters(name)])
        fits = value + units * UV[class_id] <= self.most * 10_000
        over = self.over or self.state() != "RUNNING"
        code = self.do("A", Issue(class_id, self.world.address[to], units, order, "EARN", 0)).code
        if code == 0:
            assert fits and not over and to in self.listed
            self.orders["issue"].append(order)
        elif fits and not over and to in self.listed:
            merchant: Merchant = self.world.memory.get(merchant_key(self.world.address["A"]))
            assert code in (4005, 4006), (code, merchant)  # suspended, or INV-7 of the whole merchant

    def state(self) -> str:
        plain = sandbox(self.world.memory, self.world.now, "s")
        return "GONE" if plain is None else str(plain["state"])

    @rule(units=UNITS, to=PEOPLE)
    def batch(self, units: int, to: str) -> None:
        self.do("A", BatchIssue("c", "s1", ((self.world.address[to], units),), self.next_id()))

    @rule(units=UNITS, to=PEOPLE)
    def ordinary(self, units: int, to: str) -> None:
        self.do("A", Issue("hA", self.world.address[to], units, self.next_id(), "EARN", 0))

    @rule(who=PEOPLE)
    def enrol(self, who: str) -> None:
        if self.do("A", SandboxEnrol("s", (self.world.address[who],))).code == 0:
            self.listed.add(who)

    @rule(who=PEOPLE, at=st.sampled_from(["A", "B", "B", "C"]), value=UNITS)
    def pay(self, who: str, at: str, value: int) -> None:
        order = self.next_id()
        if self.world.redeem(who, at, order, value) == "OK":
            self.orders["pay"].append(f"{at}/{order}")
        self.check(())

    @rule(which=st.integers(0, 9), value=UNITS)
    def refund(self, which: int, value: int) -> None:
        if self.orders["pay"]:
            merchant, order = self.orders["pay"][which % len(self.orders["pay"])].split("/")
            self.do(merchant, Refund(order, self.next_id(), value))

    @rule(which=st.integers(0, 9), units=UNITS)
    def reverse(self, which: int, units: int) -> None:
        if self.orders["issue"]:
            self.do("A", ReverseIssue(self.orders["issue"][which % len(self.orders["issue"])], units))

    @rule(who=PEOPLE, value=UNITS)
    def set_aside(self, who: str, value: int) -> None:
        before = {class_id: self.world.units(who, class_id)[2] for class_id in UV}
        receipt = self.do(who, Authorize(self.world.address["B"], value, 5 * DAY))
        if receipt.code == 0:
            self.holds += [event.hashes[0][1] for event in receipt.events if event.kind == "HoldOpened"]
        after = {class_id: self.world.units(who, class_id)[2] for class_id in UV}
        assert after == before or not self.over, "points of the sandbox were set aside after its end"

    @rule(which=st.integers(0, 9), value=UNITS, give_up=st.booleans())
    def use_hold(self, which: int, value: int, give_up: bool) -> None:
        if self.holds:
            hold = self.holds[which % len(self.holds)]
            self.do("B", Void(hold) if give_up else Capture(hold, value, self.next_id()))

    @rule(who=PEOPLE, to=PEOPLE, class_id=OWN, units=UNITS)
    def transfer(self, who: str, to: str, class_id: str, units: int) -> None:
        self.do(who, Transfer(class_id, units, self.world.address[to]))

    @rule(who=PEOPLE, old=st.sampled_from(["s1", "s2", "hA"]), new=st.sampled_from(["s1", "s2", "hB"]),
          units=UNITS)  # fmt: skip
    def exchange(self, who: str, old: str, new: str, units: int) -> None:
        receipt = self.do(who, Exchange(old, units, new))
        assert receipt.code or not {old, new} & set(UV)

    @rule(fen=st.sampled_from([4_000, 4_000, 4_000, 100, 19]), sure=st.sampled_from([False, False, True]))
    def attest(self, fen: int, sure: bool) -> None:
        if sure:
            body = ReserveAttest(self.world.address["A"], fen, self.world.now, bytes(32))
            self.world.do("A", body, ["A", "bank"])
            self.check(())

    @rule(status=st.sampled_from(["SUSPENDED", "ACTIVE", None]), sure=st.sampled_from([False, False, False, True]))
    def vote(self, status: Any, sure: bool) -> None:
        if sure:
            address = self.world.address["A"]
            self.decide(SetStatus(address, status) if status else SandboxClose("s", address))
            self.over |= self.state() not in ("RUNNING", "PLANNED")

    @rule(seconds=st.sampled_from([1, 1, 3600, DAY]))
    def wait(self, seconds: int) -> None:
        self.world.run(at=self.world.now + seconds)
        self.check(())


TestSandboxInItsCaps = SandboxInItsCaps.TestCase
