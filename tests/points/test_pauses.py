"""The emergency pause: what stops, what goes on, and for how long (2.10, D10)."""

import pytest

from points.keys import PAUSE_KEY
from points.pauses import QUIET_SECONDS, RATIFIED_SECONDS, SOLE_SECONDS, STOPPED
from points.queries_sandboxes import pause as pause_query
from points.sandbox_records import Pause
from points.transition import RULES
from primitives.codes import Code
from primitives.kinds import (
    AccountKey,
    AccountOpen,
    Authorize,
    BatchOperations,
    Body,
    Capture,
    Exchange,
    Freeze,
    Issue,
    LegConfirm,
    LegPaid,
    PauseClass,
    RecoveryStart,
    RedeemByToken,
    Refund,
    ReserveAttest,
    ReverseIssue,
    Transfer,
    Unfreeze,
    Void,
    WindowClose,
)
from primitives.kinds_assets import AssetOffer, AssetRegister, AssetSwap, OfflineEscrow
from primitives.kinds_governance import GovPropose
from primitives.kinds_identity import GuardiansSet, RecoveryCancel, RecoveryFinish
from primitives.kinds_sandbox import EmergencyPause, EmergencyResume, RatifyPause
from tests.points.campaign_list import LIST, batch
from tests.points.council import Council, quota
from tests.points.market import ADDRESS, DAY, START, Market, address, class_of, genesis_of, key_of, leg

GOES_ON = {
    "void", "refund", "key_add", "key_revoke", "key_limit", "guardians_set", "recovery_start", "recovery_approve",
    "recovery_cancel", "kyc_attest", "kyc_revoke", "class_create", "class_retire", "anchor", "asset_register",
    "asset_offer", "asset_return", "asset_lock", "asset_unlock", "window_close", "leg_paid", "leg_confirm",
    "leg_dispute", "freeze", "unfreeze", "pause_class", "emergency_pause", "emergency_resume", "sandbox_enrol",
    "campaign_create", "campaign_close", "validator_add", "validator_remove", "validator_replace", "validator_rekey",
    "merchant_apply", "gov_propose", "gov_vote", "gov_execute", "challenge_apply", "challenge_score", "alert_ack",
}  # fmt: skip
STOPS = {
    "issue", "reverse_issue", "batch_issue", "campaign_claim", "redeem", "redeem_by_token", "authorize", "capture",
    "exchange", "transfer", "asset_swap", "offline_escrow", "recovery_finish",
}  # fmt: skip


