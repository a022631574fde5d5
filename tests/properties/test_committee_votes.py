"""Any order of votes and waiting, against a second reading of the rules that shares no code with points/."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from points.governance_records import ProposalState
from primitives.codes import Code
from primitives.kinds_governance import GovVote
from tests.points.council import Council, quota
from tests.points.market import DAY

MEMBERS = ("m1", "m2", "m3", "m4", "m5")
WEEK = 7 * DAY


class Reading:
    """One proposal as a text would tell it: votes by member, whether it is decided, when it is carried out."""

    def __init__(self, weights: dict[str, int], opened: int) -> None:
        self.weights, self.opened = weights, opened
        self.votes: dict[str, str] = {}
        self.won_since: int | None = None
        self.end = ""

    def weight(self, *choices: str) -> int:
        return sum(self.weights[member] for member, choice in self.votes.items() if choice in choices)

    def pass_time(self, now: int) -> None:
        """What time alone decides up to and including this second."""
        if self.end:
            return
        if self.won_since is not None and now >= self.won_since + DAY:
            self.end = "EXECUTED"
        elif self.won_since is None and now >= self.opened + WEEK:
            self.end = "REJECTED"

    def vote(self, now: int, member: str, choice: str) -> str:
        if self.end or (now >= self.opened + WEEK and self.won_since is None):
            return "PROPOSAL_CLOSED"
        if member in self.votes:
            return "ALREADY_VOTED"
        self.votes[member] = choice
        whole = sum(self.weights.values())
        others = whole - self.weight("RECUSE")
        if Fraction(others, whole) <= Fraction(1, 2) or Fraction(self.weight("NO"), others) >= Fraction(1, 3):
            self.end = "REJECTED"
            return "OK"
        cast = self.weight("YES", "NO")
        enough = Fraction(cast, others) >= Fraction(60, 100)
        if enough and Fraction(self.weight("YES"), cast) > Fraction(2, 3):
            self.won_since = now if self.won_since is None else self.won_since
        else:
            self.won_since = None
            if now >= self.opened + WEEK:
                self.end = "REJECTED"
        return "OK"


@given(
    weights=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    steps=st.lists(
        st.tuples(st.sampled_from(MEMBERS), st.sampled_from(("YES", "YES", "NO", "RECUSE")),
                  st.sampled_from((0, 0, 1, 3_600, DAY - 1, DAY, 2 * DAY))),
        max_size=10,
    ),
    late=st.booleans(),
)  # fmt: skip
def test_votes_agree_with_a_second_reading(weights: list[int], steps: list[tuple[str, str, int]], late: bool) -> None:
    """`late`: they vote in the last second and after it; what was decided is remembered for a week."""
    table = dict(zip(MEMBERS, weights, strict=False))
    council = Council(table)
    assert council.propose(quota("A", 5_000)) is Code.OK
    reading = Reading(table, council.time)
    until = reading.opened + (2 * WEEK - 1 if late else WEEK)
    if late:
        council.advance(WEEK - 1)
    for member, choice, wait in steps:
        if member in table:
            found = council.do(member, GovVote("p", choice))  # type: ignore[arg-type]
            assert found.name == reading.vote(council.time, member, choice)
        if wait and council.time + wait < until:
            council.advance(wait)
            reading.pass_time(council.time)
        assert (council.merchant("A").quota == 5_000) is (reading.end == "EXECUTED")
        state = council.proposal().state
        assert state.name == (reading.end or ProposalState.OPEN.name)
    council.at(until)
    reading.pass_time(council.time)
    council.advance(DAY)
    reading.pass_time(council.time)
    assert (council.merchant("A").quota == 5_000) is (reading.end == "EXECUTED")
