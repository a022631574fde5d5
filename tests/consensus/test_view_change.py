"""Leaving and entering views: one highest certificate, recomputed by everyone (S3, S6 to S8, L2, L5, C9, C10, C13)."""

import pytest

from consensus.epochs import EpochContext
from consensus.events import Effects, Received, Synced, Tick
from consensus.messages import BlockReply, BlockRequest, CertificateMessage, NewView, Summary, ViewChange, Vote
from consensus.verification import check_message
from consensus.view_change import choose_summaries, new_view_fault, view_to_join
from primitives.block import Block, header_digest
from primitives.certificate import Certificate, Phase
from primitives.codec import encode
from primitives.validators import NodeId, View
from tests.consensus.committee import (
    GENESIS,
    Committee,
    block_on,
    certify,
    context_of,
    fake_verify,
    new_view,
    propose,
    view_change,
    vote,
)

FOUR = context_of(4)


def votes_of(effects: Effects) -> list[tuple[Phase, int, int]]:
    """(phase, view, height) of the votes in the effects."""
    return [(m.phase, m.view, m.height) for _, m in effects.send if isinstance(m, Vote)]


def give(net: Committee, node: int, *messages: object, sender: int | None = None) -> Effects:
    """Step messages that are verified first; what the node sends on the last one, verdicts of its driver included."""
    sender = (node + 1) % len(net.desks) if sender is None else sender
    for message in messages:
        assert check_message(message, NodeId(sender), net.context, fake_verify) is None  # type: ignore[arg-type]
        before = len(net.desks[node].effects)
        net.step(node, Received(NodeId(sender), message))  # type: ignore[arg-type]
    return Effects(send=[sent for effects in net.desks[node].effects[before:] for sent in effects.send])


def plain_new_view(context: EpochContext, view: int, signers: list[int]) -> NewView:
    """A NEWVIEW of signers without any certificate."""
    return new_view(context, view, [view_change(context, view, s) for s in signers], None)


def test_a_dead_leader_is_replaced_and_the_batch_decided() -> None:
    """C7, L3: T passes with a batch pending, view 1 starts, its leader proposes."""
    net = Committee()
    net.down.add(0)
    net.submit("a")
    net.run(2_000)
    assert net.heights() == [0, 2, 2, 2]
    assert {desk.replica.view for desk in net.desks[1:]} == {1}


def test_two_dead_leaders_in_a_row_are_passed_over() -> None:
    """L3: the NEWVIEW timer starts when q stand in the view, and doubles."""
    net = Committee(7)
    net.down |= {0, 1}
    net.submit("a")
    net.run(5_000)
    assert net.heights()[2:] == [2] * 5
    assert {desk.replica.view for desk in net.desks[2:]} == {2}


@pytest.mark.pitfall(16, 24)
def test_a_prepared_block_survives_with_the_same_hash() -> None:
    """S8, pitfalls 16 and 24: locked at one replica only; the new leader carries it on unchanged."""
    net = Committee()
    net.submit("a")
    net.deliver(lambda s, r, m: not (isinstance(m, Vote) and (m.phase is Phase.COMMIT or r != 3)))
    assert net.heights() == [0] * 4
    locked = net.desks[3].replica._state.high
    assert locked is not None
    net.down.add(0)
    net.run(2_500)
    assert [header_digest(desk.chain[1].header) for desk in net.desks[1:]] == [locked.digest] * 3
    assert net.desks[1].chain[1].header.proposer == 0


def test_the_base_is_prepared_without_its_body_which_is_fetched_by_hash() -> None:
    """S8, C13: PREPARE for the base on accepting NEWVIEW; the block comes from a peer."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    lock = certify(net.context, Phase.PREPARE, 0, block, [0, 2, 3])
    changes = [view_change(net.context, 1, 0), view_change(net.context, 1, 1), view_change(net.context, 1, 2, lock)]
    effects = give(net, 3, new_view(net.context, 1, changes, lock), sender=1)
    assert votes_of(effects) == [(Phase.PREPARE, 1, 1)]
    assert [m.digest for _, m in effects.send if isinstance(m, BlockRequest)] == [lock.digest]
    for signer in (0, 2):
        give(net, 3, vote(net.context, Phase.PREPARE, 1, block, signer), sender=signer)
    assert not net.desks[3].decisions
    effects = give(net, 3, BlockReply((block,)), sender=2)
    assert votes_of(effects) == [(Phase.COMMIT, 1, 1)]  # S4: only with all ancestor headers


def test_nothing_is_signed_below_the_view_that_was_left() -> None:
    """S3: after VIEWCHANGE(1) neither PREPARE nor COMMIT in view 0, and none in view 1 before its NEWVIEW."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    give(net, 2, view_change(net.context, 1, 0), view_change(net.context, 1, 3))  # f + 1: joins
    assert net.desks[2].replica.view == 1
    lock = certify(net.context, Phase.PREPARE, 0, block, [0, 1, 3])
    effects = give(net, 2, propose(net.context, 0, block), CertificateMessage(lock))
    opening = plain_new_view(net.context, 1, [0, 1, 3])
    later = block_on(GENESIS, net.context, view=1, new_view=encode(opening))
    assert votes_of(effects) == votes_of(give(net, 2, propose(net.context, 1, later))) == []
    assert votes_of(give(net, 2, opening)) == [(Phase.PREPARE, 1, 1)]


