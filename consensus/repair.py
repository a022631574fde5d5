"""STATUS: say where one stands, send exactly what another lacks. The only way anything is sent twice (L4)."""

from typing import Final

from consensus.events import ALL, Effects
from consensus.messages import BlockReply, BlockRequest, CertificateMessage, Message, SlotStatus, Status, Vote
from consensus.ordering import can_extend, flush_due
from consensus.slots import Slot
from consensus.state import State
from consensus.view_moves import new_view_awaited
from primitives.block import Block
from primitives.certificate import bitmap, signer_ids
from primitives.validators import NodeId

RELAY_TURNS: Final = 4  # a bystander relays what others signed at every 4th STATUS, so that not all send the same
REPLY_BLOCKS: Final = 32
STUCK_AFTER_MAX_MS: Final = 500
BUSY_STATUS_MS: Final = 1_000

_NOTHING: Final = SlotStatus(False, False, 0, 0)


def build_status(state: State) -> Status:
    """Where this replica stands in its view; trailing empty slots are left out."""
    slots = []
    for height in range(state.decided + 1, state.decided + 1 + state.window):
        slot = state.slots.get(state.view, height)
        slots.append(_NOTHING if slot is None else _slot_status(slot))
    while slots and slots[-1] == _NOTHING:
        slots.pop()
    signers = [n for n, m in state.view_changes.items() if m.summary.view > state.view or not state.active]
    return Status(
        state.context.epoch, state.view, state.active, state.decided, bitmap(signers), tuple(slots),
        state.probation.sightings(), not state.probation.over,
    )  # fmt: skip


def _slot_status(slot: Slot) -> SlotStatus:
    prepared = slot.prepared is not None
    return SlotStatus(slot.proposal is not None, prepared, bitmap(slot.prepares), bitmap(slot.commits))


def obligation(state: State) -> bool:
    """Something that this view owes (C4): a pending batch, an undecided block, roots that no decided header carries.

    A certificate of an older view is none: the NEWVIEW settled what this view has to carry on. A closed epoch owes
    nothing more: what waits is for the next one (C8).
    """
    return not state.closed and (
        state.pending_batches > 0
        or (state.active and state.tip.height > state.decided)
        or any(slot.proposal is not None for slot in state.slots.of_view(state.view))
        or flush_due(state)
    )


def lacks_chain(state: State) -> bool:
    """Others have decided what this node cannot decide yet for want of blocks (L8)."""
    return state.behind or state.pending_commit is not None


def tick_status(state: State, effects: Effects) -> None:
    """Send STATUS when it is due: often when stuck, seldom while blocks are being decided anyway (L4)."""
    timing, quiet = state.config.timing, state.clock.now - state.progressed
    stuck_after = min(STUCK_AFTER_MAX_MS, max(timing.status_stuck_ms, 2 * state.timer.round_ms))
    if quiet >= stuck_after and (not state.active or lacks_chain(state) or obligation(state)):
        interval = timing.status_stuck_ms
    elif quiet < timing.status_idle_ms:
        interval = BUSY_STATUS_MS
    else:
        interval = timing.status_idle_ms
    if state.status_due or not state.probation.over:
        interval = timing.status_stuck_ms
    if state.last_status is None or state.clock.now - state.last_status >= interval:
        state.last_status, state.status_due = state.clock.now, False
        effects.send.append((ALL, build_status(state)))


def tick_wants(state: State, effects: Effects) -> None:
    """Ask the next peer for every block that has not come (S8)."""
    for digest, want in state.wants.items():
        if state.clock.now - want.asked >= state.config.timing.fetch_retry_ms:
            state.ask(digest, want, effects)


def on_status(state: State, sender: NodeId, status: Status, effects: Effects) -> None:
    """Answer with what the sender lacks and this replica holds; at most one answer per peer and 25 ms.

    An observer gives certificates only: nobody takes anything else from it (W15).
    """
    answered = state.answers.get(sender)
    now, count = state.clock.now, 0
    if answered is not None:
        last, count = answered
        if now - last < state.config.timing.status_stuck_ms // 2:
            return
    state.answers[sender] = (now, count + 1)
    relay = state.leads or (count + state.me) % min(RELAY_TURNS, state.context.members.size) == 0
    missing: list[Message] = [build_status(state)] if status.asks else []
    certificate = state.decided_certificate
    if status.decided < state.certified and certificate is not None and certificate.epoch == state.context.epoch:
        missing += [CertificateMessage(certificate)] if relay or state.closed else []
    if status.view <= state.view and state.context.is_member(state.me):
        missing += _missing_of_view(state, status, relay)
    effects.send.extend((sender, message) for message in missing)


def _missing_of_view(state: State, status: Status, relay: bool) -> list[Message]:
    """For a sender in this view or below it: the NEWVIEW, the VIEWCHANGEs or the votes (L5)."""
    if state.active and (status.view < state.view or not status.active):
        return [state.new_view] if state.new_view is not None and relay else []
    if not state.active:
        return _view_changes_to_send(state, status, relay)
    missing: list[Message] = []
    for offset in range(state.window):
        height = status.decided + 1 + offset
        slot = state.slots.get(state.view, height)
        if slot is not None:
            held = status.slots[offset] if offset < len(status.slots) else _NOTHING
            missing += _missing_of_slot(state, slot, held, relay)
    return missing


def _view_changes_to_send(state: State, status: Status, relay: bool) -> list[Message]:
    """Those that the sender lacks; the own one now and then anyway, what it holds may be of an older view."""
    stale = relay and status.view < state.view
    return [
        message
        for node, message in sorted(state.view_changes.items())
        if (stale and node == state.me) or ((relay or node == state.me) and not status.view_changes >> node & 1)
    ]


def _missing_of_slot(state: State, slot: Slot, held: SlotStatus, relay: bool) -> list[Message]:
    missing: list[Message] = []
    if slot.proposal is not None and not held.held and relay:
        missing.append(slot.proposal)
    if slot.prepared is not None and not held.prepared and relay:
        missing.append(CertificateMessage(slot.prepared))
    elif not held.prepared:
        missing += _votes_to_send(state, slot.prepares, held.prepares, relay)
    return missing + _votes_to_send(state, slot.commits, held.commits, relay)


def _votes_to_send(state: State, votes: dict[NodeId, Vote], known: int, relay: bool) -> list[Message]:
    wanted = [node for node in signer_ids(bitmap(votes)) if not known >> node & 1]
    return [votes[node] for node in wanted if relay or node == state.me]


def on_block_request(state: State, sender: NodeId, request: BlockRequest, effects: Effects) -> None:
    """Serve the block and its ancestors above the asked height, as far as they are kept."""
    blocks: list[Block] = []
    digest = request.digest
    while len(blocks) < REPLY_BLOCKS and (block := state.tree.get(digest)) is not None:
        if block.header.height <= request.above:
            break
        blocks.append(block)
        digest = block.header.parent
    if blocks:
        effects.send.append((sender, BlockReply(tuple(blocks))))


def forfeits(state: State) -> bool:
    """A leader that cannot extend its base within T/2 gives the view up (C13, pitfall 30)."""
    if not (state.active and state.leads and state.view > 0) or can_extend(state):
        return False
    owed = state.behind or obligation(state)
    return owed and 2 * (state.clock.now - state.activated) >= state.timer.length_ms


def timer_armed(state: State) -> bool:
    """Whether the progress timer runs: something is owed, and it is not this node that is behind (L1, L3, L8, C7)."""
    if lacks_chain(state) or not state.votes:
        return False
    return obligation(state) if state.active else new_view_awaited(state)
