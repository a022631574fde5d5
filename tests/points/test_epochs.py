"""What a close block does to the register: seats, order of leaders, blacklist, and the changes that come too late."""

import pytest

from points.roster import roster
from points.validators import EpochNote, next_seats, proven_timeouts
from primitives.validators import valset_hash
from tests.points.committee import ADDRESS, Committee


@pytest.mark.pitfall(64)
def test_what_was_executed_after_exec_height_waits_for_the_next_close() -> None:
    """C8: the close block's header names the set of its exec_height state, whatever was decided in between."""
    market = Committee(7)
    market.ok("operator", market.remove("v1"))
    announced, exec_height = next_seats(market.register), market.height
    market.ok("operator", market.remove("v2"))
    market.ok("operator", market.add("new"))
    market.close(exec_height=exec_height)
    assert market.names() == ["v0", None, "v2", "v3", "v4", "v5", "v6"]
    assert announced is not None and valset_hash(market.register.seats) == valset_hash(announced)
    assert [change.change for change in market.register.changes] == ["remove", "add"]
    market.close()
    assert market.names() == ["v0", "new", None, "v3", "v4", "v5", "v6"]
    assert next_seats(market.register) is None and market.register.epoch == 2


@pytest.mark.pitfall(64)
def test_a_change_in_the_very_height_of_exec_height_takes_effect() -> None:
    market = Committee(5)
    market.ok("operator", market.remove("v1"))
    market.close(exec_height=market.height)
    assert market.register.changes == ()


def test_seats_stay_with_their_members() -> None:
    market = Committee(7)
    market.ok("operator", market.remove("v2"))
    market.ok("operator", market.add("a"))
    market.ok("operator", market.add("b"))
    market.ok("operator", market.swap("v5", "c"))
    market.close()
    assert market.names() == ["v0", "v1", "a", "v3", "v4", "c", "v6", "b"]
    assert market.register.addresses == ("", "", ADDRESS, "", "", ADDRESS, "", ADDRESS)


def test_a_new_key_keeps_seat_certificate_and_address() -> None:
    market = Committee(4)
    market.ok("operator", market.add("new"))
    market.close()
    before = market.register
    market.ok("u", market.rekey("new", "k"))
    market.close()
    old, new = before.seats[4], market.register.seats[4]
    assert old is not None and new is not None and old.vote_key != new.vote_key
    assert (old.name, old.transport_certificate) == (new.name, new.transport_certificate)
    assert market.register.addresses == before.addresses


def test_the_epoch_counts_from_the_close_block() -> None:
    market = Committee(4)
    market.ok("operator", market.add("new"))
    events = market.close()
    of = market.register
    assert (of.epoch, of.start_height, of.view, of.view_height) == (1, market.height, 0, market.height)
    assert [event.kind for event in events] == ["EpochClosed"]
    assert dict(events[0].fields) == {"epoch": 0, "validators": 5, "changes": 1}


def test_leaders_start_with_the_proposer_of_the_close_block() -> None:
    """C11; the members by seat, around."""
    market = Committee(4)
    market.ok("u", market.rekey("v2", "k"))
    market.close(proposer=2)
    assert market.register.leaders == (2, 3, 0, 1)  # the same member with another key has not left
    market.ok("operator", market.add("new"))
    market.close(proposer=3)
    assert market.register.leaders == (3, 4, 0, 1, 2)


@pytest.mark.parametrize("replaced", [True, False])
def test_leaders_start_after_a_proposer_that_left(replaced: bool) -> None:
    market = Committee(5)
    market.ok("operator", market.swap("v4", "new") if replaced else market.remove("v4"))
    market.close(proposer=4)
    assert market.register.leaders == ((0, 1, 2, 3, 4) if replaced else (0, 1, 2, 3))


def test_leaders_that_timed_out_lead_last() -> None:
    """L6: at most f of them, most timeouts first, ties by seat; the rest keep their order."""
    market = Committee(7)
    market.view_at(3, 0)  # views 0, 1, 2
    market.view_at(4, 0)  # view 3
    market.view_at(8, 0)  # views 4, 5, 6, 7: seat 0 for the second time
    market.ok("operator", market.add("new"))
    market.close(proposer=1)
    assert market.register.blacklisted == (1, 0)  # seat 0 twice, seats 1 to 6 once
    assert market.register.leaders == (2, 3, 4, 5, 6, 7, 1, 0)


def test_nobody_is_blacklisted_without_a_timeout() -> None:
    market = Committee(7)
    market.view_at(1, 0)
    market.ok("operator", market.add("new"))
    market.close(proposer=0)
    assert market.register.blacklisted == (0,)
    assert market.register.leaders[0] == 1