@pytest.mark.pitfall(22)
def test_nothing_below_the_base_is_voted_again() -> None:
    """S2, pitfall 22: with the base at height 2, height 1 gets no vote in the new view."""
    net = Committee()
    first = block_on(GENESIS, net.context)
    second = block_on(first, net.context)
    give(net, 2, propose(net.context, 0, first), propose(net.context, 0, second))
    lock = certify(net.context, Phase.PREPARE, 0, second, [0, 1, 3])
    changes = [view_change(net.context, 1, s, lock) for s in (0, 1, 3)]
    opening = new_view(net.context, 1, changes, lock)
    assert votes_of(give(net, 2, opening)) == [(Phase.PREPARE, 1, 2)]
    assert votes_of(give(net, 2, propose(net.context, 1, block_on(GENESIS, net.context, view=1)))) == []
    third = block_on(second, net.context, view=1, new_view=encode(opening))
    assert votes_of(give(net, 2, propose(net.context, 1, third))) == [(Phase.PREPARE, 1, 3)]


@pytest.mark.pitfall(21)
def test_the_highest_certificate_is_by_view_first_then_height() -> None:
    """S6, pitfall 21: the old lock (0, 2, X2) loses against (1, 1, Y1); the base of view 2 is Y1."""
    net = Committee()
    x1 = block_on(GENESIS, net.context, time_ms=2_000)
    x2 = block_on(x1, net.context)
    y1 = block_on(GENESIS, net.context, view=1, time_ms=3_000)
    old = certify(net.context, Phase.PREPARE, 0, x2, [0, 1, 3])
    new = certify(net.context, Phase.PREPARE, 1, y1, [1, 2, 3])
    changes = [view_change(net.context, 2, 0, old), view_change(net.context, 2, 1, new), view_change(net.context, 2, 3)]
    right, wrong = new_view(net.context, 2, changes, new), new_view(net.context, 2, changes, old)
    assert "S7" in (new_view_fault(wrong, net.context) or "")
    assert choose_summaries(changes, 1)[0].certificate == new
    effects = give(net, 0, right, sender=2)
    assert votes_of(effects) == [(Phase.PREPARE, 2, 1)]
    assert net.desks[0].replica._state.tip.digest == header_digest(y1.header)
    node0 = net.desks[0].replica._state
    give(net, 0, CertificateMessage(old))
    assert node0.high == new


@pytest.mark.pitfall(17)
@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_a_new_view_of_fewer_or_repeated_summaries_is_refused(size: int) -> None:
    """S7, pitfall 17: exactly q distinct members."""
    context = context_of(size)
    quorum = context.members.quorum
    changes = [view_change(context, 1, s) for s in range(quorum)]
    assert new_view_fault(new_view(context, 1, changes, None), context) is None
    for wrong in (changes[:-1], changes[:1] * quorum, [*changes[:-1], changes[0]]):
        assert "S7" in (new_view_fault(new_view(context, 1, wrong, None), context) or "")


