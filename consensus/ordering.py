"""The normal case: proposals in, PREPARE along the chain, COMMIT under a lock, the leader's own blocks (S0 to S5)."""

from consensus.deciding import adopt, seek
from consensus.events import BlockBuilt, BlockChecked, BuildBlock, CheckBlock, Effects
from consensus.evidence import prepare_in
from consensus.journal_records import Proposed
from consensus.messages import Proposal, Vote
from consensus.new_view_record import record_fault, record_to_add
from consensus.one_chain import keeps_chain, may_prepare_next
from consensus.proposal_rules import chain_fault, closes, header_fault
from consensus.slots import Slot
from consensus.state import VIEWS_AHEAD, VIEWS_BEHIND, State
from primitives.block import Block, header_digest
from primitives.certificate import Phase
from primitives.hashing import Digest
from primitives.validators import Height, NodeId, View


def _in_views(state: State, view: int) -> bool:
    if view > state.view + VIEWS_AHEAD:
        state.status_due = True  # S12: never a silent permanent drop
        return False
    return view >= state.view - VIEWS_BEHIND


def _in_heights(state: State, height: int) -> bool:
    if height > state.decided + 2 * state.window:
        state.status_due = True
        return False
    return height > state.decided


def on_proposal(state: State, sender: NodeId, proposal: Proposal, effects: Effects) -> None:
    """Keep the leader's first proposal for its slot; what it embeds is adopted at once (S12, pitfalls 12, 13)."""
    block, view = proposal.block, proposal.view
    if state.closed or not _in_views(state, view):
        return
    fault = header_fault(block, view, state.context, state.window)
    if fault is not None:
        effects.violations.append((sender, fault))
        return
    if block.certificate is not None:
        adopt(state, block.certificate, effects)  # also tells a node outside the window that it is behind
    if not _in_views(state, view) or not _in_heights(state, block.header.height):
        return
    keep_proposal(state, proposal, effects)


def keep_proposal(state: State, proposal: Proposal, effects: Effects) -> None:
    """Put a proposal into its slot and count the PREPARE in it once (pitfall 5); a second block there is evidence."""
    digest, height = header_digest(proposal.block.header), proposal.block.header.height
    slot = state.slots.open(proposal.view, height)
    if slot.proposal is not None:
        if slot.digest != digest:
            first = prepare_in(slot.proposal, state.context)
            effects.evidence += state.watch.double_vote(first, prepare_in(proposal, state.context))
        return
    slot.proposal, slot.digest = proposal, digest
    state.tree.add(proposal.block)
    state.wants.pop(digest, None)
    state.first_seen.setdefault(Height(height), state.clock.now)
    keep_vote(state, prepare_in(proposal, state.context), effects)
    for vote in list(slot.prepares.values()):
        confront(state, slot, vote, effects)


def on_vote(state: State, sender: NodeId, vote: Vote, effects: Effects) -> bool:
    """Keep the first vote of its signer, whoever carried it (S1, S12, pitfalls 7 and 8). Whether it completed a
    certificate: otherwise nothing has moved."""
    if vote.epoch != state.context.epoch or not state.context.is_member(vote.signer):
        effects.violations.append((sender, f"S1: a vote of node {vote.signer} in epoch {vote.epoch}"))
        return False
    if state.closed or not _in_views(state, vote.view) or not _in_heights(state, vote.height):
        return False
    return keep_vote(state, vote, effects)


def keep_vote(state: State, vote: Vote, effects: Effects) -> bool:
    """Count a vote; the q-th for one block makes the certificate (C16). A second block of one signer is evidence.
    Whether there is a new certificate."""
    slot = state.slots.open(vote.view, vote.height)
    votes = slot.votes(vote.phase)
    signer = NodeId(vote.signer)
    known = votes.setdefault(signer, vote)
    if known.digest != vote.digest:
        effects.evidence += state.watch.double_vote(known, vote)
        return False
    if known is not vote:
        return False
    effects.evidence += state.watch.vote(vote)
    confront(state, slot, vote, effects)
    return count(state, slot, vote.phase, Digest(vote.digest), effects)


def confront(state: State, slot: Slot, vote: Vote, effects: Effects) -> None:
    """Show the leader's proposal to one who prepared another block in its slot, once: either that one lies, or the
    leader signed both, and then nobody else might ever hold the two together (pitfall 9). From an observer nobody
    takes a proposal (W15)."""
    if not state.context.is_member(state.me):
        return
    foreign = vote.phase is Phase.PREPARE and slot.digest is not None and vote.digest != slot.digest
    if foreign and slot.proposal is not None and vote.signer not in (state.me, state.context.leader(slot.view)):
        effects.send.append((NodeId(vote.signer), slot.proposal))


