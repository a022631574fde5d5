"""What time does before the first transaction of a block: releases, expiry, the daily cut, defaults (D10).

Freezes and pauses end by comparison with block time, so nothing is written for them. What leaves the state for good
(old orders, closed holds, used codes, counters of past days, settled windows) is removed a bounded number of records
per block; each of them stopped counting by its own time already.
"""

from collections.abc import Mapping
from typing import Any, Final

from points.campaigns import is_unlisted, over_at
from points.clearing import book, count, fund_share
from points.days import expiry_after, settlement_day_of
from points.escrows import ESCROW_SECONDS_MAX
from points.governance_timers import governance_due
from points.holds import release_hold
from points.keys import closed_agg_key, garbage_key, hold_key
from points.paycodes import CODE_SECONDS_MAX
from points.risks import examine
from points.sandboxes import sandboxes_due
from points.settlement import close_window
from points.state import Agg, Garbage, Hold, HoldState, SpendOrder, Window, WindowState
from points.told import told_seconds
from points.turn import Turn
from points.view import View
from points.waterfall import window_due
from primitives.receipt import Event

GARBAGE_KEYS: Final = 256  # per record: the state's values stay small
GARBAGE_MOST: Final = 16 * GARBAGE_KEYS  # keys removed per block, twice what a full block adds
WINDOW_RECORDS: Final = 4096  # of one settled window, removed per block
_CAMPAIGNS: Final = b"ab"  # campaigns and their grants
_ORDER, _HOLD, _USED, _DAILY, _WINDOW = b"OHUDW"
_WINDOW_PARTS: Final = (b"Y", b"E", b"N", b"lw")  # obligations first: they ask their positions whether they count
# Errata, recoveries, assets, anchors, challenges, their applicants and alerts know the second from which they count no
# more.
_LAPSING: Final = b"cdefnqx"
_TOLD: Final = b"lt"
_MORTAL: Final = frozenset(b"OHWUDl" + _CAMPAIGNS + _LAPSING)  # no other record is ever noted


def begin(turn: Turn, previous_s: int) -> None:
    """All that is due at turn.time, in the order of D10; previous_s is the time of the parent block."""
    until = (turn.time + 1).to_bytes(8, "big")
    for key, _ in list(turn.draft.range(b"T", b"T" + until)):
        hold: Hold = turn.get(hold_key(key[9:]))
        release_hold(turn, key[9:], hold, HoldState.EXPIRED)
    for key, agg in list(turn.draft.range(b"G", b"G" + until)):
        _close_bucket(turn, key, agg)
    cut = settlement_day_of(turn.time) > settlement_day_of(previous_s)
    if cut:
        close_window(turn)
    for key, _ in list(turn.draft.range(b"X", b"X" + until)):
        turn.put(key, None)
        window_due(turn, int.from_bytes(key[9:], "big"))
    if cut:
        examine(turn)
    sandboxes_due(turn)
    mark = turn.draft.mark()
    governance_due(turn)
    if turn.draft.mark() != mark:  # what was decided may have suspended a merchant, or raised the ratio
        sandboxes_due(turn)
    _remove_garbage(turn, until)


def _close_bucket(turn: Turn, key: bytes, agg: Agg) -> None:
    """Everything available in an expired bucket becomes breakage of its issuer; what is held waits for its hold."""
    bucket, class_id = int.from_bytes(key[1:9], "big"), key[9:].decode()
    of = turn.class_of(class_id)
    turn.put(key, None)
    if agg.held:
        turn.put(closed_agg_key(bucket, class_id), Agg(0, agg.held))
    if not agg.avail:
        return
    value = agg.avail * of.uv
    count(turn, class_id, expired=agg.avail)
    book(turn, of.issuer, outstanding=-value, expired=value)
    fields = (
        ("class", class_id), ("bucket", bucket), ("units", agg.avail), ("value", value),
        ("fund_share", fund_share(turn, value)),
    )  # fmt: skip
    turn.events.append(Event("BucketExpired", fields, (("issuer", of.issuer),)))


