"""What must be on disk before it can be contradicted (S9). The journal holds these in the order in which they come.

`Replica.restore(config, records, head)` reads them back. Each holds the whole signed message, so that a restart
re-sends identical bytes and never signs a slot again (S1, pitfalls 38 and 39).
"""

from typing import Final

import msgspec

from consensus.messages import Counter, NewView, Proposal, ViewChange, Vote
from primitives.block import Block
from primitives.certificate import Certificate, Phase
from primitives.codec import Record, decoder


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


JournalRecord = Proposed | Prepared | Committed | LeftView | EnteredView | SawCertificate | Position | Strayed

JOURNAL_DECODER: Final[msgspec.msgpack.Decoder[JournalRecord]] = decoder(JournalRecord)  # type: ignore[arg-type]
