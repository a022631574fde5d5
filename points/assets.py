"""Digital assets: who has registered what, and its one-shot sale for points at a posted price (table 1, rows 7 to 9).

A sale is a redemption at the merchant that owns the asset, with an order of that merchant and asset in one step: points
reach it as any price does (D3), cleared and refundable. Who bought has no way to sell: there is no second market (2.1).

asset_register: ACCOUNT_FROZEN, NOT_AUTHORISED (no merchant), PAYLOAD_TOO_LARGE, ASSET_EXISTS, MERCHANT_SUSPENDED,
VELOCITY, OVERFLOW.
asset_offer: ACCOUNT_FROZEN, NOT_AUTHORISED (no merchant), BAD_AMOUNT (0), ASSET_UNKNOWN, NOT_OWNER; to withdraw:
NOT_FOR_SALE; to offer: ASSET_LOCKED, IDEMPOTENCY_CONFLICT (the order id is used).
asset_swap: NOT_AUTHORISED (no tourist), ASSET_UNKNOWN, OK_DUPLICATE or IDEMPOTENCY_CONFLICT (the sender has bought it),
ACCOUNT_FROZEN, BAD_AMOUNT, ASSET_LOCKED, NOT_FOR_SALE, PRICE_CHANGED, NOT_AUTHORISED (shared key), CLASS_UNKNOWN,
ACCOUNT_FROZEN (seller, ALL), MERCHANT_SUSPENDED, IDEMPOTENCY_CONFLICT (the order id was used meanwhile), KYC_REQUIRED,
KEY_LIMIT, SCOPE_DENIED, CLASS_PAUSED, ISSUER_RESERVE_EXHAUSTED, INSUFFICIENT, OVERFLOW.
asset_return: ACCOUNT_FROZEN, NOT_AUTHORISED (no tourist), ASSET_UNKNOWN, NOT_OWNER, ASSET_LOCKED.
asset_lock: ACCOUNT_FROZEN, NOT_REGULATOR, MEMO_*, ASSET_UNKNOWN, ASSET_LOCKED. asset_unlock: ACCOUNT_FROZEN,
NOT_REGULATOR, ASSET_UNKNOWN.
"""

from typing import Final

from msgspec.structs import replace

from points.anchors import check_hash
from points.asset_records import Asset
from points.authority import charge_daily, shares_key
from points.days import DAY_SECONDS
from points.keys import account_key, asset_key, class_key, daily_key, merchant_key
from points.memo import check_memo, memo_field
from points.orders import find_order, operation_digest
from points.redemption import check_payee, pay, repeated_payment
from points.state import Account, Merchant, MerchantStatus
from points.turn import Turn
from primitives.codes import Code
from primitives.kinds_assets import AssetLock, AssetOffer, AssetRegister, AssetReturn, AssetSwap, AssetUnlock
from primitives.receipt import Event

ASSET_DAYS: Final = 1_095  # after registration, as long as points may live; sales do not prolong it
ASSETS_PER_DAY: Final = 1_000  # registered by one merchant: bounds what the state holds
REGISTERING: Final = (MerchantStatus.ACTIVE, MerchantStatus.ISSUE_SUSPENDED, MerchantStatus.ACCEPT_SUSPENDED)


def find_asset(turn: Turn, asset_id: str) -> Asset | None:
    """The living asset, or None. One past its time counts as gone before it is physically removed."""
    found: Asset | None = turn.get(asset_key(asset_id))
    return found if found is not None and found.lives(turn.time) else None


def apply_asset_register(turn: Turn, body: AssetRegister) -> Code:
    """A merchant registers what it has the rights in; it is the owner."""
    code = check_hash(turn, body.content_hash)
    if code:
        return code
    if find_asset(turn, body.asset) is not None:
        return Code.ASSET_EXISTS
    merchant: Merchant = turn.get(merchant_key(turn.sender))
    if merchant.status not in REGISTERING:
        return turn.refuse(Code.MERCHANT_SUSPENDED, merchant.status.name)
    if not charge_daily(turn, daily_key(turn.day, b"r", turn.sender), 1, ASSETS_PER_DAY):
        return turn.refuse(Code.VELOCITY, f"{ASSETS_PER_DAY} assets per merchant and day")
    expires = turn.time + ASSET_DAYS * DAY_SECONDS
    owner = turn.sender
    asset = Asset(body.content_hash, body.rights_code, owner, owner, turn.time, expires, turn.time)
    turn.put(asset_key(body.asset), asset)
    fields = (("asset", body.asset), ("rights_code", body.rights_code), ("expires", expires))
    turn.events.append(Event("AssetRegistered", fields, (("owner", owner),), (("content", body.content_hash),)))
    return Code.OK