def tag(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def test_every_kind_stands_on_one_side() -> None:
    """A new kind must be thought about: does it move value?"""
    assert {tag(kind) for kind in STOPPED} == STOPS
    assert {tag(kind) for kind in RULES} == STOPS | GOES_ON
    assert not STOPS & GOES_ON


class Stopped(Council):
    """A council in which something of everything stands, to be refused in a pause."""

    def __init__(self) -> None:
        super().__init__()
        self.issue("hA", 1000, "i1")
        self.ok("u", self.redeem("B", 100, "b1"))
        self.hold_id = self.authorize("B", 50)
        self.ok("A", LIST.create())
        self.ok("B", AssetRegister("ticket", bytes(32), "ENTRY"))
        self.ok("B", AssetOffer("ticket", 10))

    def pause(self, seconds: int = SOLE_SECONDS, by: str = "regulator") -> Code:
        return self.do(by, EmergencyPause(self.time + seconds, b"case 9"))

    def resume(self) -> Code:
        return self.do("regulator", EmergencyResume())

    @property
    def stored(self) -> Pause:
        found: Pause = self.view.get(PAUSE_KEY)
        return found

    def told(self) -> dict[str, object]:
        plain: dict[str, object] = pause_query(self.view, self.time)
        return plain


def moves(market: Stopped) -> list[tuple[str, Body]]:
    """One transaction of each kind that a pause stops, all of them good."""
    return [
        ("A", Issue("hA", ADDRESS["u"], 1, "i2", "EARN", 1)),
        ("A", ReverseIssue("i1", 1)),
        ("A", batch(("u", 1))),
        ("u", LIST.claim("u")),
        ("u", market.redeem("B", 1, "b2")),
        ("B", RedeemByToken(market.pay_code("u", 1, 9), 9, "b3")),
        ("u", Authorize(ADDRESS["B"], 1, 60)),
        ("B", Capture(market.hold_id, 1, "b4")),
        ("u", Exchange("hA", 10, "hB")),
        ("u", AssetSwap("ticket", 10)),
        ("u", OfflineEscrow(ADDRESS["B"], 1, 60)),
    ]


def test_no_value_moves_in_a_pause_and_all_of_it_afterwards() -> None:
    market = Stopped()
    assert market.pause() is Code.OK
    for sender, body in moves(market):
        assert market.do(sender, body) is Code.NETWORK_PAUSED, body
        assert market.do(sender, BatchOperations((body,))) in (Code.NETWORK_PAUSED, Code.BAD_BATCH)  # type: ignore[arg-type]
    market.advance(5)
    assert market.resume() is Code.OK
    for sender, body in moves(market):
        market.ok(sender, body)


def test_a_transfer_is_stopped_too() -> None:
    market = Market(genesis_of([("A", class_of("hA", transferable=True))]))
    market.issue("hA", 10)
    market.ok("regulator", EmergencyPause(START + 60, b""))
    assert market.do("u", Transfer("hA", 1, ADDRESS["v"])) is Code.NETWORK_PAUSED
    market.at(START + 59)
    assert market.do("u", Transfer("hA", 1, ADDRESS["v"])) is Code.NETWORK_PAUSED
    market.at(START + 60)
    market.ok("u", Transfer("hA", 1, ADDRESS["v"]))


def test_giving_back_settling_and_deciding_go_on() -> None:
    market = Stopped()
    market.ok("operator", WindowClose())
    market.ok("u", market.redeem("B", 10, "b9"))
    assert market.pause() is Code.OK
    market.ok("B", Refund("b1", "r1", 10))
    market.ok("B", Void(market.hold_id))
    market.ok("A", LegPaid(1, leg("A", "B"), bytes(32)))
    market.ok("B", LegConfirm(1, leg("A", "B")))
    market.ok("operator", WindowClose())
    market.ok("regulator", Freeze(ADDRESS["v"], "OUT", b"", START + DAY))
    market.ok("regulator", Unfreeze(ADDRESS["v"]))
    market.ok("regulator", PauseClass("hA", 0))
    market.ok("A", ReserveAttest(ADDRESS["A"], 400_000, market.time, bytes(32)), ["A", "custodian"])
    opened = market.opening(["w"], "A")
    assert isinstance(opened, AccountOpen)
    market.ok("w", opened)
    market.decide(quota("A", 7_000))
    assert market.merchant("A").quota == 7_000, "a timelock ends in a pause as on any other day"


def test_a_hold_is_released_and_points_expire_in_a_pause() -> None:
    market = Stopped()
    market.pause()
    market.advance(3600)
    assert market.hold(market.hold_id).state.name == "EXPIRED"


def test_who_asks_again_in_a_pause_hears_of_the_first() -> None:
    """D2: a till that lost its answer must learn that it was paid."""
    market = Stopped()
    market.pause()
    assert market.do("u", market.redeem("B", 100, "b1")) is Code.OK_DUPLICATE
    assert market.do("u", market.redeem("B", 101, "b1")) is Code.IDEMPOTENCY_CONFLICT
    assert market.do("u", market.redeem("B", 10**6, "b2")) is Code.INSUFFICIENT, "a fault is told as on any other day"


def test_a_pause_counts_from_the_next_transaction_of_its_block() -> None:
    market = Stopped()
    codes = market.many(
        ("u", market.redeem("B", 1, "x1")),
        ("regulator", EmergencyPause(market.time + 9, b"")),
        ("u", market.redeem("B", 1, "x2")),
        ("regulator", EmergencyResume()),
        ("u", market.redeem("B", 1, "x3")),
    )
    assert codes == ["OK", "OK", "NETWORK_PAUSED", "OK", "OK"]


def test_refusals_of_both_kinds_in_their_order() -> None:
    market = Stopped()
    long = "海" * 43
    assert market.do("u", EmergencyPause(0, long.encode())) is Code.NOT_REGULATOR
    assert market.do("operator", EmergencyResume()) is Code.NOT_REGULATOR
    assert market.do("regulator", EmergencyPause(0, long.encode())) is Code.MEMO_TOO_LONG
    assert market.do("regulator", EmergencyPause(0, b"\xc3\x28")) is Code.MEMO_CHARSET
    assert market.do("regulator", EmergencyPause(market.time, b"")) is Code.BAD_PAUSE
    assert market.pause(SOLE_SECONDS + 1) is Code.BAD_PAUSE
    assert market.do("regulator", EmergencyPause(2**64 - 1, b"")) is Code.BAD_PAUSE
    assert market.resume() is Code.BAD_PAUSE
    assert market.pause(SOLE_SECONDS) is Code.OK
    assert market.pause(1) is Code.BAD_PAUSE, "a running pause is prolonged by a vote only"
    assert market.resume() is Code.OK
    assert market.resume() is Code.BAD_PAUSE


def test_seventy_two_hours_in_pieces_then_a_quiet_week() -> None:
    """No chain of short pauses outlasts one long pause."""
    market = Stopped()
    for _ in range(3):
        assert market.pause(20 * 3600) is Code.OK
        market.advance(20 * 3600)
        assert not market.told()["paused"]
    assert market.told()["sole_seconds_left"] == 12 * 3600
    assert market.pause(12 * 3600 + 1) is Code.BAD_PAUSE
    assert market.pause(12 * 3600) is Code.OK
    market.advance(3600)
    assert market.resume() is Code.OK
    assert market.told()["sole_seconds_left"] == 11 * 3600, "an hour was used"
    assert market.pause(11 * 3600) is Code.OK
    market.advance(11 * 3600)
    assert market.pause(1) is Code.BAD_PAUSE
    market.advance(QUIET_SECONDS - 1)
    assert market.pause(1) is Code.BAD_PAUSE
    market.advance(1)
    assert market.pause(SOLE_SECONDS) is Code.OK


def test_the_committee_ratifies_a_pause_up_to_thirty_days_of_its_start() -> None:
    market = Stopped()
    assert market.propose(RatifyPause(market.time + DAY)) is Code.BAD_PAUSE, "there is none"
    started = market.time
    market.pause()
    assert market.propose(RatifyPause(market.time)) is Code.BAD_PAUSE
    assert market.propose(RatifyPause(started + RATIFIED_SECONDS + 1)) is Code.BAD_PAUSE
    market.decide(RatifyPause(started + RATIFIED_SECONDS))
    assert market.told()["until"] == started + RATIFIED_SECONDS
    assert market.told()["ratified"]
    market.at(started + RATIFIED_SECONDS - 1)
    assert market.do("u", market.redeem("B", 1, "b2")) is Code.NETWORK_PAUSED
    assert market.propose(RatifyPause(market.time + 2), "more") is Code.BAD_PAUSE
    market.advance(1)
    market.ok("u", market.redeem("B", 1, "b2"))
    assert market.told()["sole_seconds_left"] == SOLE_SECONDS - DAY, "what was ratified is no longer a sole word"


def test_a_ratification_that_comes_too_late_revives_nothing() -> None:
    market = Stopped()
    market.pause(DAY)
    assert market.propose(RatifyPause(market.time + 9 * DAY)) is Code.OK
    market.vote("YES", "m1", "m2", "m3")
    market.advance(DAY)
    assert market.proposal().failure == Code.BAD_PAUSE
    market.ok("u", market.redeem("B", 1, "b2"))


def test_the_committee_ends_a_pause_early_and_so_does_a_regulator() -> None:
    market = Stopped()
    start = market.time
    market.pause()
    market.decide(RatifyPause(start + DAY + 60))
    market.at(start + DAY + 60)
    market.ok("u", market.redeem("B", 1, "b2"))
    assert market.pause(DAY + 3600) is Code.OK
    market.decide(RatifyPause(market.time + 5 * DAY), "more")
    assert market.resume() is Code.OK
    market.ok("u", market.redeem("B", 1, "b3"))


@pytest.mark.parametrize("seconds", [1, SOLE_SECONDS])
def test_a_vote_that_is_refused_leaves_the_block_as_paused_as_it_was(seconds: int) -> None:
    """The check of a proposal runs the decision and takes it back; the rest of the block must not feel it."""
    market = Stopped()
    market.pause(seconds)
    codes = market.many(
        ("m1", GovPropose("r", RatifyPause(market.time + 9 * DAY), bytes(32))), ("u", market.redeem("B", 1, "b2")),
    )  # fmt: skip
    assert codes == ["OK", "NETWORK_PAUSED"]
    market.advance(seconds)
    market.ok("u", market.redeem("B", 1, "b2"))


def test_an_account_changes_hands_in_no_pause_and_its_owner_may_still_say_no() -> None:
    market = Stopped()
    market.ok("u", GuardiansSet((address("v"),), 1))
    market.ok("v", RecoveryStart(address("u"), (AccountKey(key_of("thief").public_key),), 1))
    market.advance(SOLE_SECONDS)
    assert market.pause(3600) is Code.OK
    assert market.do("v", RecoveryFinish(address("u"))) is Code.NETWORK_PAUSED
    market.ok("u", RecoveryCancel())
    market.advance(3600)
    assert market.do("v", RecoveryFinish(address("u"))) is Code.RECOVERY_UNKNOWN
