"""The normal case: one leader, pipelined blocks, votes that come early, late, twice or through others."""

import pytest

from consensus.events import BlockBuilt, BlockChecked, Executed, Pending, Received, Tick
from consensus.evidence import DoubleVote
from consensus.messages import BlockRequest, CertificateMessage, Proposal, Vote
from consensus.settings import Timing
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.codec import encode
from primitives.hashing import ZERO_DIGEST
from primitives.validators import Height, NodeId, View
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


def sent_votes(net: Committee, node: int, phase: Phase) -> list[Vote]:
    """All votes of one phase that the node sent, in order."""
    messages = [message for effects in net.desks[node].effects for _, message in effects.send]
    return [m for m in messages if isinstance(m, Vote) and m.signer == node and m.phase is phase]


@pytest.mark.pitfall(53)
@pytest.mark.parametrize("size", [4, 5, 7])
def test_a_batch_is_decided_and_flushed_and_then_silence(size: int) -> None:
    """C4, pitfall 53: block 1 with the batch, one empty block 2 that carries its roots, then silence."""
    net = Committee(size)
    net.submit("a")
    net.deliver()
    assert net.heights() == [2] * size
    assert [len(block.batch_digests) for block in net.desks[0].chain[1:]] == [1, 0]
    assert net.desks[3].chain[2].header.exec_height == 1
    net.run(5_000)
    assert net.heights() == [2] * size
    assert all(desk.replica.view == 0 and desk.replica.active for desk in net.desks)


@pytest.mark.parametrize("size", [4, 7])
def test_an_empty_block_waits_for_company_and_then_comes(size: int) -> None:
    """C4: roots travel with a batch that comes within flush_ms; without one an empty block carries them."""
    net = Committee(size, timing=Timing(flush_ms=50))
    net.run(100)
    net.submit("a")
    net.deliver()
    assert net.heights() == [1] * size
    net.run(25)
    net.submit("b")
    net.deliver()
    assert net.heights() == [2] * size
    assert net.desks[0].chain[2].header.exec_height == 1, "the batch took the roots along"
    net.run(25)
    assert net.heights() == [2] * size, "an empty block came too early"
    net.run(50)
    assert net.heights() == [3] * size
    net.run(5_000)
    assert net.heights() == [3] * size
    assert all(desk.replica.view == 0 for desk in net.desks)


def test_the_leader_pipelines_up_to_the_window_and_not_beyond() -> None:
    """S12: with no votes coming back, W proposals leave and no more."""
    net = Committee(window=3)
    for name in "abcde":
        net.submit(name, 0)
    proposals = [m for _, r, m in net.mail if isinstance(m, Proposal) and r == 1]
    assert [p.block.header.height for p in proposals] == [1, 2, 3]
    net.deliver()
    assert net.heights() == [6] * 4  # five batches and the flush


def test_slow_execution_holds_the_pipeline_and_its_end_releases_it() -> None:
    """C3, C13: exec_height may lag by W at most, so the leader waits for its own execution."""
    net = Committee(window=2, hold_execution=True)
    for name in "abcdef":
        net.submit(name)
    net.deliver()
    assert net.heights() == [2] * 4  # the child of 2 must name exec_height >= 1
    net.hold_execution = False
    for node in range(4):
        net.execute(node)
    net.deliver()
    assert net.heights() == [7] * 4


@pytest.mark.pitfall(5)
def test_the_proposal_counts_once_as_the_leaders_prepare() -> None:
    """S0, pitfall 5: proposal and the leader's PREPARE as a vote are one vote, not two."""
    net = Committee()
    block = block_on(GENESIS, net.context, batches=(b"a" * 32,))
    net.acceptable = lambda node, block: None
    for message in (propose(net.context, 0, block), vote(net.context, Phase.PREPARE, 0, block, 0)):
        net.step(1, Received(NodeId(0), message))
    net.step(1, Received(NodeId(2), vote(net.context, Phase.PREPARE, 0, block, 2)))
    assert not sent_votes(net, 1, Phase.COMMIT)
    net.step(1, BlockChecked(header_digest(block.header), True))  # its own PREPARE is the third
    assert len(sent_votes(net, 1, Phase.PREPARE)) == len(sent_votes(net, 1, Phase.COMMIT)) == 1


