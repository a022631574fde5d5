"""The rules against the reference model: after every operation of any sequence both say the same, to the micro-yuan.

INV-1 to INV-9 hold after each of them, a reject or a repetition writes nothing (INV-13), and the whole history replayed
from genesis ends in the same state (INV-14).
"""

from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from points import queries
from points.invariants import violations
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    Capture,
    Exchange,
    Issue,
    LegConfirm,
    LegPaid,
    Refund,
    ReverseIssue,
    Transfer,
    Void,
    WindowClose,
)
from primitives.receipt import Receipt
from tests.properties.reference_model import Model
from tests.properties.reference_records import ClassModel, Codes
from tests.properties.world import World

START = 1_759_913_600
DAY = 86_400
MERCHANTS = {"A": 400_000, "B": 20_000, "C": 300}
TOURISTS = ["u", "v"]
CLASSES = {
    "hA": ClassModel("A", 10_000, 365),
    "a7": ClassModel("A", 7_777, 20, "MONTH_END", grace=3),
    "hB": ClassModel("B", 10_000, 4, policy="FORFEIT"),
    "b3": ClassModel("B", 3_333, 9, pending=2, grace=5),
    "cY": ClassModel("C", 9_999, 30, "YEAR_END", grace=1),
}
merchants, tourists = st.sampled_from(sorted(MERCHANTS)), st.sampled_from(TOURISTS)
classes = st.sampled_from(sorted(CLASSES))
values = st.one_of(st.integers(1, 90), st.integers(1, 20), st.integers(0, 3_000))
units = st.one_of(st.integers(1, 60), st.integers(1, 200), st.integers(0, 4_000))
numbers = st.integers(0, 40)  # order ids of all kinds collide now and then (D2)


def classes_of_model() -> dict[str, ClassModel]:
    return {name: ClassModel(**vars(of)) for name, of in CLASSES.items()}


def new_world(*members: str) -> World:
    fields: dict[str, tuple[str, dict[str, Any]]] = {
        name: (of.issuer, {
            "uv": of.uv, "validity_days": of.days, "bucket": of.bucket, "pending_days": of.pending,
            "refund_policy": of.policy, "grace_days": of.grace, "transferable": True,
        })
        for name, of in CLASSES.items()
    }  # fmt: skip
    return World(START, MERCHANTS, TOURISTS, fields, members=members)


