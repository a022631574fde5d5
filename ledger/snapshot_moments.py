"""Which state a snapshot is made of: one that a certified header names, kept readable until that header is there.

A header names an older state, so the state must be held before anybody knows whether a header will name it. Holding
one is cheap in LevelDB; one per executed height is held, and all but one are let go as soon as a header names one.
"""

from collections import deque
from typing import Final, NamedTuple

from ledger.chain import Chain
from ledger.pruning import SNAPSHOT_LAG_MAX
from ledger.schema import FLOOR_KEY, Head, unpack_height
from ledger.segments import Segments
from ledger.snapshot_format import BLOCKS_WITH_BODIES, IDS_SECONDS, Span
from ledger.store import Reader, Snapshot
from ledger.stored_blocks import load_block
from primitives.block import Header
from primitives.certificate import Certificate
from primitives.codec import decode_canonical, decoder

_CERTIFICATE: Final = decoder(Certificate)


class Moment(NamedTuple):
    """The store as it was when `head` was its head."""

    head: Head
    snapshot: Snapshot


class Proven(NamedTuple):
    """A state that can be given away: `snapshot` holds it and the blocks of `span`, `segments` is held with their
    bodies; close it after use."""

    span: Span
    headers: tuple[Header, ...]  # from span.height + 1 to the certified one
    certificate: Certificate
    snapshot: Snapshot
    segments: Segments

    def close(self) -> None:
        """Let go of both."""
        self.snapshot.close()
        self.segments.release()


def span_of(reader: Reader, height: int) -> Span | None:
    """The blocks that belong to a snapshot of that height; None if `reader` does not hold all of them."""
    top, foot = load_block(reader, height), load_block(reader, max(0, height - BLOCKS_WITH_BODIES))
    if top is None or foot is None:
        return None
    raw, floor = reader.get(FLOOR_KEY), foot.header.exec_height + 1
    if raw is not None and floor < unpack_height(raw):
        return None
    oldest = top.header.time_ms - 1000 * IDS_SECONDS
    lowest = floor
    while True:
        block = load_block(reader, lowest)
        if block is None:
            return None
        if lowest == 1 or block.header.time_ms < oldest:
            return Span(lowest, floor, height)
        lowest -= 1


class Moments:
    """Looks for the first header from now on that names a state at or above `least`.

    Call `advance` after every executed block, in order, until it gives the state; then it is done. At most 96 moments
    are held. With the same `least` every node that looked in time finds the same state.
    """

    def __init__(self, chain: Chain, least: int) -> None:
        self._chain: Final = chain
        self._least: Final = max(least, 1)
        self._held: Final[deque[Moment]] = deque()
        self._looked = min(self._least, chain.head.height)  # headers up to here name nothing that is wanted
        self._found: tuple[Moment, Span, int] | None = None  # and the height of the header that names it
        self._done = False

    def advance(self) -> Proven | None:
        """Hold the present state, and see whether a certified header names one that is held. It is given once, and is
        then the caller's to close."""
        if self._done:
            return None
        if self._found is None:
            self._hold()
            self._look()
        if self._found is None:
            return None
        moment, span, naming = self._found
        covering = self._chain.covering_certificate(naming)
        if covering is None:
            return None
        headers = tuple(self._chain.headers(span.height + 1, covering[0] - span.height))
        self._found, self._done = None, True
        certificate = decode_canonical(_CERTIFICATE, covering[1])
        return Proven(span, headers, certificate, moment.snapshot, self._chain.segments)

    def close(self) -> None:
        """Let go of everything that is held, for good."""
        self._done = True
        self._release()
        if self._found is not None:
            self._found[0].snapshot.close()
            self._chain.segments.release()
            self._found = None

    def _release(self) -> None:
        while self._held:
            self._held.popleft().snapshot.close()

    def _hold(self) -> None:
        view, snapshot = self._chain.snapshot()
        self._held.append(Moment(view.head, snapshot))
        if len(self._held) > SNAPSHOT_LAG_MAX:
            self._held.popleft().snapshot.close()

    def _look(self) -> None:
        while self._looked < self._chain.head.height and self._found is None:
            self._looked += 1
            header = self._chain.header(self._looked)
            assert header is not None, "heights up to the head have a header"
            moment = self._naming(header)
            span = None if moment is None else span_of(moment.snapshot, header.exec_height)
            if moment is not None and span is not None:
                self._held.remove(moment)
                self._release()
                self._chain.segments.hold()  # from here on the floor may pass the span
                self._found = moment, span, header.height

    def _naming(self, header: Header) -> Moment | None:
        """A held moment with the state that the header names, and the block after which it was that."""
        if header.exec_height < self._least:
            return None
        fits = (m for m in self._held if m.head.height >= header.exec_height and m.head.state_root == header.state_root)
        return next(fits, None)


def newest_named(chain: Chain) -> int:
    """The newest height that a header names already: `least` for a snapshot as soon as possible."""
    header = chain.header(chain.head.height)
    assert header is not None, "the head has a header"
    return header.exec_height
