"""From one epoch to the next: the close block, what is void after it, and those who follow without a seat (S11, C8)."""

from dataclasses import replace

import pytest

from consensus.events import Received, Synced, Tick
from consensus.journal_records import JournalRecord, Position
from consensus.messages import (
    BlockReply,
    BlockRequest,
    CertificateMessage,
    Message,
    Status,
    ViewChange,
    Vote,
)
from consensus.replica import Replica
from consensus.settings import LedgerHead, ReplicaConfig
from consensus.verification import check_message, epoch_of
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.validators import OBSERVER, Height, NodeId, Validator, valset_hash
from tests.consensus.committee import (
    GENESIS,
    Committee,
    block_on,
    certify,
    fake_sign,
    fake_verify,
    new_view,
    propose,
    trusted,
    view_change,
    vote,
)

ONE_LEFT = tuple(None if i == 1 else Validator(f"v{i}", bytes([i + 1]) * 32, b"") for i in range(5))
CLOSING = valset_hash(ONE_LEFT)


def closed() -> Committee:
    """Five desks; the members 0 to 4 have closed epoch 0 at height 3, after one batch and a flush."""
    net = Committee(5)
    net.submit("a")
    net.deliver()
    net.closing = CLOSING
    net.submit("b")
    net.deliver()
    assert net.heights() == [3] * 5
    return net


def spoken(net: Committee, node: int, since: int = 0) -> list[Message]:
    """What a desk has sent that is signed by it, after its first `since` steps."""
    sent = [message for effects in net.desks[node].effects[since:] for _, message in effects.send]
    return [m for m in sent if not isinstance(m, Status | BlockRequest | BlockReply | CertificateMessage)]


@pytest.mark.pitfall(37)
def test_a_decided_close_block_ends_the_epoch() -> None:
    """C8: a batch waits, half a minute passes, the leader dies: nobody signs, nobody leaves the view, nothing more is
    decided; the batch is for the next epoch."""
    net = closed()
    assert all(desk.replica.closed and not desk.replica.votes for desk in net.desks)
    steps = [len(desk.effects) for desk in net.desks]
    net.down.add(0)
    net.submit("c")
    net.run(31_000)
    assert [spoken(net, node, steps[node]) for node in (1, 2, 3, 4)] == [[]] * 4
    assert net.heights() == [3] * 5 and not any(desk.violations for desk in net.desks)


@pytest.mark.pitfall(37)
def test_the_leader_builds_nothing_above_an_undecided_close_block() -> None:
    """C8: prepared and not decided yet, batches wait."""
    net = Committee()
    net.closing = CLOSING
    net.submit("a")
    net.submit("b")
    net.deliver(lambda s, r, m: not (isinstance(m, Vote) and m.phase is Phase.COMMIT))
    assert net.heights() == [0] * 4 and net.desks[0].replica.undecided()[-1].header.next_valset_hash == CLOSING
    net.step(0, Tick(200))
    assert not [b for effects in net.desks[0].effects for b in effects.build if b.height > 1]


def test_nothing_follows_a_close_block_in_its_epoch() -> None:
    """S11, C8: the child of a close block is refused with the leader's name, whoever leads."""
    net = Committee()
    close = block_on(GENESIS, net.context, next_valset_hash=CLOSING)
    for block in (close, block_on(close, net.context)):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert [m.height for m in spoken(net, 1) if isinstance(m, Vote)] == [1]
    assert [(node, text[:2]) for node, text in net.desks[1].violations] == [(0, "C8")]


def test_a_close_block_is_empty() -> None:
    """C8: a close block that carries batches gets no PREPARE."""
    net = Committee()
    full = block_on(GENESIS, net.context, batches=(b"b" * 32,), next_valset_hash=CLOSING)
    net.step(1, Received(NodeId(0), propose(net.context, 0, full)))
    assert spoken(net, 1) == [] and [text[:2] for _, text in net.desks[1].violations] == ["C8"]


def test_a_certificate_above_a_close_block_decides_nothing() -> None:
    """C8: more than f are faulty then; the replica says so and keeps to its chain."""
    net = Committee()
    close = block_on(GENESIS, net.context, next_valset_hash=CLOSING)
    above = block_on(close, net.context)
    top = certify(net.context, Phase.COMMIT, 0, above, [0, 2, 3])
    effects = net.step(1, Synced((close, above), top))
    assert not effects.decide and [text[:2] for _, text in effects.violations] == ["C8"]
    whole = certify(net.context, Phase.COMMIT, 0, close, [0, 2, 3])
    assert net.step(1, Synced((close,), whole)).decide and net.desks[1].replica.closed
    assert not net.step(1, Received(NodeId(2), CertificateMessage(top))).decide


