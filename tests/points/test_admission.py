"""How a merchant comes, what it may be on the way, and how it leaves (2.8)."""

import pytest

from points.applications import APPLICATION_SECONDS
from points.governance_actions import CHANGES, NOTICE_DAYS_MIN
from points.keys import account_key, merchant_key, papers_key
from points.state import AccountKind, MerchantStatus
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    Body,
    ClassCreate,
    Freeze,
    Issue,
    LegConfirm,
    LegPaid,
    MerchantApply,
    Refund,
    ReserveAttest,
    Void,
    WindowClose,
)
from primitives.kinds_assets import Anchor, AssetRegister
from primitives.kinds_governance import Admit
from tests.points.council import Council, admission, quota, status
from tests.points.market import ADDRESS, DAY, address, leg

NEVER = 2**60
BIDI = "\u202e"


def application(name_zh: str = "新店", name_en: str = "New Inn") -> MerchantApply:
    return MerchantApply("HOTEL", name_zh, name_en, bytes(32))


def test_apply_precedence() -> None:
    council = Council()
    council.issue("hA", 5, to="u")
    council.ok("regulator", Freeze(address("v"), "OUT", b"", NEVER))
    rows: list[tuple[str, Body, Code]] = [
        ("v", application(), Code.ACCOUNT_FROZEN),
        ("m1", application(BIDI), Code.NOT_AUTHORISED),
        ("A", application(BIDI), Code.MERCHANT_EXISTS),
        ("u", application(BIDI), Code.NOT_AUTHORISED),
        ("n", application("海" * 43), Code.MEMO_TOO_LONG),
        ("n", application(BIDI), Code.MEMO_CHARSET),
        ("n", application("海" * 42), Code.OK),
        ("n", application(), Code.MERCHANT_EXISTS),
    ]
    for sender, body, code in rows:
        assert council.do(sender, body) is code, (sender, body)


def test_an_applicant_can_neither_hold_points_nor_act_as_a_merchant() -> None:
    """Nobody spoils an application with a gift, and nobody sells before the committee has spoken (D3)."""
    council = Council()
    council.apply("n")
    assert council.issue("hA", 1, to="n") is Code.NOT_AUTHORISED
    assert council.do("n", ClassCreate("hN", 10_000, 365)) is Code.MERCHANT_SUSPENDED
    council.issue("hA", 100)
    assert council.do("u", Authorize(address("n"), 5, 600)) is Code.MERCHANT_SUSPENDED
    assert council.do("n", Anchor("tickets", bytes(32))) is Code.NOT_AUTHORISED
    assert council.do("n", AssetRegister("a", bytes(32), "R")) is Code.MERCHANT_SUSPENDED
    assert council.do("n", application()) is Code.MERCHANT_EXISTS


def test_from_application_to_the_first_point() -> None:
    council = Council()
    assert council.propose(admission("n")) is Code.MERCHANT_UNKNOWN
    council.apply("n")
    council.decide(admission("n"))
    assert council.status("n") is MerchantStatus.ACTIVE
    council.ok("n", ClassCreate("hN", 10_000, 365))
    issue = Issue("hN", address("u"), 100, "o1", "EARN", 100)
    assert council.do("n", issue) is Code.RESERVE_EXCEEDED
    council.ok("custodian", ReserveAttest(address("n"), 1_000, council.time, bytes(32)), ["custodian", "n"])
    council.ok("n", issue)
    assert council.propose(admission("n"), "again") is Code.MERCHANT_EXISTS
    assert council.propose(Admit(address("n2"), 10**16), "much") is Code.BAD_PROPOSAL
    assert council.view.get(papers_key(address("n"))).due == 0
    council.advance(2 * APPLICATION_SECONDS)
    assert council.status("n") is MerchantStatus.ACTIVE


