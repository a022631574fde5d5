"""Crashes: what was signed is known again and sent again with the same bytes (S9, C15, pitfalls 38 to 42, 63)."""

import pytest

from consensus.events import Received, Tick
from consensus.journal_records import EnteredView, JournalRecord, Position, SawCertificate
from consensus.messages import CertificateMessage, Message, Proposal, Status, ViewChange, Vote
from consensus.replica import Replica
from consensus.settings import LedgerHead
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.validators import Height, NodeId
from tests.consensus.committee import (
    GENESIS,
    Committee,
    block_on,
    certify,
    new_view,
    propose,
    view_change,
    vote,
)


def own_messages(net: Committee, node: int) -> set[Message]:
    """Every vote, proposal and VIEWCHANGE that the node sent of its own."""
    sent = {message for effects in net.desks[node].effects for _, message in effects.send}
    own = {m for m in sent if isinstance(m, Vote) and m.signer == node}
    own |= {m for m in sent if isinstance(m, Proposal) and m.block.header.proposer == node}
    return own | {m for m in sent if isinstance(m, ViewChange) and m.summary.signer == node}


def position(replica: Replica) -> tuple[object, ...]:
    """What must come back: view, activity, tip, lock, base vote, own signatures."""
    state = replica._state
    own = [
        vote
        for slot in state.slots.of_view(state.view)
        for phase in Phase
        if (vote := slot.votes(phase).get(state.me)) is not None
    ]
    return state.view, state.active, state.tip, state.high, state.base, state.base_vote_due, own, state.new_view


@pytest.mark.pitfall(39)
def test_votes_of_a_crashed_replica_are_sent_again_with_the_same_bytes() -> None:
    """S1, S9, pitfall 39: persisted, never sent; after the restart STATUS draws out the identical votes."""
    net = Committee()
    net.submit("a")
    net.deliver(lambda s, r, m: isinstance(m, Proposal))
    before = own_messages(net, 2)
    assert before
    for node in range(4):
        net.restart(node)
    net.mail.clear()
    net.run(300)
    assert net.heights() == [2] * 4
    after = {m for m in own_messages(net, 2) if isinstance(m, Vote) and m.height == 1 and m.phase is Phase.PREPARE}
    assert len(after) == 1


def test_a_leader_does_not_propose_twice_at_one_height() -> None:
    """S1, C1: PROPOSE is journaled; after the restart the same proposal goes out and another batch comes later."""
    net = Committee()
    net.submit("a", 0)
    first = next(m for _, _, m in net.mail if isinstance(m, Proposal))
    net.mail.clear()
    net.restart(0)
    net.submit("b", 0)
    net.run(300)
    assert net.desks[3].chain[1] == first.block
    assert not net.desks[3].evidence


@pytest.mark.pitfall(38)
@pytest.mark.parametrize("keep", range(13))
def test_a_crash_after_every_record_forgets_no_signature(keep: int) -> None:
    """Pitfall 38: cut the journal of node 2 after each record (the later ones never left), restart, go on: no slot is
    signed twice and the chain goes on. The bench compares every vote of every life."""
    net = Committee()
    net.down.add(0)
    net.submit("a")
    net.submit("b")
    net.run(2_000)
    records = net.desks[2].journal[:keep]
    twin = Committee()
    twin.down.add(0)
    twin.desks[2].journal = list(records)
    opened = next(i for i, r in enumerate(net.desks[1].journal) if isinstance(r, EnteredView))
    twin.desks[1].journal = net.desks[1].journal[: opened + 1]  # it signed the NEWVIEW that node 2 may have journaled
    twin.restart(1)
    twin.restart(2)
    twin.submit("a")
    twin.submit("b")
    twin.signed = {
        (r.vote.signer, r.vote.phase, r.vote.view, r.vote.height): r.vote.digest for r in records if hasattr(r, "vote")
    }
    twin.run(4_000)
    assert twin.heights()[1:] == [len(twin.desks[1].chain) - 1] * 3
    assert not twin.desks[1].pool


@pytest.mark.parametrize("stop", range(1, 40, 3))
def test_restore_gives_the_state_back_and_a_rotation_too(stop: int) -> None:
    """S9, C15: at any moment restore(journal) and restore(snapshot) stand where the replica stood."""
    net = Committee(hold_execution=True, window=4)
    net.submit("a")
    net.submit("b")
    net.deliver(lambda s, r, m: not isinstance(m, Proposal) or r != 3)
    net.down.add(0)
    net.run(stop * 25 + 800, lambda s, r, m: (s + r + len(net.mail)) % 5 != 0)
    for node in (1, 2, 3):
        desk = net.desks[node]
        desk.executed = len(desk.chain) - 1
        whole = Replica.restore(desk.config, desk.journal, desk.head())
        rotated = Replica.restore(desk.config, desk.replica.journal_snapshot(), desk.head())
        assert position(whole) == position(rotated)
        view, active, _, _, _, _, own, entered = position(desk.replica)
        assert (view, active, own, entered) == tuple(position(whole)[i] for i in (0, 1, 6, 7))


