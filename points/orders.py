"""Orders: one per (merchant, order_id), whatever kind made it; the key under which a repetition is noticed (D2)."""

from typing import Any

from points.keys import order_key
from points.state import Order
from points.turn import Turn
from primitives.hashing import TAG_HOLD, tagged_hash


def order_at(turn: Turn, where: bytes) -> Any:
    """The live order under an order key, or None.

    One past its time counts as gone before it is physically removed (D20).
    """
    order: Order | None = turn.get(where)
    return order if order is not None and turn.active(order) else None


def find_order(turn: Turn, merchant: bytes, order_id: str) -> Any:
    """The live order of a merchant, or None."""
    return order_at(turn, order_key(merchant, order_id))


def operation_digest(turn: Turn) -> bytes:
    """The id of what this operation creates: H(tx id, operation index) (D9)."""
    return tagged_hash(TAG_HOLD, turn.tx, turn.operation.to_bytes(4, "big"))


def static_order_id(turn: Turn) -> str:
    """The order of a payment by static request is the transaction (D18); a batch's later operations get their own."""
    return turn.tx.hex() if not turn.operation else operation_digest(turn).hex()
