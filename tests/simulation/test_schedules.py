"""Directed schedules: orders of events that random runs miss. Node 3 is Byzantine unless a test says otherwise."""

import pytest

from consensus.events import Pending
from consensus.messages import (
    BlockReply,
    CertificateMessage,
    Message,
    NewView,
    Proposal,
    SlotStatus,
    Status,
    ViewChange,
    Vote,
)
from primitives.block import Block, header_digest
from primitives.certificate import Phase
from tests.simulation.stage import Stage

A, B, C, EVIL = 0, 1, 2, 3


def _prepares(message: Message) -> bool:
    return isinstance(message, Proposal) or (isinstance(message, Vote) and message.phase is Phase.PREPARE)


def _view_changes(message: Message) -> bool:
    return isinstance(message, ViewChange)


def _evil_votes(stage: Stage, block: Block, view: int, to: int, *phases: Phase) -> None:
    for phase in phases:
        vote = stage.villain(EVIL).vote(phase, view, block.header.height, header_digest(block.header))
        assert stage.hear(to, EVIL, vote) is None


@pytest.mark.pitfall(21)
def test_the_base_is_the_highest_certificate_by_view_then_height() -> None:
    """Pitfall 21: an old lock (view 0, height 2, X2) against a newer decision (view 1, height 1, Y1)."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    stage.deliver(A, B, _prepares)
    x2 = _lead(stage, A, mark=2)
    stage.deliver(A, B, _prepares)
    stage.deliver(B, A, _prepares)
    for block in (x1, x2):
        _evil_votes(stage, block, 0, A, Phase.PREPARE)  # only A ever sees the certificate of X2
    stage.links.clear()
    _change_view(stage, 1, (B, C), leader=B)
    y1 = _lead(stage, B, mark=3)
    stage.deliver(B, C, _prepares)
    stage.deliver(C, B, _prepares)
    _evil_votes(stage, y1, 1, B, Phase.PREPARE, Phase.COMMIT)
    _evil_votes(stage, y1, 1, C, Phase.PREPARE)
    stage.deliver(C, B)
    assert stage.decided[B] == {1: header_digest(y1.header)}
    assert stage.decided[C] == {}
    stage.links.clear()
    _change_view(stage, 2, (A, C), leader=C)
    stage.settle((A, C))
    base = stage.replicas[C].undecided() or ()
    _evil_votes(stage, base[0] if base else y1, 2, C, Phase.PREPARE, Phase.COMMIT)
    _evil_votes(stage, base[-1] if base else y1, 2, A, Phase.PREPARE, Phase.COMMIT)
    stage.settle((A, B, C))
    assert stage.decided[C] == stage.decided[A] == {1: header_digest(y1.header)}


@pytest.mark.pitfall(17, 18, 20)
def test_a_new_view_that_hides_the_lock_of_its_quorum_is_refused() -> None:
    """Pitfalls 17, 18, 20: duplicates, a low base, a certificate that is not the highest. Node 1 is Byzantine here."""
    stage = Stage(4, (0, 2, 3))
    villain = stage.villain(1)
    x1 = _lead(stage, 0, mark=1)
    for node in (2, 3):
        stage.deliver(0, node, _prepares)
        stage.deliver(node, 0, _prepares)
    changes = _view_changes_of(stage, 1, (0, 2, 3))
    locked, lying = changes[0], villain.view_change(1, None)
    assert locked.certificate is not None and locked.certificate.digest == header_digest(x1.header)
    quorum = [locked, changes[2], lying]
    for chosen, certificate in (
        ([lying, lying, lying], None),  # one signer three times
        ([lying, changes[2]], None),  # too few
        (quorum, None),  # says that there is no lock
        ([lying, changes[2], changes[3], locked], locked.certificate),  # more than q
    ):
        assert stage.hear(3, 1, villain.new_view(1, chosen, certificate)) is not None
        assert stage.replicas[3].view == 1 and not stage.replicas[3].active
    assert stage.hear(3, 1, villain.new_view(1, quorum, locked.certificate)) is None
    assert stage.replicas[3].active


@pytest.mark.pitfall(19)
def test_only_the_leader_of_the_view_opens_it() -> None:
    """Pitfall 19: the same NEWVIEW is refused from anybody else."""
    stage = Stage(4, (A, B, C))
    changes = _view_changes_of(stage, 1, (A, B, C))
    villain = stage.villain(EVIL)
    forged = villain.new_view(1, [changes[A], changes[C], villain.view_change(1, None)], None)
    assert stage.hear(A, EVIL, forged) is not None
    assert not stage.replicas[A].active


def test_nothing_is_signed_in_a_view_that_was_left() -> None:
    """S3: the votes that would complete a certificate come after VIEWCHANGE."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    stage.deliver(A, B, _prepares)
    stage.deliver(A, C, _prepares)
    for node in (B, C):
        stage.step(node, Pending(1))
    stage.wait(B, 1_100)
    assert stage.replicas[B].view == 1
    stage.links.clear()
    _evil_votes(stage, x1, 0, B, Phase.PREPARE)
    for vote in _votes_for(stage, x1, 0, Phase.PREPARE, (C,)):
        stage.hear(B, C, vote)
    sent = [m for (sender, _), queue in stage.links.items() if sender == B for m in queue if isinstance(m, Vote)]
    assert sent == []


