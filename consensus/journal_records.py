"""What must be on disk before it can be contradicted (S9). The journal holds these in the order in which they come.

`Replica.restore(config, records, head)` reads them back. Each holds the whole signed message, so that a restart
re-sends identical bytes and never signs a slot again (S1, pitfalls 38 and 39).
"""

from typing import Annotated, Final

import msgspec

from consensus.messages import Counter, NewView, Proposal, ViewChange, Vote
from primitives.block import Block
from primitives.certificate import Certificate, Phase
from primitives.codec import Record, decoder

REASON_MAX: Final = 1_000


class Proposed(Record, tag=1):
    """PROPOSE with full header and digest list; it is also the leader's own PREPARE (S0, C1)."""

    proposal: Proposal


class Prepared(Record, tag=2):
    """Own PREPARE and its block; None only for the base of a view, whose body may be missing (C13)."""

    vote: Vote
    block: Block | None


class Committed(Record, tag=3):
    """Own COMMIT and the PREPARE certificate that locks it (S4)."""

    vote: Vote
    lock: Certificate


class LeftView(Record, tag=4):
    """Own VIEWCHANGE: nothing below its view is signed any more (S3)."""

    view_change: ViewChange


class EnteredView(Record, tag=5):
    """A NEWVIEW that was accepted: its view is active (S7)."""

    new_view: NewView


class SawCertificate(Record, tag=6):
    """A certificate of a higher view moved this replica into that view, inactive (C10); also the highest one held,
    written at rotation (C15)."""

    certificate: Certificate


class Position(Record, tag=7):
    """First record after a rotation: the epoch and view in which the replica stands (C15)."""

    epoch: Counter
    view: Counter


class Strayed(Record, tag=8):
    """The decided chain is not that of an own vote of this view: no more votes of `phase` in it (S2)."""

    epoch: Counter
    view: Counter
    phase: Phase


class OnProbation(Record, tag=9):
    """A start for which nobody has vouched yet, and the highest own place known then. As long as no Trusted follows,
    later starts go by this place: what others brought meanwhile is no memory (pitfall 44)."""

    epoch: Counter
    view: Counter
    height: Counter


class Trusted(Record, tag=10):
    """Enough others have spoken, and not more than f remember more (S9)."""

    epoch: Counter


class Abstained(Record, tag=11):
    """Nothing is signed in the rest of this epoch, also after a restart; `reason` is for operators (S9, T3)."""

    epoch: Counter
    reason: Annotated[str, msgspec.Meta(max_length=REASON_MAX)]


JournalRecord = (
    Proposed | Prepared | Committed | LeftView | EnteredView | SawCertificate | Position | Strayed | OnProbation
    | Trusted | Abstained
)  # fmt: skip

JOURNAL_DECODER: Final[msgspec.msgpack.Decoder[JournalRecord]] = decoder(JournalRecord)  # type: ignore[arg-type]
