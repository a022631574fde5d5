"""Errata: what is refused first, what none may do, and that the books stay whole (INV-17, table 1 row 12)."""

from typing import Any

import pytest
from msgspec.structs import replace

from points.errata import ERRATA_DAYS, ERRATA_MOST
from points.errata_records import ClassNet, DebtNet, Erratum
from points.governance_records import ProposalState
from points.keys import erratum_key, order_key
from points.state import FUND, Frozen
from primitives.codes import Code
from primitives.kinds import Freeze, KeyAdd, Refund, Void, WindowClose
from primitives.kinds_assets import Anchor
from primitives.kinds_errata import Credit, Debit, Debt, Entry, Errata, OrderOriginal, ReceiptOriginal
from primitives.kinds_governance import GovPropose
from tests.points.council import REASONS, Council, parameters, status
from tests.points.market import ADDRESS, DAY, START, address, class_of, genesis_of, key_of

MIDNIGHT = (START + 28_800) // DAY * DAY - 28_800  # of the day of START, UTC+8
EVIDENCE = bytes(range(1, 33))


def paid(council: Council, units: int = 1_000, value: int = 300) -> OrderOriginal:
    """u has points of A and pays B; the order of the payment."""
    council.issue("hA", units, "i0")
    council.ok("u", council.redeem("B", value, "b1"))
    return original(council, "B", "b1")


def original(council: Council, merchant: str, order_id: str) -> OrderOriginal:
    return OrderOriginal(ADDRESS[merchant], order_id, council.view.get(order_key(ADDRESS[merchant], order_id)).tx)


def erratum(of: Any, *entries: Entry, number: int = 1) -> Errata:
    return Errata(number, of, entries, "WRONG_AMOUNT", EVIDENCE)


def credit(units: int = 100, to: str = "u", class_id: str = "hA", days: int = 30) -> Credit:
    return Credit(address(to), class_id, units, MIDNIGHT + days * DAY)


def debit(units: int = 100, of: str = "u", class_id: str = "hA") -> Debit:
    return Debit(address(of), class_id, units)


def debt(debtor: str = "B", creditor: str = "A", value: int = 1_000_000) -> Debt:
    return Debt(address(debtor), address(creditor), value)


def stored(council: Council, tx: bytes) -> Erratum:
    found: Erratum = council.view.get(erratum_key(tx))
    return found


def test_errata_precedence() -> None:
    """Each row repairs the fault above it; the second half is of one entry each."""
    council = Council(errata_cap=1_000)
    of = paid(council)
    council.decide(erratum(of, credit(1)), "first")
    council.apply("n")
    lots = replace(credit(), expires=MIDNIGHT + 30 * DAY + 1)
    rows: list[tuple[Errata, Code]] = [
        (erratum(replace(of, order_id="none"), credit(0)), Code.ALREADY_APPLIED),
        (erratum(replace(of, order_id="none"), credit(0), number=3), Code.ERRATA_BOUNDS),
        (erratum(replace(of, order_id="none"), credit(0), number=2), Code.ORDER_UNKNOWN),
        (erratum(replace(of, tx=bytes(32)), credit(0), number=1), Code.ORDER_UNKNOWN),
        (erratum(ReceiptOriginal(bytes(32), EVIDENCE), credit(0)), Code.ERRATA_BOUNDS),
        (erratum(of, credit(0, "w", "none"), number=2), Code.BAD_AMOUNT),
        (erratum(of, credit(1, "w", "none"), number=2), Code.ACCOUNT_UNKNOWN),
        (erratum(of, credit(1, "A", "none"), number=2), Code.CLASS_UNKNOWN),
        (erratum(of, credit(1, "A"), number=2), Code.NOT_AUTHORISED),
        (erratum(of, lots, number=2), Code.ERRATA_BOUNDS),
        (erratum(of, credit(1_001), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debit(0, "w", "none"), number=2), Code.BAD_AMOUNT),
        (erratum(of, debit(1, "w", "none"), number=2), Code.ACCOUNT_UNKNOWN),
        (erratum(of, debit(1, "u", "none"), number=2), Code.CLASS_UNKNOWN),
        (erratum(of, debit(702), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debt("B", "B", 0), number=2), Code.BAD_AMOUNT),
        (erratum(of, debt("u", "u", 1), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debt("B", "u", 2**64 - 1), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debt("B", "u", 1), number=2), Code.MERCHANT_UNKNOWN),
        (erratum(of, debt("n", "B", 1), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debit(500), credit(500), number=2), Code.ERRATA_BOUNDS),
        (erratum(of, debit(500), credit(499), number=2), Code.OK),
    ]
    for payload, code in rows:
        assert council.propose(payload, "p") is code, (payload, council.receipt)


