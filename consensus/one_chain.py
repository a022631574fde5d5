"""What this replica signs in one view lies on one chain, its PREPAREs and its COMMITs each for themselves (S2).

A replica may have prepared a block of a leader that told others something else; then a certificate, or the decision,
carries its tip to the other chain. It commits there, which a certificate proves to be right, but it prepares nothing
more in that view. Otherwise two honest votes of one view could contradict each other, and a vote that breaks the chain
would accuse nobody. The cost: one honest PREPARE less, in a view whose leader has provably signed two blocks.
"""

from consensus.events import Effects
from consensus.journal_records import Strayed
from consensus.state import State
from primitives.block import Block, header_digest
from primitives.certificate import Phase
from primitives.hashing import Digest


def keeps_chain(state: State, phase: Phase, height: int, digest: Digest) -> bool:
    """Whether a vote of this phase in this view for the block at `height` agrees with all own ones of the view.

    False too while a block in between is unknown: the caller asks again when it has come. The last own vote below and
    the first above stand for the others, which agree among themselves; those at decided heights agree with the decided
    chain, or the phase has strayed.
    """
    if phase in state.strayed:
        return False
    for lower in range(height, state.decided, -1):
        own = _own(state, phase, lower)
        if own is not None:
            agrees = own == digest or state.tree.ancestor(digest, lower) == own
            break
    else:
        agrees = state.tree.ancestor(digest, state.decided) == state.decided_digest
    if not agrees:
        return False
    for higher in range(height + 1, state.tip.height + 1):
        own = _own(state, phase, higher)
        if own is not None:
            return state.tree.ancestor(own, height) == digest
    return True


def may_prepare_next(state: State) -> bool:
    """Whether a child of the tip may be prepared as far as the own votes are concerned."""
    return keeps_chain(state, Phase.PREPARE, state.tip.height, state.tip.digest)


def note_decided(state: State, blocks: tuple[Block, ...], effects: Effects) -> None:
    """A decision against an own vote of this view ends the voting in that phase, also after a restart (S9).

    Call it before the slots of these heights are forgotten: what is decided is not compared again.
    """
    for block in blocks:
        for phase in Phase:
            own = _own(state, phase, block.header.height)
            if own is not None and phase not in state.strayed and own != header_digest(block.header):
                state.strayed.add(phase)
                effects.persist.append(Strayed(state.context.epoch, state.view, phase))


def _own(state: State, phase: Phase, height: int) -> Digest | None:
    slot = state.slots.get(state.view, height)
    vote = None if slot is None else slot.votes(phase).get(state.me)
    return None if vote is None else Digest(vote.digest)
