"""Regulatory sandboxes: lists, hard caps, the loss reserve, the automatic stop (table 1 row 11, INV-16)."""

import pytest
from msgspec.structs import replace

from points import sandboxes
from points.invariants import violations
from points.keys import account_key, class_key, counters_key, merchant_key, sandbox_key
from points.sandbox_records import Over
from points.state import Counters, MerchantStatus
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.kinds import (
    Authorize,
    Capture,
    ClassCreate,
    Exchange,
    Freeze,
    Issue,
    RedeemByToken,
    Refund,
    ReserveAttest,
    ReverseIssue,
    Transfer,
    Void,
    WindowClose,
)
from primitives.kinds_assets import OfflineEscrow
from primitives.kinds_sandbox import SandboxClose
from tests.points.campaign_list import Listed, batch
from tests.points.council import parameters, status
from tests.points.market import ADDRESS, DAY, START, Market, class_of, genesis_of
from tests.points.trial import ENDS, LAB, Trial, opening


def test_the_value_of_a_sandbox_is_exact_and_refunds_stay_below_it() -> None:
    """max_value 1,000: what was spent counts on, for it may come back."""
    trial = Trial()
    assert trial.grant(1000) is Code.OK
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.ok("u", trial.redeem("B", 600, "b1"))
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.ok("B", Refund("b1", "r1", 600))
    assert trial.report()["outstanding"] == 1000
    trial.ok("A", ReverseIssue(_first_order(trial), 100))
    assert trial.grant(100) is Code.OK
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.advance(20 * DAY)
    assert trial.report()["value"] == 1000


def _first_order(trial: Trial) -> str:
    return next(key[21:].decode() for key in trial.view.records if key[:1] == b"O" and key[21:23] == b"s-")


def test_what_expires_makes_room_again() -> None:
    trial = Trial(validity_days=1)
    assert trial.grant(1000) is Code.OK
    trial.advance(3 * DAY)
    assert trial.grant(1000) is Code.OK
    assert trial.grant(1) is Code.SANDBOX_LIMIT


def test_only_the_list_gets_points_and_the_list_is_bounded() -> None:
    trial = Trial()
    assert trial.grant(1, to="v") is Code.SANDBOX_LIMIT
    assert trial.enrol("v") is Code.OK
    assert trial.enrol("v", "u") is Code.OK, "who is on the list is no fault"
    assert trial.lab.accounts == 2
    assert trial.grant(1, to="v") is Code.OK
    assert trial.enrol("n2") is Code.SANDBOX_LIMIT


def test_points_of_a_sandbox_pay_at_its_merchants_only() -> None:
    trial = Trial()
    trial.grant(100)
    assert trial.do("u", trial.redeem("C", 10, "c1")) is Code.SCOPE_DENIED
    assert trial.do("u", Authorize(ADDRESS["C"], 10, 60)) is Code.SCOPE_DENIED
    assert trial.do("C", RedeemByToken(trial.pay_code("u", 1, 10), 10, "c1")) is Code.SCOPE_DENIED
    assert trial.do("u", OfflineEscrow(ADDRESS["C"], 10, 60)) is Code.SCOPE_DENIED
    trial.ok("u", trial.redeem("B", 10, "b1"))
    trial.ok("u", trial.redeem("A", 10, "a1"))
    trial.issue("hA", 50)
    trial.ok("u", trial.redeem("C", 50, "c1"))
    assert trial.avail("sA") == 80, "the other points paid"


def test_nothing_leaves_or_enters_by_exchange() -> None:
    trial = Trial()
    trial.grant(100)
    trial.issue("hA", 100)
    trial.issue("hB", 100)
    for source, target in (("sA", "hA"), ("sA", "hB"), ("hB", "sA"), ("hA", "sA")):
        assert trial.do("u", Exchange(source, 10, target)) is Code.EXCHANGE_DISABLED


def test_a_transfer_stays_on_the_list() -> None:
    trial = Trial(transferable=True)
    trial.grant(100)
    assert trial.do("u", Transfer("sA", 10, ADDRESS["v"])) is Code.SANDBOX_LIMIT
    trial.enrol("v")
    trial.ok("u", Transfer("sA", 10, ADDRESS["v"]))
    trial.at(ENDS)
    assert trial.do("u", Transfer("sA", 10, ADDRESS["v"])) is Code.SANDBOX_LIMIT