@pytest.mark.pitfall(18, 19, 20)
def test_a_new_view_is_checked_in_every_part() -> None:
    """S7, pitfalls 18 to 20: sender, view of the summaries, rank, block, signatures."""
    block, other = block_on(GENESIS, FOUR), block_on(GENESIS, FOUR, time_ms=9_999)
    lock = certify(FOUR, Phase.PREPARE, 0, block, [0, 1, 2])
    wrong_block = certify(FOUR, Phase.PREPARE, 0, other, [0, 1, 2])
    plain, with_lock = [view_change(FOUR, 1, s) for s in (0, 1, 2)], [view_change(FOUR, 1, s, lock) for s in (0, 1, 2)]
    future = certify(FOUR, Phase.PREPARE, 1, block, [0, 1, 2])
    liar = [*plain[:2], view_change(FOUR, 1, 2, future)]
    stranger = view_change(FOUR, 1, 2).summary
    forged = Summary(*(getattr(stranger, f) for f in stranger.__struct_fields__[:-2]), 3, stranger.signature)
    short = Certificate(lock.phase, 0, 0, 1, lock.digest, 0b11, lock.signatures[:2])
    bad = [
        new_view(FOUR, 1, plain, None, signer=2),  # not the leader (pitfall 19)
        new_view(FOUR, 1, [view_change(FOUR, 2, s) for s in (0, 1, 2)], None),  # another view
        new_view(FOUR, 1, with_lock, None),  # a lock is hidden
        new_view(FOUR, 1, plain, lock),  # a lock that no summary names
        new_view(FOUR, 1, with_lock, wrong_block),  # right rank, other block
        new_view(FOUR, 1, with_lock, short),  # q - 1 signatures
        new_view(FOUR, 1, liar, future),  # a certificate of the view itself
        new_view(FOUR, 1, [*plain[:2], ViewChange(forged, None)], None),  # signature of another member
    ]
    assert check_message(new_view(FOUR, 1, with_lock, lock), NodeId(3), FOUR, fake_verify) is None
    for message in bad:
        assert check_message(message, NodeId(1), FOUR, fake_verify) is not None


@pytest.mark.pitfall(20)
def test_a_lying_view_change_is_dropped_on_receipt() -> None:
    """Pitfall 20: a claimed rank without the certificate of exactly that rank and block."""
    lock = certify(FOUR, Phase.PREPARE, 0, block_on(GENESIS, FOUR), [0, 1, 2])
    honest = view_change(FOUR, 1, 2, lock)
    assert check_message(honest, NodeId(2), FOUR, fake_verify) is None
    assert "S6" in (check_message(ViewChange(honest.summary, None), NodeId(2), FOUR, fake_verify) or "")
    net = Committee()
    net.step(1, Received(NodeId(2), ViewChange(honest.summary, None)))
    assert net.desks[1].violations and not net.desks[1].replica._state.view_changes


@pytest.mark.pitfall(25, 26)
@pytest.mark.parametrize(
    ("views", "joined"),
    [({3: 10**9}, 0), ({2: 5, 3: 9}, 5), ({0: 7, 2: 5, 3: 9}, 7), ({2: 0, 3: 9}, 0)],
)
def test_join_follows_the_f_plus_first_highest_view(views: dict[int, int], joined: int) -> None:
    """L2, pitfalls 25 and 26: never on f signers, whatever number they name."""
    assert view_to_join({NodeId(n): View(v) for n, v in views.items()}, 1) == joined
    net = Committee()
    for signer, view in views.items():
        if view:
            give(net, 1, view_change(net.context, view, signer), sender=signer)
    views_seen = net.desks[1].replica.view
    assert views_seen == (0 if len(views) == 1 or joined == 0 else views_seen)
    if len(views) == 2 and joined:
        assert views_seen == joined


@pytest.mark.pitfall(25)
def test_a_flood_of_views_from_one_signer_takes_one_place() -> None:
    """L2, pitfall 25: the highest per signer is kept, nobody moves."""
    net = Committee()
    for view in range(1, 200):
        give(net, 1, view_change(net.context, view, 3))
    state = net.desks[1].replica._state
    assert len(state.view_changes) == 1 and state.view == 0 and state.active


def test_a_certificate_of_a_higher_view_moves_into_it_inactive() -> None:
    """C10, L5: it signs nothing there before it holds the NEWVIEW; a COMMIT certificate decides at once."""
    net = Committee()
    opening = plain_new_view(net.context, 2, [0, 2, 3])
    block = block_on(GENESIS, net.context, view=2, new_view=encode(opening))
    give(net, 1, propose(net.context, 2, block))
    effects = give(net, 1, CertificateMessage(certify(net.context, Phase.PREPARE, 2, block, [0, 2, 3])))
    assert (net.desks[1].replica.view, net.desks[1].replica.active) == (2, False)
    assert votes_of(effects) == []
    give(net, 1, CertificateMessage(certify(net.context, Phase.COMMIT, 2, block, [0, 2, 3])))
    assert net.heights()[1] == 1
    give(net, 1, opening)
    assert net.desks[1].replica.active
    nxt = block_on(block, net.context, view=2)
    assert votes_of(give(net, 1, propose(net.context, 2, nxt))) == [(Phase.PREPARE, 2, 2)]  # C10: base skipped


