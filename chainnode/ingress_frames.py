"""The binary way in for gateways and load generators: transactions in bulk, answers and outcomes in bulk.

Frames as in wire.py, with classes of their own. A request number ties an answer to its bulk; outcomes come unasked,
once per transaction that was answered with OK, on the connection that brought it.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Final

import msgspec

from chainnode.wire import Frame, encode_frame
from primitives.codec import U64, Bytes32, Malformed, Record, decode_canonical, decoder, encode

BULK_TRANSACTIONS_MAX: Final = 512  # decoding them takes 2 to 3 ms
OUTCOMES_MAX: Final = 2048


class IngressClass(IntEnum):
    SUBMIT = 1
    ANSWER = 2
    OUTCOMES = 3


class Submit(Record):
    """Client to node: take these raw transactions."""

    request: U64
    transactions: Annotated[tuple[bytes, ...], msgspec.Meta(min_length=1, max_length=BULK_TRANSACTIONS_MAX)]


class Answer(Record):
    """Node to client: a result code per transaction of the bulk, in its order. 0: admitted, an outcome will follow.

    `retry_ms`: some were refused because the node is busy (POOL_FULL, SENDER_POOL_LIMIT); send them again after it.
    """

    request: U64
    codes: Annotated[tuple[U64, ...], msgspec.Meta(max_length=BULK_TRANSACTIONS_MAX)]
    retry_ms: U64 = 0


class Outcome(Record):
    """The end of one admitted transaction: its receipt's place and code; height 0 with EXPIRED_TX if it has none."""

    tx: Bytes32
    height: U64
    index: U64
    code: U64


class Outcomes(Record):
    """Node to client."""

    items: Annotated[tuple[Outcome, ...], msgspec.Meta(max_length=OUTCOMES_MAX)]


IngressMessage = Submit | Answer | Outcomes

INGRESS_LIMITS: Final[Mapping[int, int]] = {
    IngressClass.SUBMIT: 1024 * 1024,
    IngressClass.ANSWER: 16 * 1024,
    IngressClass.OUTCOMES: 256 * 1024,
}
_SUBMIT: Final = decoder(Submit)
_ANSWER: Final = decoder(Answer)
_OUTCOMES: Final = decoder(Outcomes)


def encode_ingress(message: IngressMessage) -> bytes:
    """The frame of a message; ValueError if it is larger than its class allows."""
    match message:
        case Submit():
            frame_class = IngressClass.SUBMIT
        case Answer():
            frame_class = IngressClass.ANSWER
        case Outcomes():
            frame_class = IngressClass.OUTCOMES
    payload = encode(message)
    if len(payload) > INGRESS_LIMITS[frame_class]:
        raise ValueError(f"{frame_class.name} of {len(payload)} bytes, limit {INGRESS_LIMITS[frame_class]}")
    return encode_frame(frame_class, payload)


def decode_ingress(frame: Frame) -> IngressMessage:
    """The message of a frame; Malformed if it is not the canonical encoding of one of its class."""
    match frame.frame_class:
        case IngressClass.SUBMIT:
            return decode_canonical(_SUBMIT, frame.payload)
        case IngressClass.ANSWER:
            return decode_canonical(_ANSWER, frame.payload)
        case IngressClass.OUTCOMES:
            return decode_canonical(_OUTCOMES, frame.payload)
        case _:
            raise Malformed(f"ingress frame of class {frame.frame_class}")
