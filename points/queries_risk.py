"""Questions of who watches: the inbox of risk alerts, and the figures by which the trial is judged (table 1, row 21).

The same form as queries.py. Amounts are fen, rounded down, unless a name ends in bps (1/10000) or says units.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from points.alerts import NO_WATCH
from points.campaign_records import Campaign
from points.keys import HEAD_KEY, PARAMS_KEY, WATCH_KEY, books_key, counters_key
from points.queries import text
from points.queries_clearing import fund
from points.risk_records import Alert, Watch
from points.state import (
    BPS,
    NO_BOOKS,
    NO_COUNTERS,
    UY_PER_FEN,
    Books,
    Class,
    Counters,
    Merchant,
    Position,
    Window,
)
from points.view import View
from primitives.genesis import Parameters
from primitives.kinds_risk import UNITS

Plain = Any
FATES: Final = ("issued", "exch_in", "restored", "redeemed", "expired", "burned")
_ADDRESS: Final = 20
_DECIDED: Final = (("errata", b"c", b"d"), ("sandboxes", b"s", b"t"), ("challenges", b"n", b"o"))


def alerts(view: View, time_s: int, limit: int, state: str = "", rule: str = "") -> Plain:
    """{"items", "total"}: alerts whose cause was seen last come first; `total` counts those beyond `limit` too.

    `state`: OPEN or ACKED only; `rule`: one rule only. Unit of value and limit: that of the rule.
    """
    rows = [
        row for row in _alerts(view, time_s)
        if state in ("", row["state"]) and rule in ("", row["rule"])
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row["last"], row["rule"], row["subject"], row["other"] or ""))
    return {"items": rows[:limit], "total": len(rows)}


def _alerts(view: View, time_s: int) -> Iterable[dict[str, Plain]]:
    for key, record in view.range(b"x", b"y"):
        alert: Alert = record
        raw, _, names = key[1:].partition(b"\x00")
        rule: Any = raw.decode()
        if not alert.lives(time_s):
            continue
        yield {
            "rule": rule, "unit": UNITS[rule], "subject": text(names[:_ADDRESS]),
            "other": text(names[_ADDRESS:]) if names[_ADDRESS:] else None,
            "state": "ACKED" if alert.acked else "OPEN", "value": alert.value, "limit": alert.limit,
            "first": alert.first, "last": alert.last, "days": alert.days, "acked": alert.acked or None,
            "by": text(alert.by) if alert.by else None, "note_hash": alert.note.hex() or None,
        }  # fmt: skip


def alert(view: View, time_s: int, rule: str, subject: bytes, other: bytes = b"") -> Plain:
    """One alert by its cause; the pair of CIRCULAR in either order. None: it was never told, or it is archived."""
    pair = [text(address) for address in (subject, other) if address]
    for row in _alerts(view, time_s):
        if row["rule"] == rule and sorted(pair) == sorted(filter(None, (row["subject"], row["other"]))):
            return row
    return None


def report(view: View, time_s: int) -> Plain:
    """The figures of the trial from its first block on; those of settlement and campaigns of what the state holds."""
    params: Parameters = view.get(PARAMS_KEY)
    watch: Watch = view.get(WATCH_KEY) or NO_WATCH
    end = params.program_end
    merchants = _merchants(view)
    totals = _totals(view)
    told = Counter(row["rule"] for row in _alerts(view, time_s))
    unread = sum(row["state"] == "OPEN" for row in _alerts(view, time_s))
    own, elsewhere = (sum(row[name] for row in merchants) for name in ("self_redeemed", "redeemed_elsewhere"))
    return {
        "time": time_s, "program_end": end or None, "ended": bool(end and time_s >= end),
        "retention_days": max(params.refund_window_days, params.return_window_days),
        "accounts_opened": watch.accounts, "points": totals,
        "redeemed_bps": _share(totals["redeemed"], totals["issued"]),
        "expired_bps": _share(totals["expired"], totals["issued"]),
        "elsewhere_bps": _share(elsewhere, own + elsewhere),
        "merchants": merchants,
        "statuses": dict(sorted(Counter(row["status"] for row in merchants).items())),
        "categories": dict(sorted(Counter(row["category"] for row in merchants).items())),
        "settlement": _settlement(view), "fund": fund(view, time_s), "campaigns": _campaigns(view),
        "decisions": _decisions(view),
        "alerts": {"told": watch.told, "kept": sum(told.values()), "open": unread, "rules": dict(sorted(told.items()))},
    }  # fmt: skip


def _share(part: int, whole: int) -> int:
    return part * BPS // whole if whole else 0


def _totals(view: View) -> dict[str, int]:
    """Value of all points by what became of them; outstanding is what holders have (INV-1)."""
    sums = dict.fromkeys(FATES, 0)
    for key, record in view.range(b"C", b"D"):
        of: Class = record
        counters: Counters = view.get(counters_key(key[1:].decode())) or NO_COUNTERS
        for fate in FATES:
            sums[fate] += getattr(counters, fate) * of.uv
    came = sums["issued"] + sums["exch_in"] + sums["restored"]
    sums["outstanding"] = came - sums["redeemed"] - sums["expired"] - sums["burned"]
    return {name: value // UY_PER_FEN for name, value in sums.items()}


def _merchants(view: View) -> list[dict[str, Plain]]:
    """One row per merchant, in order of addresses. redeemed_elsewhere counts exchanges into others' points too."""
    found = [(key[1:], merchant, view.get(books_key(key[1:])) or NO_BOOKS) for key, merchant in view.range(b"M", b"N")]
    total = sum(books.outstanding for _, _, books in found)
    return [_merchant(address, merchant, books, total) for address, merchant, books in found]


def _merchant(address: bytes, merchant: Merchant, books: Books, total: int) -> dict[str, Plain]:
    fen = {
        "issued": books.issued, "redeemed_elsewhere": books.iss_out, "self_redeemed": books.self_redeemed,
        "expired": books.expired, "reversed": books.revoked, "outstanding": books.outstanding, "payable": books.payable,
    }  # fmt: skip
    return {
        "merchant": text(address), "category": merchant.category, "status": merchant.status.name,
        **{name: value // UY_PER_FEN for name, value in fen.items()}, "share_bps": _share(books.outstanding, total),
    }  # fmt: skip


def _settlement(view: View) -> dict[str, Plain]:
    """Windows closed in all; of those in the state what was owed gross and what banks had to move."""
    states: Counter[str] = Counter()
    for _, record in view.range(b"W", b"X"):
        window: Window = record
        states[window.state.name] += 1
    gross = moved = 0
    for _, record in view.range(b"N", b"O"):
        position: Position = record
        gross += position.payable
        moved += max(0, position.fen)
    gross //= UY_PER_FEN
    return {
        "closed": view.get(HEAD_KEY).window - 1, "states": dict(sorted(states.items())), "gross": gross, "moved": moved,
        "saved_bps": _share(max(0, gross - moved), gross),
    }  # fmt: skip


def _decisions(view: View) -> dict[str, Plain]:
    """Of what the state holds: proposals by state, corrections, trials of the sandbox, challenges."""
    states = Counter(record.state.name for _, record in view.range(b"h", b"i"))
    counts = {name: sum(1 for _ in view.range(start, stop)) for name, start, stop in _DECIDED}
    return {"proposals": dict(sorted(states.items())), **counts}


def _campaigns(view: View) -> dict[str, int]:
    """Units of classes of many values are not added up: how many campaigns, and accounts granted something."""
    found: list[Campaign] = [record for _, record in view.range(b"a", b"b")]
    return {"kept": len(found), "accounts": sum(campaign.accounts for campaign in found)}
