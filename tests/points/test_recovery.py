"""Lost keys: guardians or two offices give an account new ones after 72 hours, the owner and time stand in between."""

import pytest
from msgspec.structs import replace

from points.account_recovery import RECOVERY_DELAY_SECONDS
from points.guardians import WEAKENING_SECONDS
from points.open_recoveries import RECOVERY_SECONDS_MAX
from points.queries_identity import recovery as recovery_query
from primitives.address import encode_address
from primitives.codes import Code
from primitives.genesis import Genesis, GenesisAccount
from primitives.kinds import (
    AccountKey,
    Body,
    Capture,
    Freeze,
    KeyAdd,
    KeyRevoke,
    MerchantApply,
    RecoveryStart,
    Unfreeze,
)
from primitives.kinds_identity import GuardiansSet, KeyLimit, RecoveryApprove, RecoveryCancel, RecoveryFinish
from primitives.recovery import recovery_id
from tests.points.market import DAY, START, Market, address, genesis_of, key_of

HOUR = 3600
GUARDIANS = ("v", "B", "C")


def guarded() -> Market:
    """u with 1,000 points and the guardians v, B, C, two of whom decide."""
    market = Market()
    market.issue("hA", 1000)
    market.ok("u", GuardiansSet(tuple(address(name) for name in GUARDIANS), 2))
    return market


def with_committee() -> Genesis:
    genesis = genesis_of()
    members = tuple(
        GenesisAccount((AccountKey(key_of(name).public_key),), "committee", weight=1) for name in ("m1", "m2")
    )
    return replace(genesis, accounts=(*genesis.accounts, *members))


def keys(*names: str) -> tuple[AccountKey, ...]:
    return tuple(AccountKey(key_of(name).public_key) for name in names)


def start(*names: str, of: str = "u", threshold: int = 1) -> RecoveryStart:
    return RecoveryStart(address(of), keys(*names), threshold)


def approve(of: str = "u", recovery: bytes | None = None) -> RecoveryApprove:
    return RecoveryApprove(address(of), recovery)


def finish(of: str = "u", recovery: bytes | None = None) -> RecoveryFinish:
    return RecoveryFinish(address(of), recovery)


WITHDRAW = RecoveryCancel(address("u"))


def started(market: Market, who: str, *names: str) -> bytes:
    """The id of a recovery that `who` starts for u."""
    (event,) = market.ok(who, start(*names)).events
    return dict(event.hashes)["recovery"]


def open_of(market: Market, of: str = "u") -> list[dict[str, object]]:
    found: list[dict[str, object]] = recovery_query(market.view, market.time, address(of))["recoveries"]
    return found


def test_a_lost_phone() -> None:
    """Journey: two of three guardians, 72 hours, the address, its points and its holds stay; the old key is dead."""
    market = guarded()
    hold = market.authorize("B", 300, ttl=20 * DAY)
    market.ok("v", start("u.new"))
    assert market.do("v", finish()) is Code.RECOVERY_DELAY
    market.ok("B", approve())
    ready = market.time + RECOVERY_DELAY_SECONDS
    assert [row["ready_at"] for row in open_of(market)] == [ready]
    market.at(ready - 1)
    assert market.do("v", finish()) is Code.RECOVERY_DELAY
    market.at(ready)
    market.ok("v", finish())
    assert market.spendable() == 700
    assert market.do("u", market.redeem("B", 10, "b1")) is Code.BAD_SIGNATURE
    market.ok("u", market.redeem("B", 10, "b1"), signers=["u.new"])
    market.ok("B", Capture(hold, 300, "c1"))
    assert market.do("v", finish()) is Code.RECOVERY_UNKNOWN


def test_a_recovery_is_named_by_what_it_does() -> None:
    """Who approves by name approves these keys for this account, whatever a node says."""
    market = guarded()
    found = started(market, "v", "n", "o")
    assert found == recovery_id(address("u"), keys("n", "o"), 1)
    others = {
        recovery_id(address(of), keys(*names), m) for of, names, m in (("v", "no", 1), ("u", "n", 1), ("u", "no", 2))
    }
    assert len(others) == 3 and found not in others
    assert market.do("B", approve(recovery=recovery_id(address("u"), keys("n"), 1))) is Code.RECOVERY_UNKNOWN
    market.ok("B", approve(recovery=recovery_id(address("u"), keys("n", "o"), 1)))


def test_the_delay_is_72_hours() -> None:
    assert RECOVERY_DELAY_SECONDS == 72 * HOUR