def test_campaigns_and_batches_of_a_sandbox_reach_its_list_only() -> None:
    trial = Trial()
    spring = Listed({"u": 40, "v": 40})
    trial.ok("A", spring.create(class_id="sA", ends=START + 20 * DAY))
    trial.ok("u", spring.claim("u"))
    assert trial.do("v", spring.claim("v")) is Code.SANDBOX_LIMIT
    assert trial.do("A", batch(("u", 10), ("v", 10), class_id="sA")) is Code.SANDBOX_LIMIT
    trial.ok("A", batch(("u", 10), class_id="sA"))
    assert trial.report()["value"] == 50


def test_after_its_end_points_are_spent_refunded_and_expire_and_nothing_else() -> None:
    """INV-16."""
    trial = Trial(validity_days=60, transferable=True)
    trial.grant(500)
    order = _first_order(trial)
    trial.at(ENDS - 12 * DAY)
    held, given_up = trial.authorize("B", 50, 29 * DAY), trial.authorize("A", 5, 29 * DAY)
    trial.at(ENDS - 1)
    assert trial.grant(1) is Code.OK
    trial.at(ENDS)
    assert trial.over is Over.ENDED
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    assert trial.enrol("v") is Code.BAD_SANDBOX
    assert trial.do("A", class_of("sA2", sandbox=LAB)) is Code.BAD_SANDBOX
    assert trial.do("u", Authorize(ADDRESS["B"], 10, 60)) is Code.SCOPE_DENIED
    assert trial.do("u", OfflineEscrow(ADDRESS["B"], 10, 60)) is Code.SCOPE_DENIED
    trial.ok("u", trial.redeem("B", 10, "b1"))
    assert trial.do("u", trial.redeem("C", 10, "c1")) is Code.SCOPE_DENIED
    trial.ok("B", Refund("b1", "r1", 5))
    trial.ok("B", Capture(held, 20, "b2"))
    trial.ok("A", Void(given_up))
    trial.ok("A", ReverseIssue(order, 1))
    trial.advance(61 * DAY)
    assert trial.report()["outstanding"] == 0


def test_the_loss_reserve_carries_nothing_else() -> None:
    """A has 400,000 fen; 400 are set apart: its other points get (400,000 - 400) / 40 %."""
    trial = Trial()
    assert trial.exposure("A")["room"] == 999_000
    assert trial.issue("hA", 999_001) is Code.RESERVE_EXCEEDED
    assert trial.issue("hA", 999_000) is Code.OK
    assert trial.issue("hA", 1) is Code.RESERVE_EXCEEDED
    assert trial.exposure("A")["room"] == 0
    assert trial.exposure("A")["set_apart"] == 400
    assert trial.grant(1000) is Code.OK, "the sandbox has its own"
    assert trial.issue("hA", 1) is Code.RESERVE_EXCEEDED
    trial.issue("hB", 100)
    assert trial.do("u", Exchange("hB", 50, "hA")) is Code.RESERVE_EXCEEDED


def test_a_suspended_issuer_draws_on_the_rest_only() -> None:
    """D12: points outside the sandbox move elsewhere while payable stays below the reserve less what is set apart."""
    trial = Trial(opening(loss_reserve=399_900))
    trial.grant(100)
    trial.issue("hA", 200)
    trial.decide(status("A", "SUSPENDED"), "stop")
    assert trial.over is Over.ISSUER
    assert trial.do("u", trial.redeem("C", 101, "c1")) is Code.ISSUER_RESERVE_EXHAUSTED
    trial.ok("u", trial.redeem("C", 100, "c1"))
    assert trial.do("u", trial.redeem("C", 101, "c2")) is Code.ISSUER_RESERVE_EXHAUSTED
    trial.ok("u", trial.redeem("B", 100, "b1"))
    assert trial.avail("sA") == 0, "its own points are carried by what is set apart"


@pytest.mark.parametrize("first", ["trial", "others"])
def test_neither_side_of_a_suspended_issuer_lives_on_what_stands_for_the_other(first: str) -> None:
    """Reserve 1,000, of it 400 set apart; 1,000 points of the sandbox and 600 others are out."""
    trial = Trial()
    trial.attest(1_000)
    trial.grant(1_000)
    trial.ok("u", trial.redeem("B", 30, "before"))
    trial.ok("B", Refund("before", "r", 30))
    trial.ok("operator", WindowClose())
    trial.settle()
    trial.issue("hA", 601, to="v")
    trial.decide(status("A", "SUSPENDED"), "stop")
    orders = [("u", 400, "sandbox"), ("v", 600, "plain")]
    for who, fen, order in orders if first == "trial" else orders[::-1]:
        assert trial.do(who, trial.redeem("B", fen + 1, order)) is Code.ISSUER_RESERVE_EXHAUSTED, who
        trial.ok(who, trial.redeem("B", fen, order))
    trial.advance(DAY)
    trial.advance(3 * DAY)
    trial.ok("B", Refund("sandbox", "r", 400))
    assert trial.merchant("A").reserve == 0, "the default took what both had drawn"
    for who in ("u", "v"):
        assert trial.do(who, trial.redeem("B", 1, who)) is Code.ISSUER_RESERVE_EXHAUSTED


