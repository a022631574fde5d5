"""Events of blocks for the feed, the history and the explorer: what stands in no receipt (points/told.py).

In the history they read like one more receipt behind those of the block, with no transaction: its id is all zeros, its
index the number of the block's mentions.
"""

from collections.abc import Iterable
from typing import Final

from chainnode.record_view import RecordView
from ledger.chain import Chain
from points.keys import told_key
from points.told import events_of
from primitives.codes import Code
from primitives.hashing import ZERO_DIGEST
from primitives.receipt import Event, Receipt

_LOTS_BEHIND: Final = frozenset(("UnitsTaken", "UnitsHeld", "UnitsReleased"))  # of the event before them


def block_events(chain: Chain, height: int) -> tuple[Event, ...]:
    """What time and epochs did in the block; () if nothing, or if the state no longer tells it."""
    state = chain.state()
    if state.get(told_key(height, 0)) is None:  # the usual case costs one read
        return ()
    return tuple(events_of(RecordView(state), height))


def concerning(events: Iterable[Event], accounts: frozenset[bytes]) -> tuple[Event, ...]:
    """Those that name one of the accounts, each with its lots: a block tells of everybody at once (2.12)."""
    found: list[Event] = []
    own = False
    for event in events:
        if event.kind not in _LOTS_BEHIND:
            own = any(who in accounts for _, who in event.accounts)
        if own:
            found.append(event)
    return tuple(found)


def block_receipt(chain: Chain, height: int, mentions: int, account: bytes) -> Receipt | None:
    """The block's events that name the account, in the form of a receipt; None without any."""
    events = concerning(block_events(chain, height), frozenset((account,)))
    return Receipt(ZERO_DIGEST, height, mentions, Code.OK, "", None, None, events) if events else None