def count(state: State, slot: Slot, phase: Phase, digest: Digest, effects: Effects) -> bool:
    """Adopt the certificate when the votes for `digest` have become enough. Whether they have now."""
    if slot.certified(phase):
        return False
    certificate = slot.certificate(phase, state.context.epoch, digest, state.context.members.quorum)
    if certificate is None:
        return False
    slot.commit_certified = slot.commit_certified or phase is Phase.COMMIT
    adopt(state, certificate, effects)
    return True


def votes_missing(state: State, vote: Vote) -> int | None:
    """See Replica."""
    if state.closed or vote.height <= state.decided:
        return 0
    near = vote.view == state.view and vote.height <= state.decided + 2 * state.window
    if vote.signer == state.me or not near:
        return None
    slot, quorum = state.slots.get(vote.view, vote.height), state.context.members.quorum
    if slot is None:
        return quorum
    if any(digest != vote.digest for digest in slot.named(vote.phase)):
        return None
    return 0 if slot.certified(vote.phase) else quorum - len(slot.votes(vote.phase))


def on_checked(state: State, event: BlockChecked) -> None:
    """The driver's verdict; a late one for a block that is gone has no effect (pitfall 46)."""
    if event.digest in state.verdicts:
        state.verdicts[event.digest] = event.acceptable


def vote_base(state: State, effects: Effects) -> None:
    """PREPARE for the base is the first vote of a view, its body may be missing (S8, C13)."""
    base = state.base
    if not state.base_vote_due or not state.active or state.behind or not state.votes:
        return
    state.base_vote_due = False
    if state.may_sign(Phase.PREPARE, base.rank.height) and state.tip.height == base.rank.height:
        state.prepare(base.rank.height, base.digest, state.tree.get(base.digest), effects)
        count(state, state.slots.open(state.view, base.rank.height), Phase.PREPARE, base.digest, effects)


def raise_tip(state: State) -> None:
    """A certificate of this view beyond the own last prepare sets the tip to it (S4, C10)."""
    if not state.active:
        return
    for slot in state.slots.of_view(state.view):
        if slot.prepared is not None and slot.height > state.tip.height:
            state.base_vote_due = False  # the first vote in this view is now above the base, never below (pitfall 22)
            state.move_tip(slot.height, slot.prepared.digest)


def commit_locked(state: State, effects: Effects) -> None:
    """COMMIT wherever a PREPARE certificate of this view and all ancestors are here (S4, pitfall 34)."""
    view = state.view
    for slot in state.slots.of_view(view):
        lock = slot.prepared
        if lock is None or view != state.view or not state.may_sign(Phase.COMMIT, slot.height):
            continue
        path = state.tree.path(lock.digest, lock.height, state.decided)
        if path.missing is not None:
            seek(state, lock, path.missing, effects)
        elif path.blocks[0].header.parent == state.decided_digest and keeps_chain(
            state, Phase.COMMIT, slot.height, Digest(lock.digest)
        ):
            state.commit(lock, effects)
            count(state, slot, Phase.COMMIT, Digest(lock.digest), effects)


def complete_chain(state: State, effects: Effects) -> None:
    """Fetch what is missing between the vote tip and the decided block: a base comes without its body (S8, C13)."""
    if state.active and state.tip.height > state.decided and not state.behind:
        path = state.tree.path(state.tip.digest, state.tip.height, state.decided)
        if path.missing is not None:
            state.want(*path.missing, effects)


def request_checks(state: State, effects: Effects) -> None:
    """Ask for a verdict on every proposal that continues the tip, ahead of its turn (pipelining)."""
    digest, height = state.tip.digest, state.tip.height
    while state.active and height < state.decided + state.window:
        slot = state.slots.get(state.view, height + 1)
        if slot is None or slot.proposal is None or slot.digest is None:
            return
        block = slot.proposal.block
        if block.header.parent != digest:
            return
        if slot.digest not in state.verdicts and not _begin_check(state, block, slot.digest, effects):
            return
        if state.verdicts[slot.digest] is False:
            return
        digest, height = slot.digest, Height(height + 1)


def _begin_check(state: State, block: Block, digest: Digest, effects: Effects) -> bool:
    parent = state.tree.get(block.header.parent)
    if parent is None:
        state.want(block.header.height - 1, block.header.parent, effects)
        return False
    fault = chain_fault(block, parent, state.tree) or record_fault(state, block)
    if fault is not None:
        state.verdicts[digest] = False
        effects.violations.append((state.context.leader(state.view), fault))
        return False
    state.verdicts[digest] = None
    effects.check.append(CheckBlock(state.view, Height(block.header.height), digest, block, parent))
    return True


