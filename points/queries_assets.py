"""Questions about assets and anchors, in the form of queries.py. Prices are fen, times unix seconds."""

from collections.abc import Iterator
from typing import Any, Final

from points.asset_records import Anchored, Asset
from points.keys import anchor_key, asset_key
from points.queries import text
from points.view import View

Plain = Any
LOOKED_AT_MAX: Final = 10_000  # records per page: a page costs little whatever it filters
_LAST: Final = b"f"  # the first key behind all assets


def asset(view: View, time_s: int, asset_id: str) -> Plain:
    """Owner, content hash and posted price of a living asset."""
    found: Asset | None = view.get(asset_key(asset_id))
    return _asset(asset_id, found) if found is not None and found.lives(time_s) else None


def assets(view: View, time_s: int, after: str, limit: int, owner: bytes | None = None) -> Plain:
    """{"items", "next"}: living assets in order of their ids behind `after`, of one owner if named.

    `next`: the `after` of the next page, None behind the last. A page may hold fewer than `limit`, even none.
    """
    items: list[Plain] = []
    for looked, (asset_id, found) in enumerate(_behind(view, after), 1):
        if found.lives(time_s) and owner in (None, found.owner):
            items.append(_asset(asset_id, found))
        if len(items) == limit or looked == LOOKED_AT_MAX:
            return {"items": items, "next": asset_id}
    return {"items": items, "next": None}


def _behind(view: View, after: str) -> Iterator[tuple[str, Asset]]:
    for key, found in view.range(asset_key(after) + (b"\x00" if after else b""), _LAST):
        yield key[1:].decode(), found


def _asset(asset_id: str, found: Asset) -> Plain:
    return {
        "asset": asset_id, "owner": text(found.owner), "registrant": text(found.registrant),
        "content_hash": found.content.hex(), "rights_code": found.rights_code, "registered": found.registered,
        "expires": found.expires, "owned_since": found.since, "price": found.price or None,
        "seller": text(found.seller) if found.seller else None, "order_id": found.order_id or None,
        "locked": found.locked,
    }  # fmt: skip


def anchor(view: View, time_s: int, namespace: str, evidence: bytes) -> Plain:
    """Who showed a hash first, when, and by which transaction."""
    found: Anchored | None = view.get(anchor_key(namespace, evidence))
    if found is None or not found.lives(time_s):
        return None
    return {
        "namespace": namespace, "hash": evidence.hex(), "by": text(found.by), "time": found.time,
        "expires": found.expires, "tx": found.tx.hex(), "height": found.height, "index": found.index,
    }  # fmt: skip