@pytest.mark.pitfall(1)
@pytest.mark.parametrize("size", [4, 5, 7])
def test_q_minus_one_prepares_lock_nothing(size: int) -> None:
    """S10, pitfall 1: COMMIT needs q distinct PREPAREs, own one included."""
    net = Committee(size)
    quorum = net.context.members.quorum
    block = block_on(GENESIS, net.context)
    net.step(1, Received(NodeId(0), propose(net.context, 0, block)))  # leader and node 1 make two
    for signer in range(2, quorum - 1):
        net.step(1, Received(NodeId(signer), vote(net.context, Phase.PREPARE, 0, block, signer)))
    assert not sent_votes(net, 1, Phase.COMMIT)
    last = quorum - 1
    net.step(1, Received(NodeId(last), vote(net.context, Phase.PREPARE, 0, block, last)))
    assert len(sent_votes(net, 1, Phase.COMMIT)) == 1
    assert net.desks[1].effects[-1].persist[0].lock.height == 1  # type: ignore[union-attr]  # S4: with its lock


@pytest.mark.pitfall(10)
def test_nothing_is_signed_before_the_verdict_and_never_after_a_bad_one() -> None:
    """C1, pitfall 10: PREPARE waits for the bodies; an unacceptable block brings no view change at once."""
    net = Committee()
    net.acceptable = lambda node, block: None
    block = block_on(GENESIS, net.context)
    net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert not sent_votes(net, 1, Phase.PREPARE)
    net.step(1, BlockChecked(header_digest(block.header), False))
    assert not sent_votes(net, 1, Phase.PREPARE)
    assert not net.desks[1].violations  # the driver knows the reason and blames
    assert net.desks[1].replica.active
    net.step(1, BlockChecked(b"?" * 32, True))  # pitfall 46: a verdict that nobody asked for  # type: ignore[arg-type]


@pytest.mark.pitfall(10)
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"proposer": 1}, "C13"),
        ({"valset_hash": ZERO_DIGEST}, "S11"),
        ({"new_view_hash": ZERO_DIGEST}, "C11"),
        ({"epoch": 1}, "S11"),
        ({"cert_height": 1}, "C9"),
        ({"exec_height": 1}, "C3"),
        ({"batches_root": ZERO_DIGEST}, "C2"),
        ({"cert_hash": b"x" * 32}, "C16"),
        ({"time_ms": 1_000}, "C14"),
        ({"height": 9}, "C9"),
    ],
)
def test_a_header_that_breaks_a_rule_gets_no_prepare(changes: dict[str, object], rule: str) -> None:
    """C6, pitfall 10: each spoiled field is named by its rule."""
    net = Committee()
    bad = block_on(GENESIS, net.context, **changes)  # type: ignore[arg-type]
    net.step(1, Received(NodeId(0), propose(net.context, 0, bad)))
    assert not sent_votes(net, 1, Phase.PREPARE)
    assert [text[: len(rule)] for _, text in net.desks[1].violations] == [rule]


def test_a_wrong_parent_is_not_prepared() -> None:
    """S2: the parent must be the block prepared at h - 1 in this view."""
    net = Committee()
    stranger = block_on(GENESIS, net.context, time_ms=77)
    first, child = block_on(GENESIS, net.context), block_on(stranger, net.context)
    for block in (first, child):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == [1]


def test_an_embedded_certificate_of_another_chain_is_refused() -> None:
    """S5: cert_height and cert_hash must belong to an ancestor."""
    net = Committee()
    first, other = block_on(GENESIS, net.context), block_on(GENESIS, net.context, time_ms=50_000)
    foreign = certify(net.context, Phase.COMMIT, 0, other, [0, 2, 3])  # more than f signed it: impossible, but refused
    child = block_on(first, net.context, certificate=foreign)
    for block in (first, child):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == [1]
    assert "S5" in net.desks[1].violations[-1][1]


@pytest.mark.pitfall(12)
def test_a_gap_is_kept_and_prepared_when_it_closes() -> None:
    """Pitfall 12: height 2 before 1 waits; then both are prepared in order."""
    net = Committee()
    first = block_on(GENESIS, net.context)
    second = block_on(first, net.context)
    net.step(1, Received(NodeId(0), propose(net.context, 0, second)))
    assert not sent_votes(net, 1, Phase.PREPARE)
    net.step(1, Received(NodeId(0), propose(net.context, 0, first)))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == [1, 2]


