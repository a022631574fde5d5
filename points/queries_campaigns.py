"""Questions about campaigns, in the form of queries.py. Amounts are units of the class, times unix seconds."""

from collections.abc import Iterator
from typing import Any, Final

from points.campaign_records import Campaign, Grant
from points.keys import campaign_key, grant_key
from points.queries import text
from points.view import View

Plain = Any
LOOKED_AT_MAX: Final = 10_000  # records per page: a page costs little whatever it filters
NO_GRANT: Final = Grant(0, claimed=False)
_STOP: Final = b"b"  # the first key behind all campaigns


def campaign(view: View, time_s: int, campaign_id: str) -> Plain:
    """A campaign with what is left of its budget; state PLANNED, OPEN, CLOSED (by its issuer) or ENDED."""
    found: Campaign | None = view.get(campaign_key(campaign_id))
    return None if found is None else _campaign(campaign_id, found, time_s)


def campaigns(view: View, time_s: int, after: str, limit: int, merchant: bytes | None = None) -> Plain:
    """{"items", "next"}: campaigns in order of their ids behind `after`, of one merchant if named.

    `next`: the `after` of the next page, None behind the last. A page may hold fewer than `limit`, even none.
    """
    items: list[Plain] = []
    for looked, (campaign_id, found) in enumerate(_behind(view, after), 1):
        if merchant in (None, found.issuer):
            items.append(_campaign(campaign_id, found, time_s))
        if len(items) == limit or looked == LOOKED_AT_MAX:
            return {"items": items, "next": campaign_id}
    return {"items": items, "next": None}


def _behind(view: View, after: str) -> Iterator[tuple[str, Campaign]]:
    for key, found in view.range(campaign_key(after) + (b"\x00" if after else b""), _STOP):
        yield key[1:].decode(), found


def _campaign(campaign_id: str, found: Campaign, time_s: int) -> Plain:
    return {
        "campaign": campaign_id, "merchant": text(found.issuer), "class": found.class_id, "budget": found.budget,
        "per_account": found.per_account, "granted": found.granted, "left": found.budget - found.granted,
        "accounts": found.accounts, "starts": found.starts, "ends": found.ends, "root": found.root.hex() or None,
        "state": _state(found, time_s),
    }  # fmt: skip


def _state(found: Campaign, time_s: int) -> str:
    if found.closed:
        return "CLOSED"
    if time_s >= found.ends:
        return "ENDED"
    return "OPEN" if time_s >= found.starts else "PLANNED"


def grant(view: View, time_s: int, campaign_id: str, address: bytes) -> Plain:
    """What an account has had of a campaign and what it may still get; None without such a campaign.

    From the campaign's end on nothing is remembered of the account: then it reads 0 units.
    """
    found: Campaign | None = view.get(campaign_key(campaign_id))
    if found is None:
        return None
    had: Grant = (view.get(grant_key(campaign_id, address)) if time_s < found.ends else None) or NO_GRANT
    return {
        "campaign": campaign_id, "account": text(address), "units": had.units, "claimed": had.claimed,
        "left": min(found.per_account - had.units, found.budget - found.granted),
    }  # fmt: skip
