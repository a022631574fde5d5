"""Transactions that change the validator set: who may, what is refused first, what waits for the close (C8, S11)."""

import pytest

from points.validators import REKEY_BLOCKS, next_seats
from primitives.codes import Code
from primitives.keys import SigningKey
from primitives.kinds import Body
from primitives.validators import VALIDATORS_MAX
from tests.points.committee import Committee, certificate
from tests.points.market import key_of

SMALL_ORDER = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")


def test_add_precedence() -> None:
    """Each row repairs the fault above it."""
    market = Committee(4)
    zeros = bytes(64)
    bad = {"vote_key": SMALL_ORDER, "transport_certificate": b"", "address": "h:0", "possession": zeros}
    fields: dict[str, object] = dict(bad)
    rows = [
        ("u", market.add("v1", **fields), Code.NOT_AUTHORISED),
        ("operator", market.add("v1", **fields), Code.VALIDATOR_EXISTS),
        ("operator", market.add("new", **fields | {"vote_key": key_of("v2").public_key}), Code.VALIDATOR_EXISTS),
        ("operator", market.add("new", **fields | {"transport_certificate": certificate("v3")}), Code.VALIDATOR_EXISTS),
    ]
    for field in bad:
        code = Code.BAD_SIGNATURE if field == "possession" else Code.BAD_VALIDATOR
        rows.append(("operator", market.add("new", **fields), code))
        del fields[field]
    rows.append(("operator", market.add("new"), Code.OK))
    for sender, body, code in rows:
        assert market.do(sender, body) is code, (sender, body)


def test_replace_precedence() -> None:
    market = Committee(4)
    zeros = bytes(64)
    rows = [
        ("u", market.swap("v9", "v1", possession=zeros), Code.NOT_AUTHORISED),
        ("operator", market.swap("v9", "v1", possession=zeros), Code.VALIDATOR_UNKNOWN),
        ("operator", market.swap("v0", "v1", possession=zeros), Code.VALIDATOR_EXISTS),
        ("operator", market.swap("v0", "v0", possession=zeros), Code.VALIDATOR_EXISTS),
        ("operator", market.swap("v0", "new", address="h:65536", possession=zeros), Code.BAD_VALIDATOR),
        ("operator", market.swap("v0", "new", possession=zeros), Code.BAD_SIGNATURE),
        ("operator", market.swap("v0", "new"), Code.OK),
        ("operator", market.swap("v1", "newer"), Code.TOO_MANY_CHANGES),
    ]
    for sender, body, code in rows:
        assert market.do(sender, body) is code, (sender, body)


def test_rekey_precedence() -> None:
    """Anybody carries it: the two signatures are all the right that it needs."""
    market = Committee(4)
    zeros = bytes(64)
    wrong = market.rekey("v1", "k").approval
    rows = [
        (market.rekey("v9", "k"), Code.VALIDATOR_UNKNOWN),
        (market.rekey("v0", "v1", old="v2"), Code.VALIDATOR_UNKNOWN),
        (market.rekey("v0", "v1", approval=zeros), Code.VALIDATOR_EXISTS),
        (market.rekey("v0", "v0", approval=zeros), Code.VALIDATOR_EXISTS),
        (market.rekey("v0", "k", vote_key=SMALL_ORDER, approval=zeros), Code.BAD_VALIDATOR),
        (market.rekey("v0", "k", approval=wrong), Code.BAD_SIGNATURE),
        (market.rekey("v0", "k", possession=zeros), Code.BAD_SIGNATURE),
        (market.rekey("v0", "k"), Code.OK),
        (market.rekey("v1", "k"), Code.VALIDATOR_EXISTS),
        (market.rekey("v1", "j"), Code.TOO_MANY_CHANGES),
    ]
    for body, code in rows:
        assert market.do("u", body) is code, body


