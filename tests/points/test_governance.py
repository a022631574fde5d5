"""The committee: who may, what is refused first, when a vote is won, and that time carries out what was won (D10)."""

import pytest
from msgspec.structs import replace

from points.governance import MEMORY_SECONDS, PROPOSALS_MAX, RETRY_SECONDS, TIMELOCK_SECONDS, VOTING_SECONDS
from points.governance_records import ProposalState
from points.keys import PARAMS_KEY
from points.state import MerchantStatus
from points.transition import begin_block
from points.validators import register
from primitives.codes import Code
from primitives.kinds import Body, Freeze, KeyAdd
from primitives.kinds_governance import GovExecute, GovPropose, GovVote, ProgramEnd, SetQuota
from primitives.kinds_validators import ValidatorRemove, ValidatorReplace
from primitives.transaction import signature_checks
from primitives.validators import vote_key_digest
from tests.points.committee import ADDRESS as HOST
from tests.points.committee import certificate
from tests.points.council import REASONS, Council, admission, parameters, quota, status
from tests.points.market import ADDRESS, DAY, address, key_of

NEVER = 2**60


def propose(payload: object, proposal: str = "p") -> GovPropose:
    return GovPropose(proposal, payload, REASONS)  # type: ignore[arg-type]


def test_propose_precedence() -> None:
    """Each row repairs the fault above it."""
    council = Council()
    council.ok("m2", propose(quota(), "taken"))
    for number in range(PROPOSALS_MAX):
        council.ok("m1", propose(quota(), f"q{number}"))
    council.ok("regulator", Freeze(address("m3"), "OUT", b"", NEVER))
    council.ok("m4", KeyAdd(key_of("A").public_key, "owner"))
    unknown, own = SetQuota(address("u"), quota=1), quota("A")
    rows: list[tuple[str, Body, Code]] = [
        ("m3", propose(unknown, "taken"), Code.ACCOUNT_FROZEN),
        ("u", propose(unknown, "taken"), Code.NOT_MEMBER),
        ("operator", propose(unknown, "taken"), Code.NOT_MEMBER),
        ("m1", propose(unknown, "taken"), Code.BAD_PROPOSAL),
        ("m1", propose(unknown, "new"), Code.TOO_MANY_PROPOSALS),
        ("m4", propose(SetQuota(address("u")), "new"), Code.BAD_PROPOSAL),
        ("m4", propose(unknown, "new"), Code.MERCHANT_UNKNOWN),
        ("m4", propose(own, "new"), Code.RECUSED),
        ("m5", propose(own, "new"), Code.OK),
    ]
    for sender, body, code in rows:
        assert council.do(sender, body) is code, (sender, body)


def test_vote_precedence() -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    council.ok("m1", propose(quota(), "lost"))
    council.vote("NO", "m1", "m2", proposal="lost")
    council.ok("m4", KeyAdd(key_of("A").public_key, "owner"))
    council.ok("regulator", Freeze(address("m3"), "OUT", b"", NEVER))
    rows: list[tuple[str, Body, Code]] = [
        ("m3", GovVote("none", "YES"), Code.ACCOUNT_FROZEN),
        ("u", GovVote("none", "YES"), Code.NOT_MEMBER),
        ("m4", GovVote("none", "YES"), Code.PROPOSAL_UNKNOWN),
        ("m4", GovVote("lost", "YES"), Code.PROPOSAL_CLOSED),
        ("m4", GovVote("p", "YES"), Code.RECUSED),
        ("m4", GovVote("p", "NO"), Code.RECUSED),
        ("m4", GovVote("p", "RECUSE"), Code.OK),
        ("m4", GovVote("p", "YES"), Code.ALREADY_VOTED),
        ("m2", GovVote("p", "YES", bytes(32)), Code.OK),
        ("m2", GovVote("p", "NO"), Code.ALREADY_VOTED),
    ]
    for sender, body, code in rows:
        assert council.do(sender, body) is code, (sender, body)


def test_execute_precedence() -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    rows: list[tuple[str, str, Code]] = [
        ("u", "none", Code.NOT_MEMBER), ("m5", "none", Code.PROPOSAL_UNKNOWN), ("m5", "p", Code.THRESHOLD),
    ]  # fmt: skip
    for sender, name, code in rows:
        assert council.do(sender, GovExecute(name)) is code, (sender, name)
    council.vote("YES", "m1", "m2", "m3")
    assert council.execute() is Code.TIMELOCK
    council.advance(TIMELOCK_SECONDS)
    assert council.execute() is Code.PROPOSAL_CLOSED


