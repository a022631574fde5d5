"""Events of blocks for the feed, the history and the explorer: what stands in no receipt (points/told.py).

In the history they read like one more receipt behind those of the block, with no transaction: its id is all zeros, its
index the number of the block's mentions.
"""

from chainnode.record_view import RecordView
from ledger.chain import Chain
from points.keys import told_key
from points.told import events_of
from primitives.codes import Code
from primitives.hashing import ZERO_DIGEST
from primitives.receipt import Event, Receipt


def block_events(chain: Chain, height: int) -> tuple[Event, ...]:
    """What time and epochs did in the block; () if nothing, or if the state no longer tells it."""
    state = chain.state()
    if state.get(told_key(height, 0)) is None:  # the usual case costs one read
        return ()
    return tuple(events_of(RecordView(state), height))


def block_receipt(chain: Chain, height: int, mentions: int) -> Receipt | None:
    """The block's events in the form of a receipt; None without any."""
    events = block_events(chain, height)
    return Receipt(ZERO_DIGEST, height, mentions, Code.OK, "", None, None, events) if events else None
