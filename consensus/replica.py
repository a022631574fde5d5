"""The core: one event in, effects out, the same for the same history. `step` never raises on what a peer can send."""

from collections.abc import Iterable
from typing import Final, Self, assert_never

from consensus import deciding, key_watch, ordering, repair, view_moves
from consensus.events import (
    BlockBuilt,
    BlockChecked,
    Effects,
    Event,
    Executed,
    Pending,
    Received,
    Synced,
    Tick,
)
from consensus.journal_records import JournalRecord
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    Status,
    ViewChange,
    Vote,
)
from consensus.restoring import blocks_promised, ledger_has, restore_state, snapshot
from consensus.settings import LedgerHead, ReplicaConfig
from consensus.state import State
from consensus.verification import may_carry
from primitives.block import Block
from primitives.certificate import Certificate
from primitives.validators import Height, NodeId, View

BUILD_RETRY_MS: Final = 20  # a leader that got no block asks again while batches wait; about every tick


class Replica:
    """One validator of one epoch. The driver steps it from one task and carries the effects out in their order.

    After construction or `restore` the driver gives a Tick and a Pending; nothing is sent before the first event.
    """

    def __init__(self, config: ReplicaConfig, head: LedgerHead, records: Iterable[JournalRecord] = ()) -> None:
        self._state: Final[State] = restore_state(config, records, head)

    @classmethod
    def restore(cls, config: ReplicaConfig, records: Iterable[JournalRecord], head: LedgerHead) -> Self:
        """The replica as it was when the last of the records became durable (S9). The ledger may be ahead (C15)."""
        return cls(config, head, records)

    @property
    def view(self) -> View:
        """The view it stands in."""
        return self._state.view

    @property
    def active(self) -> bool:
        """Whether it may vote in that view (S3)."""
        return self._state.active

    @property
    def leader(self) -> NodeId:
        """The leader of that view; batches go there first (C7)."""
        return self._state.context.leader(self._state.view)

    @property
    def decided(self) -> Height:
        """The last decided height; the ledger follows it (C12)."""
        return self._state.decided

    @property
    def decided_certificate(self) -> Certificate | None:
        """The newest COMMIT certificate at or below that height, None at genesis."""
        return self._state.decided_certificate

    @property
    def behind(self) -> bool:
        """Whether a certificate beyond the window was seen: it follows and abstains (L8)."""
        return self._state.behind

    @property
    def closed(self) -> bool:
        """Whether the close block of the epoch is decided: it signs nothing more and only answers others (C8)."""
        return self._state.closed

    @property
    def votes(self) -> bool:
        """Whether it signs at all now: a member, not on probation, not abstaining, the epoch not closed."""
        return self._state.votes

    @property
    def abstains(self) -> str | None:
        """Why it signs nothing for the rest of this epoch, as a sentence for operators; None: it does (S9)."""
        return self._state.abstains

    def remembered(self, node: int) -> tuple[int, int]:
        """The highest (view, height) of any signature of a seat in this epoch that was verified here, (-1, -1) without
        one; of the own seat what this replica knows that it signed (pitfall 44)."""
        probation = self._state.probation
        return probation.own if node == self._state.me else probation.seen.get(NodeId(node), (-1, -1))

    @property
    def timeout_ms(self) -> int:
        """T, the length of the progress timer now (C7)."""
        return self._state.timer.length_ms

    def holds(self, vote: Vote) -> bool:
        """Whether this very vote was stepped, or another one of its signer for the same block."""
        slot = self._state.slots.get(vote.view, vote.height)
        held = None if slot is None else slot.votes(vote.phase).get(NodeId(vote.signer))
        return held is not None and held.digest == vote.digest

    def votes_missing(self, vote: Vote) -> int | None:
        """How many votes like this one would make their certificate now; 0: no more are needed. None: this one should
        be stepped at once, it is out of place or contradicts what is held here."""
        return ordering.votes_missing(self._state, vote)

    def undecided(self) -> tuple[Block, ...]:
        """The chain from the decided height to the vote tip, lowest first, as far as its blocks are here."""
        return self._state.tree.path(self._state.tip.digest, self._state.tip.height, self._state.decided).blocks

    def promised_blocks(self) -> tuple[Block, ...]:
        """Blocks this node signed for that the ledger does not have yet: keep their batches (C1, C5)."""
        return blocks_promised(self._state)

    def journal_snapshot(self) -> tuple[JournalRecord, ...]:
        """The records that a rotated journal must begin with; restore() needs no others from before (C15)."""
        return snapshot(self._state)

    def step(self, event: Event) -> Effects:
        """Advance by one event. Total: never raises on anything a peer can send."""
        state, effects = self._state, Effects()
        key_watch.begin(state, effects)
        match event:
            case Received():
                if not self._receive(event.sender, event.message, effects):
                    return effects
            case Tick():
                self._tick(event.now_ms, effects)
            case BlockChecked():
                ordering.on_checked(state, event)
            case BlockBuilt():
                ordering.on_built(state, event, effects)
            case Executed():
                self._executed(event)
            case Pending():
                state.ask_build = state.ask_build or event.batches > 0
                state.pending_batches = event.batches
                state.inclusion.watch(event.oldest)
            case Synced():
                deciding.on_synced(state, event, effects)
            case _:
                assert_never(event)
        self._advance(effects)
        return effects

    def _receive(self, sender: NodeId, message: Message, effects: Effects) -> bool:
        """Whether anything can move now; a vote that completes no certificate moves nothing."""
        state = self._state
        if sender == state.me or not may_carry(sender, message, state.context):
            effects.violations.append((sender, f"W15: a {type(message).__name__} of node {sender}"))
            return False
        key_watch.watch(state, message, effects)
        match message:
            case Vote():
                return ordering.on_vote(state, sender, message, effects)
            case Proposal():
                ordering.on_proposal(state, sender, message, effects)
            case ViewChange():
                view_moves.on_view_change(state, sender, message, effects)
            case NewView():
                view_moves.on_new_view(state, sender, message, effects)
            case Status():
                repair.on_status(state, sender, message, effects)
                key_watch.hear_status(state, sender, message, effects)
                view_moves.join(state, effects)  # what was held back while this replica was on probation
            case CertificateMessage():
                deciding.adopt(state, message.certificate, effects)
            case BlockRequest():
                repair.on_block_request(state, sender, message, effects)
            case BlockReply():
                deciding.on_block_reply(state, sender, message, effects)
            case _:
                assert_never(message)
        return True

    def _executed(self, event: Executed) -> None:
        state = self._state
        state.executed = max(state.executed, event.height)
        if event.changed:
            state.changed = max(state.changed, event.height)
        if event.full:
            state.inclusion.restart()
        ledger_has(state, event.height)

    def _tick(self, now_ms: int, effects: Effects) -> None:
        state = self._state
        state.clock.advance(now_ms)
        now = state.clock.now
        if state.pending_batches > 0 and now - state.asked_build >= BUILD_RETRY_MS:
            state.ask_build = True
        expired = state.timer.run(now, repair.timer_armed(state))
        may_pass_over = state.active and not state.leads and not repair.lacks_chain(state)
        starved = may_pass_over and state.inclusion.run(now, state.timer.backoff)
        if state.votes and (expired or starved or repair.forfeits(state)):
            passed_over = state.inclusion.oldest if starved else None
            view_moves.leave_view(state, state.view + 1, effects, starved=passed_over)
        repair.tick_wants(state, effects)
        deciding.seek_high(state, effects)
        repair.tick_status(state, effects)

    def _advance(self, effects: Effects) -> None:
        """Do what the rules now allow, until nothing more moves."""
        state = self._state
        while True:
            before = (state.view, state.active, state.decided, state.tip, state.high_rank)
            deciding.retry_pending(state, effects)
            view_moves.hand_over(state, effects)
            view_moves.lead_new_view(state, effects)
            ordering.vote_base(state, effects)
            ordering.raise_tip(state)
            ordering.complete_chain(state, effects)
            ordering.commit_locked(state, effects)
            ordering.request_checks(state, effects)
            ordering.prepare_checked(state, effects)
            if before == (state.view, state.active, state.decided, state.tip, state.high_rank):
                break
        ordering.request_build(state, effects)