def test_remove_precedence() -> None:
    market = Committee(5)
    rows = [
        ("u", "v9", Code.NOT_AUTHORISED),
        ("operator", "v9", Code.VALIDATOR_UNKNOWN),
        ("operator", "v0", Code.OK),
        ("operator", "v1", Code.TOO_FEW_VALIDATORS),
    ]
    for sender, name, code in rows:
        assert market.do(sender, market.remove(name)) is code, name
    market.ok("operator", market.add("new"))
    assert market.do("operator", market.remove("v1")) is Code.TOO_MANY_CHANGES
    assert market.do("operator", market.remove("new")) is Code.VALIDATOR_UNKNOWN  # it has not joined yet


@pytest.mark.pitfall(67)
@pytest.mark.parametrize(("size", "limit"), [(4, 1), (6, 1), (7, 2), (9, 2), (10, 3), (22, 7)])
def test_at_most_f_present_members_are_touched_until_the_close(size: int, limit: int) -> None:
    """Mixed kinds count together; additions do not count; after the close the count starts again."""
    market = Committee(size)
    bodies: list[Body] = [
        market.swap(f"v{i}", f"n{i}") if i % 2 else market.rekey(f"v{i}", f"k{i}") for i in range(limit + 1)
    ]
    if size < VALIDATORS_MAX:
        market.ok("operator", market.add("extra"))
    for body in bodies[:limit]:
        market.ok("operator", body)
    assert market.do("operator", bodies[limit]) is Code.TOO_MANY_CHANGES
    market.close()
    assert market.register.changes == ()
    market.ok("operator", bodies[limit])


@pytest.mark.pitfall(67)
def test_never_fewer_than_four_and_never_more_than_22() -> None:
    market = Committee(4)
    assert market.do("operator", market.remove("v0")) is Code.TOO_FEW_VALIDATORS
    market.ok("operator", market.add("v4"))
    market.ok("operator", market.remove("v0"))  # counted with the pending addition
    market.close()
    assert market.names() == [None, "v1", "v2", "v3", "v4"]
    for i in range(VALIDATORS_MAX - 4):
        market.ok("operator", market.add(f"w{i}"))
    assert market.do("operator", market.add("one-more")) is Code.TOO_MANY_VALIDATORS
    market.close()
    assert len(market.register.leaders) == VALIDATORS_MAX
    assert market.do("operator", market.add("one-more")) is Code.TOO_MANY_VALIDATORS


def test_a_test_network_may_be_small_but_not_shrink() -> None:
    market = Committee(1)
    assert market.do("operator", market.remove("v0")) is Code.TOO_FEW_VALIDATORS
    market.ok("operator", market.swap("v0", "new"))  # f = 0 tolerates no fault anyway: one change at a time
    assert market.do("u", market.rekey("v0", "k")) is Code.TOO_MANY_CHANGES
    market.close()
    market.ok("u", market.rekey("new", "k"))


def test_a_member_has_one_pending_change() -> None:
    """However often it signs: what waits for a close is bounded."""
    market = Committee(10)
    market.ok("u", market.rekey("v0", "k"))
    assert market.do("u", market.rekey("v0", "j")) is Code.TOO_MANY_CHANGES
    assert market.do("u", market.rekey("v0", "j", old="k")) is Code.VALIDATOR_UNKNOWN  # not its key yet
    market.ok("operator", market.remove("v1"))
    bodies: tuple[Body, ...] = (market.rekey("v1", "j"), market.swap("v1", "n"), market.remove("v1"))
    for body in bodies:
        assert market.do("operator", body) is Code.TOO_MANY_CHANGES
    assert len(market.register.changes) == 2


@pytest.mark.parametrize("removed", [True, False])
def test_a_change_of_keys_does_not_save_a_member_from_the_operator(removed: bool) -> None:
    """A hostile member that changes its key in every epoch would fill f = 1 for ever and could never be removed."""
    market = Committee(5)
    market.ok("u", market.rekey("v0", "k"))
    exec_height = market.height
    body: Body = market.remove("v0") if removed else market.swap("v0", "n")
    market.ok("operator", body)
    assert market.do("operator", market.swap("v0", "m")) is Code.TOO_MANY_CHANGES  # once
    market.close(exec_height=exec_height)  # the new key first, then the end
    assert market.names()[0] == "v0" and len(market.register.changes) == 1
    market.close()
    assert market.names()[0] == (None if removed else "n")


