"""What the state holds of challenges. Both records leave it at `expires`; the blocks keep what was decided."""

from primitives.codec import Record


class Challenge(Record):
    """Invariant: opened < apply_until < score_until < ends < expires."""

    terms: bytes  # hash
    opened: int
    apply_until: int
    score_until: int
    ends: int
    expires: int
    milestones: int
    applicants: int = 0
    awarded: bytes = b""  # the merchant; b"" until then
    awarded_at: int = 0

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second."""
        return time_s < self.expires


class Score(Record):
    member: bytes
    points: int  # 0 to 100
    reasons: bytes  # hash


class Applicant(Record):
    """Invariant: one score per member, in order of scoring."""

    plan: bytes  # hash
    applied: int
    expires: int
    scores: tuple[Score, ...] = ()

    def lives(self, time_s: int) -> bool:
        """Whether it still counts at this second."""
        return time_s < self.expires
