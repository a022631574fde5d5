"""Bodies of hash evidence, digital assets and offline escrows. Rules: points/anchors, points/assets, points/escrows.

Prices are whole fen. An asset's id is unique on the chain while it lives. Content never goes on the chain: a hash does.
"""

from typing import Annotated, Final

import msgspec

from primitives.codec import U64, Amount, Bytes20, Identifier, Record, Text

HASH_BYTES: Final = 32
_PAYLOAD_BYTES_MAX: Final = 1024  # a longer hash still decodes, so that its sender learns why it is refused
Evidence = Annotated[
    bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=_PAYLOAD_BYTES_MAX, extra={"form": "hex"})
]  # 32 bytes; more is PAYLOAD_TOO_LARGE


class Anchor(Record, tag="anchor"):
    """The sender had what hashes to `hash` at the block's time; `namespace`: a field such as "elderly-care"."""

    namespace: Identifier
    evidence: Evidence = msgspec.field(name="hash")


class AssetRegister(Record, tag="asset_register"):
    """The sender has the rights that `rights_code` names (such as "ticket" or "copyright") in this content."""

    asset: Identifier
    content_hash: Evidence
    rights_code: Identifier


class AssetOffer(Record, tag="asset_offer"):
    """The owner sells at `price`; None withdraws. `order_id`: the order that the sale becomes; None: a new one."""

    asset: Identifier
    price: Amount | None = None
    order_id: Identifier | None = None


class AssetSwap(Record, tag="asset_swap"):
    """Buy at the posted price, which the buyer repeats. `class`: pay with points of this class only; None: any."""

    asset: Identifier
    price: Amount
    class_id: Identifier | None = msgspec.field(name="class", default=None)


class AssetReturn(Record, tag="asset_return"):
    """The buyer gives the asset back to the merchant that sold it; points come back by that merchant's refund."""

    asset: Identifier


class AssetLock(Record, tag="asset_lock"):
    """A regulator stops every sale and return of a disputed asset."""

    asset: Identifier
    reason: Text = b""


class AssetUnlock(Record, tag="asset_unlock"):
    asset: Identifier


class OfflineEscrow(Record, tag="offline_escrow"):
    """Points set aside for one merchant, which then takes pay codes without a network.

    The key that signs this (the first of several, in the account's order) signs the codes, whatever becomes of it.
    """

    merchant: Bytes20
    value: Amount
    ttl: U64  # seconds, 60 .. 86,400