def test_a_member_without_weight_has_no_voice() -> None:
    council = Council({"m1": 1, "m2": 0})
    assert council.do("m2", propose(quota())) is Code.NOT_MEMBER
    council.ok("m1", propose(quota()))
    assert council.vote("YES", "m2") == [Code.NOT_MEMBER]


@pytest.mark.parametrize(("weight", "won"), [(59, False), (60, True)])
def test_of_a_hundred_sixty_must_take_part(weight: int, won: bool) -> None:
    """2.10: participation of at least 60 % of the weight that may vote, however many of them agree."""
    council = Council({"m1": weight, "m2": 100 - weight})
    council.ok("m1", propose(quota()))
    council.vote("YES", "m1")
    assert bool(council.proposal().ready_at) is won
    council.advance(VOTING_SECONDS)
    assert council.merchant("A").quota == (5_000 if won else 0)


@pytest.mark.parametrize(
    ("yes", "no", "recused", "won"),
    [
        (("m1", "m2"), (), (), False),  # 55 of 100 took part
        (("m1", "m3", "m5"), (), (), True),  # 60 of 100, exactly the participation that is asked for
        (("m1", "m2"), ("m3",), (), True),  # 55 of 75 cast
        (("m1", "m3"), ("m2",), (), False),  # 50 of 75: exactly two thirds are not enough
        (("m3", "m4"), (), ("m1",), False),  # 35 of the 70 that may vote
        (("m2", "m3"), (), ("m1",), True),  # 45 of 70: 64 %
        (("m3", "m4", "m5"), (), ("m1", "m2"), False),  # 45 of 45, but 55 of 100 stand aside
    ],
)
def test_thresholds(yes: tuple[str, ...], no: tuple[str, ...], recused: tuple[str, ...], won: bool) -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    for choice, members in (("NO", no), ("RECUSE", recused), ("YES", yes)):
        council.vote(choice, *members)
    assert bool(council.proposal().ready_at) is won
    council.advance(VOTING_SECONDS)
    assert council.merchant("A").quota == (5_000 if won else 0)
    left = council.proposal()  # what was rejected at once is forgotten by now
    assert (left is not None and left.state is ProposalState.EXECUTED) is won


def test_a_third_against_rejects_at_once() -> None:
    """m2 and m5 weigh 35 of 100: no vote still to come can win."""
    council = Council()
    council.ok("m1", propose(quota()))
    council.vote("NO", "m2")
    assert council.proposal().state is ProposalState.OPEN
    council.vote("NO", "m5")
    assert council.proposal().state is ProposalState.REJECTED
    assert council.vote("YES", "m1") == [Code.PROPOSAL_CLOSED]


def test_the_timelock_ends_in_its_second_and_not_before() -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    council.vote("YES", "m1", "m2", "m3")
    council.advance(TIMELOCK_SECONDS - 1)
    assert council.merchant("A").quota == 0
    council.advance(1)
    assert council.merchant("A").quota == 5_000
    assert [event.kind for event in council.last.events if event.kind.startswith("Proposal")] == ["ProposalDecided"]  # type: ignore[union-attr]


def test_a_late_no_stops_the_timelock_and_a_later_yes_starts_it_anew() -> None:
    """60 said yes; 10 + 20 against leave exactly two thirds of 90; another yes wins again, and the 24 h begin anew."""
    council = Council({"m1": 60, "m2": 20, "m3": 10, "m4": 10})
    council.ok("m1", propose(quota()))
    council.vote("YES", "m1")
    council.advance(TIMELOCK_SECONDS - 10)
    council.vote("NO", "m2", "m3")
    assert council.proposal().ready_at == 0
    council.advance(60)
    assert council.merchant("A").quota == 0
    council.vote("YES", "m4")
    assert council.proposal().ready_at == council.time + TIMELOCK_SECONDS
    council.advance(TIMELOCK_SECONDS)
    assert council.merchant("A").quota == 5_000


def test_a_vote_won_in_its_last_second_still_leaves_the_others_a_day() -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    council.advance(VOTING_SECONDS - 1)
    council.vote("YES", "m1", "m2", "m3")
    council.advance(1)
    assert council.vote("NO", "m5") == [Code.OK]
    council.advance(TIMELOCK_SECONDS - 2)
    assert council.merchant("A").quota == 0
    council.advance(1)
    assert council.merchant("A").quota == 5_000
    assert council.vote("NO", "m4") == [Code.PROPOSAL_CLOSED]


