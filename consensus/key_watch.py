"""Is somebody else signing with this key, or has this node forgotten what it signed? Then it abstains (S9, T3).

Abstaining lasts for the epoch: the replica follows, decides, answers, and signs nothing. The way back is a new key.
"""

from consensus.events import Effects
from consensus.journal_records import REASON_MAX, Abstained, OnProbation, Trusted
from consensus.messages import Message, NewView, Proposal, Status, ViewChange, Vote
from consensus.probation import Place
from consensus.state import VIEWS_BEHIND, State
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.hashing import Digest
from primitives.validators import NodeId


def place_at_start(state: State) -> Place:
    """The highest place that journal and ledger know of the own signatures."""
    votes = [Place(slot.view, slot.height) for slot in state.slots if any(state.me in slot.votes(p) for p in Phase)]
    return max([Place(state.view, state.decided), *votes])


def begin(state: State, effects: Effects) -> None:
    """Write down once per start what this replica remembers, before anything that others bring can look like memory."""
    probation = state.probation
    if probation.recorded or probation.over:
        return
    probation.recorded, probation.unvouched = True, probation.own
    effects.persist.append(OnProbation(state.context.epoch, *probation.own))


def hear_status(state: State, sender: NodeId, status: Status, effects: Effects) -> None:
    """Count the STATUS of a member towards the end of the probation, and weigh what it has seen (pitfall 44)."""
    if not state.context.is_member(sender) or not state.context.is_member(state.me):
        return
    probation = state.probation
    probation.hear(sender, status, state.me)
    sentence = state.probation.amnesia(state.context.members.faulty)
    if sentence is not None:
        abstain(state, sentence, effects)
    elif probation.over and probation.unvouched is not None:
        probation.unvouched = None
        effects.persist.append(Trusted(state.context.epoch))


def watch(state: State, message: Message, effects: Effects) -> None:
    """Remember who signed what, and look for the own key on what this replica did not sign (pitfall 45)."""
    state.probation.sight_message(message, state.context.leader)
    foreign = _foreign(state, message)
    if foreign is not None:
        sentence = f"S9: {foreign} carries this voting key and is not of this node: two run with it, or this one forgot"
        abstain(state, sentence, effects)


def abstain(state: State, sentence: str, effects: Effects) -> None:
    """Sign nothing more in this epoch, also after a restart; the first reason stays."""
    if state.abstains is None and not state.closed:
        state.abstains = sentence[:REASON_MAX]
        effects.persist.append(Abstained(state.context.epoch, state.abstains))
        effects.violations.append((state.me, sentence))


def _foreign(state: State, message: Message) -> str | None:
    """What this replica would know if it had signed it: undecided heights from the view before this one on, later
    views altogether. Of anything older nothing is said."""
    match message:
        case Vote() if message.signer == state.me:
            return _foreign_vote(state, message.phase, message.view, message.height, message.digest)
        case Proposal() if state.context.leader(message.view) == state.me:
            header = message.block.header
            return _foreign_vote(state, Phase.PREPARE, message.view, header.height, header_digest(header))
        case ViewChange() if message.summary.signer == state.me:
            own = state.view_changes.get(state.me)
            known = message.summary.view <= state.view and (
                own is None or own.summary.view != message.summary.view or own.summary == message.summary
            )
            return None if known else f"a VIEWCHANGE to view {message.summary.view}"
        case NewView() if state.context.leader(message.view) == state.me:
            known = message.view < state.view or (message.view == state.view and state.active)
            return None if known else f"a NEWVIEW of view {message.view}"
        case _:
            return None


def _foreign_vote(state: State, phase: Phase, view: int, height: int, digest: bytes) -> str | None:
    if height <= state.decided or view < state.view - VIEWS_BEHIND:
        return None
    slot = state.slots.get(view, height)
    own = None if slot is None else slot.votes(phase).get(state.me)
    if own is not None and own.digest == Digest(digest):
        return None
    return f"a {phase.name} at view {view} height {height}"
