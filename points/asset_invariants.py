"""What must hold of assets, anchors and offline escrows in every state (2.1); every violation is a sentence.

No market: only a merchant offers, and what a tourist owns it bought from a merchant. No second promise: an escrow is
the one hold of its payer and merchant. Nothing stays for ever: what has an end stands in a list of what is removed.
"""

from collections.abc import Iterator

from points.anchors import ANCHOR_DAYS
from points.asset_records import Asset
from points.assets import ASSET_DAYS
from points.days import DAY_SECONDS
from points.escrows import ESCROW_SECONDS_MAX, escrow_id
from points.keys import merchant_key
from points.queries import text
from points.state import Hold, HoldState
from points.view import View


def asset_faults(view: View, time_s: int) -> Iterator[str]:
    """Sentences about assets, anchors and escrows."""
    listed = {dead for _, garbage in view.range(b"P", b"Q") for dead in garbage.keys if dead[0] in b"ef"}
    for key, asset in view.range(b"e", b"f"):
        yield from _asset(view, key[1:].decode(), asset, time_s)
        if not asset.locked and key not in listed:
            yield f"asset {key[1:].decode()} would never leave the state"
    for key, anchor in view.range(b"f", b"g"):
        if key not in listed or not anchor.time < anchor.expires <= anchor.time + ANCHOR_DAYS * DAY_SECONDS:
            yield f"anchor {key[1:-33].decode()} lives from {anchor.time} to {anchor.expires}, listed: {key in listed}"
    for key, hold in view.range(b"H", b"I"):
        if hold.code_key:
            yield from _escrow(key[1:], hold, time_s)


def _asset(view: View, name: str, asset: Asset, time_s: int) -> Iterator[str]:
    sells = view.get(merchant_key(asset.owner)) is not None
    if asset.price and not sells:
        yield f"asset {name} is offered by {text(asset.owner)}, no merchant"
    if sells == bool(asset.seller):
        yield f"asset {name} of {text(asset.owner)} was bought from {asset.seller.hex() or 'nobody'}"
    if asset.price and not asset.order_id:
        yield f"asset {name} is offered without an order id"
    end = asset.registered + ASSET_DAYS * DAY_SECONDS
    if not asset.locked and asset.expires > max(end, time_s + DAY_SECONDS):
        yield f"asset {name} registered at {asset.registered} lives until {asset.expires}"


def _escrow(hold_id: bytes, hold: Hold, time_s: int) -> Iterator[str]:
    if hold_id != escrow_id(hold.payer, hold.merchant):
        yield f"INV-3: escrow {hold_id.hex()} is not that of its payer and merchant"
    if hold.state is not HoldState.OPEN or not time_s < hold.expires_at <= time_s + ESCROW_SECONDS_MAX:
        yield f"INV-3: escrow {hold_id.hex()} is {hold.state.name} until {hold.expires_at}, now {time_s}"