def test_an_erratum_moves_what_it_says_and_no_more() -> None:
    """100 units to v, 50 from u, 1 yuan from B to A, 3 uY from the fund: books, obligations and record agree."""
    council = Council()
    of = paid(council)
    before = council.exposure("A")
    council.decide(erratum(of, credit(100, "v"), debit(50), debt(), debt("FUND", "B", 3), credit(7, "v"), debt()))
    assert council.proposal().state is ProposalState.EXECUTED
    assert (council.spendable("u"), council.spendable("v")) == (650, 107)
    assert council.owed()["B->A"] == 2_000_000 and council.owed()["FUND->B"] == 3
    after = council.exposure("A")
    assert after["outstanding"] - before["outstanding"] == 57
    record = stored(council, of.tx)
    assert record.units == (ClassNet("hA", 107, 50),)
    assert record.debts == (DebtNet(FUND, ADDRESS["B"], 3), DebtNet(ADDRESS["B"], ADDRESS["A"], 2_000_000))
    assert record.gross == 157 * 10_000 + 2_000_003
    assert (record.number, record.evidence, record.by) == (1, EVIDENCE, address("m1"))
    assert council.last is not None
    told = {event.kind: event for event in council.last.events}
    assert dict(told["ErrataApplied"].fields)["value"] == record.gross
    assert dict(told["ErrataApplied"].hashes) == {"original": of.tx, "evidence": EVIDENCE}


def test_all_entries_or_none() -> None:
    """A second entry that is refused undoes the first; the same for what was spent while the vote ran."""
    council = Council()
    of = paid(council)
    assert council.propose(erratum(of, credit(100, "v"), debit(700))) is Code.OK
    council.vote("YES", "m1", "m2", "m3")
    council.ok("u", council.redeem("B", 1, "b2"))
    council.advance(DAY)
    assert (council.proposal().state, council.proposal().failure) == (ProposalState.FAILED, Code.ERRATA_BOUNDS)
    assert (council.spendable("u"), council.spendable("v")) == (699, 0)
    assert stored(council, of.tx) is None
    council.ok("B", Refund("b2", "r1", 1))
    assert council.execute() is Code.OK
    assert (council.spendable("u"), council.spendable("v")) == (0, 100)


def test_the_same_decision_is_carried_out_once() -> None:
    """Two proposals of one erratum: the second finds its number used, also when it is tried again."""
    council = Council()
    of = paid(council)
    for name in ("one", "two"):
        assert council.propose(erratum(of, credit(100, "v")), name) is Code.OK
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.advance(DAY)
    assert council.spendable("v") == 100
    assert council.proposal("two").failure == Code.ALREADY_APPLIED
    assert council.execute("two") is Code.ALREADY_APPLIED


def test_the_cap_bounds_all_errata_of_one_transaction() -> None:
    """Nobody cuts a large erratum into small ones; nor is the number of them without bound."""
    council = Council(errata_cap=150)
    of = paid(council)
    council.decide(erratum(of, credit(100, "v")), "one")
    assert council.propose(erratum(of, credit(51, "v"), number=2), "two") is Code.ERRATA_BOUNDS
    for number in range(2, ERRATA_MOST + 1):
        council.decide(erratum(of, credit(1, "v"), number=number), f"n{number}")
    assert stored(council, of.tx).number == ERRATA_MOST
    assert council.propose(erratum(of, credit(1, "v"), number=ERRATA_MOST + 1), "last") is Code.ERRATA_BOUNDS


def test_no_erratum_where_the_cap_is_zero() -> None:
    council = Council(errata_cap=0)
    assert council.propose(erratum(paid(council), credit(1))) is Code.ERRATA_BOUNDS


@pytest.mark.parametrize("days", [0, 366, 367])
def test_no_unit_lives_longer_than_a_new_one(days: int) -> None:
    """hA is valid for 365 days: the last expiry is midnight 366 days on; the day of today is over for everybody."""
    council = Council()
    code = council.propose(erratum(paid(council), credit(1, days=days)))
    assert code is (Code.OK if days == 366 else Code.ERRATA_BOUNDS)


def test_a_credit_that_expires_before_its_day_comes_is_not_carried_out() -> None:
    council = Council()
    of = paid(council)
    council.propose(erratum(of, credit(1, "v", days=1)))
    council.vote("YES", "m1", "m2", "m3")
    council.advance(DAY)
    assert council.proposal().failure == Code.ERRATA_BOUNDS


def test_credited_units_are_never_re_dated() -> None:
    """GRACE(30) of the class does not lengthen them a second time (D13): spent, expired and refunded they are gone."""
    council = Council()
    council.decide(erratum(paid(council, 300), credit(100, "v", days=3)))
    assert [lot.ext for lot in council.lots("v")] == [1]
    council.ok("v", council.redeem("B", 100, "b2"))
    council.advance(3 * DAY)
    council.ok("B", Refund("b2", "r1", 100))
    assert council.spendable("v") == 0


def test_held_units_are_not_taken() -> None:
    council = Council()
    of = paid(council)
    hold = council.authorize("B", 500, 30 * DAY)
    assert council.propose(erratum(of, debit(201))) is Code.ERRATA_BOUNDS
    council.decide(erratum(of, debit(200)))
    assert council.spendable("u") == 0
    council.ok("B", Void(hold))
    assert council.spendable("u") == 500


