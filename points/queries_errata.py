"""Questions about errata, in the form of queries.py. Units of a class, uY, times unix seconds."""

from typing import Any

from points.errata_records import Erratum
from points.keys import erratum_key
from points.queries import text
from points.view import View

Plain = Any


def erratum(view: View, time_s: int, tx: bytes) -> Plain:
    """What was done for a transaction; None where nothing was, or the record has left the state."""
    found: Erratum | None = view.get(erratum_key(tx))
    return None if found is None or not found.lives(time_s) else _plain(tx, found)


def errata(view: View, time_s: int, after: bytes, limit: int) -> Plain:
    """{"items", "next"} in order of transactions behind `after`; `next`: the `after` of the next page, None at last."""
    items: list[Plain] = []
    for key, found in view.range(erratum_key(after) + (b"\x00" if after else b""), b"d"):
        items.append(_plain(key[1:], found))
        if len(items) == limit:
            return {"items": items, "next": key[1:].hex()}
    return {"items": items, "next": None}


def _plain(tx: bytes, found: Erratum) -> Plain:
    """`reason`, `evidence`, `by` and `applied` are those of the last erratum, the sums of all `number` of them."""
    return {
        "tx": tx.hex(), "number": found.number, "reason": found.reason, "evidence_hash": found.evidence.hex(),
        "by": text(found.by), "applied": found.applied, "expires": found.expires, "value": found.gross,
        "units": [{"class": net.class_id, "credited": net.credited, "debited": net.debited} for net in found.units],
        "debts": [{"debtor": text(of.debtor), "creditor": text(of.creditor), "value": of.value} for of in found.debts],
    }  # fmt: skip