def test_an_application_lapses_without_a_trace() -> None:
    council = Council()
    before = dict(council.view.records)
    council.apply("n")
    council.advance(APPLICATION_SECONDS - 1)
    assert council.status("n") is MerchantStatus.APPLIED
    council.advance(1)
    for key in (account_key(address("n")), merchant_key(address("n")), papers_key(address("n"))):
        assert council.view.get(key) == before.get(key)
    assert council.view.get(account_key(address("n"))).kind is AccountKind.TOURIST
    assert council.issue("hA", 1, to="n") is Code.OK


def test_an_application_with_a_reserve_does_not_lapse() -> None:
    council = Council()
    council.apply("n")
    council.ok("custodian", ReserveAttest(address("n"), 1_000, council.time, bytes(32)), ["custodian", "n"])
    council.advance(APPLICATION_SECONDS)
    council.advance(1)
    assert council.status("n") is MerchantStatus.APPLIED
    council.advance(APPLICATION_SECONDS)
    assert council.status("n") is MerchantStatus.APPLIED


def test_an_application_that_lapses_before_the_timelock_fails_the_proposal() -> None:
    council = Council()
    council.apply("n")
    council.advance(APPLICATION_SECONDS - DAY)
    council.propose(admission("n"))
    council.vote("YES", "m1", "m2", "m3")
    council.advance(DAY)
    assert council.proposal().failure == Code.MERCHANT_UNKNOWN


def test_an_admission_of_an_earlier_second_wins_over_the_lapse_of_a_later_one() -> None:
    """Both are due in one block: the timelock ended first."""
    council = Council()
    council.apply("n")
    council.advance(APPLICATION_SECONDS - DAY - 5)
    council.propose(admission("n"))
    council.vote("YES", "m1", "m2", "m3")
    council.advance(DAY + 10)
    assert council.status("n") is MerchantStatus.ACTIVE
    assert council.view.get(account_key(address("n"))).kind is AccountKind.MERCHANT


RUNNING = ("ACTIVE", "ISSUE_SUSPENDED", "ACCEPT_SUSPENDED", "SUSPENDED")


def test_the_machine_of_states() -> None:
    """Every pair of states, against the table of 2.8."""
    for of in MerchantStatus:
        for to in MerchantStatus:
            running = of.name in RUNNING and to.name in (*RUNNING, "WIND_DOWN") and of is not to
            leaving = of is MerchantStatus.WIND_DOWN and to.name in ("SUSPENDED", "EXITED")
            assert (to in CHANGES[of]) is (running or leaving), (of, to)


def test_set_status_precedence() -> None:
    council = Council()
    rows = [
        (status("u", "WIND_DOWN", 89), Code.MERCHANT_UNKNOWN),
        (status("A", "WIND_DOWN", NOTICE_DAYS_MIN - 1), Code.BAD_PROPOSAL),
        (status("A", "SUSPENDED", 1), Code.BAD_PROPOSAL),
        (status("A", "EXITED"), Code.BAD_STATUS_CHANGE),
        (status("A", "ACTIVE"), Code.BAD_STATUS_CHANGE),
        (status("A", "WIND_DOWN", NOTICE_DAYS_MIN), Code.OK),
    ]
    for payload, code in rows:
        assert council.propose(payload) is code, payload


@pytest.mark.parametrize(
    ("state", "issues", "accepts", "elsewhere"),
    [
        ("ISSUE_SUSPENDED", False, True, True), ("ACCEPT_SUSPENDED", True, False, True),
        ("SUSPENDED", False, False, True), ("WIND_DOWN", False, True, True),
    ],
)  # fmt: skip
def test_what_a_state_allows(state: str, issues: bool, accepts: bool, elsewhere: bool) -> None:
    """The table of 2.8, reached by the committee; `accepts` with the merchant's own points."""
    council = Council()
    council.issue("hA", 1_000)
    council.decide(status("A", state, NOTICE_DAYS_MIN if state == "WIND_DOWN" else 0))
    assert (council.issue("hA", 1) is Code.OK) is issues
    assert (council.do("u", council.redeem("A", 10, "at-home")) is Code.OK) is accepts
    assert (council.do("u", council.redeem("B", 10, "elsewhere")) is Code.OK) is elsewhere
    assert council.issue("hB", 10) is Code.OK
    if state == "WIND_DOWN":
        assert council.do("u", council.redeem("A", 985, "more")) is Code.SCOPE_DENIED


