"""Challenges: the committee publishes a task, merchants apply, members score, the best one is awarded (table 1 row 15).

challenge_open: BAD_PROPOSAL (id, days, milestones), CHALLENGE_EXISTS, BAD_PROPOSAL (too many).
challenge_apply: ACCOUNT_FROZEN, NOT_AUTHORISED (not admitted, or leaving), CHALLENGE_UNKNOWN, CHALLENGE_CLOSED (not the
time, or too many), CHALLENGE_EXISTS (applied before).
challenge_score: ACCOUNT_FROZEN, NOT_MEMBER, BAD_AMOUNT, CHALLENGE_UNKNOWN, MERCHANT_UNKNOWN (did not apply),
CHALLENGE_CLOSED, ALREADY_VOTED, RECUSED (an interest in any applicant).
challenge_award: CHALLENGE_UNKNOWN, MERCHANT_UNKNOWN, CHALLENGE_CLOSED, THRESHOLD (60 % of the weight must have scored
it), BAD_PROPOSAL (another one was scored higher).

A score weighs what its member weighs when the award is decided. No points and no money move here: a prize is a campaign
of the merchant that gives it.
"""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from points.anchors import is_namespace
from points.authority import shares_key
from points.challenge_records import Applicant, Challenge, Score
from points.days import DAY_SECONDS
from points.governance_records import Committee
from points.keys import COMMITTEE_KEY, account_key, applicant_key, challenge_key, merchant_key
from points.state import Merchant, MerchantStatus
from points.turn import Fields, Turn
from points.view import View
from primitives.codes import Code
from primitives.kinds_challenges import ChallengeApply, ChallengeAward, ChallengeOpen, ChallengeScore
from primitives.receipt import Event

NAMESPACE: Final = "challenge/"  # and the id: of the anchors that prove milestones
CHALLENGES_MAX: Final = 64  # in the state
APPLICANTS_MAX: Final = 32  # of one challenge: the award compares them all
DAYS_MAX: Final = (180, 60, 730)  # to apply, to score, to run
MILESTONES_MAX: Final = 16
POINTS_MAX: Final = 100
SCORED_PERCENT: Final = 60
MEMORY_SECONDS: Final = 30 * DAY_SECONDS
_MAY_APPLY: Final = (MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.ACCEPT_SUSPENDED)


def open_challenge(turn: Turn, payload: ChallengeOpen) -> Code:
    """Publish it: merchants may apply from now on."""
    if not is_namespace(NAMESPACE + payload.challenge):
        return turn.refuse(Code.BAD_PROPOSAL, f"the id {payload.challenge!r} cannot name a namespace of anchors")
    days = (payload.apply_days, payload.score_days, payload.run_days)
    if not all(1 <= count <= most for count, most in zip(days, DAYS_MAX, strict=True)):
        return turn.refuse(Code.BAD_PROPOSAL, f"days {days}, expected 1 to {DAYS_MAX}")
    if payload.milestones > MILESTONES_MAX:
        return turn.refuse(Code.BAD_PROPOSAL, f"{payload.milestones} milestones, limit {MILESTONES_MAX}")
    if _find(turn, payload.challenge) is not None:
        return turn.refuse(Code.CHALLENGE_EXISTS, f"the id {payload.challenge!r} is taken")
    count = sum(1 for _ in turn.draft.range(b"n", b"o"))
    if count >= CHALLENGES_MAX:
        return turn.refuse(Code.BAD_PROPOSAL, f"{count} challenges, limit {CHALLENGES_MAX}")
    apply_until = turn.time + payload.apply_days * DAY_SECONDS
    score_until = apply_until + payload.score_days * DAY_SECONDS
    ends = score_until + payload.run_days * DAY_SECONDS
    turn.put(
        challenge_key(payload.challenge),
        Challenge(
            payload.terms_hash, turn.time, apply_until, score_until, ends, ends + MEMORY_SECONDS, payload.milestones
        ),
    )
    fields: Fields = (
        ("challenge", payload.challenge), ("apply_until", apply_until), ("score_until", score_until), ("ends", ends),
        ("milestones", payload.milestones),
    )  # fmt: skip
    turn.events.append(Event("ChallengeOpened", fields, (), (("terms", payload.terms_hash),)))
    return Code.OK


def apply_challenge_apply(turn: Turn, body: ChallengeApply) -> Code:
    """The sender takes part; its plan cannot be exchanged for another."""
    merchant: Merchant | None = turn.get(merchant_key(turn.sender))
    if merchant is None or merchant.status not in _MAY_APPLY:
        return turn.refuse(Code.NOT_AUTHORISED, "no merchant" if merchant is None else merchant.status.name)
    found = _find(turn, body.challenge)
    if found is None:
        return Code.CHALLENGE_UNKNOWN
    if turn.time >= found.apply_until:
        return turn.refuse(Code.CHALLENGE_CLOSED, stage_of(found, turn.time))
    if _applicant(turn, body.challenge, turn.sender) is not None:
        return turn.refuse(Code.CHALLENGE_EXISTS, "the merchant has applied")
    if found.applicants >= APPLICANTS_MAX:
        return turn.refuse(Code.CHALLENGE_CLOSED, f"{found.applicants} applicants, limit {APPLICANTS_MAX}")
    turn.put(challenge_key(body.challenge), replace(found, applicants=found.applicants + 1))
    turn.put(applicant_key(body.challenge, turn.sender), Applicant(body.plan_hash, turn.time, found.expires))
    fields = (("challenge", body.challenge),)
    turn.events.append(Event("ChallengeTaken", fields, (("merchant", turn.sender),), (("plan", body.plan_hash),)))
    return Code.OK


