"""Questions about sandboxes and the emergency pause, in the form of queries.py. Amounts are fen, times unix seconds."""

from typing import Any

from points.keys import PAUSE_KEY, enrolled_key, merchant_key, sandbox_key
from points.pauses import RATIFIED_SECONDS, SOLE_SECONDS, used_seconds
from points.queries import reading, text
from points.sandbox_limits import counted, fenced, outstanding_of, value_of, why_over
from points.sandbox_records import Pause, Sandbox
from points.state import UY_PER_FEN, Merchant
from points.view import View

Plain = Any


def sandbox(view: View, time_s: int, name: str) -> Plain:
    """A sandbox with its caps and what it has come to; None without one."""
    found: Sandbox | None = view.get(sandbox_key(name))
    return None if found is None else _sandbox(view, time_s, name, found)


def sandboxes(view: View, time_s: int) -> Plain:
    """All that are in the state, in order of their ids; there are at most 64."""
    return [_sandbox(view, time_s, key[1:].decode(), found) for key, found in view.range(b"s", b"t")]


def enrolled(view: View, time_s: int, name: str, address: bytes) -> Plain:
    """Whether an account is on the list; None without such a sandbox."""
    if view.get(sandbox_key(name)) is None:
        return None
    listed = view.get(enrolled_key(name, address)) is not None
    return {"sandbox": name, "account": text(address), "enrolled": listed}


def _sandbox(view: View, time_s: int, name: str, found: Sandbox) -> Plain:
    """The report: value = granted less expired and reversed, in fen rounded up; left and fen of points rounded down."""
    turn = reading(view, time_s)
    over = why_over(turn, found)
    merchant: Merchant = view.get(merchant_key(found.merchant))
    rows = [(class_id, c, uv) for class_id, (c, uv) in zip(found.classes, counted(view, found), strict=True)]
    value = value_of(view, found)
    return {
        "sandbox": name, "merchant": text(found.merchant), "merchants": [text(other) for other in found.merchants],
        "state": over.name if over else "PLANNED" if time_s < found.starts else "RUNNING",
        "over_at": found.over_at or None, "opened": found.opened, "starts": found.starts, "ends": found.ends,
        "max_accounts": found.max_accounts, "accounts": found.accounts, "max_value": found.max_value,
        "value": -(-value // UY_PER_FEN), "left": found.max_value - -(-value // UY_PER_FEN),
        "outstanding": -(-outstanding_of(view, found) // UY_PER_FEN),
        "granted": sum(c.issued * uv for _, c, uv in rows) // UY_PER_FEN,
        "redeemed": sum(c.redeemed * uv for _, c, uv in rows) // UY_PER_FEN,
        "refunded": sum(c.restored * uv for _, c, uv in rows) // UY_PER_FEN,
        "expired": sum(c.expired * uv for _, c, uv in rows) // UY_PER_FEN,
        "reversed": sum(c.burned * uv for _, c, uv in rows) // UY_PER_FEN,
        "loss_reserve": found.loss_reserve, "merchant_reserve": merchant.reserve,
        "covered": merchant.reserve >= fenced(turn, merchant), "exit_hash": found.exit_hash.hex(),
        "classes": {
            class_id: {"uv": uv, "issued": c.issued, "redeemed": c.redeemed, "restored": c.restored,
                       "expired": c.expired, "burned": c.burned}
            for class_id, c, uv in rows
        },
    }  # fmt: skip


def pause(view: View, time_s: int) -> Plain:
    """Whether the network is paused, until when, and what a regulator alone may still do."""
    found: Pause | None = view.get(PAUSE_KEY)
    paused = found is not None and time_s < found.until
    last = found.started + RATIFIED_SECONDS if paused and found is not None else None
    return {
        "paused": paused, "until": found.until if paused and found is not None else None,
        "since": found.started if paused and found is not None else None,
        "regulator": text(found.regulator) if paused and found is not None else None,
        "ratified": paused and found is not None and found.ratified, "ratified_until_at_most": last,
        "sole_seconds_left": 0 if paused else SOLE_SECONDS - used_seconds(found, time_s),
    }  # fmt: skip
