"""The public JSON form of a receipt; the same words on every node, in the wallet and in scenario files."""

from typing import Any, Final

from primitives.address import encode_address
from primitives.codes import Code
from primitives.keys import Address
from primitives.receipt import Event, Receipt, status_of

_TEXTS_MAX: Final = 8192
_texts: Final[dict[bytes, str]] = {}  # a bech32m checksum costs more than all the rest of a receipt


def _address_text(address: bytes) -> str:
    text = _texts.get(address)
    if text is None:
        if len(_texts) >= _TEXTS_MAX:
            _texts.clear()
        text = _texts[address] = encode_address(Address(address))
    return text


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
    plain.update((name, _address_text(value)) for name, value in event.accounts)
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