def test_without_any_certificate_the_base_is_the_start_of_the_epoch() -> None:
    """C9: decided already, the first proposal extends it."""
    net = Committee()
    effects = give(net, 3, plain_new_view(net.context, 1, [0, 1, 2]))
    assert votes_of(effects) == [] and net.desks[3].replica.active
    assert net.desks[3].replica._state.tip.height == 0


@pytest.mark.pitfall(29)
def test_a_new_view_of_an_older_or_the_same_active_view_changes_nothing() -> None:
    """L5, pitfall 29: the first accepted NEWVIEW of a view stays."""
    net = Committee()
    first, second = plain_new_view(net.context, 2, [0, 1, 2]), plain_new_view(net.context, 2, [0, 2, 3])
    give(net, 3, first, second, plain_new_view(net.context, 1, [0, 1, 2]))
    assert net.desks[3].replica._state.new_view == first


def test_a_new_view_that_denies_a_decision_is_refused() -> None:
    """S5: possible only with more than f faulty; the ledger stands."""
    net = Committee()
    net.submit("a")
    net.deliver()
    other = block_on(GENESIS, net.context, time_ms=7_777)
    lock = certify(net.context, Phase.PREPARE, 0, other, [0, 1, 2])
    message = new_view(net.context, 1, [view_change(net.context, 1, s, lock) for s in (0, 1, 2)], lock)
    give(net, 3, message)
    assert net.desks[3].replica.view == 0 and "S7" in net.desks[3].violations[-1][1]


@pytest.mark.pitfall(23)
def test_late_commits_of_the_view_just_left_still_decide() -> None:
    """Pitfall 23: the quorum of COMMITs after the timer has fired gives the same history."""
    net = Committee()
    block = block_on(GENESIS, net.context, batches=(b"b" * 32,))
    give(net, 3, propose(net.context, 0, block))
    give(net, 3, view_change(net.context, 1, 0), view_change(net.context, 1, 2))
    assert not net.desks[3].replica.active
    for signer in (0, 1, 2):
        give(net, 3, vote(net.context, Phase.COMMIT, 0, block, signer))
    assert net.heights()[3] == 1


@pytest.mark.pitfall(31, 61)
def test_a_decision_by_sync_during_a_view_change_is_delivered_once() -> None:
    """Pitfalls 31 and 61: the same height comes by catch-up and by votes."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    certificate = certify(net.context, Phase.COMMIT, 0, block, [0, 2, 3])
    give(net, 3, propose(net.context, 0, block), view_change(net.context, 1, 0), view_change(net.context, 1, 2))
    net.step(3, Synced((block,), certificate))
    net.step(3, Synced((block,), certificate))  # pitfall 61: the same height again
    give(net, 3, CertificateMessage(certificate))
    assert [d.height for d in net.desks[3].decisions] == [1]
    assert not net.desks[3].replica.active and net.desks[3].replica.view == 1


@pytest.mark.pitfall(36)
def test_unprepared_blocks_are_dropped_and_prepared_ones_survive_in_order() -> None:
    """Pitfall 36: of three proposals two are locked; the third is gone, its batch pending again."""
    net = Committee(window=4)
    for name in "abc":
        net.submit(name)
    heights = {1: True, 2: True, 3: False}

    def lossy(sender: int, receiver: int, message: object) -> bool:
        if isinstance(message, Vote):
            return message.phase is Phase.PREPARE and heights.get(message.height, False)
        return True

    net.deliver(lossy)
    old = net.desks[1].replica.undecided()
    assert [b.header.height for b in old] == [1, 2, 3]
    net.down.add(0)
    net.run(3_000, lambda s, r, m: not (isinstance(m, Vote) and m.view == 0))
    chain: list[Block] = net.desks[1].chain
    assert chain[1:3] == list(old[:2]) and chain[3] != old[2]
    assert sorted(d for b in chain for d in b.batch_digests) == sorted(d for b in old for d in b.batch_digests)


@pytest.mark.pitfall(30)
def test_a_leader_that_cannot_extend_its_base_gives_up_after_half_the_time() -> None:
    """C13, pitfall 30: it lacks the block under the base and nobody sends it."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    lock = certify(net.context, Phase.PREPARE, 0, block, [0, 2, 3])
    net.step(1, Tick(0))
    net.submit("a", 1)
    give(net, 1, *(view_change(net.context, 1, s, lock) for s in (0, 2, 3)))
    replica = net.desks[1].replica
    assert (replica.view, replica.active) == (1, True)
    limit = replica.timeout_ms // 2
    for now in range(25, limit + 50, 25):
        net.step(1, Tick(now))
    assert replica.view == 2 and not replica.active
