"""Questions about clearing: the fund, the losses of a window, breakage by month. The same form as queries.py."""

from typing import Any

from points.clearing_records import NO_MONEY, Breakage, FundMoney, Help, Loss
from points.keys import FUND_MONEY_KEY, class_key, merchant_key, window_key
from points.late_money import fund_available
from points.queries import reading, text
from points.state import NEVER, UY_PER_FEN, Class
from points.view import View

Plain = Any


def fund(view: View, time_s: int) -> Plain:
    """What the clearing fund got, had to pay and advanced, and what it can still spend on a default; fen."""
    money: FundMoney = view.get(FUND_MONEY_KEY) or NO_MONEY
    return {
        "received": money.received, "committed": money.committed, "advanced": money.advanced,
        "available": fund_available(reading(view, time_s)),
    }  # fmt: skip


def losses(view: View, time_s: int, window_id: int) -> Plain:
    """Losses of a window that creditors share, in fen: of whom, what came back, who helped whom. None: no window."""
    if not 0 < window_id < NEVER or view.get(window_key(window_id)) is None:
        return None
    plain: dict[str, dict[str, int]] = {"losses": {}, "recovered": {}, "helped": {}, "returned": {}}
    start, stop = b"lw" + window_id.to_bytes(8, "big"), b"lw" + (window_id + 1).to_bytes(8, "big")
    for key, record in view.range(start, stop):
        payee = text(key[10:30])
        if isinstance(record, Loss):
            plain["losses"][payee], plain["recovered"][payee] = record.fen, record.recovered
        else:
            name = f"{text(key[30:])}->{payee}"
            plain["helped"][name], plain["returned"][name] = record.fen, record.returned
    return plain


def shared(view: View, time_s: int, window_id: int) -> Plain:
    """What merchants owe each other in a window because they share losses of earlier ones: fen, and of which window."""
    return [
        {
            "debtor": text(key[30:]), "creditor": text(key[10:30]), "fen": record.fen,
            "of_window": int.from_bytes(key[2:10], "big"),
        }
        for key, record in view.range(b"lw", b"lx")
        if isinstance(record, Help) and record.window == window_id
    ]  # fmt: skip


def breakage(view: View, time_s: int, issuer: bytes) -> Plain:
    """What expired of a merchant's classes by month (UTC+8): units, value in fen, the fund's share in uY; or None."""
    if view.get(merchant_key(issuer)) is None:
        return None
    rows = []
    for key, record in view.range(b"lb", b"lc"):
        month, class_id = int.from_bytes(key[2:6], "big"), key[6:].decode()
        of: Class = view.get(class_key(class_id))
        found: Breakage = record
        if of.issuer == issuer:
            rows.append({
                "month": f"{month // 100}-{month % 100:02d}", "class": class_id, "units": found.units,
                "value": found.units * of.uv // UY_PER_FEN, "fund_share": found.share,
            })  # fmt: skip
    return rows