def _remove_garbage(turn: Turn, until: bytes) -> None:
    """What is due is counted in keys: many short lists, of campaigns that end apart, would hold up a count of lists."""
    due: list[tuple[bytes, Garbage]] = []
    left = GARBAGE_MOST
    for key, found in turn.draft.range(b"P", b"P" + until):
        due.append((key, found))
        left -= len(found.keys)
        if left <= 0:
            break
    for key, garbage in due:
        turn.put(key, None)
        for dead in garbage.keys:
            if dead[0] == _WINDOW:
                _remove_window(turn, dead)
            else:
                _remove(turn, dead)


def _remove_window(turn: Turn, key: bytes) -> None:
    """A settled window leaves with all that belongs to it: the window at once, its records as many as one block may.

    What is left is due again in the next block; no rule and no question reaches it without its window.
    """
    turn.put(key, None)
    number = key[1:]
    following = (int.from_bytes(number, "big") + 1).to_bytes(8, "big")
    left = WINDOW_RECORDS
    for prefix in _WINDOW_PARTS:
        rows = turn.draft.range(prefix + number, prefix + following)
        dead = [row for (row, _), _ in zip(rows, range(left), strict=False)]
        for row in dead:
            turn.put(row, None)
        left -= len(dead)
    if not left:
        turn.put(garbage_key(turn.time + 1, key), Garbage((key,)))


def _remove(turn: Turn, key: bytes) -> None:
    record: Any = turn.get(key)
    if record is None or (key[0] in _LAPSING and record.lives(turn.time)):  # registered again, or locked: listed anew
        return
    if key[0] == _ORDER:
        if turn.active(record):  # the id was used again after its first order had lapsed
            return
        if isinstance(record, SpendOrder) and record.refunded:
            start = b"R" + key[1:] + b"\x00"
            for refund, _ in list(turn.draft.range(start, start[:-1] + b"\x01")):
                turn.put(refund, None)
    elif key[0] == _HOLD and record.state is HoldState.OPEN:
        return
    turn.put(key, None)


def _is_settled(window: Window | None) -> bool:
    return window is not None and window.state is WindowState.SETTLED


def _expires_anew(record: Any, before: Any) -> bool:
    """Whether an asset or anchor was written whose end no list knows yet."""
    return before is None or before.expires != record.expires


def collect_garbage(turn: Turn, changes: Mapping[bytes, Any], below: View) -> None:
    """Note what this block wrote that must leave the state some day; call it once, after the last transaction."""
    retention = turn.retention()
    orders: list[bytes] = []
    dead = {turn.time + retention + 1: orders}
    for key, record in changes.items():
        kind = key[0]
        if kind not in _MORTAL or record is None:
            continue
        if kind == _ORDER:
            if record.height == turn.height:  # not merely refunded or reversed: its first list stands
                orders.append(key)
        elif (
            (kind == _HOLD and record.state is not HoldState.OPEN)
            or (kind == _WINDOW and _is_settled(record) and not _is_settled(below.get(key)))
        ):
            dead.setdefault(turn.time + retention + 1, []).append(key)
        elif kind == _USED:
            offline = record.expires_at > turn.time + CODE_SECONDS_MAX
            life = ESCROW_SECONDS_MAX if offline else CODE_SECONDS_MAX
            dead.setdefault(turn.time + life + 1, []).append(key)
        elif kind in _LAPSING and _expires_anew(record, below.get(key)):
            dead.setdefault(record.expires, []).append(key)
        elif key[:2] == _TOLD:
            dead.setdefault(turn.time + told_seconds(record) + 1, []).append(key)
        elif kind == _DAILY and below.get(key) is None:
            dead.setdefault(expiry_after(turn.day), []).append(key)
        elif kind in _CAMPAIGNS and is_unlisted(turn, key, below):
            dead.setdefault(over_at(turn, key, retention), []).append(key)
    for due, keys in dead.items():
        for start in range(0, len(keys), GARBAGE_KEYS):
            chunk = tuple(keys[start : start + GARBAGE_KEYS])
            where = garbage_key(due, chunk[0])
            listed: Garbage | None = turn.get(where)  # an escrow closed twice in this second
            turn.put(where, Garbage(chunk if listed is None else tuple(dict.fromkeys(listed.keys + chunk))))