class RulesAgainstModel(RuleBasedStateMachine):
    world_of: ClassVar[Callable[[], World]] = staticmethod(new_world)
    model_of: ClassVar[type[Model]] = Model

    @initialize(funds=st.lists(st.tuples(classes, tourists, st.integers(1, 150)), min_size=4, max_size=10))
    def begin(self, funds: list[tuple[str, str, int]]) -> None:
        """Both tourists have something from the start, or most of what follows would be refused."""
        self.world = self.world_of()
        self.model = self.model_of(START, dict(MERCHANTS), classes_of_model(), TOURISTS)
        self.holds: list[str] = []
        self.issued: list[tuple[str, str]] = []  # (merchant, order id)
        self.orders: list[tuple[str, str]] = []  # of payments
        self.seq = 0
        assert violations(self.world.memory, self.world.now) == []
        for i, (class_id, to, amount) in enumerate(funds):
            self._issue(CLASSES[class_id].issuer, class_id, to, amount, f"f{i}", 0)

    def check(self, receipt: Receipt, operation: Callable[[Model], Codes]) -> str:
        """Run the same on a copy of the model; the code must be one that it allows, the readings must agree."""
        attempt = self.model.copy()
        allowed = operation(attempt)
        code = Code(receipt.code).name
        assert code in allowed, (code, receipt.detail, allowed)
        if code == "OK":
            self.model = attempt
        else:
            assert self.world.changed == {}, "a reject or a repetition changed the state"
        self.compare()
        return code

    def compare(self) -> None:
        world, model = self.world, self.model
        model.check_laws()
        for name in TOURISTS:
            for class_id in CLASSES:
                assert world.units(name, class_id) == model.units(name, class_id), (name, class_id)
        for class_id, of in model.classes.items():
            counters = (of.issued, of.exch_in, of.restored, of.redeemed, of.expired, of.burned)
            assert world.counters(class_id) == counters, class_id
        for merchant in MERCHANTS:
            assert world.books(merchant) == (model.outstanding(merchant), model.payable(merchant)), merchant
        for number, window in enumerate(model.windows[-3:], max(len(model.windows) - 2, 1)):
            assert world.gross(number) == window.gross, number
        if len(model.windows) > 1:
            self.compare_closed(len(model.windows) - 1)
        assert violations(world.memory, world.now) == []

    def compare_closed(self, number: int) -> None:
        """Fen, carries, payments and their states of the newest closed window (INV-5, INV-6)."""
        window, name = self.model.windows[number - 1], self.world.name_text
        told = queries.window(self.world.memory, self.world.now, number)
        assert {name(who): fen for who, fen in told["fen"].items() if fen} == {w: f for w, f in window.fen.items() if f}
        assert {name(who): carry for who, carry in told["carry"].items() if carry} == {
            who: carry for who, carry in self.model.carry.items() if carry
        }
        legs = {tuple(map(name, pair.split("->"))): fen for pair, fen in told["instructions"].items()}
        assert legs == window.amounts
        states = {tuple(map(name, pair.split("->"))): state for pair, state in told["legs"].items()}
        assert states == window.legs
        assert told["state"] == ("SETTLED" if window.settled() else "INSTRUCTED")

    @rule(class_id=classes, to=tourists, amount=units, number=numbers, cash=st.sampled_from([0, 7]))
    def issue(self, class_id: str, to: str, amount: int, number: int, cash: int) -> None:
        self._issue(CLASSES[class_id].issuer, class_id, to, amount, f"o{number}", cash)

    @rule(merchant=merchants, class_id=classes, number=numbers)
    def issue_as_anybody(self, merchant: str, class_id: str, number: int) -> None:
        self._issue(merchant, class_id, "u", 5, f"o{number}", 0)

    def _issue(self, merchant: str, class_id: str, to: str, amount: int, order_id: str, cash: int) -> None:
        body = Issue(class_id, self.world.address[to], amount, order_id, "EARN", cash)
        receipt = self.world.do(merchant, body)
        if self.check(receipt, lambda m: m.issue(merchant, class_id, to, amount, order_id, cash)) == "OK":
            self.issued.append((merchant, order_id))

    @rule(pick=st.integers(0, 999), amount=units, spent=st.booleans())
    def reverse(self, pick: int, amount: int, spent: bool) -> None:
        orders = self.orders if spent and self.orders else self.issued
        merchant, order_id = orders[pick % len(orders)]
        receipt = self.world.do(merchant, ReverseIssue(order_id, amount))
        self.check(receipt, lambda m: m.reverse(merchant, order_id, amount))

    @rule(payer=tourists, payee=merchants, number=numbers, value=values)
    def redeem(self, payer: str, payee: str, number: int, value: int) -> None:
        code = self.world.redeem(payer, payee, f"o{number}", value)
        self._paid(code, "redeem", payer, payee, f"o{number}", value)

    @rule(payer=tourists, payee=merchants, number=numbers, value=values)
    def charge(self, payer: str, payee: str, number: int, value: int) -> None:
        self.seq += 1
        code = self.world.charge(payer, payee, f"o{number}", value, self.seq)
        self._paid(code, "redeem_by_token", payer, payee, f"o{number}", value)

    def _paid(self, code: str, kind: str, payer: str, payee: str, order_id: str, value: int) -> None:
        attempt = self.model.copy()
        allowed = attempt.redeem(kind, payer, payee, order_id, value)
        assert code in allowed, (code, allowed)
        if code == "OK":
            self.model = attempt
            self.orders.append((payee, order_id))
        else:
            assert self.world.changed == {}, "a reject or a repetition changed the state"
        self.compare()

    @rule(payer=tourists, merchant=merchants, value=values, ttl=st.sampled_from([60, 3_600, 3 * DAY, 30 * DAY]))
    def authorize(self, payer: str, merchant: str, value: int, ttl: int) -> None:
        receipt = self.world.do(payer, Authorize(self.world.address[merchant], value, ttl))
        opened = [digest.hex() for e in receipt.events if e.kind == "HoldOpened" for _, digest in e.hashes]
        hold_id = opened[0] if opened else ""
        if self.check(receipt, lambda m: m.authorize(payer, merchant, value, ttl, hold_id)) == "OK":
            self.holds.append(hold_id)

    def _hold(self, pick: int) -> str:
        """One of the holds: mostly an open one, if there is any."""
        open_ = [hold_id for hold_id in self.holds if self.model.holds[hold_id].state == "OPEN"]
        holds = open_ if open_ and pick % 4 else self.holds
        return holds[pick % len(holds)]

    @precondition(lambda self: self.holds)
    @rule(pick=st.integers(0, 999), number=numbers, value=values, whole=st.booleans())
    def capture(self, pick: int, number: int, value: int, whole: bool) -> None:
        hold_id = self._hold(pick)
        hold = self.model.holds[hold_id]
        value, order_id = hold.value if whole else value, f"o{number}"
        receipt = self.world.do(hold.merchant, Capture(bytes.fromhex(hold_id), value, order_id))
        if self.check(receipt, lambda m: m.capture(hold.merchant, hold_id, value, order_id)) == "OK":
            self.orders.append((hold.merchant, order_id))

    @precondition(lambda self: self.holds)
    @rule(pick=st.integers(0, 999), sender=st.sampled_from(["A", "B", "C", "u"]))
    def void(self, pick: int, sender: str) -> None:
        hold_id = self._hold(pick)
        hold = self.model.holds[hold_id]
        sender = hold.merchant if sender != "u" or (hold.payer == "u" and hold.state != "OPEN") else sender
        receipt = self.world.do(sender, Void(bytes.fromhex(hold_id)))
        self.check(receipt, lambda m: m.void(sender, hold_id))

    @precondition(lambda self: self.orders)
    @rule(pick=st.integers(0, 999), number=st.integers(0, 4), value=values)
    def refund(self, pick: int, number: int, value: int) -> None:
        merchant, order_id = self.orders[pick % len(self.orders)]
        receipt = self.world.do(merchant, Refund(order_id, f"f{number}", value))
        self.check(receipt, lambda m: m.refund(merchant, order_id, f"f{number}", value))

    @precondition(lambda self: self.orders)
    @rule(pick=st.integers(0, 999))
    def refund_all(self, pick: int) -> None:
        merchant, order_id = self.orders[pick % len(self.orders)]
        order = self.model.orders.get((merchant, order_id))
        value = order.value - order.refunded if order is not None else 1
        refund_id = f"all{len(self.model.refunds)}"
        receipt = self.world.do(merchant, Refund(order_id, refund_id, value))
        self.check(receipt, lambda m: m.refund(merchant, order_id, refund_id, value))

    @rule(pick=st.integers(0, 999), to_class=classes, amount=units, min_out=st.sampled_from([0, 0, 0, 3]))
    def exchange(self, pick: int, to_class: str, amount: int, min_out: int) -> None:
        payer, class_id = self._owned(pick)
        receipt = self.world.do(payer, Exchange(class_id, amount, to_class, min_out))
        self.check(receipt, lambda m: m.exchange(payer, class_id, amount, to_class, min_out))

    @rule(pick=st.integers(0, 999), to=tourists, amount=units)
    def transfer(self, pick: int, to: str, amount: int) -> None:
        sender, class_id = self._owned(pick)
        receipt = self.world.do(sender, Transfer(class_id, amount, self.world.address[to]))
        self.check(receipt, lambda m: m.transfer(sender, class_id, amount, to))

    def _owned(self, pick: int) -> tuple[str, str]:
        """A holder and a class of which it has something to spend, if anybody has."""
        pairs = [(name, class_id) for name in TOURISTS for class_id in CLASSES]
        rich = [pair for pair in pairs if self.model.units(*pair)[0]]
        return (rich or pairs)[pick % len(rich or pairs)]

    @rule()
    def close_window(self) -> None:
        receipt = self.world.do("op", WindowClose())
        self.check(receipt, lambda m: m.close_window(self.world.address))

    @rule()
    def settle(self) -> None:
        """Every leg of every closed window is paid and confirmed; each frees what it must (D11)."""
        for number, window in enumerate(self.model.windows, 1):
            for debtor, creditor in sorted(pair for pair, state in window.legs.items() if state == "DUE"):
                leg = self.world.leg(debtor, creditor)
                payer, payee = ("bank" if name == "FUND" else name for name in (debtor, creditor))
                assert self.world.code(payer, LegPaid(number, leg, bytes(32))) == "OK"
                window.legs[debtor, creditor] = "PAID"
                self.compare()
                assert self.world.code(payee, LegConfirm(number, leg)) == "OK"
                window.legs[debtor, creditor] = "CONFIRMED"
                self.compare()

    @rule(seconds=st.sampled_from([1, 59, 60, 3_600]))
    def wait(self, seconds: int) -> None:
        self._move(self.world.now + seconds)

    @rule(days=st.sampled_from([0, 0, 0, 1, 2, 5, 40]), second=st.sampled_from([-1, 0, 0, 7_199, 7_200]))
    def wait_for_midnight(self, days: int, second: int) -> None:
        """To around a day's end or its cut, where everything falls due."""
        self.settle()
        midnight = self.world.now - (self.world.now + 28_800) % DAY + DAY
        self._move(max(midnight + days * DAY + second, self.world.now + 1))

    def _move(self, to: int) -> None:
        self.world.run(at=to)
        self.model.advance(to, self.world.address)
        self.compare()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        again = self.world_of()
        for at, transactions in self.world.log:
            again.run(*transactions, at=at)
        assert again.memory.records == self.world.memory.records, "the replay ends in another state (INV-14)"


TestRulesAgainstModel = RulesAgainstModel.TestCase