@pytest.mark.pitfall(32)
def test_a_closed_replica_gives_the_hand_over_to_those_that_lack_it() -> None:
    """Pitfall 32, S11: node 4 heard nothing of the close and has left its view; one certificate and the block by hash
    from any member decide it."""
    net = Committee(5)
    net.submit("a")
    net.deliver()
    net.closing = CLOSING
    net.submit("b")
    net.deliver(lambda s, r, m: r != 4)
    for signer in (0, 1):
        net.step(4, Received(NodeId(signer), view_change(net.context, 1, signer)))
    assert (net.desks[4].replica.active, net.heights()) == (False, [3, 3, 3, 3, 2])
    net.mail.clear()
    net.down.update((0, 1, 2))
    net.run(500)
    assert net.heights()[4] == 3 and net.desks[4].replica.closed


def test_the_next_epoch_starts_above_the_close_block() -> None:
    """S11, C9: seats 0, 2, 3, 4 go on at height 4 without a certificate; seat 1 is free and counts nowhere."""
    net = closed()
    net.open_epoch(ONE_LEFT)
    assert {d.replica.votes for n, d in enumerate(net.desks) if n != 1} == {True} and not net.desks[1].replica.votes
    net.deliver()
    assert net.heights() == [5] * 5 and not net.desks[0].pool  # what waited at the close is decided now
    net.submit("c")
    net.run(300)
    assert net.heights() == [7] * 5
    first = net.desks[0].chain[4].header
    assert (first.epoch, first.cert_height, first.exec_height, net.desks[0].chain[4].certificate) == (1, 3, 3, None)
    assert net.desks[2].chain[5].certificate is not None


def test_a_view_change_in_an_epoch_with_a_free_seat() -> None:
    """L6, S7: the leader of view 0 is dead, that of view 1 sits on seat 2; seat 1 follows and signs nothing."""
    net = closed()
    net.open_epoch(ONE_LEFT)
    steps = len(net.desks[1].effects)
    net.down.add(0)
    net.submit("c")
    net.run(3_000)
    assert net.heights() == [3, 6, 6, 6, 6] and not net.desks[2].pool
    assert net.desks[2].replica.leader == 2 and net.desks[2].chain[4].new_view is not None
    assert spoken(net, 1, steps) == []


@pytest.mark.pitfall(4)
def test_votes_and_certificates_of_the_former_epoch_are_void() -> None:
    """Pitfall 4, S11: neither a vote, nor a VIEWCHANGE, nor a certificate of epoch 0 moves a replica of epoch 1; those
    of the member that left are refused also when they name the new epoch."""
    net = closed()
    old = net.context
    net.open_epoch(ONE_LEFT)
    extra = block_on(net.desks[0].chain[-1], old)
    late: list[Message] = [
        vote(old, Phase.PREPARE, 0, extra, 2), view_change(old, 5, 2), propose(old, 0, extra),
        CertificateMessage(certify(old, Phase.COMMIT, 3, extra, [0, 2, 3, 4])), Status(0, 0, True, 9, 0, ()),
    ]  # fmt: skip
    for message in late:
        assert epoch_of(message) == 0 and check_message(message, NodeId(2), net.context, fake_verify) is not None
    before = net.desks[3].replica.view
    net.step(3, Received(NodeId(2), late[0]))
    net.step(3, Received(NodeId(2), late[1]))
    assert not net.step(3, Received(NodeId(2), late[3])).decide and net.desks[3].replica.view == before
    removed = replace(net.context, members=old.members)
    for message in (vote(removed, Phase.PREPARE, 0, extra, 1), view_change(removed, 5, 1)):
        assert check_message(message, NodeId(2), net.context, fake_verify) is not None


def test_a_journal_of_the_former_epoch_binds_nothing() -> None:
    """C15, S11: a crash between the close block's append and the rotation."""
    net = closed()
    old: list[JournalRecord] = list(net.desks[2].journal)
    net.open_epoch(ONE_LEFT)
    desk = net.desks[2]
    again = Replica.restore(desk.config, old, desk.head())
    state = again._state
    assert (again.view, again.active, again.closed, state.high, len(state.slots)) == (0, True, False, None, 0)
    assert not again.promised_blocks() and again.journal_snapshot() == (Position(1, 0),)


def test_a_restart_behind_the_close_block_stays_closed() -> None:
    """C8: the ledger holds the close block, the node has not built the next replica yet."""
    net = closed()
    net.restart(2)
    assert net.desks[2].replica.closed and not net.desks[2].replica.votes
    steps = len(net.desks[2].effects)
    net.submit("c")
    net.run(2_000)
    assert spoken(net, 2, steps) == []