@pytest.mark.pitfall(22)
def test_ancestors_of_the_base_are_not_voted_on_again() -> None:
    """Pitfall 22: after NEWVIEW with a base at height 2 nobody prepares height 1 in that view."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    x2 = _lead(stage, A, mark=2)
    for node in (B, C):
        stage.deliver(A, node, _prepares)
    stage.settle((A, B))
    for node in (A, B, C):
        _evil_votes(stage, x2, 0, node, Phase.PREPARE)
    stage.links.clear()
    _change_view(stage, 1, (A, B, C), leader=B)
    sent = _votes_sent(stage, 1)
    assert {vote.height for vote in sent} == {2}
    proposal = stage.villain(B).proposal(1, x1)  # even if the leader asks for it
    stage.hear(C, B, proposal)
    assert {vote.height for vote in _votes_sent(stage, 1) if vote.signer == C} == {2}


def test_votes_for_another_block_do_not_complete_a_certificate() -> None:
    """S4, S5: 2 votes for X and one for Y are no quorum for either, in whatever order; a third one for X is."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    villain = stage.villain(EVIL)
    for phase in Phase:
        assert stage.hear(A, EVIL, villain.vote(phase, 0, 1, villain.noise())) is None
    stage.deliver(A, B, _prepares)
    stage.deliver(B, A, _prepares)
    assert _votes_sent(stage, 0, A) == []
    for phase in Phase:
        for vote in _votes_for(stage, x1, 0, phase, (B, C)):
            assert stage.decided[A] == {}
            assert stage.hear(A, vote.signer, vote) is None
    assert [vote.digest for vote in _votes_sent(stage, 0, A)] == [header_digest(x1.header)]
    assert stage.decided[A] == {1: header_digest(x1.header)}


