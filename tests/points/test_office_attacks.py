"""What one office could try against the others: 2.12 gives each its power, and none that of the committee."""

from points.governance_records import ProposalState
from points.state import NEVER
from primitives.codes import Code
from primitives.kinds import Freeze, KeyAdd, Unfreeze
from primitives.kinds_offices import GrantOffice, RevokeOffice, SetMember
from tests.points.council import WEIGHTS, Council, quota
from tests.points.market import DAY, address, key_of

MEMBERS = tuple(WEIGHTS)


def freeze(name: str, until: int = NEVER) -> Freeze:
    return Freeze(address(name), "OUT", b"", until)


def test_a_regulator_cannot_freeze_the_committee_that_could_revoke_it() -> None:
    """40 of 100 may be stopped, at once or one after the other; the others decide about the regulator."""
    council = Council()
    assert council.do("regulator", freeze("m1")) is Code.OK
    assert council.do("regulator", freeze("m5", council.time + DAY)) is Code.OK
    for name in ("m2", "m3", "m4"):
        assert council.do("regulator", freeze(name)) is Code.NOT_AUTHORISED, name
    assert council.do("regulator", freeze("m1", council.time + 9 * DAY)) is Code.OK, "frozen already, counted once"
    council.propose(RevokeOffice(address("attester"), "attester"), by="m2")
    assert council.vote("YES", "m2", "m3", "m4") == [Code.OK] * 3
    council.advance(DAY)
    assert council.proposal().state is ProposalState.EXECUTED
    assert council.do("regulator", freeze("m5")) is Code.OK
    assert council.do("regulator", Unfreeze(address("m1"))) is Code.OK
    assert council.do("regulator", freeze("m1")) is Code.OK


def test_nobody_has_two_offices_under_one_key() -> None:
    """The offices of 2.12 exclude each other, also in one hand with two accounts; the other way round as well."""
    council = Council()
    for office in ("regulator", "operator", "attester", "custodian"):
        council.ok(f"x-{office}", council.opening([f"x-{office}", office], "A"))
        shared = address(f"x-{office}")
        assert council.propose(SetMember(shared, 10)) is Code.BAD_MEMBER, office
        assert council.propose(GrantOffice(shared, "auditor")) is Code.BAD_MEMBER, office
        assert council.propose(GrantOffice(shared, "regulator")) is Code.BAD_MEMBER, office
    council.ok("n", KeyAdd(key_of("x").public_key, "pos", None, council.proof("n", key_of("x"), "pos")))
    council.decide(GrantOffice(address("n"), "auditor"))
    council.ok("x", council.opening(["x"], "A"))
    assert council.propose(SetMember(address("x"), 10), "q") is Code.BAD_MEMBER


def test_a_block_weighs_open_votes_anew_at_most_once() -> None:
    """Five changes won in the same second: with 64 members and 16 proposals of each, all at once took minutes."""
    council = Council()
    for name in MEMBERS:
        council.propose(SetMember(address(name), WEIGHTS[name] - 1), name)
        council.vote("YES", "m1", "m2", "m3", proposal=name)
    council.propose(quota(), "q", by="m5")
    council.vote("YES", "m1", "m2", "m3", proposal="q")
    council.advance(DAY + 60)
    for done in range(1, 6):
        states = [council.proposal(name).state for name in MEMBERS]
        assert states.count(ProposalState.EXECUTED) == done
        assert council.last is not None
        assert [event.kind for event in council.last.events].count("MemberChanged") == 1
        council.at(council.time)
        assert [council.proposal(name).state for name in MEMBERS] == states, "the same second brings no more"
        council.advance(1)
    assert council.proposal("q").state is ProposalState.EXECUTED
