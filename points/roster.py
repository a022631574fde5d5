"""The validators as plain JSON values: who sits where, who leads when, what will change (for the API and scenarios)."""

from typing import Any

from points.validators import PendingChange, Register, faulty, next_seats, occupied, quorum, register
from points.view import View
from primitives.validators import valset_hash

Plain = Any


def roster(view: View) -> Plain:
    """The register of this state; seats in order, free ones left out, pending changes in order of acceptance.

    `order`: in view v of the epoch the member with order v % n leads. `timeouts`: of its views, as far as they count.
    `next_hash`: of the set that the next close block names; None while nothing is pending.
    """
    of = register(view)
    size = len(occupied(of.seats))
    following = next_seats(of)
    return {
        "epoch": of.epoch,
        "start_height": of.start_height,
        "hash": valset_hash(of.seats).hex(),
        "next_hash": None if following is None else valset_hash(following).hex(),
        "quorum": quorum(size),
        "faulty": faulty(size),
        "members": [_member(of, seat) for seat in occupied(of.seats)],
        "pending": [_pending(of, change) for change in of.changes],
    }


def _member(of: Register, seat: int) -> Plain:
    member = of.seats[seat]
    assert member is not None, "an occupied seat"
    return {
        "index": seat, "name": member.name, "vote_key": member.vote_key.hex(), "address": of.addresses[seat],
        "order": of.leaders.index(seat), "timeouts": sum(1 for late, _ in of.timeouts if late == seat),
        "blacklisted": seat in of.blacklisted,
    }  # fmt: skip


def _pending(of: Register, change: PendingChange) -> Plain:
    """`name` is who is changed or joins; `new_name` only where a replacement bears another one."""
    before = of.seats[change.seat] if change.seat < len(of.seats) and change.change != "add" else None
    after = change.member
    name = before.name if before is not None else after.name if after is not None else ""
    return {
        "change": change.change, "index": change.seat, "name": name, "height": change.height,
        "new_name": after.name if after is not None and after.name != name else None,
        "vote_key": None if after is None else after.vote_key.hex(), "address": change.address,
    }  # fmt: skip