@pytest.mark.parametrize(
    ("sender", "body", "code"),
    [
        ("v", RecoveryStart(address("x"), (), 1), Code.ACCOUNT_UNKNOWN),
        ("v", start("n", of="v"), Code.NO_GUARDIANS),
        ("operator", start("n", of="A"), Code.NO_GUARDIANS),
        ("regulator", start("n"), Code.NOT_GUARDIAN),
        ("A", start("n"), Code.NOT_GUARDIAN),
        ("u", start("n"), Code.NOT_GUARDIAN),
        ("v", start(*(f"n{i}" for i in range(9))), Code.TOO_MANY_KEYS),
        ("v", start("n", "n"), Code.BAD_KEY),
        ("v", RecoveryStart(address("u"), (AccountKey(b"\x01" + bytes(31)),), 1), Code.BAD_KEY),
        ("v", start("n", threshold=2), Code.BAD_THRESHOLD),
        ("v", start("n", threshold=0), Code.BAD_THRESHOLD),
        ("v", approve("x"), Code.ACCOUNT_UNKNOWN),
        ("A", approve(), Code.NOT_GUARDIAN),
        ("v", approve("v"), Code.NO_GUARDIANS),
        ("v", approve(), Code.RECOVERY_UNKNOWN),
        ("v", finish("x"), Code.ACCOUNT_UNKNOWN),
        ("v", finish(), Code.RECOVERY_UNKNOWN),
        ("u", RecoveryCancel(), Code.RECOVERY_UNKNOWN),
        ("v", RecoveryCancel(address("x")), Code.ACCOUNT_UNKNOWN),
        ("v", WITHDRAW, Code.RECOVERY_UNKNOWN),
    ],
)
def test_refusals(sender: str, body: Body, code: Code) -> None:
    assert guarded().do(sender, body) is code


def test_precedence_of_start() -> None:
    """Each row repairs the fault above it."""
    market = guarded()
    started(market, "B", "b.new")
    many = tuple(f"n{i}" for i in range(9))
    for sender, body, code in (
        ("A", RecoveryStart(address("x"), keys(*many), 0), Code.ACCOUNT_UNKNOWN),
        ("A", start(*many, threshold=0), Code.NOT_GUARDIAN),
        ("B", start(*many, threshold=0), Code.RECOVERY_OPEN),
        ("v", start("b.new"), Code.RECOVERY_OPEN),
        ("v", start(*many, threshold=0), Code.TOO_MANY_KEYS),
        ("v", start("n", "n", threshold=0), Code.BAD_KEY),
        ("v", start("n", threshold=0), Code.BAD_THRESHOLD),
        ("v", start("n"), Code.OK),
    ):
        assert market.do(sender, body) is code


def test_one_bad_guardian_gets_nothing_and_stops_nothing() -> None:
    """It proposes its own keys first; the others cannot be kept from the right ones, nor led to approve the wrong."""
    market = guarded()
    bad = started(market, "v", "thief")
    assert market.do("v", approve()) is Code.ALREADY_APPROVED
    assert market.do("v", start("thief.2")) is Code.RECOVERY_OPEN
    good = started(market, "B", "u.new")
    assert market.do("C", approve()) is Code.RECOVERY_OPEN, "two are open: which is meant?"
    market.ok("C", approve(recovery=good))
    assert market.do("C", approve(recovery=bad)) is Code.RECOVERY_OPEN
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("v", finish(recovery=bad)) is Code.RECOVERY_DELAY
    market.ok("v", finish())
    assert open_of(market) == []
    market.ok("u", market.redeem("B", 10, "b1"), signers=["u.new"])
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("v", finish(recovery=bad)) is Code.RECOVERY_UNKNOWN


def test_the_delay_runs_from_the_approval_that_suffices() -> None:
    """Nobody starts one, waits until it is forgotten, and finds a second guardian then."""
    market = guarded()
    market.ok("v", start("n"))
    market.advance(10 * DAY)
    market.ok("B", approve())
    assert market.do("v", finish()) is Code.RECOVERY_DELAY
    market.advance(DAY)
    market.ok("C", approve())
    market.advance(2 * DAY)
    market.ok("v", finish())


def test_an_approval_taken_back_stops_the_clock() -> None:
    market = guarded()
    one = started(market, "v", "n")
    market.ok("B", approve())
    market.advance(2 * DAY)
    market.ok("B", WITHDRAW)
    assert [row["ready_at"] for row in open_of(market)] == [None]
    market.ok("B", approve())
    market.advance(2 * DAY)
    assert market.do("v", finish()) is Code.RECOVERY_DELAY
    market.ok("B", WITHDRAW)
    market.ok("v", WITHDRAW)
    assert market.do("C", approve(recovery=one)) is Code.RECOVERY_UNKNOWN


