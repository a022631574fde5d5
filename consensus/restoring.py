"""A replica from its ledger and its journal, and the journal's content at a rotation (S9, C15, pitfalls 38 to 42)."""

from collections.abc import Iterable

from consensus.journal_records import (
    Abstained,
    Committed,
    EnteredView,
    JournalRecord,
    LeftView,
    OnProbation,
    Position,
    Prepared,
    Proposed,
    SawCertificate,
    Strayed,
    Trusted,
)
from consensus.key_watch import place_at_start
from consensus.messages import Proposal, Vote
from consensus.probation import Place
from consensus.proposal_rules import closes
from consensus.settings import LedgerHead, ReplicaConfig
from consensus.state import VIEWS_BEHIND, Promise, State, Tip
from consensus.view_change import base_of
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase
from primitives.hashing import Digest
from primitives.validators import Height, View


def state_at(config: ReplicaConfig, head: LedgerHead) -> State:
    """The state of a replica that has its ledger and no memory of votes: view 0 of the epoch, active."""
    block = head.blocks[-1]
    height, digest = Height(block.header.height), header_digest(block.header)
    state = State(
        config=config,
        decided=height,
        decided_digest=digest,
        decided_certificate=_newest_certificate(head),
        executed=height,
        changed=head.changed,
        tip=Tip(height, digest),
        base=base_of(None, config.context),
    )
    state.closed = closes(block, config.context.epoch)
    for known in head.blocks:
        state.tree.add(known)
        if known.certificate is not None and known.certificate.epoch == config.context.epoch:
            state.probation.sight_certificate(known.certificate)
    return state


def _newest_certificate(head: LedgerHead) -> Certificate | None:
    """The highest known COMMIT certificate at or below the head: a leader embeds it, peers are served with it."""
    height = head.blocks[-1].header.height
    known = [block.certificate for block in head.blocks if block.certificate is not None]
    if head.certificate is not None and head.certificate.height <= height:
        known.append(head.certificate)
    return max(known, key=lambda certificate: certificate.height, default=None)


def restore_state(config: ReplicaConfig, records: Iterable[JournalRecord], head: LedgerHead) -> State:
    """Replay the records in their order. What is not above the ledger's height, or of another epoch, is skipped."""
    state = state_at(config, head)
    for record in records:
        _replay(state, record)
    if head.certificate is not None and head.certificate.epoch == config.context.epoch:
        _hold(state, head.certificate)
    state.slots.prune(state.view - VIEWS_BEHIND, state.decided)
    state.view_changes = {n: m for n, m in state.view_changes.items() if m.summary.view >= state.view}
    _place_tip(state)
    state.watch.entered(state.view)
    state.probation.own = state.probation.unvouched or place_at_start(state)
    state.probation.recorded = state.probation.unvouched is not None
    state.status_due = True
    return state


def _replay(state: State, record: JournalRecord) -> None:
    epoch = state.context.epoch
    match record:
        case Position():
            if record.epoch == epoch:
                _stand(state, record.view, active=record.view == 0)
        case Proposed():
            _replay_proposal(state, record.proposal, record)
        case Prepared():
            if record.block is not None and record.vote.epoch == epoch and record.vote.height > state.decided:
                state.tree.add(record.block)
            _replay_vote(state, record.vote, record)
        case Committed():
            _replay_vote(state, record.vote, record)
            _hold(state, record.lock)
        case LeftView():
            summary = record.view_change.summary
            if summary.epoch == epoch and summary.view > state.view:
                _stand(state, summary.view, active=False)
            if summary.epoch == epoch and summary.view == state.view:
                state.view_changes = {state.me: record.view_change}
            if record.view_change.certificate is not None:
                _hold(state, record.view_change.certificate)
        case EnteredView():
            if record.new_view.epoch == epoch and record.new_view.view >= state.view:
                _stand(state, record.new_view.view, active=True)
                state.new_view = record.new_view
                state.base = base_of(record.new_view.certificate, state.context)
            if record.new_view.certificate is not None:
                _hold(state, record.new_view.certificate)
        case SawCertificate():
            _hold(state, record.certificate)
        case Strayed():
            if (record.epoch, record.view) == (epoch, state.view):
                state.strayed.add(record.phase)
        case OnProbation() | Trusted() | Abstained():
            if record.epoch == epoch:
                _replay_memory(state, record)


