"""Frames: limits before memory, one spelling per message, and nothing but Malformed for everything else (T18)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.peer_messages import (
    BatchBytes,
    BatchesHeld,
    BatchesUnknown,
    BatchRequest,
    BlockRangeReply,
    BlockRangeRequest,
    DecidedBlock,
    EvidenceFound,
    EvidenceHeld,
    EvidenceWanted,
    Head,
    Hello,
    Ping,
    Pong,
    Refused,
)
from chainnode.wire import (
    CLASS_OF,
    HEADER_BYTES,
    PAYLOAD_MAX,
    Frame,
    FrameClass,
    FrameReader,
    Message,
    decode_message,
    encode_frame,
    encode_message,
)
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    NewView,
    Proposal,
    SlotStatus,
    Status,
    Summary,
    ViewChange,
    Vote,
)
from primitives.block import Block, Header
from primitives.certificate import Certificate, Phase
from primitives.codec import Malformed

COUNTERS = st.integers(0, 2**62)
U64S = st.integers(0, 2**64 - 1)
B16, B32, B64 = (st.binary(min_size=n, max_size=n) for n in (16, 32, 64))
DIGESTS = st.lists(B32, min_size=1, max_size=64).map(tuple)


def of(kind: type, *fields: st.SearchStrategy) -> st.SearchStrategy:  # type: ignore[type-arg]
    return st.tuples(*fields).map(lambda values: kind(*values))


PHASES = st.sampled_from(Phase)
NODES = st.integers(0, 21)
CERTIFICATES = of(
    Certificate, PHASES, U64S, U64S, U64S, B32, U64S, st.lists(B64, min_size=1, max_size=15).map(tuple)
)
HEADERS = of(
    Header, U64S, U64S, B32, B32, B32, U64S, B32, B32, U64S, B32, B32, st.none() | B32, U64S, U64S
)
BLOCKS = of(Block, HEADERS, st.lists(B32, max_size=5).map(tuple), st.none() | CERTIFICATES)
SUMMARIES = of(
    Summary, COUNTERS, COUNTERS, st.integers(-1, 2**62), COUNTERS, B32, COUNTERS, B32, NODES, B64
)
BITMAPS = st.integers(0, 2**22 - 1)
SLOTS = of(SlotStatus, st.booleans(), st.booleans(), BITMAPS, BITMAPS)

MESSAGES: dict[type, st.SearchStrategy] = {  # type: ignore[type-arg]
    Hello: of(Hello, B32, U64S, B16),
    Refused: of(Refused, U64S, st.text(max_size=200)),
    Ping: of(Ping, U64S),
    Pong: of(Pong, U64S),
    Vote: of(Vote, PHASES, COUNTERS, COUNTERS, COUNTERS, B32, NODES, B64),
    ViewChange: of(ViewChange, SUMMARIES, st.none() | CERTIFICATES),
    CertificateMessage: of(CertificateMessage, CERTIFICATES),
    Status: of(
        Status, COUNTERS, COUNTERS, st.booleans(), COUNTERS, BITMAPS, st.lists(SLOTS, max_size=32).map(tuple)
    ),
    Proposal: of(Proposal, COUNTERS, BLOCKS, B64),
    NewView: of(
        NewView, COUNTERS, COUNTERS, st.lists(SUMMARIES, max_size=4).map(tuple), st.none() | CERTIFICATES, B64
    ),
    BlockRequest: of(BlockRequest, B32, COUNTERS),
    BatchRequest: of(BatchRequest, DIGESTS),
    BatchesUnknown: of(BatchesUnknown, DIGESTS),
    BatchesHeld: of(BatchesHeld, st.lists(B32, min_size=1, max_size=16).map(tuple)),
    BatchBytes: of(BatchBytes, st.binary(min_size=1, max_size=500)),
    BlockReply: of(BlockReply, st.lists(BLOCKS, max_size=3).map(tuple)),
    Head: of(Head, U64S, B32, st.none() | CERTIFICATES),
    BlockRangeRequest: of(BlockRangeRequest, U64S, st.integers(1, 256)),
    BlockRangeReply: of(
        BlockRangeReply, U64S,
        st.lists(of(DecidedBlock, BLOCKS, st.lists(st.binary(max_size=50), max_size=3).map(tuple)), max_size=2).map(
            tuple
        ),
        st.none() | CERTIFICATES,
    ),
    EvidenceFound: of(EvidenceFound, st.binary(max_size=500)),
    EvidenceHeld: of(EvidenceHeld, DIGESTS),
    EvidenceWanted: of(EvidenceWanted, DIGESTS),
}
ANY_MESSAGE = st.one_of(*MESSAGES.values())


def test_every_message_has_a_class_and_a_strategy() -> None:
    assert set(MESSAGES) == set(CLASS_OF)
    assert set(PAYLOAD_MAX) == set(FrameClass)
    tags = [kind.__struct_config__.tag for kind in CLASS_OF if kind is not BatchBytes]
    assert len(set(tags)) == len(tags)


@settings(max_examples=400, deadline=None)
@given(ANY_MESSAGE)
def test_round_trip(message: Message) -> None:
    data = encode_message(message)
    (frame,) = FrameReader().feed(data)
    assert frame.frame_class == CLASS_OF[type(message)]
    assert decode_message(frame) == message


@settings(max_examples=100, deadline=None)
@given(st.lists(ANY_MESSAGE, max_size=5), st.data())
def test_any_cut_of_the_stream_gives_the_same_frames(messages: list[Message], data: st.DataObject) -> None:
    stream = b"".join(map(encode_message, messages))
    reader, frames, start = FrameReader(), [], 0
    while start < len(stream):
        stop = data.draw(st.integers(start + 1, len(stream)))
        frames += reader.feed(stream[start:stop])
        start = stop
    assert [decode_message(frame) for frame in frames] == messages
    assert reader.held_bytes == 0


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FrameClass), st.binary(min_size=1, max_size=300))
def test_random_payloads_are_malformed_or_canonical(frame_class: FrameClass, payload: bytes) -> None:
    try:
        message = decode_message(Frame(frame_class, payload))
    except Malformed:
        return
    assert encode_message(message) == encode_frame(frame_class, payload)


@settings(max_examples=150, deadline=None)
@given(ANY_MESSAGE, st.data())
def test_a_flipped_bit_is_malformed_or_another_message_of_the_class(message: Message, data: st.DataObject) -> None:
    frame_class = CLASS_OF[type(message)]
    payload = bytearray(encode_message(message)[HEADER_BYTES:])
    position = data.draw(st.integers(0, len(payload) - 1))
    payload[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        other = decode_message(Frame(frame_class, bytes(payload)))
    except Malformed:
        return
    assert other != message
    assert CLASS_OF[type(other)] == frame_class


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_streams_raise_nothing_but_malformed(data: bytes) -> None:
    reader = FrameReader()
    try:
        for byte in data:
            reader.feed(bytes([byte]))
    except Malformed:
        pass
    assert reader.held_bytes <= len(data)


@pytest.mark.pitfall(73)
@pytest.mark.parametrize("frame_class", FrameClass)
def test_exactly_the_limit_is_accepted_and_one_more_refused_before_it_comes(frame_class: FrameClass) -> None:
    """W03."""
    limit = PAYLOAD_MAX[frame_class]
    (frame,) = FrameReader().feed(encode_frame(frame_class, bytes(limit)))
    assert len(frame.payload) == limit
    with pytest.raises(Malformed, match=f"{limit + 1} bytes"):
        FrameReader().feed((limit + 1).to_bytes(4, "big") + bytes([frame_class]))
    with pytest.raises(Malformed, match="0 bytes"):
        FrameReader().feed(bytes(4) + bytes([frame_class]))


def test_an_unknown_class_is_refused_with_its_header() -> None:
    with pytest.raises(Malformed, match="class 6"):
        FrameReader().feed((1).to_bytes(4, "big") + b"\x06")


def test_a_message_in_the_frame_of_another_class_is_refused() -> None:
    payload = encode_message(Ping(1))[HEADER_BYTES:]
    with pytest.raises(Malformed):
        decode_message(Frame(FrameClass.VOTE, payload))


def test_a_message_that_is_too_large_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="BatchBytes of"):
        encode_message(BatchBytes(bytes(PAYLOAD_MAX[FrameClass.BATCH] + 1)))
    with pytest.raises(ValueError, match="BatchBytes of 0 bytes"):
        encode_message(BatchBytes(b""))


@pytest.mark.pitfall(73)
@pytest.mark.parametrize(
    "payload",
    [
        b"\x93\x42\x01\x01",  # an element too many
        b"\x91\x42",  # one missing
        b"\x92\x42\x01\x00",  # trailing byte
        b"\x92\x42\xcd\x00\x01",  # 1 in three bytes
        b"\x92\x42\xca\x3f\x80\x00\x00",  # 1.0
        b"\x92\x42\xc3",  # true
        b"\x92\x42\xff",  # -1
        b"\x82\x42\x01\x42\x01",  # a map
        b"\x92\x42\xd6\xff\x00\x00\x00\x01",  # a timestamp
        b"\xdd\xff\xff\xff\xff",  # four billion elements
        b"\x91" * 4000,  # nested
    ],
)
def test_other_spellings_of_a_ping_are_malformed(payload: bytes) -> None:
    """W07, W08."""
    assert decode_message(Frame(FrameClass.CONTROL, b"\x92\x42\x01")) == Ping(1)
    with pytest.raises(Malformed):
        decode_message(Frame(FrameClass.CONTROL, payload))


def test_the_largest_messages_fit_their_classes() -> None:
    certificate = Certificate(Phase.COMMIT, 2**62, 2**62, 2**62, bytes(32), 2**22 - 1, (bytes(64),) * 15)
    summary = Summary(2**62, 2**62, 2**62, 2**62, bytes(32), 2**62, bytes(32), 21, bytes(64))
    u64 = 2**64 - 1
    b32 = bytes(32)
    header = Header(u64, u64, b32, b32, b32, u64, b32, b32, u64, b32, b32, b32, u64, u64)
    block = Block(header, (b32,) * 256, certificate)
    slots = (SlotStatus(True, True, 2**22 - 1, 2**22 - 1),) * 32
    for message in (
        ViewChange(summary, certificate),
        NewView(2**62, 2**62, (summary,) * 22, certificate, bytes(64)),
        Proposal(2**62, block, bytes(64)),
        Status(2**62, 2**62, True, 2**62, 2**22 - 1, slots),
        BlockReply((block,) * 32),
        BatchRequest((b32,) * 64),
    ):
        assert encode_message(message)