def test_a_surprise_at_the_end_is_answered_within_the_timelock() -> None:
    """60 of 100 say yes in the last second; 40 had no reason to speak before. No vote begins anew after the end."""
    council = Council()
    council.ok("m1", propose(quota()))
    council.advance(VOTING_SECONDS - 1)
    council.vote("YES", "m1", "m3", "m5")
    council.advance(TIMELOCK_SECONDS - 1)
    assert council.vote("NO", "m2", "m4") == [Code.OK, Code.OK]
    assert council.proposal().state is ProposalState.REJECTED
    council.advance(TIMELOCK_SECONDS)
    assert council.merchant("A").quota == 0
    council.ok("m1", propose(quota(), "aside"))
    council.advance(VOTING_SECONDS - 1)
    council.vote("YES", "m2", "m3", "m4", proposal="aside")
    council.advance(1)
    assert council.vote("NO", "m1", proposal="aside") == [Code.OK], "60 of 90: two thirds, not more"
    assert council.proposal("aside").state is ProposalState.REJECTED
    assert council.vote("YES", "m5", proposal="aside") == [Code.PROPOSAL_CLOSED]


def test_decided_proposals_leave_the_state_with_their_votes() -> None:
    council = Council()
    before = set(council.view.records)
    council.decide(quota())
    assert council.propose(quota()) is Code.BAD_PROPOSAL, "its id is remembered"
    council.advance(MEMORY_SECONDS)
    assert {key[:1] for key in set(council.view.records) - before} & {b"h", b"i", b"k"} == set()
    assert council.propose(quota()) is Code.OK


def test_what_cannot_be_carried_out_waits_and_is_tried_again() -> None:
    """The merchant is suspended before the timelock ends; the payload fits again later."""
    council = Council()
    council.ok("m1", propose(status("A", "ISSUE_SUSPENDED")))
    council.ok("m1", propose(status("A", "ISSUE_SUSPENDED"), "first"))
    for name in ("first", "p"):
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.advance(DAY)
    assert council.proposal("first").state is ProposalState.EXECUTED
    failed = council.proposal()
    assert (failed.state, failed.failure) == (ProposalState.FAILED, Code.BAD_STATUS_CHANGE)
    assert council.execute() is Code.BAD_STATUS_CHANGE
    council.decide(status("A", "ACTIVE"), "back")
    assert council.execute() is Code.OK
    assert council.status("A") is MerchantStatus.ISSUE_SUSPENDED
    assert council.execute() is Code.PROPOSAL_CLOSED


def test_a_failed_proposal_expires() -> None:
    council = Council()
    for name in ("a", "b"):
        council.ok("m1", propose(status("A", "SUSPENDED"), name))
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.advance(DAY)
    assert council.proposal("b").state is ProposalState.FAILED
    council.advance(RETRY_SECONDS)
    assert council.proposal("b").state is ProposalState.EXPIRED
    assert council.execute("b") is Code.PROPOSAL_CLOSED
    council.advance(MEMORY_SECONDS)
    assert council.execute("b") is Code.PROPOSAL_UNKNOWN


def test_parameters_hold_from_the_moment_of_execution() -> None:
    """A transaction of the very block in which the timelock ends pays the new fee."""
    council = Council()
    council.issue("hA", 10_000)
    council.ok("m1", propose(parameters(fee_bps=200, quota=77)))
    council.vote("YES", "m1", "m2", "m3")
    (receipt,) = council.block(
        [council.transaction("u", replace(council.redeem("B", 1_000, "o"), memo=b""), valid_until=council.time + 600)],
        council.time,
    )
    assert receipt is not None and receipt.code == 0
    assert council.owed()["A->FUND"] == 50_000
    council.time += DAY - 1
    council.at(council.time)
    body = council.redeem("B", 1_000, "o2", None)
    transaction = council.transaction("u", body, valid_until=council.time + 600)
    (receipt,) = council.block([transaction], council.time + 1)
    assert receipt is not None and receipt.code == 0
    assert council.owed()["A->FUND"] == 50_000 + 200_000
    assert council.view.get(PARAMS_KEY).quota == 77


@pytest.mark.parametrize(
    "values",
    [
        {"fee_bps": 10_001}, {"reserve_ratio_bps": 0}, {"nonsense": 1}, {"program_end": 1}, {"settle_days": 31},
        {"refund_window_days": 181}, {"return_window_days": 181}, {"quota": 10**16},
        {"fee_bps": 10, "static_cap": 2**64 - 1},
    ],
)  # fmt: skip
def test_parameters_out_of_bounds_are_not_even_put_to_the_vote(values: dict[str, int]) -> None:
    """Orders are dropped by what the windows were: they may become shorter, never longer."""
    council = Council()
    assert council.propose(parameters(**values)) is Code.BAD_PROPOSAL
    assert council.view.get(PARAMS_KEY) == council.genesis.parameters