def _replay_memory(state: State, record: OnProbation | Trusted | Abstained) -> None:
    match record:
        case OnProbation():
            state.probation.unvouched = Place(record.view, record.height)
        case Trusted():
            state.probation.unvouched = None
        case Abstained():
            state.abstains = state.abstains or record.reason


def _stand(state: State, view: int, active: bool) -> None:
    if view != state.view:
        state.strayed.clear()
    state.view, state.active, state.new_view = View(view), active, None


def _hold(state: State, certificate: Certificate) -> None:
    if certificate.epoch != state.context.epoch:
        return
    state.probation.sight_certificate(certificate)
    state.raise_high(certificate)
    if certificate.view > state.view:
        _stand(state, certificate.view, active=False)
    if certificate.height <= state.decided:
        return
    if certificate.phase is Phase.COMMIT:
        waiting = state.pending_commit
        state.pending_commit = certificate if waiting is None or certificate.height > waiting.height else waiting
    else:
        state.slots.open(certificate.view, certificate.height).prepared = certificate


def _replay_vote(state: State, vote: Vote, record: JournalRecord) -> None:
    if vote.epoch != state.context.epoch or vote.height <= state.decided:
        return
    state.slots.open(vote.view, vote.height).votes(vote.phase)[state.me] = vote
    state.promises.append(Promise(vote.height, Digest(vote.digest), record))


def _replay_proposal(state: State, proposal: Proposal, record: JournalRecord) -> None:
    header = proposal.block.header
    if header.epoch != state.context.epoch or header.height <= state.decided:
        return
    digest = state.tree.add(proposal.block)
    slot = state.slots.open(proposal.view, header.height)
    slot.proposal, slot.digest = proposal, digest
    state.verdicts[digest] = True
    vote = Vote(Phase.PREPARE, header.epoch, proposal.view, header.height, digest, state.me, proposal.signature)
    _replay_vote(state, vote, record)


def _place_tip(state: State) -> None:
    """The tip is the highest of ledger, base, own PREPAREs and locks of the view; the base vote is due if none is."""
    place = Tip(state.decided, state.decided_digest)
    if state.active and state.base.rank.height > place.height:
        place = Tip(Height(state.base.rank.height), state.base.digest)
    voted = False
    for slot in state.slots.of_view(state.view):
        own = slot.prepares.get(state.me)
        voted = voted or own is not None
        for digest in (own.digest if own else None, slot.prepared.digest if slot.prepared else None):
            if digest is not None and slot.height > place.height:
                place = Tip(slot.height, Digest(digest))
    state.tip = place
    above = state.active and state.view > 0 and state.base.rank.height > state.decided
    state.base_vote_due = above and not voted and place.height == state.base.rank.height


def snapshot(state: State) -> tuple[JournalRecord, ...]:
    """What a rotation must keep: epoch, view, NEWVIEW, the highest certificate, votes above the ledger (C15)."""
    records: list[JournalRecord] = [Position(state.context.epoch, state.view)]
    if state.high is not None:
        records.append(SawCertificate(state.high))
    own = state.view_changes.get(state.me)
    if state.new_view is not None:
        records.append(EnteredView(state.new_view))
    elif own is not None and own.summary.view == state.view:
        records.append(LeftView(own))
    records.extend(promise.record for promise in state.promises)
    records.extend(Strayed(state.context.epoch, state.view, phase) for phase in sorted(state.strayed))
    if state.probation.unvouched is not None:
        records.append(OnProbation(state.context.epoch, *state.probation.unvouched))
    if state.abstains is not None and state.abstains != state.config.abstains:
        records.append(Abstained(state.context.epoch, state.abstains))
    return tuple(records)


def ledger_has(state: State, height: int) -> None:
    """The ledger holds everything up to `height`: these promises need no journal any more (C15)."""
    state.promises = [promise for promise in state.promises if promise.height > height]


def blocks_promised(state: State) -> tuple[Block, ...]:
    """Undecided blocks whose bodies the node must keep, because it signed for them (C1)."""
    digests = dict.fromkeys(promise.digest for promise in state.promises)
    return tuple(block for digest in digests if (block := state.tree.get(digest)) is not None)
