"""Challenges: publish, apply, score, award (table 1 row 15); who may, when, and that the best one wins."""

from msgspec.structs import replace

from points.challenge_records import Challenge
from points.challenges import APPLICANTS_MAX, CHALLENGES_MAX, MEMORY_SECONDS
from points.governance_records import ProposalState
from points.keys import applicant_key, challenge_key
from primitives.codes import Code
from primitives.kinds import Freeze, KeyAdd
from primitives.kinds_challenges import ChallengeApply, ChallengeAward, ChallengeOpen, ChallengeScore
from primitives.kinds_governance import GovPropose
from primitives.kinds_offices import SetMember
from tests.points.council import REASONS, Council, admission, quota, status
from tests.points.market import ADDRESS, DAY, START, address, key_of

TERMS = bytes(range(32))
APPLY, SCORE, RUN = 10, 5, 100


def opening(name: str = "c", apply: int = APPLY, score: int = SCORE, run: int = RUN, milestones: int = 2) -> object:
    return ChallengeOpen(name, TERMS, apply, score, run, milestones)


def propose(payload: object, name: str = "p") -> GovPropose:
    return GovPropose(name, payload, REASONS)  # type: ignore[arg-type]


def take(name: str = "c") -> ChallengeApply:
    return ChallengeApply(name, TERMS)


def score(merchant: str, points: int, name: str = "c") -> ChallengeScore:
    return ChallengeScore(name, address(merchant), points, REASONS)


def award(merchant: str, name: str = "c") -> ChallengeAward:
    return ChallengeAward(name, address(merchant))


def opened() -> Council:
    """c is open since the first day: 10 days to apply, 5 to score, 100 to run."""
    council = Council()
    council.decide(opening(), "open")  # type: ignore[arg-type]
    return council


def stored(council: Council, name: str = "c") -> Challenge:
    found: Challenge = council.view.get(challenge_key(name))
    return found


def test_open_precedence() -> None:
    council = opened()
    rows: list[tuple[object, Code]] = [
        (opening("C", 0, milestones=17), Code.BAD_PROPOSAL),
        (opening("1" * 11, 0, milestones=17), Code.BAD_PROPOSAL),
        (opening("c", 0, milestones=17), Code.BAD_PROPOSAL),
        (opening("c", 181), Code.BAD_PROPOSAL),
        (opening("c", score=61), Code.BAD_PROPOSAL),
        (opening("c", run=731), Code.BAD_PROPOSAL),
        (opening("c", milestones=17), Code.BAD_PROPOSAL),
        (opening("c"), Code.CHALLENGE_EXISTS),
        (opening("d"), Code.OK),
    ]
    for payload, code in rows:
        assert council.do("m1", propose(payload)) is code, (payload, council.receipt)


def test_apply_precedence() -> None:
    council = opened()
    council.apply("n")
    council.ok("regulator", Freeze(ADDRESS["D"], "OUT", b"", 2**60))
    rows = [
        ("D", take("none"), Code.ACCOUNT_FROZEN),
        ("u", take("none"), Code.NOT_AUTHORISED),
        ("m1", take("none"), Code.NOT_AUTHORISED),
        ("n", take("none"), Code.NOT_AUTHORISED),
        ("A", take("none"), Code.CHALLENGE_UNKNOWN),
        ("A", take(), Code.OK),
        ("A", take(), Code.CHALLENGE_EXISTS),
    ]
    for sender, body, code in rows:
        assert council.do(sender, body) is code, (sender, body)
    council.at(stored(council).apply_until - 1)
    council.ok("B", take())
    council.advance(1)
    assert council.do("C", take()) is Code.CHALLENGE_CLOSED


def test_score_precedence() -> None:
    council = opened()
    council.ok("A", take())
    council.ok("m4", KeyAdd(key_of("A").public_key, "owner"))
    council.ok("regulator", Freeze(address("m3"), "OUT", b"", 2**60))
    assert council.do("m1", score("A", 1)) is Code.CHALLENGE_CLOSED
    council.at(stored(council).apply_until)
    rows = [
        ("m3", score("B", 101, "none"), Code.ACCOUNT_FROZEN),
        ("u", score("B", 101, "none"), Code.NOT_MEMBER),
        ("m4", score("B", 101, "none"), Code.BAD_AMOUNT),
        ("m4", score("B", 100, "none"), Code.CHALLENGE_UNKNOWN),
        ("m4", score("B", 100), Code.MERCHANT_UNKNOWN),
        ("m4", score("A", 100), Code.RECUSED),
        ("m1", score("A", 100), Code.OK),
        ("m1", score("A", 0), Code.ALREADY_VOTED),
    ]
    for sender, body, code in rows:
        assert council.do(sender, body) is code, (sender, body)
    council.at(stored(council).score_until)
    assert council.do("m2", score("A", 100)) is Code.CHALLENGE_CLOSED