def apply_asset_offer(turn: Turn, body: AssetOffer) -> Code:
    """The owner posts a price, changes it, or withdraws it."""
    if body.price == 0:
        return turn.refuse(Code.BAD_AMOUNT, "a price of 0; leave it out to withdraw")
    asset = find_asset(turn, body.asset)
    if asset is None:
        return Code.ASSET_UNKNOWN
    if asset.owner != turn.sender:
        return Code.NOT_OWNER
    if body.price is None:
        if not asset.price:
            return Code.NOT_FOR_SALE
        order_id = ""
    else:
        if asset.locked:
            return Code.ASSET_LOCKED
        order_id = body.order_id if body.order_id is not None else operation_digest(turn).hex()
        if find_order(turn, turn.sender, order_id) is not None:
            return turn.refuse(Code.IDEMPOTENCY_CONFLICT, f"order {order_id} stands already")
    price = body.price or 0
    turn.put(asset_key(body.asset), replace(asset, price=price, order_id=order_id))
    fields = (("asset", body.asset), ("price", price), ("order_id", order_id))
    turn.events.append(Event("AssetOffered", fields, (("seller", turn.sender),)))
    return Code.OK


def apply_asset_swap(turn: Turn, body: AssetSwap) -> Code:
    """Asset and points change hands together, once, at the price that stands."""
    asset = find_asset(turn, body.asset)
    if asset is None:
        return Code.ASSET_UNKNOWN
    if asset.owner == turn.sender:
        order = find_order(turn, asset.seller, asset.order_id)
        if order is not None and order.created == asset.since:  # else the order of its sale has left the state
            return repeated_payment(turn, order, "asset_swap", turn.sender, body.price)
    if turn.frozen():
        return Code.ACCOUNT_FROZEN
    if not body.price:
        return Code.BAD_AMOUNT
    if asset.locked:
        return Code.ASSET_LOCKED
    if not asset.price:
        return Code.NOT_FOR_SALE
    if body.price != asset.price:
        return turn.refuse(Code.PRICE_CHANGED, f"{asset.price} fen, not {body.price}")
    return _buy(turn, body, asset)


def _buy(turn: Turn, body: AssetSwap, asset: Asset) -> Code:
    seller: Account = turn.get(account_key(asset.owner))
    merchant: Merchant = turn.get(merchant_key(asset.owner))
    if shares_key(turn.account, seller):
        return Code.NOT_AUTHORISED
    if body.class_id is not None and turn.get(class_key(body.class_id)) is None:
        return Code.CLASS_UNKNOWN
    code = check_payee(turn, seller, merchant)
    if code:
        return code
    if find_order(turn, asset.owner, asset.order_id) is not None:
        return turn.refuse(Code.IDEMPOTENCY_CONFLICT, f"the seller has used order {asset.order_id} meanwhile")
    payer, payee = (turn.sender, turn.account), (asset.owner, merchant)
    code = pay(turn, "asset_swap", payer, payee, asset.order_id, asset.price, class_id=body.class_id)
    if code:
        return code
    sold = replace(asset, owner=turn.sender, since=turn.time, seller=asset.owner, price=0)
    turn.put(asset_key(body.asset), sold)
    fields = (("asset", body.asset), ("price", asset.price), ("order_id", asset.order_id))
    turn.events.append(Event("AssetSold", fields, (("seller", asset.owner), ("buyer", turn.sender))))
    return Code.OK


def apply_asset_return(turn: Turn, body: AssetReturn) -> Code:
    """The buyer gives the asset back to its seller; a refund is the seller's own act."""
    asset = find_asset(turn, body.asset)
    if asset is None:
        return Code.ASSET_UNKNOWN
    if asset.owner != turn.sender:
        return Code.NOT_OWNER
    if asset.locked:
        return Code.ASSET_LOCKED
    assert asset.seller, "a tourist owns only what a merchant sold it"
    turn.put(asset_key(body.asset), replace(asset, owner=asset.seller, since=turn.time, seller=b"", order_id=""))
    fields = (("asset", body.asset), ("order_id", asset.order_id))
    turn.events.append(Event("AssetReturned", fields, (("from", turn.sender), ("to", asset.seller))))
    return Code.OK


def apply_asset_lock(turn: Turn, body: AssetLock) -> Code:
    """The regulator marks a dispute: nothing happens to the asset until it is unlocked."""
    code = check_memo(body.reason)
    if code:
        return code
    asset = find_asset(turn, body.asset)
    if asset is None:
        return Code.ASSET_UNKNOWN
    if asset.locked:
        return Code.ASSET_LOCKED
    turn.put(asset_key(body.asset), replace(asset, locked=True))
    fields = (("asset", body.asset), *memo_field(body.reason))
    turn.events.append(Event("AssetLocked", fields, (("owner", asset.owner), ("by", turn.sender))))
    return Code.OK


def apply_asset_unlock(turn: Turn, body: AssetUnlock) -> Code:
    """The dispute is over. An asset whose time passed meanwhile lives one more day."""
    asset = find_asset(turn, body.asset)
    if asset is None:
        return Code.ASSET_UNKNOWN
    expires = max(asset.expires, turn.time + DAY_SECONDS)
    turn.put(asset_key(body.asset), replace(asset, locked=False, expires=expires))
    fields = (("asset", body.asset), ("expires", expires))
    turn.events.append(Event("AssetUnlocked", fields, (("owner", asset.owner), ("by", turn.sender))))
    return Code.OK
