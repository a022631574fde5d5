"""One encoding for everything that is hashed, signed, sent or stored: MessagePack arrays in their shortest form.

The decoder library accepts several spellings of one value (long integers, floats for integers in maps, ...). So bytes
from outside count only if encoding what they decode to gives the same bytes again.
"""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar, dataclass_transform

import msgspec

T = TypeVar("T")

U64_MAX: Final = 2**64 - 1
IDENTIFIER_CHARS_MAX: Final = 64  # order, class, terminal ids: opaque, printable ASCII without blanks

# "form" tells json_form.py how people write the value; the bytes do not depend on it.
Bytes16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16, extra={"form": "hex"})]
Bytes20 = Annotated[bytes, msgspec.Meta(min_length=20, max_length=20, extra={"form": "address"})]
Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32, extra={"form": "hex"})]
Bytes64 = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64, extra={"form": "hex"})]
Text = Annotated[bytes, msgspec.Meta(max_length=1024, extra={"form": "text"})]  # UTF-8 is checked by the rules
Blob = Annotated[bytes, msgspec.Meta(max_length=4096, extra={"form": "base64"})]
U64 = Annotated[int, msgspec.Meta(ge=0)]  # the upper bound is MessagePack's own: no integer is above 2**64 - 1
Amount = Annotated[int, msgspec.Meta(ge=0, extra={"form": "amount"})]  # units, fen or uY: see the field
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_CHARS_MAX, pattern=r"^[\x21-\x7e]+\Z")]


class Malformed(ValueError):
    """Bytes or text from outside that are not what they claim to be; the sentence names the value and the limit."""


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """Base of everything encoded: immutable, an array on the wire, no unknown and no missing element.

    Not tracked by the cycle collector: what is immutable and made of bytes, numbers, texts and tuples has no cycles,
    and a node keeps hundreds of thousands of them.
    """


# The canonical bytes of a Record (or of a tuple of them). Integers must lie in -2**63 .. 2**64 - 1.
encode: Final[Callable[[object], bytes]] = msgspec.msgpack.Encoder().encode


def decoder(of: type[T]) -> msgspec.msgpack.Decoder[T]:
    """A reusable strict decoder; build it once at import, it costs a hundred times one use."""
    return msgspec.msgpack.Decoder(of, strict=True)


def decode_canonical(using: msgspec.msgpack.Decoder[T], raw: bytes) -> T:
    """The value of `raw`.

    Raises: Malformed if the bytes are not that type, are nested beyond the decoder's stack, hold an integer out of
    range, or are not the canonical spelling. The caller bounds len(raw) before the call.
    """
    value = decode_vouched(using, raw)
    if encode(value) != raw:
        raise Malformed(f"{len(raw)} bytes decode but are not the canonical encoding")
    return value


def decode_vouched(using: msgspec.msgpack.Decoder[T], raw: bytes) -> T:
    """The value of bytes that were found canonical before, by a quorum of validators: their spelling is not looked at.

    Raises: Malformed as decode_canonical does for the rest.
    """
    try:
        return using.decode(raw)
    except (msgspec.DecodeError, RecursionError, OverflowError, UnicodeDecodeError) as error:
        raise Malformed(f"{len(raw)} bytes do not decode: {error}") from error