def test_the_lots_of_one_payment_share_what_a_suspended_issuer_has_left() -> None:
    """Reserve 1,000, of it 400 set apart: 200 + 200 + 100 points of the sandbox are more than that."""
    trial = Trial()
    trial.attest(1_000)
    for units in (200, 200, 100):
        trial.grant(units)
        trial.advance(DAY)
    trial.decide(status("A", "SUSPENDED"), "stop")
    assert trial.do("u", trial.redeem("B", 500, "b1")) is Code.ISSUER_RESERVE_EXHAUSTED
    trial.ok("u", trial.redeem("B", 400, "b1"))


def test_a_list_that_leaves_in_parts_breaks_no_invariant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expired lots lie in accounts that nobody touches, while the list of their sandbox goes block by block."""
    monkeypatch.setattr(sandboxes, "FORGOTTEN_AT_ONCE", 1)
    trial = Trial(validity_days=5)
    trial.enrol("v")
    trial.grant(10)
    trial.grant(10, to="v")
    trial.at(ENDS)
    for _ in range(6):
        trial.advance(DAY)
    assert trial.view.get(sandbox_key(LAB)) is None
    assert not list(trial.view.range(b"u", b"v"))


def test_it_stops_for_good_when_its_reserve_is_gone() -> None:
    trial = Trial()
    trial.grant(10)
    trial.attest(400)
    assert trial.over is Over.NO
    trial.attest(399)
    trial.advance(1)
    assert trial.over is Over.UNCOVERED
    trial.attest(400_000)
    assert trial.grant(1) is Code.SANDBOX_LIMIT


def test_in_the_block_in_which_the_reserve_falls_nothing_more_is_granted() -> None:
    trial = Trial()
    fall = trial.transaction("A", ReserveAttest(ADDRESS["A"], 399, trial.time, bytes(32)), ["A", "custodian"])
    grant = trial.transaction("A", Issue("sA", ADDRESS["u"], 1, "o", "EARN", 0))
    codes = [Code(receipt.code) for receipt in trial.block([fall, grant]) if receipt is not None]
    assert codes == [Code.OK, Code.SANDBOX_LIMIT]


@pytest.mark.parametrize(("to", "notice"), [("SUSPENDED", 0), ("WIND_DOWN", 90)])
def test_it_stops_with_its_merchant(to: str, notice: int) -> None:
    trial = Trial()
    trial.decide(status("A", to, notice), "stop")
    assert trial.status("A") is MerchantStatus[to]
    assert trial.over is Over.ISSUER
    if to == "SUSPENDED":
        trial.decide(status("A", "ACTIVE"), "again")
        assert trial.grant(1) is Code.SANDBOX_LIMIT, "a stopped sandbox never runs again"


def test_a_default_stops_it() -> None:
    trial = Trial(parameters={"waterfall": 0})
    trial.grant(100)
    trial.ok("u", trial.redeem("B", 100, "b1"))
    trial.advance(DAY)
    trial.advance(3 * DAY)
    assert trial.status("A") is MerchantStatus.SUSPENDED
    assert trial.over is Over.ISSUER


def test_a_higher_ratio_stops_what_it_no_longer_carries() -> None:
    trial = Trial()
    trial.grant(900)
    trial.decide(parameters(reserve_ratio_bps=4400), "ratio")
    assert trial.over is Over.NO
    assert trial.grant(10) is Code.SANDBOX_LIMIT, "400 fen carry 909 at 44 %"
    trial.decide(parameters(reserve_ratio_bps=5000), "ratio-2")
    assert trial.over is Over.UNCOVERED


def test_the_committee_closes_it() -> None:
    trial = Trial()
    trial.decide(SandboxClose(LAB, ADDRESS["A"]), "close")
    assert trial.over is Over.CLOSED
    assert trial.report()["state"] == "CLOSED"
    assert trial.propose(SandboxClose(LAB, ADDRESS["A"]), "again") is Code.BAD_SANDBOX


def test_nothing_is_granted_before_it_starts() -> None:
    trial = Trial(opening(starts=START + 3 * DAY))
    assert trial.report()["state"] == "PLANNED"
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.at(START + 3 * DAY - 1)
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.at(START + 3 * DAY)
    assert trial.grant(1) is Code.OK


def test_it_leaves_the_state_when_no_refund_can_reach_it() -> None:
    """refund window 180 days: an order of the last day keeps it, a refund and a new payment keep it longer."""
    trial = Trial(validity_days=300)
    trial.grant(100)
    trial.at(ENDS)
    trial.ok("u", trial.redeem("B", 100, "b1"))
    trial.advance(179 * DAY)
    trial.ok("B", Refund("b1", "r1", 40))
    trial.ok("u", trial.redeem("B", 40, "b2"))
    for _ in range(4):
        trial.advance(DAY)
    assert trial.lab is not None
    trial.advance(175 * DAY)
    trial.ok("B", Refund("b2", "r1", 40))
    trial.advance(200 * DAY)
    trial.advance(DAY)
    assert trial.lab is not None and trial.report()["outstanding"] == 0
    trial.advance(181 * DAY)
    trial.advance(DAY)
    assert trial.view.get(sandbox_key(LAB)) is None
    assert trial.listed() == ()
    assert not [key for key in trial.view.records if key[:1] == b"u"]
    trial.decide(status("A", "ACTIVE"), "paid")
    trial.attest(400_000)
    assert trial.grant(1) is Code.SANDBOX_LIMIT
    trial.decide(opening(starts=trial.time, ends=trial.time + 9 * DAY), "anew")
    assert trial.view.get(sandbox_key(LAB)) is not None
    assert trial.grant(1) is Code.SANDBOX_LIMIT, "a new sandbox of the same name does not revive old classes"


def test_an_unused_sandbox_leaves_soon_and_a_long_list_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("points.sandboxes.FORGOTTEN_AT_ONCE", 1)
    trial = Trial()
    trial.enrol("v")
    trial.at(ENDS)
    for _ in range(6):
        trial.advance(DAY)
    assert trial.view.get(sandbox_key(LAB)) is None
    assert not [key for key in trial.view.records if key[:1] == b"u"]


def test_an_enrolled_account_that_is_frozen_gets_nothing_in_mode_all() -> None:
    trial = Trial()
    trial.ok("regulator", Freeze(ADDRESS["u"], "ALL", b"", ENDS))
    assert trial.grant(1) is Code.ACCOUNT_FROZEN


def test_genesis_opens_no_sandbox() -> None:
    with pytest.raises(Malformed, match=r"classes\[\d\].create: no sandbox"):
        Market(genesis_of([("A", ClassCreate("sA", 10_000, 365, sandbox=LAB))]))


def test_counters_at_their_limit_stop_no_block() -> None:
    """Granted and reversed again and again, the counters of two classes sum up beyond 64 bits; time must not fail."""
    trial = Trial()
    trial.ok("A", class_of("sA2", sandbox=LAB))
    most = 2**64 - 1
    trial.view.apply({counters_key(name): Counters(issued=most, burned=most) for name in ("sA", "sA2")})
    trial.at(ENDS)
    assert trial.over is Over.ENDED
    trial.advance(2 * DAY)


def test_the_check_sees_what_is_broken() -> None:
    """Each fault planted into a sound state is told."""
    trial = Trial()
    trial.grant(100)
    lab, owner = trial.lab, trial.view.get(merchant_key(ADDRESS["A"]))
    of = trial.view.get(class_key("sA"))
    faults = [
        (sandbox_key(LAB), replace(lab, accounts=3)),
        (sandbox_key(LAB), replace(lab, max_value=99)),
        (sandbox_key(LAB), replace(lab, over=Over.ENDED, granted=99)),
        (sandbox_key(LAB), replace(lab, ends=trial.time)),
        (merchant_key(ADDRESS["A"]), replace(owner, sandboxes=())),
        (class_key("sA"), replace(of, sandbox="other")),
        (b"u" + LAB.encode() + b"\x00" + ADDRESS["u"], None),
    ]
    for key, broken in faults:
        sound = trial.view.get(key)
        trial.view.apply({key: broken})
        assert any("INV-16" in fault for fault in violations(trial.view, trial.time)), (key, broken)
        trial.view.apply({key: sound})
    assert violations(trial.view, trial.time) == []
    assert trial.view.get(account_key(ADDRESS["u"])) is not None
