"""Leaving a view and entering one: VIEWCHANGE, join, NEWVIEW, the base as first act (S3, S6, S7, S8, L2, L5)."""

from consensus.deciding import adopt
from consensus.events import ALL, Effects
from consensus.journal_records import EnteredView, LeftView
from consensus.messages import NewView, Summary, ViewChange
from consensus.state import State
from consensus.view_change import base_of, choose_summaries, new_view_fault, view_change_fault, view_to_join
from primitives.hashing import Digest
from primitives.validators import NodeId, View


def leave_view(
    state: State, view: int, effects: Effects, by_timeout: bool = True, starved: Digest | None = None
) -> None:
    """Sign VIEWCHANGE(view): from now on nothing below it, and nothing in it before its NEWVIEW (S3).

    by_timeout: k rises (C7). starved: the batch that the leader passed over, told to operators (L7).
    """
    assert state.votes, "S9: a VIEWCHANGE of one that does not sign"
    assert view > state.view, f"S3: VIEWCHANGE({view}) in view {state.view}"
    context, base = state.context, base_of(state.high, state.context)
    unsigned = Summary(
        context.epoch, view, base.rank.view, base.rank.height, base.digest,
        state.tip.height, state.tip.digest, state.me, bytes(64),
    )  # fmt: skip
    signature = state.config.sign(context.summary_bytes(unsigned))
    summary = Summary(
        context.epoch, view, base.rank.view, base.rank.height, base.digest,
        state.tip.height, state.tip.digest, state.me, signature,
    )  # fmt: skip
    message = ViewChange(summary, state.high, starved)
    state.enter(view, active=False, new_view=None)
    state.probation.signed(view, 0)
    state.timer.changed_view(by_timeout)
    state.view_changes[state.me] = message
    effects.persist.append(LeftView(message))
    effects.send.append((ALL, message))


def on_view_change(state: State, sender: NodeId, message: ViewChange, effects: Effects) -> None:
    """Keep the highest of each signer, adopt its certificate, join if enough stand above (L2)."""
    fault = view_change_fault(message, state.context)
    if fault is not None:
        effects.violations.append((sender, fault))
        return
    effects.evidence += state.watch.change(message.summary)
    signer, view = NodeId(message.summary.signer), message.summary.view
    if message.certificate is not None:
        adopt(state, message.certificate, effects)
    held = state.view_changes.get(signer)
    if view < state.view or signer == state.me or (held is not None and held.summary.view >= view):
        return
    state.view_changes[signer] = message
    join(state, effects)


def join(state: State, effects: Effects) -> None:
    """Move to the (f+1)-th highest view among distinct signers if it is above this one (L2, pitfalls 25, 26)."""
    views = {node: View(m.summary.view) for node, m in state.view_changes.items()}
    target = view_to_join(views, state.context.members.faulty)
    if target > state.view and state.votes:
        leave_view(state, target, effects)


def hand_over(state: State, effects: Effects) -> None:
    """A multiple of R was decided in this view: everyone goes on to the next leader, nobody is to blame (L6, C11)."""
    if state.handover_due:
        state.handover_due = False
        if state.active and state.votes and not state.behind:
            leave_view(state, state.view + 1, effects, by_timeout=False)


def new_view_awaited(state: State) -> bool:
    """Whether q validators stand in this view or above and its NEWVIEW is missing: then the timer runs (L3).

    Those above count too: they will not come back, so waiting for them could last for ever.
    """
    others = sum(message.summary.view >= state.view for message in state.view_changes.values())
    return not state.active and others >= state.context.members.quorum


def lead_new_view(state: State, effects: Effects) -> None:
    """As leader of the view: q VIEWCHANGEs for it make the one NEWVIEW that this node signs for it (S7)."""
    if state.active or state.view == 0 or not state.leads or not state.votes:
        return
    ours = [m for m in state.view_changes.values() if m.summary.view == state.view]
    quorum, context = state.context.members.quorum, state.context
    if len(ours) < quorum:
        return
    chosen = choose_summaries(ours, quorum)
    summaries = tuple(message.summary for message in chosen)
    draft = NewView(context.epoch, state.view, summaries, chosen[0].certificate, bytes(64))
    signature = state.config.sign(context.new_view_bytes(draft))
    new_view = NewView(context.epoch, state.view, summaries, chosen[0].certificate, signature)
    if _contradicts_ledger(state, new_view):
        return
    state.probation.signed(state.view, 0)
    effects.send.append((ALL, new_view))
    enter_view(state, new_view, effects)


def on_new_view(state: State, sender: NodeId, new_view: NewView, effects: Effects) -> None:
    """Enter a view on its valid NEWVIEW, also without having left the old one (S7, L5)."""
    effects.evidence += state.watch.new_view(new_view)
    if state.closed or new_view.view < state.view or (new_view.view == state.view and state.active):
        return
    fault = new_view_fault(new_view, state.context)
    if fault is None and _contradicts_ledger(state, new_view):
        fault = "S7: the base is not the block that is decided at its height"
    if fault is not None:
        effects.violations.append((sender, fault))
        return
    enter_view(state, new_view, effects)


def _contradicts_ledger(state: State, new_view: NewView) -> bool:
    base = base_of(new_view.certificate, state.context)
    known = state.tree.ancestor(state.decided_digest, base.rank.height)
    return known is not None and known != base.digest


def enter_view(state: State, new_view: NewView, effects: Effects) -> None:
    """Become active; the recomputed base is the tip, unless it is decided already (S8, C9, C10)."""
    effects.persist.append(EnteredView(new_view))
    state.enter(new_view.view, active=True, new_view=new_view)
    state.timer.changed_view(by_timeout=False)
    if new_view.certificate is not None:
        adopt(state, new_view.certificate, effects)
    state.base = base_of(new_view.certificate, state.context)
    if state.base.rank.height > state.decided:
        state.base_vote_due = True
        state.move_tip(state.base.rank.height, state.base.digest)
    else:
        state.move_tip(state.decided, state.decided_digest)
    _forget_abandoned(state)


def _forget_abandoned(state: State) -> None:
    """Drop undecided blocks that nobody can need: not prepared here, not certified, not in a live slot (C1)."""
    keep = state.slots.digests() | {promise.digest for promise in state.promises}
    for certificate in (state.high, state.pending_commit):
        if certificate is not None:
            path = state.tree.path(certificate.digest, certificate.height, state.decided)
            keep |= {Digest(block.header.parent) for block in path.blocks} | {Digest(certificate.digest)}
    state.tree.retain(keep, state.decided, state.decided - 2 * state.window)
    state.verdicts = {d: v for d, v in state.verdicts.items() if d in state.tree}
