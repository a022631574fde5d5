"""Members and offices by vote: who may have them, that the committee can decide, that open votes stay sound."""

import pytest

from points.governance import MEMORY_SECONDS
from points.governance_records import Committee, ProposalState
from points.keys import COMMITTEE_KEY, CUSTODIANS_KEY, account_key, vote_key
from points.offices import MEMBERS_MAX, OFFICE_MAX, WEIGHT_MAX
from points.open_recoveries import open_recoveries
from points.state import Account, AccountKind, Role
from primitives.codes import Code
from primitives.kinds import AccountKey, Freeze, KeyAdd, KycAttest, LegConfirm, LegPaid, RecoveryStart, WindowClose
from primitives.kinds_governance import GovPropose, GovVote
from primitives.kinds_identity import GuardiansSet
from primitives.kinds_offices import GrantOffice, Office, RevokeOffice, SetMember
from tests.points.council import REASONS, Council, quota
from tests.points.market import DAY, address, key_of, leg


def member(name: str = "n", weight: int = 10) -> SetMember:
    return SetMember(address(name), weight)


def grant(name: str = "n", office: Office = "auditor") -> GrantOffice:
    return GrantOffice(address(name), office)


def revoke(name: str, office: Office) -> RevokeOffice:
    return RevokeOffice(address(name), office)


def account(council: Council, name: str) -> Account:
    found: Account = council.view.get(account_key(address(name)))
    return found


def weights(council: Council) -> dict[bytes, int]:
    found: Committee = council.view.get(COMMITTEE_KEY)
    return dict(found.members)


def open_account(council: Council, name: str) -> None:
    council.ok(name, council.opening([name], "A"))


def test_set_member_precedence() -> None:
    """Each row repairs the fault above it."""
    council = Council()
    council.issue("hA", 1)
    council.apply("n2")
    rows = [
        (member("nobody", 0), Code.ACCOUNT_UNKNOWN),
        (member("FUND", 0), Code.ACCOUNT_UNKNOWN),
        (member("operator", 0), Code.BAD_MEMBER),
        (member("m5", 10), Code.BAD_MEMBER),
        (member("operator"), Code.BAD_MEMBER),
        (member("A"), Code.BAD_MEMBER),
        (member("n2"), Code.BAD_MEMBER),
        (member("u"), Code.BAD_MEMBER),
        (member("n", 67), Code.BAD_MEMBER),
        (member("n", WEIGHT_MAX), Code.BAD_MEMBER),
        (member("n", 66), Code.OK),
    ]
    for payload, code in rows:
        assert council.propose(payload) is code, (payload, council.receipt)


def test_grant_and_revoke_precedence() -> None:
    council = Council()
    council.issue("hA", 1)
    rows: list[tuple[object, Code]] = [
        (grant("nobody"), Code.ACCOUNT_UNKNOWN),
        (grant("FUND"), Code.ACCOUNT_UNKNOWN),
        (grant("m1"), Code.BAD_MEMBER),
        (grant("regulator"), Code.BAD_MEMBER),
        (grant("A"), Code.BAD_MEMBER),
        (grant("u"), Code.BAD_MEMBER),
        (revoke("nobody", "auditor"), Code.ACCOUNT_UNKNOWN),
        (revoke("n", "auditor"), Code.BAD_MEMBER),
        (revoke("regulator", "auditor"), Code.BAD_MEMBER),
        (revoke("regulator", "regulator"), Code.BAD_MEMBER),
        (revoke("custodian", "custodian"), Code.BAD_MEMBER),
        (revoke("operator", "operator"), Code.BAD_MEMBER),
        (revoke("attester", "attester"), Code.OK),
    ]
    for number, (payload, code) in enumerate(rows):
        body = GovPropose(f"p{number}", payload, REASONS)  # type: ignore[arg-type]
        assert council.do("m1", body) is code, (payload, council.receipt)


def test_a_new_member_proposes_and_votes() -> None:
    council = Council()
    assert council.do("n", GovPropose("x", quota(), REASONS)) is Code.NOT_MEMBER
    council.decide(member("n", 20), "in")
    assert weights(council)[address("n")] == 20
    assert (account(council, "n").kind, account(council, "n").roles) == (AccountKind.SYSTEM, Role.COMMITTEE)
    assert council.propose(quota(), "x", by="n") is Code.OK
    assert council.vote("YES", "n", proposal="x") == [Code.OK]
    council.decide(member("n", 0), "out")
    assert address("n") not in weights(council)
    assert council.vote("YES", "n", proposal="x") == [Code.NOT_MEMBER]
    assert (account(council, "n").kind, account(council, "n").roles) == (AccountKind.TOURIST, 0)
    assert council.issue("hA", 5, to="n") is Code.OK


