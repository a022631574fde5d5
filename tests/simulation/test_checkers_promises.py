"""The checkers of promises fire: what one honest member may not sign, over all its lives (S1 to S9)."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from consensus.journal_records import Committed, Proposed, SawCertificate, Strayed
from primitives.certificate import Phase
from tests.simulation.checked_world import ME, OTHER, World, chain, rival


def _second_prepare(w: World) -> None:
    w.checkers.synced(ME, [w.prepared(0, w.first), w.prepared(0, rival(w))])


def _second_prepare_in_another_life(w: World) -> None:
    w.checkers.synced(ME, [w.prepared(0, w.first)])
    w.checkers.started(ME, [], 0)
    w.checkers.synced(ME, [w.prepared(0, rival(w))])


def _second_commit(w: World) -> None:
    w.checkers.synced(ME, [w.committed(0, w.first), w.committed(0, rival(w))])


def _second_proposal(w: World) -> None:
    own = [Proposed(w.pen(0).proposal(0, block)) for block in (w.first, rival(w))]
    w.checkers.synced(0, list(own))


def _after_leaving(w: World) -> None:
    w.checkers.synced(ME, [w.left(1), w.prepared(0, w.first)])


def _without_new_view(w: World) -> None:
    w.checkers.synced(ME, [w.left(1), w.prepared(1, w.first)])


def _below_the_base(w: World) -> None:
    base = w.stage.certificate(Phase.PREPARE, 0, chain(w))
    w.checkers.synced(ME, [w.left(1, base), w.entered(1, base), w.prepared(1, w.first)])


def _not_the_base(w: World) -> None:
    base = w.lock(0, w.first)
    w.checkers.synced(ME, [w.left(1, base), w.entered(1, base), w.prepared(1, rival(w))])


def _backwards(w: World) -> None:
    w.checkers.synced(ME, [w.prepared(0, chain(w)), w.prepared(0, w.first)])


def _wrong_leader(w: World) -> None:
    block = replace(w.first, header=replace(w.first.header, proposer=2))
    w.checkers.synced(ME, [w.prepared(0, block)])


def _foreign_lock(w: World) -> None:
    vote = w.vote(Phase.COMMIT, 0, w.first)
    w.checkers.synced(ME, [Committed(vote, w.lock(0, rival(w)))])


def _forged_lock(w: World) -> None:
    lock = w.lock(0, w.first)
    forged = replace(lock, signatures=(bytes(64),) * len(lock.signatures))
    w.checkers.synced(ME, [Committed(w.vote(Phase.COMMIT, 0, w.first), forged)])


def _hidden_lock(w: World) -> None:
    w.checkers.synced(ME, [w.committed(0, w.first), w.left(1)])


def _falling_rank(w: World) -> None:
    high = w.lock(0, chain(w))
    w.checkers.synced(ME, [w.left(1, high), w.left(2, w.lock(0, w.first))])


def _two_view_changes(w: World) -> None:
    w.checkers.synced(ME, [w.left(1), w.left(1, w.lock(0, w.first))])


def _two_new_views(w: World) -> None:
    w.checkers.synced(ME, [w.entered(1), w.entered(1, w.lock(0, w.first))])


def _view_goes_back(w: World) -> None:
    w.checkers.synced(ME, [w.entered(2, leader=2), w.entered(1)])


def _view_by_certificate_goes_back(w: World) -> None:
    certificate = w.stage.certificate(Phase.PREPARE, 3, w.first)
    w.checkers.synced(ME, [SawCertificate(certificate), w.prepared(0, w.first)])


def _strayed(w: World) -> None:
    w.checkers.synced(ME, [Strayed(0, 0, Phase.PREPARE), w.prepared(0, w.first)])


def _unsaved_vote(w: World) -> None:
    w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, w.first))


def _other_vote(w: World) -> None:
    w.checkers.synced(ME, [w.prepared(0, w.first)])
    w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, rival(w)))


def _unsaved_proposal(w: World) -> None:
    w.checkers.sends(0, ME, w.pen(0).proposal(0, w.first))


def _unsaved_view_change(w: World) -> None:
    w.checkers.sends(ME, OTHER, w.left(1).view_change)


def _unsaved_new_view(w: World) -> None:
    w.checkers.sends(ME, OTHER, w.entered(1).new_view)


PLANTED: list[tuple[Callable[[World], None], str]] = [
    (_second_prepare, "S1: node 1 signs PREPARE"),
    (_second_prepare_in_another_life, "S1: node 1 signs PREPARE"),
    (_second_commit, "S1: node 1 signs COMMIT"),
    (_second_proposal, "S1: node 0 proposes twice"),
    (_after_leaving, "S3: node 1 signs PREPARE"),
    (_without_new_view, "without its NEWVIEW"),
    (_below_the_base, "S2: .* below the base"),
    (_not_the_base, "S2: .* not the base"),
    (_backwards, "S2: .* after height 2"),
    (_wrong_leader, "C13: .* leader is 0"),
    (_foreign_lock, "S4: .* with a lock for 1"),
    (_forged_lock, "S4: COMMIT"),
    (_hidden_lock, "S6: .* its lock is"),
    (_falling_rank, "S6: .* its lock is"),
    (_two_view_changes, "S6: node 1 signs two VIEWCHANGEs"),
    (_two_new_views, "S7: node 1 enters 1 twice"),
    (_view_goes_back, "S3: node 1 goes back to view 1"),
    (_view_by_certificate_goes_back, "S3: node 1 signs PREPARE"),
    (_strayed, "after it strayed"),
    (_unsaved_vote, "S9: node 1 sends PREPARE"),
    (_other_vote, "S1: node 1 sends PREPARE"),
    (_unsaved_proposal, "S9: node 0 sends a proposal"),
    (_unsaved_view_change, "S9: node 1 sends VIEWCHANGE"),
    (_unsaved_new_view, "S9: node 1 sends NEWVIEW"),
]


@pytest.mark.parametrize(("plant", "sentence"), PLANTED, ids=lambda case: getattr(case, "__name__", ""))
def test_a_planted_violation_is_found(plant: Callable[[World], None], sentence: str) -> None:
    """A checker that never fires proves nothing."""
    with pytest.raises(AssertionError, match=sentence):
        plant(World())