def apply_challenge_score(turn: Turn, body: ChallengeScore) -> Code:
    """A member's verdict, for good; who has an interest gives none."""
    committee: Committee | None = turn.get(COMMITTEE_KEY)
    if committee is None or turn.sender not in dict(committee.members):
        return turn.refuse(Code.NOT_MEMBER, "the account has no weight in the committee")
    if body.points > POINTS_MAX:
        return turn.refuse(Code.BAD_AMOUNT, f"{body.points} points, limit {POINTS_MAX}")
    found = _find(turn, body.challenge)
    if found is None:
        return Code.CHALLENGE_UNKNOWN
    applicant = _applicant(turn, body.challenge, body.merchant)
    if applicant is None:
        return turn.refuse(Code.MERCHANT_UNKNOWN, "the merchant has not applied")
    if not found.apply_until <= turn.time < found.score_until:
        return turn.refuse(Code.CHALLENGE_CLOSED, stage_of(found, turn.time))
    if any(score.member == turn.sender for score in applicant.scores):
        return Code.ALREADY_VOTED
    if any(shares_key(turn.account, turn.get(account_key(rival))) for rival in contenders(turn, body.challenge)):
        return turn.refuse(Code.RECUSED, "the member has an interest in an applicant")
    scores = (*applicant.scores, Score(turn.sender, body.points, body.reasons_hash))
    turn.put(applicant_key(body.challenge, body.merchant), replace(applicant, scores=scores))
    fields: Fields = (("challenge", body.challenge), ("points", body.points))
    accounts = (("merchant", body.merchant), ("member", turn.sender))
    turn.events.append(Event("ChallengeScored", fields, accounts, (("reasons", body.reasons_hash),)))
    return Code.OK


def award_challenge(turn: Turn, payload: ChallengeAward) -> Code:
    """To an applicant that enough of the committee has scored, and nobody higher."""
    found = _find(turn, payload.challenge)
    if found is None:
        return Code.CHALLENGE_UNKNOWN
    applicant = _applicant(turn, payload.challenge, payload.merchant)
    if applicant is None:
        return turn.refuse(Code.MERCHANT_UNKNOWN, "the merchant has not applied")
    if not found.score_until <= turn.time < found.ends or found.awarded:
        return turn.refuse(Code.CHALLENGE_CLOSED, stage_of(found, turn.time))
    committee: Committee = turn.get(COMMITTEE_KEY)
    points, weight = verdict(committee, applicant)
    total = sum(of for _, of in committee.members)
    if not enough(committee, weight):
        return turn.refuse(Code.THRESHOLD, f"weight {weight} of {total} has scored it, {SCORED_PERCENT} % must")
    for other, rival in applicants(turn.draft, payload.challenge, turn.time):
        more, by = verdict(committee, rival)
        if enough(committee, by) and more * weight > points * by:
            return turn.refuse(Code.BAD_PROPOSAL, f"{other.hex()} was scored higher")
    turn.put(challenge_key(payload.challenge), replace(found, awarded=payload.merchant, awarded_at=turn.time))
    fields: Fields = (("challenge", payload.challenge), ("points", points), ("weight", weight))
    turn.events.append(Event("ChallengeAwarded", fields, (("merchant", payload.merchant),)))
    return Code.OK


def verdict(committee: Committee, applicant: Applicant) -> tuple[int, int]:
    """The sum of points times weights, and the weight of those who scored it and are members still."""
    weights = dict(committee.members)
    weighed = [(weights.get(score.member, 0), score.points) for score in applicant.scores]
    return sum(weight * points for weight, points in weighed), sum(weight for weight, _ in weighed)


def enough(committee: Committee, weight: int) -> bool:
    """Whether so much weight decides about an applicant."""
    return weight > 0 and 100 * weight >= SCORED_PERCENT * sum(of for _, of in committee.members)


def stage_of(found: Challenge, time_s: int) -> str:
    """APPLYING, SCORING, AWARDING, AWARDED or OVER."""
    if time_s >= found.ends:
        return "OVER"
    if found.awarded:
        return "AWARDED"
    if time_s >= found.score_until:
        return "AWARDING"
    return "SCORING" if time_s >= found.apply_until else "APPLYING"


def applicants(view: View, challenge: str, time_s: int) -> Iterator[tuple[bytes, Applicant]]:
    """Who has applied, in order of addresses."""
    start = applicant_key(challenge, b"")
    for key, applicant in view.range(start, start[:-1] + b"\x01"):
        if applicant.lives(time_s):  # one of a former challenge of this id may wait for its removal
            yield key[len(start) :], applicant


def contenders(turn: Turn, challenge: str) -> tuple[bytes, ...]:
    """Whom the scores and the award of a challenge are about: a low score of a rival is worth as much as a high one."""
    return tuple(merchant for merchant, _ in applicants(turn.draft, challenge, turn.time))


def _find(turn: Turn, challenge: str) -> Challenge | None:
    found: Challenge | None = turn.get(challenge_key(challenge))
    return found if found is not None and found.lives(turn.time) else None


def _applicant(turn: Turn, challenge: str, merchant: bytes) -> Applicant | None:
    found: Applicant | None = turn.get(applicant_key(challenge, merchant))
    return found if found is not None and found.lives(turn.time) else None