def test_a_parameter_twice_is_refused() -> None:
    council = Council()
    both = (*parameters(fee_bps=1).changes, *parameters(fee_bps=2).changes)
    assert council.propose(replace(parameters(fee_bps=1), changes=both)) is Code.BAD_PROPOSAL


def test_the_programme_ends_and_only_issuing_stops() -> None:
    council = Council()
    council.issue("hA", 1_000)
    assert council.propose(ProgramEnd(council.time)) is Code.BAD_PROPOSAL
    council.decide(ProgramEnd(council.time + 2 * DAY))
    assert council.issue("hA", 1) is Code.OK
    council.advance(DAY)
    assert council.issue("hA", 1) is Code.PROGRAM_ENDED
    assert council.do("u", council.redeem("B", 500, "late")) is Code.OK
    council.decide(ProgramEnd(0), "again")
    assert council.issue("hA", 1) is Code.OK


def test_validators_change_by_proposal() -> None:
    """The change waits for the close of the epoch as if an operator had sent it; how many at once is asked then."""
    council = Council()
    for name in ("v0", "v1"):
        assert council.propose(ValidatorRemove(name), name) is Code.TOO_FEW_VALIDATORS

    def swap(old: str, new: str) -> ValidatorReplace:
        key = key_of(new)
        possession = key.sign(vote_key_digest(council.chain_id, new, key.public_key))
        return ValidatorReplace(old, new, key.public_key, certificate(new), HOST, possession)

    assert council.propose(replace(swap("v0", "w0"), possession=bytes(64)), "bad") is Code.BAD_SIGNATURE
    for name in ("v0", "v1"):
        assert council.propose(swap(name, f"new-{name}"), name) is Code.OK
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.advance(DAY)
    assert [(change.change, change.seat) for change in register(council.view).changes] == [("replace", 0)]
    assert council.proposal("v1").failure == Code.TOO_MANY_CHANGES


def test_two_proposals_due_at_once_are_carried_out_in_order_of_their_ids() -> None:
    council = Council()
    for name, fen in (("b", 2), ("a", 1)):
        council.ok("m1", propose(quota("A", fen), name))
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.advance(DAY)
    assert council.merchant("A").quota == 2


def test_an_interest_is_a_shared_key_or_the_account_itself() -> None:
    council = Council()
    council.apply("n")
    council.ok("m5", KeyAdd(key_of("n").public_key, "settlement"))
    council.ok("m1", propose(admission()))
    assert council.vote("YES", "m5", "m4") == [Code.RECUSED, Code.OK]


def test_admit_needs_no_more_than_the_vote() -> None:
    council = Council()
    council.apply("n")
    council.decide(admission("n", 900))
    assert council.status("n") is MerchantStatus.ACTIVE
    assert council.merchant("n").credit_limit == 900
    assert ADDRESS["A"] != address("n")


def test_a_further_yes_does_not_put_the_timelock_off() -> None:
    council = Council()
    council.ok("m1", propose(quota()))
    council.vote("YES", "m1", "m2", "m3")
    council.advance(TIMELOCK_SECONDS - 1)
    council.vote("YES", "m4")
    council.advance(1)
    assert council.merchant("A").quota == 5_000


def test_the_signature_inside_a_payload_is_checked_at_the_door() -> None:
    """begin_block carries the change out without the signature at hand: admission has seen it or nobody has."""
    council = Council()
    forged = ValidatorReplace("v0", "w", key_of("w").public_key, certificate("w"), HOST, bytes(64))
    decoded = council.transaction("m1", propose(forged))
    keys = [check.key for check in signature_checks(decoded)]
    assert keys == [key_of("m1").public_key, key_of("w").public_key]


def test_begin_block_by_itself_carries_out_the_same() -> None:
    """Who executes a block in two steps finds the same records as who does it in one."""
    council = Council()
    council.ok("m1", propose(parameters(fee_bps=200)))
    council.vote("YES", "m1", "m2", "m3")
    alone, events = begin_block(council.view, council.time + DAY, council.time)
    assert "ParametersChanged" in [event.kind for event in events]
    council.advance(DAY)
    assert council.last is not None
    assert {key: council.last.changes[key] for key in alone} == alone


def test_no_more_than_the_committee_of_genesis_votes() -> None:
    """Without a committee nobody can propose: the roles of genesis stand alone."""
    council = Council({})
    assert council.do("operator", propose(quota())) is Code.NOT_MEMBER
    assert not [key for key in council.view.records if key[:1] == b"j"]