@pytest.mark.parametrize(
    "objection",
    [
        RecoveryCancel(),
        KeyAdd(key_of("u.2").public_key, "owner"),
        KeyLimit(key_of("u").public_key, 500),
        GuardiansSet((address("v"), address("B")), 1),
        GuardiansSet((), 0),
    ],
)
def test_who_signs_as_the_owner_ends_it(objection: Body) -> None:
    market = guarded()
    market.ok("v", start("n"))
    market.ok("B", approve())
    market.ok("C", RecoveryStart(address("u"), keys("o"), 1))
    receipt = market.ok("u", objection)
    assert [event.kind for event in receipt.events].count("RecoveryCancelled") == 2
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("v", finish()) is Code.RECOVERY_UNKNOWN
    assert market.do("u", RecoveryCancel()) is Code.RECOVERY_UNKNOWN


def test_keys_rotated_meanwhile_are_not_undone() -> None:
    market = guarded()
    market.ok("u", KeyAdd(key_of("u.2").public_key, "owner"))
    market.ok("v", start("n"))
    market.ok("B", approve())
    market.ok("u", KeyRevoke(key_of("u").public_key), signers=["u.2"])
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("B", finish()) is Code.RECOVERY_UNKNOWN
    market.ok("u", market.redeem("B", 1, "b1"), signers=["u.2"])


def test_a_removed_guardian_counts_no_more() -> None:
    market = guarded()
    market.ok("v", start("n"))
    market.ok("u", GuardiansSet((address("B"), address("C")), 1))
    market.advance(WEAKENING_SECONDS)
    assert market.do("v", start("n")) is Code.NOT_GUARDIAN
    assert market.do("v", approve()) is Code.NOT_GUARDIAN
    market.ok("B", start("n"))
    market.advance(RECOVERY_DELAY_SECONDS)
    market.ok("v", finish())


def test_a_stolen_phone_that_is_frozen_cannot_object() -> None:
    """OUT is how a thief is kept from cancelling; ALL stops the recovery itself. The freeze survives it."""
    market = guarded()
    market.ok("regulator", Freeze(address("u"), "OUT", b"stolen", START + 30 * DAY))
    market.ok("v", start("n"))
    for body in (RecoveryCancel(), KeyAdd(key_of("t").public_key, "owner"), GuardiansSet((), 0)):
        assert market.do("u", body) is Code.ACCOUNT_FROZEN
    market.ok("B", approve())
    market.advance(RECOVERY_DELAY_SECONDS)
    market.ok("regulator", Freeze(address("u"), "ALL", b"", START + 30 * DAY))
    for body in (start("o"), approve(), finish()):
        assert market.do("C", body) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Freeze(address("u"), "OUT", b"", START + 30 * DAY))
    market.ok("C", finish())
    assert market.do("u", market.redeem("B", 1, "b1"), signers=["n"]) is Code.ACCOUNT_FROZEN
    market.ok("regulator", Unfreeze(address("u")))
    market.ok("u", market.redeem("B", 1, "b1"), signers=["n"])


def test_a_frozen_guardian_does_not_count() -> None:
    market = guarded()
    market.ok("regulator", Freeze(address("v"), "OUT", b"", START + DAY))
    assert market.do("v", start("n")) is Code.ACCOUNT_FROZEN
    market.ok("B", start("n"))
    assert market.do("v", approve()) is Code.ACCOUNT_FROZEN


def test_guardians_of_the_opening_decide_by_majority() -> None:
    """Named twice or being the account itself makes no vote."""
    market = Market()
    for names, needed in (("v", 1), ("vB", 2), ("vBC", 2), ("vBCD", 3), ("vvBw", 2)):
        market = Market()
        opening = replace(market.opening(["w"], "A"), guardians=tuple(address(name) for name in names))
        market.ok("w", opening)
        assert recovery_query(market.view, market.time, address("w"))["needed"] == needed
    market.ok("v", start("n", of="w"))
    assert market.do("w", start("n", of="w")) is Code.NOT_GUARDIAN


@pytest.mark.parametrize(
    ("names", "threshold", "code"),
    [
        ("vx", 3, Code.ACCOUNT_UNKNOWN),
        ("vu", 3, Code.NOT_GUARDIAN),
        ("vv", 1, Code.BAD_THRESHOLD),
        ("vB", 3, Code.BAD_THRESHOLD),
        ("vB", 0, Code.BAD_THRESHOLD),
        ("", 1, Code.BAD_THRESHOLD),
        ("", 0, Code.OK),
        ("vBCDA", 5, Code.OK),
    ],
)
def test_guardians_are_others_each_once(names: str, threshold: int, code: Code) -> None:
    assert Market().do("u", GuardiansSet(tuple(address(name) for name in names), threshold)) is code


