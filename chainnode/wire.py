"""Frames between nodes, without IO: 4 bytes of length, 1 byte of class, the payload.

The length counts the payload alone. The class gives the limit of the length, which is checked before a byte of the
payload is kept, and the set of messages that may stand in it (T18). A class is also a queue with its priority (C16).
"""

from collections.abc import Mapping
from enum import IntEnum
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

import msgspec

from chainnode.peer_messages import (
    BATCH_PAYLOAD_MAX,
    BatchBytes,
    BatchesHeld,
    BatchesUnknown,
    BatchRequest,
    BlockRangeReply,
    BlockRangeRequest,
    ControlMessage,
    EvidenceFound,
    EvidenceHeld,
    EvidenceWanted,
    Head,
    Hello,
    PeerMessage,
    Ping,
    Pong,
    Refused,
)
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Vote,
)
from consensus.messages import Message as ConsensusMessage
from primitives.codec import Malformed, decode_canonical, decoder, encode

HEADER_BYTES: Final = 5

Message = ConsensusMessage | PeerMessage | ControlMessage


class FrameClass(IntEnum):
    """In order of priority on the way out."""

    CONTROL = 1
    VOTE = 2
    PROPOSAL = 3
    BATCH = 4
    SYNC = 5


PAYLOAD_MAX: Final[Mapping[int, int]] = {
    FrameClass.CONTROL: 4 * 1024,
    FrameClass.VOTE: 8 * 1024,  # a view change with a certificate of 15 signatures has 1.3 KiB
    FrameClass.PROPOSAL: 64 * 1024,  # 256 digests and a certificate have 10 KiB
    FrameClass.BATCH: BATCH_PAYLOAD_MAX,
    FrameClass.SYNC: 1024 * 1024,
}

CLASS_OF: Final[Mapping[Any, FrameClass]] = {
    Hello: FrameClass.CONTROL,
    Refused: FrameClass.CONTROL,
    Ping: FrameClass.CONTROL,
    Pong: FrameClass.CONTROL,
    Vote: FrameClass.VOTE,
    ViewChange: FrameClass.VOTE,
    CertificateMessage: FrameClass.VOTE,
    Status: FrameClass.VOTE,
    Proposal: FrameClass.PROPOSAL,
    NewView: FrameClass.PROPOSAL,
    BlockRequest: FrameClass.PROPOSAL,
    BatchRequest: FrameClass.PROPOSAL,
    BatchesUnknown: FrameClass.PROPOSAL,
    BatchesHeld: FrameClass.PROPOSAL,
    BatchBytes: FrameClass.BATCH,
    BlockReply: FrameClass.SYNC,
    Head: FrameClass.SYNC,
    BlockRangeRequest: FrameClass.SYNC,
    BlockRangeReply: FrameClass.SYNC,
    EvidenceHeld: FrameClass.SYNC,
    EvidenceWanted: FrameClass.SYNC,
    EvidenceFound: FrameClass.SYNC,
}

def _decoder_of(frame_class: FrameClass) -> msgspec.msgpack.Decoder[Any]:
    union: Any = reduce(or_, (kind for kind, its_class in CLASS_OF.items() if its_class == frame_class))
    return decoder(union)


_DECODERS: Final[Mapping[int, msgspec.msgpack.Decoder[Any]]] = {
    each: _decoder_of(each) for each in FrameClass if each is not FrameClass.BATCH
}


class Frame(NamedTuple):
    """One complete frame whose length was within its limit; nothing else about the payload is checked yet."""

    frame_class: int
    payload: bytes


class FrameReader:
    """Cuts a stream into frames; holds at most one incomplete frame and what the last read brought."""

    def __init__(self, limits: Mapping[int, int] = PAYLOAD_MAX) -> None:
        """`limits`: the largest payload per class; a class that is not in it is malformed."""
        self._limits: Final = limits
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray | memoryview, most: int | None = None) -> list[Frame]:
        """The frames that are complete with these bytes, in order, at most `most`; the others stay for the next call,
        until which the caller reads no more.

        Raises: Malformed for a length of 0, a length above the limit of the class, or an unknown class. The connection
        must then be closed: the stream has lost its frame.
        """
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start, end = 0, len(buffer)
        while end - start >= HEADER_BYTES and (most is None or len(frames) < most):
            size = int.from_bytes(buffer[start : start + 4], "big")
            frame_class = buffer[start + 4]
            limit = self._limits.get(frame_class)
            if limit is None:
                raise Malformed(f"frame of class {frame_class}, known are {sorted(self._limits)}")
            if not 1 <= size <= limit:
                raise Malformed(f"frame of {size} bytes, class {frame_class} allows 1 to {limit}")
            stop = start + HEADER_BYTES + size
            if stop > end:
                break  # wait for more bytes
            frames.append(Frame(frame_class, bytes(memoryview(buffer)[start + HEADER_BYTES : stop])))
            start = stop
        if start:
            del buffer[:start]
        return frames

    @property
    def held_bytes(self) -> int:
        """Bytes that wait: for the rest of their frame, or for the next call."""
        return len(self._buffer)


def encode_frame(frame_class: int, payload: bytes) -> bytes:
    """The frame of a payload that the caller knows to be within the limit of its class."""
    return len(payload).to_bytes(4, "big") + bytes((frame_class,)) + payload


def encode_message(message: Message) -> bytes:
    """The frame of a message; encode once, send to many.

    Raises: ValueError if it is larger than its class allows: a bug here, never the fault of a peer.
    """
    frame_class = CLASS_OF[type(message)]
    payload = message.raw if isinstance(message, BatchBytes) else encode(message)
    if not 1 <= len(payload) <= PAYLOAD_MAX[frame_class]:
        name = type(message).__name__
        raise ValueError(f"{name} of {len(payload)} bytes, class {frame_class} allows 1 to {PAYLOAD_MAX[frame_class]}")
    return encode_frame(frame_class, payload)


def decode_message(frame: Frame) -> Message:
    """The message in a frame; a batch stays raw.

    Raises: Malformed if the payload is not the canonical encoding of a message of that class.
    """
    if frame.frame_class == FrameClass.BATCH:
        return BatchBytes(frame.payload)
    using = _DECODERS.get(frame.frame_class)
    if using is None:
        raise Malformed(f"frame of class {frame.frame_class}")
    message: Message = decode_canonical(using, frame.payload)
    return message