def test_a_key_lives_for_some_blocks() -> None:
    """Else one member could end an epoch with every second block."""
    market = Committee(4)
    market.ok("u", market.rekey("v0", "k0"))
    market.close()
    began = market.height
    for height in range(began + 1, began + REKEY_BLOCKS):
        assert market.do("u", market.rekey("v0", f"k{height}", old="k0")) is Code.TOO_MANY_CHANGES
    market.ok("u", market.rekey("v0", "k1", old="k0"))
    market.close()
    market.ok("u", market.rekey("v1", "j"))  # another member is not meant
    market.close()
    assert {seat for seat, _ in market.register.rekeyed} == {0, 1}
    market.ok("operator", market.swap("v0", "n"))
    market.close()
    assert {seat for seat, _ in market.register.rekeyed} == {1}
    market.ok("u", market.rekey("n", "i"))  # nor who came in its place


def test_names_keys_and_certificates_of_those_who_will_come_are_taken() -> None:
    market = Committee(7)
    market.ok("operator", market.add("new"))
    other = SigningKey.from_seed(bytes(32))
    for body in (
        market.add("new", vote_key=other.public_key, transport_certificate=certificate("x")),
        market.add("x", vote_key=key_of("new").public_key),
        market.add("x", transport_certificate=certificate("new")),
        market.swap("v0", "new"),
        market.rekey("v0", "new"),
    ):
        assert market.do("operator", body) is Code.VALIDATOR_EXISTS
    market.ok("operator", market.remove("v0"))
    assert market.do("operator", market.add("v0")) is Code.VALIDATOR_EXISTS  # it is there until the close
    market.close()
    market.ok("operator", market.add("v0"))


@pytest.mark.pitfall(66)
def test_a_machine_may_be_replaced_under_its_own_name_with_new_keys() -> None:
    market = Committee(4)
    body = market.swap("v2", "v2", vote_key=key_of("fresh").public_key, transport_certificate=certificate("fresh"))
    assert market.do("operator", body) is Code.BAD_SIGNATURE
    key = key_of("fresh")
    market.ok("operator", market.swap(
        "v2", "v2", vote_key=key.public_key, transport_certificate=certificate("fresh"),
        possession=market.possession("v2", "fresh"),
    ))  # fmt: skip
    market.close()
    found = market.register.seats[2]
    assert found is not None and (found.name, found.vote_key) == ("v2", key.public_key)
    assert market.do("u", market.rekey("v2", "k")) is Code.VALIDATOR_UNKNOWN  # the old key says nothing any more
    market.ok("u", market.rekey("v2", "k", old="fresh"))


def test_a_signature_for_another_name_or_chain_registers_nothing() -> None:
    market, other = Committee(4), Committee(7)
    assert market.do("operator", market.add("x", possession=market.possession("y", "x"))) is Code.BAD_SIGNATURE
    assert market.do("operator", market.add("x", possession=other.possession("x"))) is Code.BAD_SIGNATURE
    assert market.do("u", other.rekey("v0", "k")) is Code.BAD_SIGNATURE


def test_nothing_changes_before_the_close() -> None:
    market = Committee(4)
    assert next_seats(market.register) is None
    before = market.register
    receipt = market.ok("operator", market.add("new"))
    after = market.register
    assert (after.seats, after.epoch, after.leaders) == (before.seats, before.epoch, before.leaders)
    following = next_seats(after)
    assert following is not None and [m.name for m in following if m] == ["v0", "v1", "v2", "v3", "new"]
    (event,) = receipt.events
    assert event.kind == "ValidatorChangePending"
    assert dict(event.fields) == {"change": "add", "name": "new", "seat": 4, "epoch": 1}


def test_ports() -> None:
    market = Committee(4)
    for address, code in (("h:0", Code.BAD_VALIDATOR), ("h:65536", Code.BAD_VALIDATOR), ("[::1]:65535", Code.OK)):
        assert market.do("operator", market.add("new", address=address)) is code