def test_what_the_former_epoch_changed_is_flushed_by_the_next_one() -> None:
    """C4, S11: LedgerHead.changed is above exec_height of the close block; no batch is needed."""
    net = closed()
    for desk in net.desks:
        desk.pool.clear()
        desk.changed = 3  # executing the close block changes the register of validators
    net.open_epoch(ONE_LEFT)
    net.run(200)
    assert net.heights() == [4] * 5 and net.desks[0].chain[4].batch_digests == ()


@pytest.mark.parametrize("me", [OBSERVER, 1])
def test_an_observer_follows_and_signs_nothing(me: int) -> None:
    """W15: neither a node without a seat nor one on a free seat signs, times out or leads; it decides as all do, from
    certificates and blocks by hash, and its STATUS and BlockRequest are answered."""
    net = closed()
    net.open_epoch(ONE_LEFT)
    head = LedgerHead(tuple(net.desks[1].chain), net.desks[1].certificate, Height(0))
    config = ReplicaConfig(net.context, NodeId(me), lambda signed: fake_sign(b"observer", signed))
    watcher = trusted(Replica(config, head), net.context, me)
    net.submit("c")
    net.deliver()
    sent: list[Message] = []
    decided: list[int] = []
    asked = watcher.step(Tick(0)).send
    for round_ms in range(1, 20):
        answers: list[tuple[int, Message]] = []
        for _, message in asked:
            sent.append(message)
            assert check_message(message, NodeId(me), net.context, fake_verify) is None
            for node in (0, 2, 3):
                effects = net.desks[node].replica.step(Received(NodeId(me), message))
                answers += [(node, answer) for receiver, answer in effects.send if receiver == me]
        asked = []
        for node, answer in answers:
            effects = watcher.step(Received(NodeId(node), answer))
            asked += effects.send
            assert not effects.persist or isinstance(answer, CertificateMessage)
            decided += [d.height for d in effects.decide]
        asked += watcher.step(Tick(200 * round_ms)).send
        net.run(200)
    assert decided == [4, 5, 6]
    assert {type(m) for m in sent} <= {Status, BlockRequest}
    assert not watcher.votes and watcher.view == 0


@pytest.mark.pitfall(4)
def test_who_is_no_member_brings_no_votes() -> None:
    """W15: an observer's link carries STATUS, certificates and blocks; a vote over it is refused, its own vote too."""
    net = closed()
    block = block_on(net.desks[0].chain[-1], net.context)
    good = vote(net.context, Phase.PREPARE, 0, block, 2)
    assert check_message(good, OBSERVER, net.context, fake_verify) is not None
    assert check_message(Status(0, 0, True, 0, 0, ()), OBSERVER, net.context, fake_verify) is None
    assert check_message(BlockRequest(b"d" * 32, 0), NodeId(300), net.context, fake_verify) is None
    effects = net.step(2, Received(OBSERVER, good))
    assert [(node, text[:3]) for node, text in effects.violations] == [(OBSERVER, "W15")]


def test_an_observer_joins_no_view_change() -> None:
    """L2, S3: f + 1 VIEWCHANGEs do not make it sign one; the NEWVIEW takes it along."""
    net = closed()
    net.open_epoch(ONE_LEFT)
    changes = []
    for signer in (0, 2, 3, 4):
        high = (-1, 3, net.context.start_digest)
        draft = view_change(net.context, 1, signer).summary
        unsigned = type(draft)(1, 1, *high, 3, net.context.start_digest, signer, bytes(64))
        signature = fake_sign(bytes([signer + 1]) * 32, net.context.summary_bytes(unsigned))
        changes.append(ViewChange(type(draft)(1, 1, *high, 3, net.context.start_digest, signer, signature), None))
    for change in changes:
        assert check_message(change, NodeId(2), net.context, fake_verify) is None
        assert not net.step(1, Received(NodeId(change.summary.signer), change)).persist
    net.step(1, Received(NodeId(2), new_view(net.context, 1, changes[:3], None)))
    assert (net.desks[1].replica.view, net.desks[1].replica.active) == (1, True)
    child = block_on(net.desks[1].chain[-1], net.context, view=1)
    assert header_digest(child.header) and not net.step(1, Received(NodeId(2), propose(net.context, 1, child))).persist


def test_the_first_request_of_an_epoch_starts_at_its_close_block() -> None:
    """C9: the state after the close block is the oldest that a header of the new epoch may name."""
    net = closed()
    net.open_epoch(ONE_LEFT)
    request = next(build for effects in net.desks[0].effects for build in effects.build if build.height == 4)
    assert (request.exec_height_min, request.exec_height_max, request.certificate) == (3, 3, None)
    assert (request.parent_block, request.new_view) == (net.desks[0].chain[3], None)