def test_a_restart_in_a_left_view_stays_inactive() -> None:
    """S3, S9: VIEWCHANGE(1) is journaled; view 0 gets no signature any more."""
    net = Committee()
    for signer in (0, 3):
        net.step(2, Received(NodeId(signer), view_change(net.context, 1, signer)))
    net.restart(2)
    assert (net.desks[2].replica.view, net.desks[2].replica.active) == (1, False)
    net.step(2, Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context))))
    assert not [m for m in own_messages(net, 2) if isinstance(m, Vote)]


@pytest.mark.pitfall(40)
def test_all_lose_power_after_one_decided() -> None:
    """Pitfall 40: the decider is gone for good; the other three carry the same block from their journals."""
    net = Committee()
    net.submit("a")
    net.deliver(lambda s, r, m: not (isinstance(m, Vote) and m.phase is Phase.COMMIT and r != 1))
    decided = net.desks[1].chain[1]
    assert net.heights() == [0, 1, 0, 0]
    for node in (0, 2, 3):
        net.restart(node)
    net.mail.clear()
    net.down.add(1)
    net.run(1_500)
    assert [net.desks[n].chain[1] for n in (0, 2, 3)] == [decided] * 3


@pytest.mark.pitfall(42, 63)
def test_nothing_is_signed_at_or_below_the_ledgers_height() -> None:
    """C15, pitfall 42: a journal that is older than the ledger, and one that is ahead of it."""
    net = Committee()
    net.submit("a")
    net.deliver()
    desk = net.desks[1]
    fresh = Replica.restore(desk.config, (), desk.head())
    fresh.step(Tick(0))
    effects = fresh.step(Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context, time_ms=9_000))))
    assert not effects.send and not effects.persist
    ahead = Replica.restore(desk.config, desk.journal, LedgerHead((GENESIS,), None, Height(0)))
    assert ahead.decided == 0 and len(ahead.promised_blocks()) == 2
    top = certify(net.context, Phase.COMMIT, 0, desk.chain[2], [0, 2, 3])
    again = ahead.step(Received(NodeId(2), CertificateMessage(top)))
    assert [d.block for d in again.decide] == desk.chain[1:]


@pytest.mark.pitfall(42)
def test_the_ledger_may_stop_below_the_certificate_that_decided_it() -> None:
    """C3, C15: head 1 with the certificate of 2; block 2 is in the journal and is decided at once."""
    net = Committee(hold_execution=True)
    chain = [GENESIS]
    for _ in range(2):
        chain.append(block_on(chain[-1], net.context))
        net.step(3, Received(NodeId(0), propose(net.context, 0, chain[-1])))
    top = certify(net.context, Phase.COMMIT, 0, chain[2], [0, 1, 2])
    head = LedgerHead(tuple(chain[:2]), top, Height(0))
    replica = Replica.restore(net.desks[3].config, net.desks[3].journal, head)
    effects = replica.step(Tick(0))
    assert [d.block for d in effects.decide] == [chain[2]]


def test_rotation_keeps_the_highest_certificate_of_a_decided_height() -> None:
    """S6, C15: the certificate of the last decided block still ranks in the next VIEWCHANGE."""
    net = Committee()
    net.submit("a")
    net.deliver()
    records: tuple[JournalRecord, ...] = net.desks[2].replica.journal_snapshot()
    assert records[0] == Position(0, 0) and isinstance(records[1], SawCertificate) and len(records) == 2
    assert records[1].certificate.height == 2


def test_a_restart_in_an_entered_view_keeps_its_new_view() -> None:
    """S9, C15: NEWVIEW accepted, base voted; the same after journal and after rotation."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    lock = certify(net.context, Phase.PREPARE, 0, block, [0, 2, 3])
    message = new_view(net.context, 1, [view_change(net.context, 1, s, lock) for s in (0, 1, 2)], lock)
    net.step(3, Received(NodeId(1), message))
    assert isinstance(net.desks[3].journal[0], EnteredView)
    net.restart(3)
    state = net.desks[3].replica._state
    assert (state.view, state.active, state.base_vote_due, state.tip.digest) == (
        1, True, False, header_digest(block.header)
    )  # fmt: skip
    net.mail.clear()
    net.step(3, Received(NodeId(0), Status(0, 1, True, 0, 0, ())))
    resent = [m for _, r, m in net.mail if isinstance(m, Vote)]
    assert resent == [vote(net.context, Phase.PREPARE, 1, block, 3)]