def test_leaving_takes_a_notice_no_points_and_settled_legs() -> None:
    """Each step repairs what the one above it hears."""
    council = Council()
    council.issue("hA", 1_000)
    council.issue("hB", 50)
    council.decide(status("A", "WIND_DOWN", NOTICE_DAYS_MIN), "wind")
    end = council.view.get(papers_key(ADDRESS["A"])).wind_down_until
    assert end == council.time + NOTICE_DAYS_MIN * DAY

    def refused(proposal: str) -> str:
        assert council.propose(status("A", "EXITED"), proposal) is Code.EXIT_PENDING
        assert council.receipt is not None
        return council.receipt.detail

    assert "notice" in refused("soon")
    council.at(end - 1)
    assert "notice" in refused("soon")
    council.at(end)
    assert "outstanding" in refused("full")
    hold = council.authorize("B", 100)
    council.ok("u", council.redeem("B", 900, "b1"))
    assert "outstanding" in refused("held")
    council.ok("B", Void(hold))
    council.ok("u", council.redeem("A", 100, "a1"))
    assert "owes" in refused("debts")
    council.ok("operator", WindowClose())
    assert "owes" in refused("unpaid")
    council.settle()
    assert "may be refunded" in refused("orders")
    council.advance(182 * DAY)  # 180 in which an order may be refunded, the day of the last one, and one more
    council.decide(status("A", "EXITED"), "out")
    assert council.status("A") is MerchantStatus.EXITED
    assert council.propose(status("A", "ACTIVE"), "back") is Code.BAD_STATUS_CHANGE
    assert council.issue("hA", 1) is Code.MERCHANT_SUSPENDED


def test_a_claim_keeps_a_merchant_in_until_it_is_paid() -> None:
    """B gave points of A back and owes A for them: first the open window, then the payment is in the way."""
    council = Council()
    council.issue("hA", 100)
    council.ok("u", council.redeem("B", 100, "b1"))
    council.ok("operator", WindowClose())
    council.settle()
    council.decide(status("A", "WIND_DOWN", NOTICE_DAYS_MIN), "wind")
    council.advance(NOTICE_DAYS_MIN * DAY)
    council.ok("B", Refund("b1", "r1", 100))
    council.ok("u", council.redeem("A", 100, "a1"))
    for _ in range(2):
        assert council.propose(status("A", "EXITED"), "owed") is Code.EXIT_PENDING
        assert council.receipt is not None and "not settled" in council.receipt.detail
        council.ok("operator", WindowClose())
    number = council.window()["window"] - 1
    for name in council.window(number)["instructions"]:  # B for the points, FUND for the fee
        assert council.propose(status("A", "EXITED"), "unpaid") is Code.EXIT_PENDING
        payer, payee = name.split("->")
        council.ok(payer, LegPaid(number, leg(payer, payee), bytes(32)))
        council.ok(payee, LegConfirm(number, leg(payer, payee)))
    assert council.propose(status("A", "EXITED"), "last order") is Code.EXIT_PENDING
    council.advance(182 * DAY)
    assert council.propose(status("A", "EXITED"), "free") is Code.OK


def test_limits_of_a_merchant() -> None:
    council = Council()
    assert council.propose(quota("A", 10**15 + 1)) is Code.BAD_PROPOSAL
    council.decide(quota("A", 60))
    assert council.issue("hA", 60) is Code.OK
    assert council.issue("hA", 1) is Code.QUOTA_EXCEEDED
