"""What governance does by time alone, before the first transaction of a block (D10): timelocks, ends, lapses."""

from points.applications import application_due
from points.governance import proposal_due
from points.turn import Turn


def governance_due(turn: Turn) -> None:
    """Everything due at turn.time, in order of its second; what one decision settles, no later timer touches."""
    changed = False
    until = b"k" + (turn.time + 1).to_bytes(8, "big")
    for key, _ in list(turn.draft.range(b"k", until)):
        if turn.get(key) is None:  # the application that an earlier one of these admitted
            continue
        if key[9:10] == b"p":
            changed = proposal_due(turn, key[10:].decode(), changed)
        else:
            application_due(turn, key[10:])
