"""Bodies of challenges: publish, apply, score, award (table 1 row 15). Milestones are anchors, prizes are campaigns.

A challenge of id X has its milestones under the namespace `challenge/X`.
"""

from primitives.codec import U64, Bytes20, Bytes32, Identifier, Record


class ChallengeOpen(Record, tag="challenge_open"):
    """A payload of gov_propose. Days count from its execution, one period behind the other."""

    challenge: Identifier
    terms_hash: Bytes32
    apply_days: U64
    score_days: U64
    run_days: U64  # to award, and to reach the milestones
    milestones: U64  # that the terms promise


class ChallengeAward(Record, tag="challenge_award"):
    """A payload of gov_propose; to the best of those who were scored."""

    challenge: Identifier
    merchant: Bytes20


class ChallengeApply(Record, tag="challenge_apply"):
    """A merchant takes the challenge up; `plan_hash` of its plan."""

    challenge: Identifier
    plan_hash: Bytes32


class ChallengeScore(Record, tag="challenge_score"):
    """A member's verdict on an applicant, 0 to 100, once; `reasons_hash` of its reasons."""

    challenge: Identifier
    merchant: Bytes20
    points: U64
    reasons_hash: Bytes32