@pytest.mark.pitfall(7)
def test_early_votes_count_when_the_proposal_arrives() -> None:
    """Pitfall 7: PREPAREs and COMMITs before the proposal; then it decides without another message."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    for phase in (Phase.COMMIT, Phase.PREPARE):
        for signer in (0, 2, 3):
            net.step(1, Received(NodeId(signer), vote(net.context, phase, 0, block, signer)))
    assert net.heights()[1] == 0
    assert any(isinstance(m, BlockRequest) for _, _, m in net.mail)  # pitfall 11: by hash from a voter
    net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert net.heights()[1] == 1


@pytest.mark.pitfall(34, 35)
def test_a_commit_certificate_for_a_later_height_decides_in_order() -> None:
    """S5, pitfalls 34 and 35: h + 2 is certified first; h and h + 1 are decided before it, each once."""
    net = Committee()
    chain = [GENESIS]
    for _ in range(3):
        chain.append(block_on(chain[-1], net.context))
    top = certify(net.context, Phase.COMMIT, 0, chain[3], [0, 2, 3])
    for block in (chain[3], chain[1]):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    net.step(1, Received(NodeId(2), CertificateMessage(top)))
    assert net.heights()[1] == 0
    net.step(1, Received(NodeId(0), propose(net.context, 0, chain[2])))
    assert net.desks[1].chain == chain
    assert {d.certificate for d in net.desks[1].decisions} == {top}
    net.step(1, Received(NodeId(3), CertificateMessage(certify(net.context, Phase.COMMIT, 0, chain[1], [0, 2, 3]))))
    assert net.heights()[1] == 3


def test_a_prepare_certificate_moves_the_tip_forward_and_locks() -> None:
    """S4: adopting a certificate beyond the own last prepare; below it nothing is prepared any more."""
    net = Committee()
    chain = [GENESIS]
    for _ in range(3):
        chain.append(block_on(chain[-1], net.context))
    net.acceptable = lambda node, block: None
    for block in chain[1:]:
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    net.step(1, Received(NodeId(0), CertificateMessage(certify(net.context, Phase.PREPARE, 0, chain[2], [0, 2, 3]))))
    assert [v.height for v in sent_votes(net, 1, Phase.COMMIT)] == [2]
    for block in chain[1:]:
        net.step(1, BlockChecked(header_digest(block.header), True))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == [3]


@pytest.mark.pitfall(9)
def test_equivocation_becomes_evidence_once_and_at_most_one_block_is_decided() -> None:
    """Pitfall 9: A to one half, B to the other; two signed proposals of the leader prove it."""
    net = Committee()
    a, b = block_on(GENESIS, net.context), block_on(GENESIS, net.context, time_ms=5_000)
    for node, block in ((1, a), (2, b), (3, b)):
        net.step(node, Received(NodeId(0), propose(net.context, 0, block)))
    net.step(1, Received(NodeId(2), propose(net.context, 0, b)))
    net.step(1, Received(NodeId(2), propose(net.context, 0, b)))
    net.down.add(0)
    net.run(500)  # node 1 holds the leader's PREPARE for a: STATUS brings it the certificate for b
    evidence = net.desks[1].evidence
    assert [(e.accused, type(e.proof)) for e in evidence] == [(0, DoubleVote)]
    assert net.heights() == [0, 1, 1, 1]  # b had three PREPAREs: the leader's, 2 and 3; node 1 fetched it by hash
    assert len({desk.chain[1] for desk in net.desks[1:]}) == 1


@pytest.mark.pitfall(2)
def test_a_second_vote_of_one_signer_is_evidence_and_does_not_count() -> None:
    """S1, pitfall 2: neither twice for one block nor once for each of two."""
    net = Committee()
    a, b = block_on(GENESIS, net.context), block_on(GENESIS, net.context, time_ms=5_000)
    net.step(1, Received(NodeId(0), propose(net.context, 0, a)))
    for block in (b, a, a):
        net.step(1, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, block, 3)))
    assert not sent_votes(net, 1, Phase.COMMIT)
    assert [(e.accused, type(e.proof)) for e in net.desks[1].evidence] == [(3, DoubleVote)]


@pytest.mark.pitfall(8)
def test_a_vote_counts_for_its_signer_whoever_carries_it() -> None:
    """Pitfall 8."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    net.step(1, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, block, 2)))
    assert len(sent_votes(net, 1, Phase.COMMIT)) == 1


@pytest.mark.pitfall(13, 25)
def test_what_is_outside_the_windows_is_dropped_with_a_status_and_bounded() -> None:
    """S12, pitfalls 13 and 25: far heights and views take no memory and bring a STATUS soon."""
    net = Committee(window=2)
    block = block_on(GENESIS, net.context)
    net.step(1, Tick(1_000))
    net.mail.clear()
    for number in range(1_000):
        far = vote(net.context, Phase.PREPARE, 17 + number, block, 3)
        net.step(1, Received(NodeId(3), far))
        high = block_on(GENESIS, net.context, height=5 + number)
        net.step(1, Received(NodeId(3), vote(net.context, Phase.COMMIT, 0, high, 3)))
    state = net.desks[1].replica._state
    assert len(state.slots) <= 1 and state.status_due
    net.step(1, Tick(1_050))
    assert len(net.mail) == 3


