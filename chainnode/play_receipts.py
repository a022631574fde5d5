"""A receipt as a scenario compares it: plain values by name, events flat."""

from typing import Any

from primitives.address import encode_address
from primitives.codes import Code
from primitives.keys import Address
from primitives.receipt import Event, Receipt, status_of

Plain = Any


def event_plain(event: Event) -> Plain:
    """{"kind": ..., and every value by its name}: addresses as bech32m text, hashes as hex."""
    plain: dict[str, Plain] = {"kind": event.kind}
    plain.update(event.fields)
    plain.update((name, encode_address(Address(account))) for name, account in event.accounts)
    plain.update((name, digest.hex()) for name, digest in event.hashes)
    return plain


def receipt_plain(receipt: Receipt) -> Plain:
    """The public form of a receipt."""
    first = receipt.first
    return {
        "tx": receipt.tx.hex(), "height": receipt.height, "index": receipt.index, "code": Code(receipt.code).name,
        "number": receipt.code, "status": status_of(receipt.code), "detail": receipt.detail,
        "operation": receipt.operation, "events": [event_plain(event) for event in receipt.events],
        "first": first and {"tx": first.tx.hex(), "height": first.height, "index": first.index},
    }  # fmt: skip


def created_id(receipt: Receipt) -> str:
    """The hold that the transaction opened, else its own id; hex."""
    for event in receipt.events:
        if event.kind == "HoldOpened":
            return next(digest.hex() for name, digest in event.hashes if name == "hold")
    return receipt.tx.hex()