def test_award_precedence() -> None:
    council = opened()
    for merchant in ("A", "B", "C"):
        council.ok(merchant, take())
    council.at(stored(council).apply_until)
    for member, to_a, to_b in (("m1", 80, 90), ("m2", 80, 60)):
        council.ok(member, score("A", to_a))
        council.ok(member, score("B", to_b))
    council.ok("m3", score("A", 50))
    council.ok("m3", score("B", 50))
    council.ok("m1", score("C", 100))
    assert council.do("m1", propose(award("A"))) is Code.CHALLENGE_CLOSED
    council.at(stored(council).score_until)
    rows: list[tuple[object, Code]] = [
        (award("D", "none"), Code.CHALLENGE_UNKNOWN),
        (award("D"), Code.MERCHANT_UNKNOWN),
        (award("C"), Code.THRESHOLD),
        (award("B"), Code.BAD_PROPOSAL),
        (award("A"), Code.OK),
    ]
    for payload, code in rows:
        assert council.do("m1", propose(payload)) is code, (payload, council.receipt)
    council.vote("YES", "m1", "m2", "m3")
    council.advance(DAY)
    assert (stored(council).awarded, stored(council).awarded_at) == (ADDRESS["A"], council.time)
    assert council.do("m1", propose(award("A"), "again")) is Code.CHALLENGE_CLOSED


def test_equal_verdicts_leave_the_choice_to_the_vote() -> None:
    council = opened()
    for merchant in ("A", "B"):
        council.ok(merchant, take())
    council.at(stored(council).apply_until)
    for member in ("m1", "m2", "m3"):
        council.ok(member, score("A", 70))
        council.ok(member, score("B", 70))
    council.at(stored(council).score_until)
    for number, merchant in enumerate("AB"):
        assert council.do("m1", propose(award(merchant), f"p{number}")) is Code.OK


def test_scores_weigh_what_their_members_weigh_at_the_award() -> None:
    """A member that left takes its score with it; with it the 60 % are gone too."""
    council = opened()
    council.ok("A", take())
    council.at(stored(council).apply_until)
    for member in ("m2", "m3", "m4"):
        council.ok(member, score("A", 70))
    council.at(stored(council).score_until)
    council.propose(award("A"))
    council.vote("YES", "m1", "m2", "m3")
    council.decide(SetMember(address("m4"), 0), "out")
    assert (council.proposal().state, council.proposal().failure) == (ProposalState.FAILED, Code.THRESHOLD)
    assert council.execute() is Code.THRESHOLD
    late = opened()
    late.ok("A", take())
    late.at(stored(late).apply_until)
    for member in ("m2", "m3", "m4"):
        late.ok(member, score("A", 70))
    late.decide(SetMember(address("m4"), 0), "out")
    late.at(stored(late).score_until)
    assert late.propose(award("A")) is Code.THRESHOLD


def test_nobody_applies_while_suspended_and_an_admitted_one_does() -> None:
    council = opened()
    council.apply("n")
    council.decide(admission(), "in")
    council.ok("n", take())
    council.decide(status("A", "SUSPENDED"), "s")
    assert council.do("A", take()) is Code.NOT_AUTHORISED


def test_numbers_are_bounded() -> None:
    council = opened()
    for number in range(CHALLENGES_MAX - 1):
        council.view.apply({challenge_key(f"x{number}"): stored(council)})
    assert council.do("m1", propose(opening("d"))) is Code.BAD_PROPOSAL
    crowded = opened()
    crowded.view.apply({challenge_key("c"): replace(stored(crowded), applicants=APPLICANTS_MAX)})
    assert crowded.do("A", take()) is Code.CHALLENGE_CLOSED


def test_a_challenge_leaves_with_its_applicants_and_its_id_is_free_again() -> None:
    council = opened()
    council.ok("A", take())
    ends = stored(council).ends
    assert ends == START + DAY + (APPLY + SCORE + RUN) * DAY
    council.at(ends)
    assert council.do("m1", propose(award("A"))) is Code.CHALLENGE_CLOSED
    council.at(ends + MEMORY_SECONDS)
    council.advance(1)
    assert stored(council) is None
    assert council.view.get(applicant_key("c", ADDRESS["A"])) is None
    council.decide(opening(), "again")  # type: ignore[arg-type]
    council.ok("A", take())


def test_who_has_an_interest_in_one_applicant_judges_no_rival() -> None:
    """A low score of all the others is worth as much as a high one of one's own, and so is a no to their award."""
    council = opened()
    council.ok("A", take())
    council.ok("B", take())
    council.ok("m5", KeyAdd(key_of("A").public_key, "owner"))
    council.at(stored(council).apply_until)
    assert council.do("m5", score("B", 0)) is Code.RECUSED
    for member in ("m1", "m2", "m3"):
        council.ok(member, score("B", 70))
    council.at(stored(council).score_until)
    assert council.propose(award("B"), "mine", by="m5") is Code.RECUSED
    assert council.propose(award("B")) is Code.OK
    assert council.vote("NO", "m5") == [Code.RECUSED]


def test_the_interested_stand_aside_from_the_award() -> None:
    council = opened()
    council.ok("A", take())
    council.ok("m5", KeyAdd(key_of("A").public_key, "owner"))
    council.at(stored(council).apply_until)
    for member in ("m1", "m2", "m3"):
        council.ok(member, score("A", 70))
    council.at(stored(council).score_until)
    assert council.propose(award("A"), "mine", by="m5") is Code.RECUSED
    assert council.propose(award("A")) is Code.OK
    assert council.vote("NO", "m5") == [Code.RECUSED]
    assert council.propose(quota("B"), "other", by="m5") is Code.OK