@pytest.mark.pitfall(2)
def test_a_vote_counts_once() -> None:
    """Pitfall 2: the same signer with the same or another signature adds nothing."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    stage.deliver(A, B, _prepares)
    for _ in range(3):
        _evil_votes(stage, x1, 0, A, Phase.PREPARE, Phase.COMMIT)
    assert not any(vote.phase is Phase.COMMIT for vote in _votes_sent(stage, 0))
    assert stage.decided[A] == {}


@pytest.mark.pitfall(25, 26)
def test_few_signers_move_nobody() -> None:
    """Pitfalls 25, 26: a view is joined only when f + 1 name it or a higher one."""
    stage = Stage(7, (0, 1, 2, 3, 4))
    evil = [stage.villain(5), stage.villain(6)]
    for villain in evil:
        assert stage.hear(0, villain.me, villain.view_change(10**9, None)) is None
    assert stage.replicas[0].view == 0
    for node, view in ((1, 5), (2, 9)):
        assert stage.hear(0, node, stage.villain(node).view_change(view, None)) is None
    assert stage.replicas[0].view == 9  # third highest of 10**9, 10**9, 9, 5
    assert not stage.replicas[0].active


@pytest.mark.pitfall(1)
def test_small_quorums_do_not_split_five_nodes() -> None:
    """Pitfall 1, S10: with n = 5 the votes of 3 are no certificate; two such sets share only the Byzantine member."""
    stage = Stage(5, (0, 1, 2, 3))
    x1 = _lead(stage, 0, mark=1)
    y1 = stage.villain(0).alternative(x1)
    del y1
    stage.deliver(0, 1, _prepares)
    stage.settle((0, 1))
    vote = stage.villain(4).vote(Phase.PREPARE, 0, 1, header_digest(x1.header))
    for node in (0, 1):
        stage.hear(node, 4, vote)
    assert not any(v.phase is Phase.COMMIT for v in _votes_sent(stage, 0))


@pytest.mark.pitfall(34)
def test_a_certificate_decides_the_ancestors_first() -> None:
    """S5, pitfall 34: COMMIT for height 2 decides 1 and 2 in that order, each once."""
    stage = Stage(4, (A, B, C))
    x1, x2 = _lead(stage, A, mark=1), _lead(stage, A, mark=2)
    stage.deliver(A, B, _prepares)
    assert stage.hear(B, C, CertificateMessage(stage.certificate(Phase.COMMIT, 0, x2))) is None
    assert list(stage.decided[B].items()) == [(1, header_digest(x1.header)), (2, header_digest(x2.header))]


def test_no_commit_while_an_ancestor_is_missing() -> None:
    """S4: the lock needs the whole chain; and a PREPARE certificate decides nothing."""
    stage = Stage(4, (A, B, C))
    x1, x2 = _lead(stage, A, mark=1), _lead(stage, A, mark=2)
    assert stage.hear(B, C, CertificateMessage(stage.certificate(Phase.PREPARE, 0, x2))) is None
    assert _votes_sent(stage, 0, B) == []
    assert stage.hear(B, C, BlockReply((x2,))) is None
    assert _votes_sent(stage, 0, B) == []
    assert stage.hear(B, C, BlockReply((x1,))) is None
    assert [(vote.phase, vote.height) for vote in _votes_sent(stage, 0, B)] == [(Phase.COMMIT, 2)]
    assert stage.decided[B] == {}


def test_a_proposal_on_another_parent_is_not_prepared() -> None:
    """S2: X2 was found good, then a certificate puts Y1, not X1, below it, and Y1 is known."""
    stage = Stage(4, (A, B, C))
    x1, x2 = _lead(stage, A, mark=1), _lead(stage, A, mark=2)
    y1 = stage.villain(A).alternative(x1)
    stage.slow_checks.add(B)
    stage.deliver(A, B, _prepares)
    stage.answer(B, 2, True)
    assert x2.header.height == 2 and _votes_sent(stage, 0, B) == []
    assert stage.hear(B, C, CertificateMessage(stage.certificate(Phase.PREPARE, 0, y1))) is None
    assert stage.hear(B, C, BlockReply((y1,))) is None
    stage.answer(B, 1, True)
    assert [vote for vote in _votes_sent(stage, 0, B) if vote.phase is Phase.PREPARE] == []


@pytest.mark.pitfall(10)
def test_an_unacceptable_block_is_not_prepared() -> None:
    """C6, pitfall 10: the driver's no is final for the view, and no view change comes at once."""
    stage = Stage(4, (A, B, C))
    _lead(stage, A, mark=1)
    stage.slow_checks.add(B)
    stage.deliver(A, B, _prepares)
    stage.answer(B, 1, False)
    assert _votes_sent(stage, 0, B) == []
    assert stage.replicas[B].view == 0


def test_a_restart_stays_in_the_view_that_it_went_to() -> None:
    """S3, S9: VIEWCHANGE was signed, so the old view is over for this node, also after a power cut."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    _time_out(stage, B, 1)
    stage.restart(B)
    assert stage.replicas[B].view == 1 and not stage.replicas[B].active
    stage.hear(B, A, stage.villain(A).proposal(0, x1))
    assert _votes_sent(stage, 0, B) == []


def test_a_rotated_journal_keeps_the_highest_certificate() -> None:
    """C15: what VIEWCHANGE must carry survives a rotation."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    certificate = stage.certificate(Phase.PREPARE, 0, x1)
    assert stage.hear(B, C, CertificateMessage(certificate)) is None
    stage.restart(B, stage.replicas[B].journal_snapshot())
    _time_out(stage, B, 1)
    sent = [m for (s, _), q in stage.links.items() if s == B for m in q if isinstance(m, ViewChange)]
    assert sent[0].certificate == certificate


