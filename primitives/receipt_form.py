"""The public JSON form of a receipt; the same words on every node, in the wallet and in scenario files."""

from typing import Any

from primitives.address import encode_address
from primitives.codes import Code
from primitives.keys import Address
from primitives.receipt import Event, Receipt, status_of


def code_name(code: int) -> str:
    """The name of a code; "CODE_nnnn" for one that this release does not know."""
    try:
        return Code(code).name
    except ValueError:
        return f"CODE_{code}"


def event_to_plain(event: Event) -> dict[str, Any]:
    """{"kind": ..., then every field by its name}: counts and texts as they are, addresses bech32m, hashes hex."""
    plain: dict[str, Any] = {"kind": event.kind}
    plain.update(event.fields)
    plain.update((name, encode_address(Address(value))) for name, value in event.accounts)
    plain.update((name, value.hex()) for name, value in event.hashes)
    return plain


def receipt_to_plain(receipt: Receipt) -> dict[str, Any]:
    """{"tx", "height", "index", "code", "number", "status", "detail", "operation", "first", "events"}."""
    first = receipt.first
    return {
        "tx": receipt.tx.hex(),
        "height": receipt.height,
        "index": receipt.index,
        "code": code_name(receipt.code),
        "number": receipt.code,
        "status": status_of(receipt.code),
        "detail": receipt.detail,
        "operation": receipt.operation,
        "first": None if first is None else {"tx": first.tx.hex(), "height": first.height, "index": first.index},
        "events": [event_to_plain(event) for event in receipt.events],
    }
