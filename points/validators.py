"""Who votes in which epoch, as the state knows it: the members by seat, what will change, and who led too slowly.

A change that a transaction made is pending until the close block of the epoch is executed; the executor says with an
EpochNote what a block was to its epoch (C8). The rules of the transactions are in validator_changes.py. Everything
here is bounded: 22 seats, at most 2 f + 22 changes in an epoch, TIMEOUTS_MAX timeouts.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import replace

from points.keys import REGISTER_KEY
from points.view import Overlay, View
from primitives.codec import U64, Record
from primitives.genesis import Genesis
from primitives.receipt import Event
from primitives.validators import VALIDATORS_MAX, VALIDATORS_MIN, Seats, Validator

TIMEOUTS_MAX: Final = 256  # of these the newest are kept: what a chain of bad views may add to one record of the state

REKEY_BLOCKS: Final = 16  # between two changes of keys of one member: none ends epochs, or fills f, as it likes

ChangeKind = Literal["add", "remove", "replace", "rekey"]


class PendingChange(Record):
    """A change that was accepted in block `height`: from the next epoch on `member` sits on `seat` (None: nobody)."""

    height: U64
    change: ChangeKind
    seat: Annotated[int, msgspec.Meta(ge=0, lt=VALIDATORS_MAX)]
    member: Validator | None
    address: str  # "host:port" of the member, "" where nobody has said it


class Register(Record):
    """The record of validators. Changes are in order of acceptance, so any first part of them applies by itself.

    Invariant: `leaders` are the occupied seats, each once, `blacklisted` the last of them; `addresses` is as long as
    `seats`; `changes` touch at most `changes_max` of the present members.
    """

    epoch: U64
    start_height: U64  # genesis or the close block of the epoch before
    seats: Seats
    addresses: tuple[str, ...]
    leaders: tuple[int, ...]  # leader of view v: leaders[v % n] (L6, C11)
    handover_blocks: U64  # R of genesis
    blacklist_blocks: U64  # B of genesis
    blacklisted: tuple[int, ...] = ()
    view: U64 = 0  # of the last NEWVIEW that a block of this epoch recorded
    view_height: U64 = 0  # height of that view's base; of view 0 the epoch's start
    timeouts: tuple[tuple[int, int], ...] = ()  # (seat, height of the block that proved it), oldest first
    rekeyed: tuple[tuple[int, int], ...] = ()  # (seat, height of the close) of young keys
    changes: tuple[PendingChange, ...] = ()


@dataclass(frozen=True, slots=True)
class EpochNote:
    """What a block is to its epoch; the executor reads it off the header and gives it to apply_block.

    `closes`: the header names the next set (C8). `new_view`: view and base height of the NEWVIEW that it carries (C11);
    None without one. `proposer` is a seat of the present epoch.
    """

    closes: bool
    exec_height: int
    proposer: int
    new_view: tuple[int, int] | None = None


def founded(genesis: Genesis) -> Register:
    """The record at height 0: epoch 0, the members of genesis in their order."""
    count = len(genesis.validators)
    return Register(
        0, 0, genesis.validators, ("",) * count, tuple(range(count)), genesis.limits.handover_blocks,
        genesis.limits.blacklist_blocks,
    )  # fmt: skip


def register(view: View) -> Register:
    """The record of this state; genesis founds it, so every state has one."""
    found: Register = view.get(REGISTER_KEY)
    return found


def next_seats(of: Register) -> Seats | None:
    """The seats of the next epoch if it began with this state; None: nothing is pending and the epoch goes on.

    The first header whose exec_height state gives seats here must be the close block and name their hash (C8).
    """
    return applied(of, of.changes)[0] if of.changes else None


def applied(of: Register, changes: tuple[PendingChange, ...]) -> tuple[Seats, tuple[str, ...]]:
    """Seats and addresses after these changes, the first part of the pending ones."""
    seats, addresses = list(of.seats), list(of.addresses)
    for change in changes:
        while change.seat >= len(seats):
            seats.append(None)
            addresses.append("")
        seats[change.seat], addresses[change.seat] = change.member, change.address
    return tuple(seats), tuple(addresses)


def occupied(seats: Seats) -> tuple[int, ...]:
    """The seats that somebody sits on, in order."""
    return tuple(seat for seat, member in enumerate(seats) if member is not None)


def faulty(size: int) -> int:
    """f of a set of this size; 0 for the sets below 4 of test networks, and for none at all."""
    return max(0, (size - 1) // 3)


def quorum(size: int) -> int:
    """Votes that decide in a set of this size (S10)."""
    return (size + faulty(size)) // 2 + 1


def members_min(of: Register) -> int:
    """How few members the next epoch may have: 4; in a smaller test network, as many as there are."""
    return min(VALIDATORS_MIN, len(occupied(of.seats)))


def changed(of: Register) -> tuple[int, ...]:
    """The seats whose present member goes, or comes back with another key, when all pending changes take effect."""
    following, _ = applied(of, of.changes)
    return tuple(seat for seat, member in enumerate(of.seats) if member is not None and following[seat] != member)


def changes_max(of: Register) -> int:
    """How many present members one change of the epoch may touch: f (C8, pitfall 67).

    A test network of fewer than 4 tolerates no fault anyway and could change nobody; there it is 1.
    """
    return max(1, faulty(len(occupied(of.seats))))


def proven_timeouts(of: Register, view: int, base_height: int) -> tuple[int, ...]:
    """The seats whose views a NEWVIEW for `view` over `base_height` proves to have failed, one entry per view (C11).

    These are the leaders of the views from the last recorded one up to view - 1. The first of them did nothing wrong if
    a planned hand-over was due in its view: a multiple of handover_blocks above its base and not above the new base.
    At most TIMEOUTS_MAX entries, the newest views.
    """
    first = of.view
    if of.handover_blocks and base_height // of.handover_blocks > of.view_height // of.handover_blocks:
        first += 1
    first = max(first, view - TIMEOUTS_MAX)
    return tuple(of.leaders[number % len(of.leaders)] for number in range(first, view)) if of.leaders else ()


def end_block(draft: Overlay, height: int, note: EpochNote) -> tuple[Event, ...]:
    """What the end of a block does to the register: a recorded view, then the close of the epoch. The block's events.

    Nothing is written, not even read, for a block that is neither.
    """
    if not note.closes and note.new_view is None:
        return ()
    of = register(draft)
    events: list[Event] = []
    if note.new_view is not None and note.new_view[0] > of.view:
        of = _viewed(of, height, *note.new_view, events)
    if note.closes:
        of = _closed(of, height, note, events)
    draft.put(REGISTER_KEY, of)
    return tuple(events)


def _viewed(of: Register, height: int, view: int, base_height: int, events: list[Event]) -> Register:
    late = proven_timeouts(of, view, base_height)
    for seat in late:
        member = of.seats[seat]
        assert member is not None, "leaders are occupied seats"
        events.append(Event("LeaderTimedOut", (("seat", seat), ("name", member.name), ("before_view", view))))
    timeouts = _recent(of, height) + tuple((seat, height) for seat in late)
    return replace(of, view=view, view_height=base_height, timeouts=timeouts[-TIMEOUTS_MAX:])


def _recent(of: Register, height: int) -> tuple[tuple[int, int], ...]:
    """The timeouts that still count at this height (L6: they expire after B blocks)."""
    return tuple(pair for pair in of.timeouts if pair[1] + of.blacklist_blocks > height)


def _closed(of: Register, height: int, note: EpochNote, events: list[Event]) -> Register:
    """The register of the epoch that begins on top of this block."""
    due = tuple(change for change in of.changes if change.height <= note.exec_height)
    seats, addresses = applied(of, due)
    stayed = {seat for seat in occupied(of.seats) if _stays(of.seats[seat], seats[seat])}
    timeouts = tuple(pair for pair in _recent(of, height) if pair[0] in stayed)
    first = note.proposer if note.proposer in stayed else note.proposer + 1
    leaders, blacklisted = leader_order(seats, first, timeouts)
    rekeyed = tuple(pair for pair in of.rekeyed if pair[0] in stayed and pair[1] + REKEY_BLOCKS > height)
    rekeyed += tuple((change.seat, height) for change in due if change.change == "rekey" and change.seat in stayed)
    fields = (("epoch", of.epoch), ("validators", len(leaders)), ("changes", len(due)))
    events.append(Event("EpochClosed", fields))
    return replace(
        of, epoch=of.epoch + 1, start_height=height, seats=seats, addresses=addresses, leaders=leaders,
        blacklisted=blacklisted, view=0, view_height=height, timeouts=timeouts, rekeyed=rekeyed,
        changes=of.changes[len(due):],
    )  # fmt: skip


def _stays(before: Validator | None, after: Validator | None) -> bool:
    """Whether a seat keeps its member, be it with another voting key; a newcomer brings a certificate of its own."""
    if before is None or after is None:
        return False
    return (before.name, before.transport_certificate) == (after.name, after.transport_certificate)


def leader_order(
    seats: Seats, first: int, timeouts: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(the order in which the seats lead, its last part: the blacklisted ones) (C11, L6).

    All members by seat from `first` on, around; at most f of those with timeouts lead last, the most timeouts first
    chosen, ties by seat.
    """
    members = occupied(seats)
    turned = tuple(seat for seat in members if seat >= first) + tuple(seat for seat in members if seat < first)
    counts = {seat: sum(1 for late, _ in timeouts if late == seat) for seat in members}
    worst = sorted((seat for seat in members if counts[seat]), key=lambda seat: (-counts[seat], seat))
    banned = set(worst[: faulty(len(members))])
    blacklisted = tuple(seat for seat in turned if seat in banned)
    return tuple(seat for seat in turned if seat not in banned) + blacklisted, blacklisted
