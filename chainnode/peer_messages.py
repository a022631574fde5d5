"""What nodes say to each other beside the messages of consensus: greetings, batches, the chain for those behind.

Tags start at 64, so that they never meet those of consensus in one union. `BatchBytes` has none: its bytes travel bare.
"""

from enum import IntEnum
from typing import Annotated, Final

import msgspec

from consensus.evidence import EVIDENCE_BYTES_MAX
from primitives.block import BATCH_BYTES_MAX, BLOCK_BATCHES_MAX, Block
from primitives.certificate import Certificate
from primitives.codec import U64, Bytes16, Bytes32, Record

BATCHES_ASKED_MAX: Final = 64  # digests in one request; the answers are one frame each
BATCHES_TOLD_MAX: Final = 16
EVIDENCE_LISTED_MAX: Final = 128  # identities in one list
BLOCKS_ASKED_MAX: Final = 256


class RefusalCode(IntEnum):
    """Why a node closes the door; numbers are frozen."""

    VERSION = 1  # another major version of this protocol
    CHAIN = 2  # another genesis, hence another chain id
    UNKNOWN_NODE = 3  # the certificate is not in genesis, or not that of the NodeId that was named
    SELF = 4  # a node that called itself
    BANNED = 5  # misbehaved within the last minute
    BUSY = 6  # too many connections wait for their greeting
    MALFORMED = 7  # the greeting does not decode, or another frame came first


class Hello(Record, tag=64):
    """The first frame of both sides. `session` is random per process: it tells a restart from a second line."""

    chain_id: Bytes32
    node: U64
    session: Bytes16


class Refused(Record, tag=65):
    """The last frame before closing; `code` is a RefusalCode, `text` one sentence for the log."""

    code: U64
    text: Annotated[str, msgspec.Meta(max_length=200)]


class Ping(Record, tag=66):
    """Asks for a Pong with the same number."""

    number: U64


class Pong(Record, tag=67):
    number: U64


class BatchRequest(Record, tag=68):
    """Send me these batches; answered by one BatchBytes each, and one BatchesUnknown for the rest."""

    digests: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=BATCHES_ASKED_MAX)]


class BatchesUnknown(Record, tag=69):
    """I do not hold these: ask somebody else now instead of waiting."""

    digests: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=BATCHES_ASKED_MAX)]


class BatchesHeld(Record, tag=73):
    """These wait here for a block since a while: ask me for those that you lack (L7, C7). Sent to everybody, because
    a node that stands in another view may be wrong about who leads."""

    digests: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=BATCHES_TOLD_MAX)]


class Head(Record, tag=70):
    """My last decided block, proved by its commit certificate; None only at height 0 (pitfall 56, T22)."""

    height: U64
    digest: Bytes32
    certificate: Certificate | None


class BlockRangeRequest(Record, tag=71):
    """Send decided blocks from height `first` on, at most `count` of them, as many as fit."""

    first: U64
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCKS_ASKED_MAX)]


class DecidedBlock(Record):
    """A decided block; `batches` are its raw bodies in order, or empty: then they are asked for by digest."""

    block: Block
    batches: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=BLOCK_BATCHES_MAX)]


class BlockRangeReply(Record, tag=72):
    """Blocks first, first + 1, ...; `certificate` proves the last of them or one above it. Empty: I hold none."""

    first: U64
    blocks: Annotated[tuple[DecidedBlock, ...], msgspec.Meta(max_length=BLOCKS_ASKED_MAX)]
    certificate: Certificate | None


class EvidenceFound(Record, tag=74):
    """Canonical Evidence: proof that a validator broke a rule; sent once to everybody, and when it is asked for."""

    raw: Annotated[bytes, msgspec.Meta(max_length=EVIDENCE_BYTES_MAX)]


class EvidenceHeld(Record, tag=75):
    """Identities of offences that I can prove, ascending: ask for those that you lack."""

    identities: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=EVIDENCE_LISTED_MAX)]


class EvidenceWanted(Record, tag=76):
    """Send me the proofs of these; answered by one EvidenceFound each, as many as the sender is willing to serve."""

    identities: Annotated[tuple[Bytes32, ...], msgspec.Meta(min_length=1, max_length=EVIDENCE_LISTED_MAX)]


EvidenceMessage = EvidenceFound | EvidenceHeld | EvidenceWanted


class BatchBytes(msgspec.Struct, frozen=True):
    """A batch as the bytes that its origin encoded; they are decoded, hashed and verified by the batch store, once."""

    raw: bytes


BATCH_PAYLOAD_MAX: Final = BATCH_BYTES_MAX

PeerMessage = (
    BatchBytes | BatchRequest | BatchesUnknown | BatchesHeld | Head | BlockRangeRequest | BlockRangeReply
    | EvidenceMessage
)  # fmt: skip
ControlMessage = Hello | Refused | Ping | Pong