def test_a_frozen_account_is_corrected() -> None:
    """The freeze holds the points until the committee has decided about them."""
    council = Council()
    of = paid(council)
    council.ok("regulator", Freeze(ADDRESS["u"], "ALL", b"", 2**60))
    council.decide(erratum(of, debit(700), credit(700, "v")))
    assert (council.spendable("u"), council.spendable("v")) == (0, 700)
    assert council.view.get(b"A" + ADDRESS["u"]).frozen is Frozen.ALL


def test_pending_units_of_several_lots_are_taken_by_expiry() -> None:
    late = class_of("hA7", pending_days=7)
    council = Council(classes=[("A", late)])
    council.issue("hA7", 30, "i1")
    council.at(START + DAY)
    council.issue("hA7", 50, "i2")
    council.decide(erratum(original(council, "A", "i1"), debit(60, class_id="hA7")))
    assert [lot.avail for lot in council.lots()] == [20]


def test_a_merchant_that_left_gains_no_debt() -> None:
    council = Council()
    of = paid(council, 300)
    council.decide(status("D", "WIND_DOWN", 90), "w")
    council.ok("operator", WindowClose())
    council.settle()
    council.advance(90 * DAY)
    council.decide(status("D", "EXITED"), "x")
    for entry in (debt("D", "B", 1), debt("B", "D", 1), credit(1, class_id="hD")):
        assert council.propose(erratum(of, entry), "p") is Code.ERRATA_BOUNDS


def test_who_is_concerned_stands_aside() -> None:
    """A member with the key of the order's merchant, of a class's issuer, or of a party neither proposes nor votes."""
    council = Council()
    of = paid(council)
    council.ok("m4", KeyAdd(key_of("A").public_key, "owner"))
    assert council.propose(erratum(of, debit(1)), by="m4") is Code.RECUSED
    assert council.propose(erratum(of, debt("B", "A", 1)), by="m4") is Code.RECUSED
    assert council.propose(erratum(original(council, "A", "i0"), debt("B", "C", 1)), by="m4") is Code.RECUSED
    assert council.propose(erratum(of, debt("B", "C", 1)), by="m4") is Code.OK
    assert council.propose(erratum(of, debit(1)), "q") is Code.OK
    assert council.vote("YES", "m4", proposal="q") == [Code.RECUSED]


def test_a_receipt_is_proved_by_an_anchor_of_somebody_else() -> None:
    council = Council()
    paid(council)
    tx = bytes(range(32))
    of = ReceiptOriginal(tx, EVIDENCE)
    council.ok("A", Anchor("errata", EVIDENCE))
    assert council.propose(erratum(of, credit(5, "v"))) is Code.ERRATA_BOUNDS
    assert council.propose(erratum(of, debt("B", "A", 1))) is Code.ERRATA_BOUNDS
    assert council.propose(erratum(of, debt("B", "C", 1))) is Code.OK
    other = ReceiptOriginal(tx, bytes(32))
    council.ok("regulator", Anchor("elsewhere", bytes(32)))
    assert council.propose(erratum(other, credit(5, "v")), "q") is Code.ERRATA_BOUNDS
    council.ok("regulator", Anchor("errata", bytes(32)))
    council.decide(erratum(other, credit(5, "v")), "q")
    assert stored(council, tx).units == (ClassNet("hA", 5, 0),)


def test_an_issuer_above_its_cap_by_an_erratum_cannot_issue() -> None:
    """As after a refund: redeeming goes on, issuing waits (INV-7)."""
    council = Council()
    of = paid(council)
    room = 1_000_000 - 1_000  # fen: reserve 4,000 yuan at 40 %
    council.issue("hA", room, "fill", to="v")
    council.decide(erratum(of, credit(10, "v")))
    assert council.issue("hA", 1, "more") is Code.RESERVE_EXCEEDED
    council.ok("v", council.redeem("B", 10, "b9"))


def test_the_record_leaves_after_three_years() -> None:
    council = Council()
    of = paid(council)
    council.decide(erratum(of, credit(1, "v")), "one")
    council.decide(erratum(of, credit(1, "v"), number=2), "two")
    applied = stored(council, of.tx).applied
    council.at(applied + ERRATA_DAYS * DAY - 1)
    assert stored(council, of.tx) is not None
    for _ in range(3):
        council.advance(DAY)
    assert stored(council, of.tx) is None


def test_the_cap_is_a_parameter_of_the_committee() -> None:
    council = Council(errata_cap=0)
    of = paid(council)
    council.decide(parameters(errata_cap=10), "c")
    council.decide(erratum(of, credit(10, "v")))
    assert council.spendable("v") == 10


def test_a_proposal_has_the_same_bytes_after_its_json_form() -> None:
    from primitives.json_form import from_plain, to_plain

    body = GovPropose("p", erratum(OrderOriginal(ADDRESS["B"], "b1", EVIDENCE), credit(), debit(), debt()), REASONS)
    plain = to_plain(body)
    assert plain["action"] == "errata" and plain["payload"]["entries"][2]["kind"] == "debt"
    assert from_plain(GovPropose, plain) == body
    assert genesis_of().parameters.errata_cap == 1_000_000