@pytest.mark.pitfall(46)
def test_a_built_block_for_another_place_is_dropped() -> None:
    """Pitfall 46: a completion of an older request has no effect, a wrong one is reported and not signed."""
    net = Committee()
    net.desks[0].replica.step(Pending(1))
    stale = block_on(GENESIS, net.context)
    assert not net.desks[0].replica.step(BlockBuilt(View(1), Height(1), stale)).send
    assert not net.desks[0].replica.step(BlockBuilt(View(0), Height(2), stale)).send
    wrong = block_on(GENESIS, net.context, time_ms=0)
    effects = net.desks[0].replica.step(BlockBuilt(View(0), Height(1), wrong))
    assert not effects.send and effects.violations[0][0] == 0
    assert not net.desks[0].replica.step(BlockBuilt(View(0), Height(1), stale)).send


def test_a_leader_without_a_block_asks_again_while_batches_wait() -> None:
    """C4: a None is no end; the next request comes with time, not in a loop."""
    net = Committee()
    replica = net.desks[0].replica
    replica.step(Tick(0))
    assert len(replica.step(Pending(1)).build) == 1
    assert not replica.step(BlockBuilt(View(0), Height(1), None)).build
    assert not replica.step(Tick(10)).build
    assert len(replica.step(Tick(25)).build) == 1


def test_execution_that_changed_nothing_needs_no_flush() -> None:
    """C4: empty blocks are added until the last one changed nothing."""
    net = Committee(hold_execution=True)
    net.submit("a")
    net.deliver()
    for node in range(4):
        net.step(node, Executed(Height(1), changed=False))
        net.step(node, Pending(0))
    net.deliver()
    net.run(5_000)
    assert net.heights() == [1] * 4
    assert net.desks[0].replica.view == 0


def test_a_child_that_names_a_batch_of_its_parent_is_not_prepared() -> None:
    """C5: every node would store the batch once more; the ancestor that nobody has executed is the core's to know."""
    net = Committee()
    first = block_on(GENESIS, net.context, batches=(b"a" * 32, b"b" * 32))
    middle = block_on(first, net.context, batches=(b"c" * 32,))
    again = block_on(middle, net.context, batches=(b"d" * 32, b"b" * 32))
    for block in (first, middle, again):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == [1, 2]
    assert net.desks[1].violations[-1][1].startswith("C5")


@pytest.mark.parametrize(("later_ms", "heights"), [(600_000, [1, 2]), (601_000, [1, 2, 3])])
def test_after_600_seconds_a_batch_may_be_named_again(later_ms: int, heights: list[int]) -> None:
    """C5: an executed batch is remembered so long, and the core says the same of what is not executed."""
    net = Committee()
    first = block_on(GENESIS, net.context, batches=(b"a" * 32,), time_ms=2_000)
    middle = block_on(first, net.context, time_ms=2_000 + later_ms)
    for block in (first, middle, block_on(middle, net.context, batches=(b"a" * 32,))):
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    assert [v.height for v in sent_votes(net, 1, Phase.PREPARE)] == heights


def test_what_only_a_dead_proposal_named_is_prepared_in_the_next_view() -> None:
    """C5 asks ancestors alone: nothing is lost with a view."""
    net = Committee()
    base = block_on(GENESIS, net.context, batches=(b"a" * 32,))
    dead = block_on(base, net.context, batches=(b"b" * 32,))
    for block in (base, dead):
        net.step(2, Received(NodeId(0), propose(net.context, 0, block)))
    certificate = certify(net.context, Phase.PREPARE, 0, base, [0, 1, 3])
    changes = [view_change(net.context, 1, signer, certificate) for signer in (0, 1, 3)]
    opened = new_view(net.context, 1, changes, certificate)
    net.step(2, Received(NodeId(1), opened))
    reborn = block_on(base, net.context, view=1, batches=(b"b" * 32,), new_view=encode(opened))
    again = block_on(reborn, net.context, view=1, batches=(b"a" * 32,))
    for block in (reborn, again):
        net.step(2, Received(NodeId(1), propose(net.context, 1, block)))
    voted = [(v.view, v.height) for v in sent_votes(net, 2, Phase.PREPARE)]
    assert voted == [(0, 1), (0, 2), (1, 1), (1, 2)], "the base again and the batch of the dead one, no second naming"