def prepare_checked(state: State, effects: Effects) -> None:
    """PREPARE the acceptable child of the tip, then its child (S2, C1)."""
    view = state.view
    while state.active and state.view == view and not state.behind and not state.base_vote_due:
        height = state.tip.height + 1
        slot = state.slots.get(view, height)
        if slot is None or slot.proposal is None or slot.digest is None or height > state.decided + state.window:
            return
        block = slot.proposal.block
        if block.header.parent != state.tip.digest or state.verdicts.get(slot.digest) is not True:
            return
        if not state.may_sign(Phase.PREPARE, height) or not may_prepare_next(state):
            return
        state.prepare(height, slot.digest, block, effects)
        count(state, slot, Phase.PREPARE, slot.digest, effects)


def flush_due(state: State) -> bool:
    """Something was executed whose roots no decided header carries (C3, C4)."""
    head = state.tree.get(state.decided_digest)
    return head is not None and not state.closed and head.header.exec_height < state.changed


def _rested(state: State) -> bool:
    """Whether no batch came for so long that an empty block is worth its price."""
    return state.clock.now - state.progressed >= state.config.timing.flush_ms


def can_extend(state: State) -> bool:
    """Whether this leader knows what the child of the tip needs (C13): its chain, and the state it must name."""
    parent = state.tree.get(state.tip.digest)
    if parent is None or state.behind or state.tree.path(state.tip.digest, state.tip.height, state.decided).missing:
        return False
    start = state.context.start_height
    lowest = max(start, parent.header.exec_height, state.tip.height + 1 - state.window)
    return state.executed >= lowest and state.certified >= lowest


def request_build(state: State, effects: Effects) -> None:
    """As leader: ask for the next block when something waits and the window has room, one request at a time."""
    if not (state.active and state.leads and state.building is None) or state.base_vote_due:
        return
    height = Height(state.tip.height + 1)
    flush = flush_due(state) and state.tip.height == state.decided == state.executed and _rested(state)
    if not (state.ask_build or flush) or height > state.decided + state.window or not can_extend(state):
        return
    if not state.may_sign(Phase.PREPARE, height) or not may_prepare_next(state):
        return
    parent = state.tree.get(state.tip.digest)
    assert parent is not None, "can_extend says that the parent is here"
    if closes(parent, state.context.epoch):
        return  # C8: its decision comes next, and then another epoch
    start = state.context.start_height
    state.building = (state.view, height, state.tip.digest)
    state.asked_build = state.clock.now
    effects.build.append(
        BuildBlock(
            view=state.view,
            height=height,
            parent=state.tip.digest,
            parent_block=parent,
            undecided=state.tree.path(state.tip.digest, state.tip.height, state.decided).blocks,
            certificate=state.decided_certificate if state.certified > start else None,
            exec_height_min=Height(max(start, parent.header.exec_height, height - state.window)),
            exec_height_max=Height(min(state.executed, state.certified)),
            flush=flush,
            new_view=record_to_add(state),
            waited_ms=state.clock.now - state.proposed,
        )
    )


def on_built(state: State, event: BlockBuilt, effects: Effects) -> None:
    """Propose the block if it still continues the tip; a completion for another place is dropped (pitfall 46)."""
    if state.building is None or state.building[:2] != (event.view, event.height):
        return
    view, height, parent = state.building
    state.building = None
    if event.block is None:
        state.ask_build = False
        return
    stale = not state.active or view != state.view or (state.tip.height + 1, state.tip.digest) != (height, parent)
    if stale or not state.may_sign(Phase.PREPARE, height) or not may_prepare_next(state):
        return
    fault = _own_fault(state, event.block, height, parent)
    if fault is not None:
        effects.violations.append((state.me, fault))
        state.ask_build = False
        return
    _propose(state, view, event.block, effects)


def _own_fault(state: State, block: Block, height: Height, parent: Digest) -> str | None:
    parent_block = state.tree.get(parent)
    if parent_block is None or block.header.height != height or block.header.parent != parent:
        return f"S2: built height {block.header.height}, asked was {height}"
    fault = header_fault(block, state.view, state.context, state.window)
    return fault or chain_fault(block, parent_block, state.tree) or record_fault(state, block)


def _propose(state: State, view: View, block: Block, effects: Effects) -> None:
    digest = header_digest(block.header)
    draft = Proposal(view, block, bytes(64))
    proposal = Proposal(view, block, state.config.sign(state.context.proposal_bytes(draft, digest)))
    state.verdicts[digest] = True
    state.propose(Proposed(proposal), digest, effects)
    keep_proposal(state, proposal, effects)