def test_a_member_holds_no_points() -> None:
    council = Council()
    council.decide(member("n", 20), "in")
    assert council.issue("hA", 5, to="n") is Code.NOT_AUTHORISED
    assert council.apply("n") is Code.NOT_AUTHORISED


def test_open_votes_weigh_what_their_members_weigh_now() -> None:
    """A vote that was won stops, one that was lost goes on; the vote of who leaves is gone."""
    council = Council()
    council.propose(member("m1", 5), "less", by="m2")
    council.vote("YES", "m2", "m3", "m4", "m5", proposal="less")
    council.propose(quota(), "q")
    council.vote("YES", "m1", "m4", "m5", proposal="q")
    council.vote("NO", "m3", proposal="q")
    before = council.proposal("q")
    assert (before.yes, before.no, bool(before.ready_at)) == (55, 20, True)
    council.advance(DAY)
    assert council.proposal("less").state is ProposalState.EXECUTED
    after = council.proposal("q")
    assert (after.yes, after.no) == (30, 20)
    assert after.state is ProposalState.OPEN and not after.ready_at
    assert council.view.get(vote_key("q", address("m1"))).weight == 5
    council.vote("YES", "m2", proposal="q")
    assert council.proposal("q").ready_at == council.time + DAY


def test_the_vote_of_who_left_counts_no_more() -> None:
    council = Council()
    council.propose(quota(), "q")
    council.vote("YES", "m5", proposal="q")
    council.vote("RECUSE", "m4", proposal="q")
    council.decide(member("m5", 0), "out")
    council.decide(member("m4", 20), "more")
    found = council.proposal("q")
    assert (found.yes, found.no, found.recused) == (0, 0, 20)
    assert council.view.get(vote_key("q", address("m5"))) is None


def test_a_timelock_that_ends_with_the_change_is_asked_again() -> None:
    """Both are due in one block: what the smaller weight no longer carries is not carried out."""
    council = Council()
    council.propose(member("m1", 5), "a", by="m2")
    council.vote("YES", "m2", "m3", "m4", "m5", proposal="a")
    council.propose(quota("A", 77), "b")
    council.vote("YES", "m1", "m4", "m5", proposal="b")
    council.vote("NO", "m3", proposal="b")
    assert council.proposal("a").ready_at == council.proposal("b").ready_at
    council.advance(DAY)
    assert council.proposal("b").state is ProposalState.OPEN
    assert council.merchant("A").quota == 0


def test_who_gains_stands_aside_and_who_loses_may_vote() -> None:
    """Else 60 % of the weight, the others barred one by one, could take the whole committee."""
    council = Council()
    assert council.propose(member("m1", 31), "up", by="m1") is Code.RECUSED
    assert council.propose(member("m1", 31), "up", by="m2") is Code.OK
    assert council.vote("YES", "m1", proposal="up") == [Code.RECUSED]
    assert council.propose(member("m1", 0), "down", by="m2") is Code.OK
    assert council.vote("NO", "m1", proposal="down") == [Code.OK]
    council.vote("YES", "m2", "m3", "m4", proposal="down")
    assert not council.proposal("down").ready_at
    council.vote("YES", "m5", proposal="down")
    assert council.proposal("down").ready_at


def test_the_committee_stays_able_to_decide() -> None:
    """At least three, none above 40 %; what genesis made smaller may only come nearer."""
    council = Council({"m1": 1, "m2": 1, "m3": 1})
    assert council.propose(member("m3", 0), "a") is Code.BAD_MEMBER
    assert council.propose(member("m3", 2), "b") is Code.BAD_MEMBER
    small = Council({"m1": 1})
    assert small.propose(member("m1", 0), by="m1") is Code.BAD_MEMBER
    assert small.propose(member("n", 1), "p") is Code.OK
    small.vote("YES", "m1")
    small.advance(DAY)
    assert small.propose(member("n2", 3), "q") is Code.BAD_MEMBER
    assert small.propose(member("n2", 1), "q") is Code.OK
    small.vote("YES", "m1", "n", proposal="q")
    small.advance(DAY)
    assert list(weights(small).values()) == [1, 1, 1]


def test_the_number_of_members_is_bounded() -> None:
    council = Council({f"m{n}": 1 for n in range(1, MEMBERS_MAX + 1)})
    assert council.propose(member("n", 1)) is Code.BAD_MEMBER


def test_two_changes_that_fit_one_by_one() -> None:
    """Each was allowed when it was proposed; the second is asked again when it is due, a second later."""
    council = Council({"m1": 1, "m2": 1, "m3": 1, "m4": 1})
    for name, who in (("a", "m3"), ("b", "m4")):
        council.propose(member(who, 0), name)
        council.vote("YES", "m1", "m2", "m3" if who == "m4" else "m4", proposal=name)
    council.advance(DAY)
    assert council.proposal("a").state is ProposalState.EXECUTED
    assert len(weights(council)) == 3
    assert council.proposal("b").state is ProposalState.OPEN
    council.advance(1)
    found = council.proposal("b")
    assert (found.state, found.failure) == (ProposalState.FAILED, Code.BAD_MEMBER)


