"""Who stole an owner's key does not shut the guardians out: a change that weakens them waits a week."""

import pytest

from points.account_recovery import RECOVERY_DELAY_SECONDS
from points.guardians import WEAKENING_SECONDS
from points.keys import account_key
from points.open_recoveries import RECOVERY_SECONDS_MAX
from points.queries_identity import recovery as recovery_query
from primitives.address import encode_address
from primitives.codes import Code
from primitives.kinds import Freeze, KeyRevoke
from primitives.kinds_identity import GuardiansSet, RecoveryCancel
from tests.points.market import DAY, Market, address, key_of
from tests.points.test_recovery import approve, finish, guarded, start, with_committee


def guardians(*names: str, threshold: int = 1) -> GuardiansSet:
    return GuardiansSet(tuple(address(name) for name in names), threshold if names else 0)


def counts(market: Market) -> tuple[list[str], int]:
    """The guardians of u that count now, and how many must agree."""
    plain = recovery_query(market.view, market.time, address("u"))
    names = {encode_address(address(name)): name for name in ("v", "A", "B", "C", "D")}
    return [names[guardian] for guardian in plain["guardians"]], plain["needed"]


@pytest.mark.parametrize(
    ("body", "waits"),
    [
        (guardians(), True), (guardians("v", "B", threshold=2), True), (guardians("A", "D"), True),
        (guardians("v", "B", "C", threshold=3), True), (guardians("v", "B", "C", "A", threshold=3), True),
        (guardians("v", "B", "C", threshold=2), False), (guardians("C", "B", "v"), False),
        (guardians("v", "B", "C", "A", threshold=2), True),
    ],
)  # fmt: skip
def test_what_weakens_waits(body: GuardiansSet, waits: bool) -> None:
    """u has v, B and C, of whom two decide."""
    market = guarded()
    (event,) = market.ok("u", body).events
    assert dict(event.fields)["from"] == market.time + (WEAKENING_SECONDS if waits else 0)
    after = (len(body.guardians), body.threshold)
    assert (len(counts(market)[0]), counts(market)[1]) == ((3, 2) if waits else after)
    market.advance(WEAKENING_SECONDS - 1)
    assert (len(counts(market)[0]), counts(market)[1]) == ((3, 2) if waits else after)
    market.advance(1)
    assert (len(counts(market)[0]), counts(market)[1]) == after
    assert recovery_query(market.view, market.time, address("u"))["next"] is None


def test_a_thief_with_the_owners_key_is_thrown_out() -> None:
    """It names its friend and revokes nothing more than it can; the regulator freezes, two guardians give new keys."""
    market = guarded()
    market.ok("u", guardians("A"))
    assert recovery_query(market.view, market.time, address("u"))["next"] == {
        "guardians": [encode_address(address("A"))], "threshold": 1, "from": market.time + WEAKENING_SECONDS,
    }  # fmt: skip
    assert market.do("A", start("thief")) is Code.NOT_GUARDIAN
    market.ok("regulator", Freeze(address("u"), "OUT", b"stolen", market.time + 60 * DAY))
    market.advance(6 * DAY)
    market.ok("v", start("n"))
    market.ok("B", approve())
    market.advance(RECOVERY_DELAY_SECONDS)  # the week is over meanwhile: those who began it still decide
    assert counts(market) == (["v", "B", "C"], 2)
    assert market.do("A", start("thief")) is Code.NOT_GUARDIAN
    market.ok("v", finish())
    assert [key.key for key in market.view.get(account_key(address("u"))).keys] == [key_of("n").public_key]
    market.advance(WEAKENING_SECONDS)
    assert counts(market) == (["v", "B", "C"], 2), "what the old keys had planned is void"


def test_a_thief_puts_no_friends_beside_the_guardians() -> None:
    """They would begin in the same block, be ready before the others have met, and end what those have begun."""
    market = guarded()
    market.ok("u", guardians("v", "B", "C", "A", threshold=2))
    market.ok("u", guardians("v", "B", "C", "A", "D", threshold=2))
    assert market.do("A", start("thief")) is Code.NOT_GUARDIAN
    market.ok("regulator", Freeze(address("u"), "OUT", b"stolen", market.time + 60 * DAY))
    market.ok("v", start("n"))
    market.ok("B", approve())
    market.advance(RECOVERY_DELAY_SECONDS)
    market.ok("v", finish())
    market.advance(WEAKENING_SECONDS)
    assert counts(market) == (["v", "B", "C"], 2)


def test_who_waits_for_the_end_of_a_recovery_does_not_come_back() -> None:
    """The change counts once no recovery is open; one that begins then does not bring the former guardians back."""
    market = guarded()
    market.ok("v", start("n"))
    market.ok("u", guardians("A"))  # ends the recovery
    market.ok("v", start("n"))
    market.advance(WEAKENING_SECONDS)
    assert counts(market)[0] == ["v", "B", "C"]
    market.advance(RECOVERY_SECONDS_MAX)
    assert counts(market) == (["A"], 1)
    market.ok("A", start("n"))
    assert counts(market) == (["A"], 1)
    assert market.do("v", approve()) is Code.NOT_GUARDIAN


def test_the_owner_takes_it_back() -> None:
    market = guarded()
    market.ok("u", guardians())
    market.ok("u", guardians("v", "B", "C", threshold=2))
    market.advance(2 * WEAKENING_SECONDS)
    assert counts(market) == (["v", "B", "C"], 2)
    market.ok("u", guardians("A"))
    market.advance(DAY)
    market.ok("u", guardians("D"))  # a later change begins its own week
    market.advance(WEAKENING_SECONDS - 1)
    assert counts(market) == (["v", "B", "C"], 2)
    market.advance(1)
    assert counts(market) == (["D"], 1)
    assert market.do("u", RecoveryCancel()) is Code.RECOVERY_UNKNOWN
    assert market.do("u", KeyRevoke(key_of("u").public_key)) is Code.LAST_KEY


def test_first_guardians_count_at_once_and_leave_the_offices_a_week() -> None:
    """Else a thief names a friend, and nobody can recover an account that had no guardians."""
    market = Market(with_committee())
    market.ok("u", guardians("A"))
    assert counts(market) == (["A"], 1)
    market.ok("operator", start("n"))
    market.advance(WEAKENING_SECONDS - 1)
    market.ok("m1", approve())
    market.advance(1)
    assert market.do("m2", approve()) is Code.NOT_GUARDIAN
    assert market.do("m2", start("o")) is Code.NOT_GUARDIAN
    market.advance(RECOVERY_DELAY_SECONDS - 1)
    market.ok("v", finish())
    assert [key.key for key in market.view.get(account_key(address("u"))).keys] == [key_of("n").public_key]
    assert counts(market) == ([], 0), "the thief's friend guards nothing"


def test_two_offices_and_a_guardian_are_not_added_up() -> None:
    market = Market(with_committee())
    market.ok("u", guardians("A", "B", threshold=2))
    market.ok("A", start("n"))
    market.ok("operator", approve())
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("A", finish()) is Code.RECOVERY_DELAY
    market.ok("B", approve())
    market.advance(RECOVERY_DELAY_SECONDS)
    market.ok("A", finish())
    assert counts(market) == (["A", "B"], 2)
