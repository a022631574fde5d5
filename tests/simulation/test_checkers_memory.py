"""What the checkers make of a machine that comes back with an old disk: what it forgot, what still binds it (S9)."""

from collections.abc import Callable

import pytest

from consensus.journal_records import JournalRecord, Strayed
from primitives.certificate import Phase
from simulation.cluster import Cluster
from simulation.plan import Fault, FaultKind, Plan, Submission
from simulation.run import play
from tests.simulation.checked_world import ME, OTHER, World, chain, rival

EPOCH = 0


def _signed(w: World, *records: JournalRecord) -> None:
    w.checkers.synced(ME, list(records))


def _comes_back(w: World, *records: JournalRecord, height: int = 0) -> None:
    w.checkers.conduct.wiped.add(ME)
    w.checkers.started(ME, list(records), height)


def _vote(w: World) -> list[JournalRecord]:
    return [w.prepared(0, w.first), w.prepared(0, chain(w))]


def _commit(w: World) -> list[JournalRecord]:
    return [w.prepared(0, w.first), w.committed(0, w.first)]


def _view_change(w: World) -> list[JournalRecord]:
    return [w.prepared(0, w.first), w.left(1)]


def _new_view(w: World) -> list[JournalRecord]:
    return [w.left(1), w.entered(1)]


def _stray(w: World) -> list[JournalRecord]:
    return [w.prepared(0, w.first), Strayed(EPOCH, 0, Phase.PREPARE)]


LAST_LOST: list[Callable[[World], list[JournalRecord]]] = [_vote, _commit, _view_change, _new_view, _stray]


@pytest.mark.pitfall(44)
@pytest.mark.parametrize("records", LAST_LOST)
def test_whose_backup_lacks_the_last_promise_has_forgotten(records: Callable[[World], list[JournalRecord]]) -> None:
    w = World()
    whole = records(w)
    _signed(w, *whole)
    _comes_back(w, *whole)
    assert not w.checkers.forgot(ME, EPOCH), "the backup holds everything"
    _comes_back(w, *whole[:-1])
    assert w.checkers.forgot(ME, EPOCH)
    _comes_back(w, *whole)
    assert not w.checkers.forgot(ME, EPOCH), "a younger backup brings it back"


def test_what_a_rotation_drops_is_not_forgotten() -> None:
    """Votes at heights of the ledger, and of views that it has left (S3, C15)."""
    w = World()
    second = w.prepared(0, chain(w))
    _signed(w, w.prepared(0, w.first), second, w.left(1), w.entered(1))
    _comes_back(w, w.entered(1))
    assert not w.checkers.forgot(ME, EPOCH)
    w = World()
    _signed(w, w.prepared(0, w.first), second)
    _comes_back(w, second, height=1)
    assert not w.checkers.forgot(ME, EPOCH)


def test_who_is_not_forgiven_is_held_to_what_it_forgot() -> None:
    w = World()
    _signed(w, w.prepared(0, w.first))
    _comes_back(w)
    with pytest.raises(AssertionError, match="S1: node 1 signs PREPARE"):
        _signed(w, w.prepared(0, rival(w)))


def test_who_forgot_its_view_may_follow_a_lower_one_and_sign_nothing_there() -> None:
    """A NEWVIEW is no signature of those who enter by it (seeds 22696 and 22787, n = 7); they abstained."""
    w = World()
    entered = w.entered(2, leader=OTHER)
    with pytest.raises(AssertionError, match="S3: node 1 goes back to view 2"):
        _signed(w, w.left(2), w.left(3), entered)
    w = World()
    _signed(w, w.left(2), w.left(3))
    _comes_back(w, w.left(2))
    _signed(w, entered)
    with pytest.raises(AssertionError, match=r"S3: node 1 signs PREPARE 2/1 .* after leaving for view 3"):
        _signed(w, w.prepared(2, w.first))


def test_a_leader_that_forgot_its_new_view_signs_no_other() -> None:
    w = World()
    lock = w.lock(0, w.first)
    _signed(w, w.left(1, lock), w.entered(1))
    _comes_back(w, w.left(1, lock))
    _signed(w, w.entered(1))  # others bring it back
    with pytest.raises(AssertionError, match="S7: node 1 enters 1 twice"):
        _signed(w, w.entered(1, lock))


def test_an_older_backup_after_forgiveness_is_no_new_signature() -> None:
    """What it brings back was judged when it was signed (seeds 432, n = 7, and 1223, n = 5); it binds again."""
    w = World()
    first, second = w.prepared(0, w.first), w.prepared(0, chain(w))
    _signed(w, first, second)
    _comes_back(w, second, height=1)
    w.checkers.forgive(ME, EPOCH)
    _comes_back(w, first)
    w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, w.first))
    with pytest.raises(AssertionError, match="S1: node 1 signs PREPARE"):
        _signed(w, w.prepared(0, rival(w)))


def test_who_is_forgiven_is_held_to_what_its_disk_holds_and_to_what_it_signs_from_then_on() -> None:
    w = World()
    first = w.prepared(0, w.first)
    _signed(w, first, w.left(1))
    _comes_back(w)
    w.checkers.forgive(ME, EPOCH)
    _signed(w, w.prepared(0, rival(w)))
    with pytest.raises(AssertionError, match="S1: node 1 signs PREPARE"):
        _signed(w, first)


def test_who_is_forgiven_may_pass_on_what_it_once_signed() -> None:
    """Others bring its own proposal back, and it answers a third one with it (seed 25664, n = 7)."""
    w = World()
    _signed(w, w.prepared(0, w.first))
    _comes_back(w)
    w.checkers.forgive(ME, EPOCH)
    w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, w.first))
    with pytest.raises(AssertionError, match="S9: node 1 sends PREPARE"):
        w.checkers.sends(ME, OTHER, w.vote(Phase.PREPARE, 0, rival(w)))


def test_the_order_of_a_rotated_journal_is_not_judged() -> None:
    """A rotation writes the view first, then the votes that the ledger lacks."""
    w = World()
    first, lock = w.prepared(0, w.first), w.lock(0, w.first)
    _signed(w, first, w.left(1, lock), w.entered(1, lock))
    _comes_back(w, w.entered(1, lock), first)
    w.checkers.forgive(ME, EPOCH)
    with pytest.raises(AssertionError, match="S3: node 1 signs PREPARE"):
        _signed(w, w.prepared(0, chain(w)))


@pytest.mark.pitfall(44)
@pytest.mark.parametrize("nodes", [4, 7])
def test_a_backup_that_lost_nothing_is_trusted_and_its_owner_stays_under_judgement(nodes: int) -> None:
    """Nobody signs between 1,500 and 1,700 ms: the backup is the disk."""
    times = (20, 200, 400, 2_000, 2_200)
    plan = Plan(
        seed=3, nodes=nodes, byzantine={}, faults=(Fault(FaultKind.ROLLBACK, 1_500, 1_700, (nodes - 1,)),),
        heal_ms=3_000, submissions=tuple(Submission(at_ms=at, node=0) for at in times),
    )  # fmt: skip
    cluster = Cluster(plan)
    play(cluster)
    assert cluster.nodes[nodes - 1].replica.abstains is None
    assert nodes - 1 in cluster.checkers.conduct.wiped and not cluster.checkers.conduct.forgiven
