"""What validators say to each other. Everything signed can be relayed by anybody: the signer counts, not the carrier.

A message names its epoch; the bytes that are signed also bind the chain id and the validator set (S-rules, pitfall 3).
"""

from typing import Annotated, Final

import msgspec

from primitives.block import Block
from primitives.certificate import Certificate, Phase
from primitives.codec import Bytes32, Bytes64, Record, decoder

COUNTER_MAX: Final = 2**62  # views, heights, epochs: far above any real one, and fits the signed fixed-width encoding
SUMMARIES_MAX: Final = 22  # one per validator
WINDOW_MAX: Final = 32  # cap of W (section 1)
BITMAP_MAX: Final = 2**22 - 1

Counter = Annotated[int, msgspec.Meta(ge=0, le=COUNTER_MAX)]
Rank = Annotated[int, msgspec.Meta(ge=-1, le=COUNTER_MAX)]  # -1: no certificate in this epoch yet (C9)
Node = Annotated[int, msgspec.Meta(ge=0, lt=SUMMARIES_MAX)]
Bitmap = Annotated[int, msgspec.Meta(ge=0, le=BITMAP_MAX)]


class Proposal(Record, tag=1):
    """The leader of `view` puts `block` at its height; the signature is the leader's own PREPARE (S0)."""

    view: Counter
    block: Block
    signature: Bytes64


class Vote(Record, tag=2):
    """PREPARE or COMMIT of `signer` for (epoch, view, height, digest); signed over `certificate.vote_bytes`."""

    phase: Phase
    epoch: Counter
    view: Counter
    height: Counter
    digest: Bytes32
    signer: Node
    signature: Bytes64


class Summary(Record):
    """The signed part of a VIEWCHANGE into `view` (S6): the signer's highest certificate and its last prepared block.

    high_view is -1 and the block is the epoch's first parent (genesis or close block) without a certificate (C9).
    """

    epoch: Counter
    view: Counter
    high_view: Rank
    high_height: Counter
    high_digest: Bytes32
    tip_height: Counter
    tip_digest: Bytes32
    signer: Node
    signature: Bytes64


class ViewChange(Record, tag=3):
    """A summary with the certificate that proves it; None only with high_view -1 (S6, C9).

    starved: the batch that the old leader passed over, if that is why (L7). Not signed: a hint for operators.
    """

    summary: Summary
    certificate: Certificate | None
    starved: Bytes32 | None = None


class NewView(Record, tag=4):
    """Exactly q summaries for `view` and the certificate of the highest rank among them; the base follows (S7)."""

    epoch: Counter
    view: Counter
    summaries: Annotated[tuple[Summary, ...], msgspec.Meta(max_length=SUMMARIES_MAX)]
    certificate: Certificate | None
    signature: Bytes64


class SlotStatus(Record):
    """What the sender holds for one height of its view: the proposal, the PREPARE certificate, votes by signer."""

    held: bool
    prepared: bool
    prepares: Bitmap
    commits: Bitmap


Sighting = tuple[Node, Counter, Counter]  # seat, view, height; a VIEWCHANGE or NEWVIEW stands at height 0 of its view


class Status(Record, tag=5):
    """Where the sender stands, so that others send exactly what it lacks (L4). Unsigned: it speaks for its link only.

    slots[i] is height decided + 1 + i of `view`. view_changes: signers of the VIEWCHANGEs that it holds and can use,
    those above `view`, or from `view` on while inactive. seen: for each seat the highest place, by view and then
    height, of any signature of this epoch that the sender has verified (pitfall 44). asks: the sender is on probation
    and wants a STATUS in return at once.
    """

    epoch: Counter
    view: Counter
    active: bool
    decided: Counter
    view_changes: Bitmap
    slots: Annotated[tuple[SlotStatus, ...], msgspec.Meta(max_length=WINDOW_MAX)]
    seen: Annotated[tuple[Sighting, ...], msgspec.Meta(max_length=SUMMARIES_MAX)] = ()
    asks: bool = False


class CertificateMessage(Record, tag=6):
    """A certificate to adopt: PREPARE proves a lock, COMMIT decides (S4, S5, L5)."""

    certificate: Certificate


class BlockRequest(Record, tag=7):
    """Send the block with this digest and its ancestors above the height `above` (S8, pitfall 11)."""

    digest: Bytes32
    above: Counter


class BlockReply(Record, tag=8):
    """Blocks from the wanted one downwards, each the parent of the one before it; empty if the digest is unknown."""

    blocks: Annotated[tuple[Block, ...], msgspec.Meta(max_length=WINDOW_MAX)]


Message = Proposal | Vote | ViewChange | NewView | Status | CertificateMessage | BlockRequest | BlockReply

MESSAGE_DECODER: Final[msgspec.msgpack.Decoder[Message]] = decoder(Message)  # type: ignore[arg-type]
