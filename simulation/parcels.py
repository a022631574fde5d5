"""What travels between simulated nodes besides consensus messages: bodies and pieces of the chain."""

from dataclasses import dataclass

from consensus.messages import Message
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.hashing import Digest


@dataclass(frozen=True, slots=True)
class BatchParcel:
    """The bytes of one batch."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Send these batches if you hold them."""

    digests: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class ChainRequest:
    """Send decided blocks above this height."""

    above: int


@dataclass(frozen=True, slots=True)
class ChainReply:
    """Decided blocks in order and a commit certificate of the last one."""

    blocks: tuple[Block, ...]
    certificate: Certificate


Parcel = BatchParcel | BatchRequest | ChainRequest | ChainReply | Message