def test_an_office_is_granted_and_taken_back() -> None:
    council = Council()
    assert council.do("n", WindowClose()) is Code.NOT_AUTHORISED
    council.decide(grant("n", "operator"), "in")
    council.ok("n", WindowClose())
    council.decide(revoke("operator", "operator"), "out")
    assert council.do("operator", WindowClose()) is Code.NOT_AUTHORISED
    assert council.propose(revoke("n", "operator"), "last") is Code.BAD_MEMBER


def test_custodians_change() -> None:
    """The new one acts for the fund; the one that lost the office does not."""
    council = Council()
    council.decide(grant("n", "custodian"), "in")
    assert council.view.get(CUSTODIANS_KEY).accounts == (address("custodian"), address("n"))
    council.decide(revoke("custodian", "custodian"), "out")
    assert council.view.get(CUSTODIANS_KEY).accounts == (address("n"),)
    council.issue("hA", 1_000)
    council.ok("u", council.redeem("B", 300, "b1"))
    council.ok("operator", WindowClose())
    number = council.window()["window"]
    council.ok("A", LegPaid(number, leg("A", "FUND"), bytes(32)))
    confirm = LegConfirm(number, leg("A", "FUND"))
    assert council.do("FUND", confirm, ["custodian"]) is Code.BAD_SIGNATURE
    assert council.do("custodian", confirm) is Code.NOT_AUTHORISED
    council.ok("FUND", confirm, ["n"])


def test_the_number_of_an_office_is_bounded() -> None:
    council = Council()
    for number in range(OFFICE_MAX):
        open_account(council, f"x{number}")
    for number in range(OFFICE_MAX):
        council.decide(grant(f"x{number}"), f"g{number % 8}")
        if number % 8 == 7:
            council.advance(MEMORY_SECONDS)
    assert council.propose(grant("n")) is Code.BAD_MEMBER


def test_no_tier_and_no_guardian_comes_along() -> None:
    """Guardians that can give the account new keys would have the office; a tier would be one of points."""
    council = Council()
    council.ok("attester", KycAttest(address("n"), 2, 2**40, bytes(32)))
    council.ok("n", GuardiansSet((address("u"), address("v")), 1))
    council.ok("u", RecoveryStart(address("n"), (AccountKey(key_of("x").public_key),), 1))
    assert open_recoveries(council.view, address("n"), council.time)
    council.decide(member("n", 20), "in")
    found = account(council, "n")
    assert (found.tier, found.guardians, found.guardian_threshold) == (0, (), 0)
    assert not open_recoveries(council.view, address("n"), council.time)
    council.decide(member("n", 0), "out")
    assert account(council, "n").tier == 0


def test_guardians_that_were_still_to_come_do_not_come() -> None:
    """A change of guardians that waits its 7 days does not outlive the grant."""
    council = Council()
    council.ok("n", GuardiansSet((address("u"), address("v")), 1))
    council.ok("n", GuardiansSet((address("m1"),), 1))
    council.decide(grant("n", "regulator"), "in")
    council.advance(8 * DAY)
    start = RecoveryStart(address("n"), (AccountKey(key_of("x").public_key),), 1)
    for sender in ("u", "m1"):
        assert council.do(sender, start) is Code.NO_GUARDIANS


def test_a_key_of_a_member_is_no_second_voice() -> None:
    council = Council()
    council.ok("m4", KeyAdd(account(council, "n").keys[0].key, "owner"))
    assert council.propose(member("n")) is Code.BAD_MEMBER
    assert council.propose(grant("n")) is Code.BAD_MEMBER


def test_a_frozen_member_keeps_its_weight_and_cannot_vote() -> None:
    council = Council()
    council.ok("regulator", Freeze(address("n"), "ALL", b"", 2**60))
    council.decide(member("n", 20), "in")
    council.propose(quota(), "q")
    assert council.do("n", GovVote("q", "YES")) is Code.ACCOUNT_FROZEN


@pytest.mark.parametrize("office", ["operator", "regulator", "custodian", "attester", "auditor"])
def test_every_office_excludes_every_other(office: Office) -> None:
    council = Council()
    council.decide(grant("n", office), "in")
    for number, other in enumerate(("operator", "regulator", "custodian", "attester", "auditor")):
        assert council.propose(grant("n", other), f"p{number}") is Code.BAD_MEMBER  # type: ignore[arg-type]
    assert council.propose(member("n"), "m") is Code.BAD_MEMBER