def test_an_office_has_no_guardians() -> None:
    market = Market()
    assert market.do("operator", GuardiansSet((address("v"),), 1)) is Code.NOT_AUTHORISED
    assert market.do("u", GuardiansSet((address("FUND"),), 1)) is Code.ACCOUNT_UNKNOWN


def test_without_guardians_an_operator_and_the_committee_together() -> None:
    """Neither office can do it alone, however many of it sign; other offices and other accounts are out of reach."""
    market = Market(with_committee())
    market.issue("hA", 50)
    for who in ("regulator", "custodian", "A", "v"):
        assert market.do(who, start("n")) is Code.NO_GUARDIANS
    assert market.do("operator", start("n", of="A")) is Code.NO_GUARDIANS
    assert market.do("operator", start("n", of="regulator")) is Code.NO_GUARDIANS
    market.ok("m1", start("n"))
    market.ok("m2", approve())
    assert [row["ready_at"] for row in open_of(market)] == [None]
    market.ok("operator", approve())
    market.advance(RECOVERY_DELAY_SECONDS)
    market.ok("v", finish())
    market.ok("u", market.redeem("B", 50, "b1"), signers=["n"])


def test_the_offices_cannot_take_what_became_a_merchant() -> None:
    """Begun while the account was a tourist's, finished when it could issue points."""
    market = Market(with_committee())
    market.ok("operator", start("n"))
    market.ok("m1", approve())
    market.ok("u", MerchantApply("HOTEL", "u", "u", bytes(32)))
    market.advance(RECOVERY_DELAY_SECONDS)
    assert market.do("v", finish()) is Code.RECOVERY_DELAY
    assert market.do("operator", start("o")) is Code.NO_GUARDIANS


def test_naming_guardians_shuts_the_offices_out() -> None:
    market = Market(with_committee())
    market.ok("u", GuardiansSet((address("v"),), 1))
    market.advance(WEAKENING_SECONDS)
    for office in ("operator", "m1"):
        assert market.do(office, start("n")) is Code.NOT_GUARDIAN


def test_a_recovery_lapses_and_leaves_the_state() -> None:
    market = guarded()
    market.ok("v", start("n"))
    market.ok("B", approve())
    market.advance(RECOVERY_SECONDS_MAX - 1)
    market.ok("C", approve())
    market.advance(RECOVERY_SECONDS_MAX - 1)
    assert len(open_of(market)) == 1
    market.advance(1)
    assert market.do("v", finish()) is Code.RECOVERY_UNKNOWN
    market.advance(1)
    assert not [key for key in market.view.records if key[:1] == b"d"]


def test_each_lapses_by_itself() -> None:
    market = guarded()
    old = started(market, "v", "n")
    market.advance(20 * DAY)
    market.ok("C", start("o"))
    market.at(START + RECOVERY_SECONDS_MAX)
    assert market.do("B", approve(recovery=old)) is Code.RECOVERY_UNKNOWN
    market.ok("v", approve())


def test_one_begun_again_in_the_same_second_leaves_the_state_too() -> None:
    """A second note of one moment would take the place of the first, and of what else that noted."""
    market = guarded()
    market.ok("B", GuardiansSet((address("v"),), 1))
    market.many(("v", start("n")), ("v", RecoveryStart(address("B"), keys("o"), 1)))
    market.ok("v", WITHDRAW)
    market.ok("v", start("n2"))
    market.ok("u", RecoveryCancel())
    market.ok("v", start("n3"))
    market.advance(RECOVERY_SECONDS_MAX)
    market.advance(1)
    assert not [key for key in market.view.records if key[:1] == b"d"]


def test_the_owner_reads_about_it_in_the_history() -> None:
    """Every event names the account and who did it, and the keys that it would get."""
    market = guarded()
    (event,) = market.ok("v", start("n")).events
    assert event.kind == "RecoveryStarted"
    assert dict(event.accounts) == {"account": address("u"), "by": address("v")}
    assert ("key_1", key_of("n").public_key) in event.hashes
    plain = recovery_query(market.view, market.time, address("u"))
    assert plain["guardians"] == [encode_address(address(name)) for name in GUARDIANS]
    assert recovery_query(market.view, market.time, address("x")) is None