def test_timeouts_expire() -> None:
    """L6: blacklist_blocks after the block that proved them, that block included."""
    market = Committee(4, blacklist_blocks=3)
    market.view_at(1, 0)
    market.ok("operator", market.add("a"))
    market.close()
    assert market.register.blacklisted == (0,)  # proven at height 1, closed at height 3
    market.ok("operator", market.remove("a"))
    market.close()
    assert market.register.blacklisted == () and market.register.timeouts == ()


def test_a_newcomer_does_not_inherit_timeouts() -> None:
    market = Committee(4)
    market.view_at(1, 0)
    market.ok("operator", market.swap("v0", "new"))
    market.close()
    assert market.register.timeouts == () and market.register.blacklisted == ()


def test_a_new_key_does_not_wash_off_timeouts() -> None:
    market = Committee(4)
    market.view_at(1, 0)
    market.ok("u", market.rekey("v0", "k"))
    market.close()
    assert market.register.blacklisted == (0,)


def test_a_recorded_view_blames_each_leader_since_the_last_recorded_one() -> None:
    market = Committee(4)
    first = market.view_at(2, 0)
    assert [dict(event.fields)["name"] for event in first] == ["v0", "v1"]
    assert (market.register.view, market.register.view_height) == (2, 0)
    assert [dict(event.fields)["name"] for event in market.view_at(3, 1)] == ["v2"]
    before = market.register
    assert market.view_at(3, 1) == () and market.view_at(2, 1) == ()  # recorded once
    assert market.register == before


def test_the_close_block_may_record_a_view_too() -> None:
    market = Committee(4)
    market.ok("operator", market.add("new"))
    events = market.view_at(1, 1, closes=True)
    assert [event.kind for event in events] == ["LeaderTimedOut", "EpochClosed"]
    of = market.register
    assert (of.epoch, of.view, of.blacklisted) == (1, 0, (0,))


def test_a_planned_hand_over_blames_nobody() -> None:
    """C11: a multiple of R above the base of the first view and not above the new base."""
    market = Committee(4, handover_blocks=10)
    of = market.register
    assert proven_timeouts(of, 1, 9) == (0,)
    assert proven_timeouts(of, 1, 10) == ()
    assert proven_timeouts(of, 3, 25) == (1, 2)  # only the first one had the chance to hand over
    market.view_at(1, 10)
    assert market.register.timeouts == ()
    of = market.register
    assert proven_timeouts(of, 2, 10) == (1,)  # it began with that base: the boundary was before its time
    assert proven_timeouts(of, 2, 19) == (1,)
    assert proven_timeouts(of, 2, 20) == ()


def test_no_hand_over_without_an_interval() -> None:
    assert proven_timeouts(Committee(4).register, 1, 10**9) == (0,)


def test_what_is_kept_is_bounded() -> None:
    """A view number is as large as f + 1 honest validators let it become; the record does not grow with it."""
    market = Committee(4)
    market.view_at(10**12, 0)
    assert len(market.register.timeouts) == 256
    market.view_at(10**12 + 1, 0)
    assert len(market.register.timeouts) == 256
    assert market.register.timeouts[-1] == (10**12 % 4, market.height)


def test_other_blocks_do_not_touch_the_register() -> None:
    market = Committee(4)
    before = market.register
    market.block([], note=EpochNote(False, 0, 3))
    assert market.last is not None and market.last.changes == {} and market.register == before


def test_the_roster_tells_members_and_what_will_change() -> None:
    market = Committee(7)
    market.view_at(1, 0)
    market.ok("operator", market.swap("v0", "new"))
    market.ok("operator", market.remove("v1"))
    plain = roster(market.view)
    assert (plain["epoch"], plain["quorum"], plain["faulty"], plain["start_height"]) == (0, 5, 2, 0)
    assert [(m["index"], m["name"], m["order"], m["timeouts"]) for m in plain["members"]][:2] == [
        (0, "v0", 0, 1), (1, "v1", 1, 0),
    ]  # fmt: skip
    assert [(p["change"], p["name"], p["new_name"], p["index"]) for p in plain["pending"]] == [
        ("replace", "v0", "new", 0), ("remove", "v1", None, 1),
    ]  # fmt: skip
    announced = plain["next_hash"]
    market.close(proposer=3)
    plain = roster(market.view)
    assert (plain["hash"], plain["next_hash"], plain["pending"]) == (announced, None, [])
    assert [(m["index"], m["name"], m["order"]) for m in plain["members"]][:3] == [
        (0, "new", 4), (2, "v2", 5), (3, "v3", 0),
    ]  # fmt: skip
