"""Which block of a view carries its NEWVIEW: the first one above the base, and no other (C11).

The record is bound by the header and decided with the block, so every ledger holds the same proof of who was slow.
"""

from consensus.state import State
from primitives.block import Block, new_view_hash
from primitives.codec import encode


def record_to_add(state: State) -> bytes | None:
    """What the own next block, a child of the tip, must carry. A chain too long to be looked through carries it."""
    if state.new_view is None:
        return None
    raw = encode(state.new_view)
    return raw if _recorded(state, state.tip.digest, raw) is False else None


def record_fault(state: State, block: Block) -> str | None:
    """What is wrong with the record of a proposal of the current view; body_fault compared it with the header.

    Where the chain down to the base is not here (after a restart or a sync) the block may carry it or not.
    """
    carried = block.new_view
    if state.new_view is None:
        return None if carried is None else f"C11: a NEWVIEW in a block of view {state.view}"
    raw = encode(state.new_view)
    if carried is not None and carried != raw:
        return f"C11: the block carries another NEWVIEW than the one of view {state.view}"
    recorded = _recorded(state, block.header.parent, raw)
    if recorded is None or recorded == (carried is None):
        return None
    return f"C11: the NEWVIEW of view {state.view} {'is recorded twice' if recorded else 'is not recorded'}"


def _recorded(state: State, parent: bytes, raw: bytes) -> bool | None:
    """Whether a block above the base carries the NEWVIEW in the chain that ends in `parent`; None: not to be seen."""
    digest, at = new_view_hash(raw), parent
    for _ in range(2 * state.window + 1):
        if at == state.base.digest:
            return False
        block = state.tree.get(at)
        if block is None:
            return None
        if block.header.new_view_hash == digest:
            return True
        if block.header.height <= state.base.rank.height:
            return False
        at = block.header.parent
    return None
