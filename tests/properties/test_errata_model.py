"""Errata among everything else, against the reference model: INV-1 to 6 and INV-17 hold after each of them.

An erratum is proposed, won, and carried out a day later in whatever state the network is in by then.
"""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from points.governance_records import Proposal
from points.keys import order_key, proposal_key
from primitives.codes import Code
from primitives.kinds_errata import Credit, Debit, Debt, Entry, Errata, OrderOriginal
from primitives.kinds_governance import GovPropose, GovVote
from tests.properties.reference_errata import ErrataModel
from tests.properties.reference_model import Model
from tests.properties.test_against_model import DAY, RulesAgainstModel, classes, merchants, new_world, tourists, units
from tests.properties.world import World

parties = st.one_of(merchants, merchants, st.just("FUND"))
entries = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), tourists, classes, st.integers(1, 60), st.sampled_from([1, 2, 3, 3, 3, 9])),
        st.tuples(st.just("debit"), tourists, classes, st.one_of(st.integers(1, 9), units)),
        st.tuples(st.just("debt"), parties, parties, st.integers(1, 30_000)),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def governed() -> World:
    return new_world("m")


class ErrataAgainstModel(RulesAgainstModel):
    world_of: ClassVar[Any] = staticmethod(governed)
    model_of: ClassVar[type[Model]] = ErrataModel
    model: ErrataModel

    @initialize()
    def count(self) -> None:
        self.proposals = 0

    @precondition(lambda self: self.issued)
    @rule(pick=st.integers(0, 999), number=st.sampled_from([0, 1, 1, 1, 1, 2]), chosen=entries, own=st.booleans())
    def errata(self, pick: int, number: int, chosen: list[tuple[Any, ...]], own: bool) -> None:
        """`own`: about a payment, if there was one."""
        orders = self.orders if own and self.orders else self.issued
        merchant, order_id = orders[pick % len(orders)]
        stored = self.world.memory.get(order_key(self.world.address[merchant], order_id))
        if stored is None:
            return
        number += self.model.done.get((merchant, order_id), 0)
        self.proposals += 1
        name = f"e{self.proposals}"
        of = OrderOriginal(self.world.address[merchant], order_id, stored.tx)
        body = Errata(number, of, tuple(self._entry(entry) for entry in chosen), "OTHER", bytes(32))
        code = Code(self.world.do("m", GovPropose(name, body, bytes(32))).code).name
        if code == "TOO_MANY_PROPOSALS":
            return
        assert code in self.model.copy().errata(merchant, order_id, number, chosen), code
        self.compare()
        if code != "OK":
            return
        assert self.world.code("m", GovVote(name, "YES")) == "OK"
        self.settle()
        self.world.run(at=self.world.now + DAY)
        self.model.advance(self.world.now, self.world.address)
        proposal: Proposal = self.world.memory.get(proposal_key(name))
        attempt = self.model.copy()
        late = self._redated(chosen)
        assert Code(proposal.failure).name in attempt.errata(merchant, order_id, number, late), proposal
        if not proposal.failure:
            self.model = attempt
        self.compare()

    def _entry(self, entry: tuple[Any, ...]) -> Entry:
        address = self.world.address
        match entry:
            case ("credit", to, class_id, amount, days):
                midnight = self.world.now - (self.world.now + 28_800) % DAY + DAY
                return Credit(address[to], class_id, amount, midnight + days * DAY)
            case ("debit", of, class_id, amount):
                return Debit(address[of], class_id, amount)
            case (_, debtor, creditor, value):
                return Debt(address[debtor], address[creditor], value)
        raise AssertionError(entry)

    def _redated(self, chosen: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The same entries a day later: a credit that was to end today is past."""
        return [(*entry[:4], entry[4] - 1) if entry[0] == "credit" else entry for entry in chosen]


TestErrataAgainstModel = ErrataAgainstModel.TestCase
