"""What one office could try against the others: 2.12 gives each its power, and none that of the committee."""

from points.governance_records import ProposalState
from points.state import NEVER
from primitives.codes import Code
from primitives.kinds import Freeze, Unfreeze
from primitives.kinds_offices import RevokeOffice
from tests.points.council import Council
from tests.points.market import DAY, address


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