@pytest.mark.parametrize("rotated", [False, True], ids=["whole journal", "rotated journal"])
def test_a_restart_signs_nothing_again(rotated: bool) -> None:
    """S1, C15: after a power cut the same slot gets no other vote, even if another block comes first."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    stage.deliver(A, B, _prepares)
    first = _votes_sent(stage, 0, B)
    stage.restart(B, stage.replicas[B].journal_snapshot() if rotated else None)
    stage.hear(B, A, stage.villain(A).proposal(0, stage.villain(A).alternative(x1)))
    stage.hear(B, A, stage.villain(A).proposal(0, x1))
    assert len(first) == 1 and _votes_sent(stage, 0, B) == []


@pytest.mark.pitfall(33, 39)
def test_status_is_answered_with_what_is_missing() -> None:
    """L4, pitfalls 33, 39: the proposal and the votes that STATUS does not name, and nothing that it names."""
    stage = Stage(4, (A, B, C))
    x1 = _lead(stage, A, mark=1)
    stage.deliver(A, B, _prepares)
    stage.deliver(B, A, _prepares)
    stage.links.clear()
    stage.hear(A, C, Status(0, 0, True, 0, 0, ()))
    answers = list(stage.links[A, C])
    assert [m.block for m in answers if isinstance(m, Proposal)] == [x1]
    assert {m.signer for m in answers if isinstance(m, Vote)} >= {B}
    stage.links.clear()
    stage.wait(A, 50)
    stage.links.clear()
    stage.hear(A, C, Status(0, 0, True, 0, 0, (SlotStatus(True, False, 0b0011, 0),)))
    assert list(stage.links.get((A, C), ())) == []


@pytest.mark.pitfall(53)
def test_views_are_awaited_ever_longer_and_never_without_need() -> None:
    """C7, pitfall 53: no timer without an obligation, then T, and T doubled in the next view."""
    stage = Stage(4, (A, B, C))
    stage.wait(B, 60_000)
    assert stage.replicas[B].view == 0
    stage.step(B, Pending(1))
    stage.wait(B, 950)
    assert stage.replicas[B].view == 0
    stage.wait(B, 100)
    assert stage.replicas[B].view == 1
    assert stage.replicas[B].timeout_ms == 2_000


# The steps of the schedules.


def _lead(stage: Stage, leader: int, mark: int) -> Block:
    stage.step(leader, Pending(1))
    return stage.build(leader, mark)


def _time_out(stage: Stage, node: int, view: int) -> None:
    stage.step(node, Pending(1))
    for _ in range(80):
        if stage.replicas[node].view >= view:
            break
        stage.wait(node, 500)
    assert stage.replicas[node].view == view, f"node {node} stands in view {stage.replicas[node].view}"


def _change_view(stage: Stage, view: int, honest: tuple[int, ...], leader: int) -> None:
    """All honest ones named leave for `view`; with the traitor's empty VIEWCHANGE they make a NEWVIEW."""
    _view_changes_of(stage, view, honest)
    for node in honest:
        if node != leader:
            for message in [m for m in stage.links.get((node, leader), ()) if _view_changes(m)]:
                stage.hear(leader, node, message)
    assert stage.hear(leader, EVIL, stage.villain(EVIL).view_change(view, None)) is None
    assert stage.replicas[leader].active and stage.replicas[leader].view == view
    for node in honest:
        if node != leader:
            for message in [m for m in stage.links.get((leader, node), ()) if isinstance(m, NewView)]:
                stage.hear(node, leader, message)
            assert stage.replicas[node].active and stage.replicas[node].view == view


def _view_changes_of(stage: Stage, view: int, honest: tuple[int, ...]) -> dict[int, ViewChange]:
    """Bring every one of them into `view`, inactive: by its own timer, or behind f + 1 others (L2)."""
    found: dict[int, ViewChange] = {}
    for node in sorted(honest, key=lambda node: -stage.replicas[node].view):
        if stage.replicas[node].view == view - 1:
            _time_out(stage, node, view)
        else:
            for signer, message in [*found.items(), (EVIL, stage.villain(EVIL).view_change(view, None))]:
                stage.hear(node, signer, message)
        assert stage.replicas[node].view == view
        mine = [m for (s, _), q in stage.links.items() if s == node for m in q if isinstance(m, ViewChange)]
        found[node] = next(m for m in mine if m.summary.view == view)
    return found


def _votes_for(stage: Stage, block: Block, view: int, phase: Phase, signers: tuple[int, ...]) -> list[Vote]:
    digest = header_digest(block.header)
    return [stage.villain(signer).vote(phase, view, block.header.height, digest) for signer in signers]


def _votes_sent(stage: Stage, view: int, by: int | None = None) -> list[Vote]:
    """The votes of a view that wait on all links; or, of one node, those on its link to C."""
    links = [queue for (sender, to), queue in stage.links.items() if by is None or (sender, to) == (by, C)]
    return [m for queue in links for m in queue if isinstance(m, Vote) and m.view == view]
