"""Contradictions between messages that do not meet in one slot are found as they come in, and memory stays bounded."""

import msgspec
import pytest

from consensus.detection import FOUND_MAX, VIEWS_KEPT, Watch
from consensus.events import Received
from consensus.evidence import (
    BrokenChain,
    DoubleNewView,
    DoubleViewChange,
    DoubleVote,
    HiddenCommit,
    LateVote,
    check_evidence,
)
from consensus.messages import CertificateMessage, Proposal, Summary, ViewChange
from primitives.block import header_digest
from primitives.certificate import Phase
from primitives.validators import NodeId
from tests.consensus.committee import (
    GENESIS,
    Committee,
    block_on,
    certify,
    context_of,
    fake_sign,
    fake_verify,
    key_of,
    new_view,
    propose,
    view_change,
    vote,
)

CONTEXT = context_of(4)


def kinds(net: Committee, node: int = 1) -> list[tuple[int, type]]:
    """Whom a desk accuses of what; each proof holds."""
    found = net.desks[node].evidence
    assert all(check_evidence(e, net.context, fake_verify) is None for e in found)
    return [(e.accused, type(e.proof)) for e in found]


def chains(net: Committee) -> tuple[list, list]:  # type: ignore[type-arg]
    """Two chains of three blocks from genesis."""
    a, b = [GENESIS], [GENESIS]
    for _ in range(3):
        a.append(block_on(a[-1], net.context))
        b.append(block_on(b[-1], net.context, time_ms=b[-1].header.time_ms + 500))
    return a, b


@pytest.mark.parametrize("commit_first", [True, False])
def test_a_hidden_commit_is_found_in_either_order(commit_first: bool) -> None:
    """S3, S4, S6: node 3 commits and then denies its lock, or leaves and then commits."""
    net = Committee()
    a = block_on(GENESIS, net.context)
    messages = [vote(net.context, Phase.COMMIT, 0, a, 3), view_change(net.context, 1, 3)]
    for message in messages if commit_first else reversed(messages):
        net.step(1, Received(NodeId(2), message))
        net.step(1, Received(NodeId(2), message))
    # the summary's last block is genesis, so the COMMIT is late as well
    assert sorted(kinds(net), key=str) == [(3, HiddenCommit), (3, LateVote)]


def test_a_prepare_beyond_the_view_change_is_found() -> None:
    net = Committee()
    net.step(1, Received(NodeId(3), view_change(net.context, 1, 3)))
    net.step(1, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, block_on(GENESIS, net.context), 3)))
    assert kinds(net) == [(3, LateVote)]


def changed(message: ViewChange, tip_height: int) -> ViewChange:
    draft: Summary = msgspec.structs.replace(message.summary, tip_height=tip_height, signature=bytes(64))
    signature = fake_sign(key_of(CONTEXT, draft.signer), CONTEXT.summary_bytes(draft))
    return ViewChange(msgspec.structs.replace(draft, signature=signature), message.certificate)


def test_two_view_changes_are_found_also_inside_a_new_view() -> None:
    net = Committee()
    first = view_change(net.context, 3, 2)
    net.step(1, Received(NodeId(2), first))
    net.step(1, Received(NodeId(2), first))
    assert not kinds(net)
    carried = [view_change(net.context, 3, 0), changed(first, 5), view_change(net.context, 3, 3)]
    net.step(1, Received(NodeId(3), new_view(net.context, 3, carried, None)))
    assert kinds(net) == [(2, DoubleViewChange)]


@pytest.mark.pitfall(29)
def test_a_second_new_view_of_the_leader_is_found_after_the_first_was_accepted() -> None:
    net = Committee()
    changes = [view_change(net.context, 2, node) for node in range(4)]
    for chosen in (changes[:3], changes[1:], changes[1:]):
        net.step(1, Received(NodeId(2), new_view(net.context, 2, chosen, None)))
    assert kinds(net) == [(2, DoubleNewView)]


@pytest.mark.parametrize("gap", [1, 2])
def test_a_broken_chain_is_found_when_the_lower_height_is_decided(gap: int) -> None:
    """S2: node 3 prepares on one chain at height 1 and on the other above; the blocks are known by then."""
    net = Committee()
    net.acceptable = lambda node, block: None
    a, b = chains(net)
    for block in b[1:]:
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    net.step(1, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, a[1], 3)))
    net.step(1, Received(NodeId(3), vote(net.context, Phase.PREPARE, 0, b[1 + gap], 3)))
    net.step(1, Received(NodeId(2), vote(net.context, Phase.PREPARE, 0, b[1], 2)))
    net.step(1, Received(NodeId(2), vote(net.context, Phase.PREPARE, 0, b[1 + gap], 2)))
    assert not kinds(net)
    net.step(1, Received(NodeId(0), CertificateMessage(certify(net.context, Phase.COMMIT, 0, b[2], [0, 2, 3]))))
    assert net.heights()[1] == 2
    assert kinds(net) == [(3, BrokenChain)]


@pytest.mark.pitfall(13, 25)
def test_memory_is_bounded_whatever_is_signed() -> None:
    """Far views leave no trace; double votes at ever new heights are forgotten, the oldest first."""
    watch = Watch(CONTEXT)
    block = block_on(GENESIS, CONTEXT)
    for view in (*range(1, 200), 10**9):
        watch.change(view_change(CONTEXT, view, 3).summary)
        watch.vote(vote(CONTEXT, Phase.COMMIT, view, block, 3))
    trail = watch._trails[3]
    assert len(trail.changes) == VIEWS_KEPT and len(trail.votes) == VIEWS_KEPT
    watch.entered(150)
    assert not trail.changes and not trail.votes
    first, second = (vote(CONTEXT, Phase.PREPARE, 150, b, 3) for b in (block, block_on(GENESIS, CONTEXT, time_ms=9)))
    for height in range(FOUND_MAX + 50):
        assert watch.double_vote(*(msgspec.structs.replace(v, height=height) for v in (first, second)))
    assert len(watch._found) == FOUND_MAX
    assert not watch.double_vote(*(msgspec.structs.replace(v, height=FOUND_MAX) for v in (first, second)))


def test_an_honest_view_change_accuses_nobody() -> None:
    """Ten views of an idle and of a busy committee, restarts between them."""
    net = Committee()
    for turn in range(8):
        net.submit(f"b{turn}")
        net.deliver()
        leader = int(net.desks[0].replica.leader)
        net.down.add(leader)
        net.submit(f"c{turn}")
        net.run(4_000)
        net.restart(leader)
        net.run(1_000)
    assert min(net.heights()) >= 12
    assert max(desk.replica.view for desk in net.desks) >= 4
    assert not any(desk.evidence for desk in net.desks)


def sent(net: Committee, node: int, phase: Phase) -> list[tuple[int, bytes]]:
    """The votes of a phase that a desk sent, as (height, digest)."""
    return [
        (message.height, message.digest)
        for effects in net.desks[node].effects
        for _, message in effects.send
        if getattr(message, "phase", None) is phase and message.signer == node  # type: ignore[union-attr]
    ]


def mislead(net: Committee) -> tuple[list, list]:  # type: ignore[type-arg]
    """Node 1 prepared a1; then certificates carry it to the other chain, up to b2."""
    a, b = chains(net)
    net.step(1, Received(NodeId(0), propose(net.context, 0, a[1])))
    assert sent(net, 1, Phase.PREPARE) == [(1, header_digest(a[1].header))]
    for block in b[2:]:
        net.step(1, Received(NodeId(0), propose(net.context, 0, block)))
    net.desks[1].replica._state.tree.add(b[1])
    return a, b


@pytest.mark.pitfall(9)
def test_who_was_told_another_block_commits_with_the_others_and_prepares_no_more() -> None:
    """S2: all PREPAREs of one view lie on one chain, so that a broken one is proof."""
    net = Committee()
    _, b = mislead(net)
    net.step(1, Received(NodeId(2), CertificateMessage(certify(net.context, Phase.PREPARE, 0, b[2], [0, 2, 3]))))
    assert (2, header_digest(b[2].header)) in sent(net, 1, Phase.COMMIT)
    assert len(sent(net, 1, Phase.PREPARE)) == 1


def test_a_decision_against_the_own_vote_silences_it_for_the_view_also_after_a_restart() -> None:
    """S2, S9: the decided heights leave the slots and the journal, the silence does not."""
    net = Committee()
    _, b = mislead(net)
    top = certify(net.context, Phase.COMMIT, 0, b[2], [0, 2, 3])
    net.step(1, Received(NodeId(2), CertificateMessage(top)))
    assert net.heights()[1] == 2
    assert net.desks[1].replica.journal_snapshot()[-1:] == (net.desks[1].journal[-1],)
    net.desks[1].journal = list(net.desks[1].replica.journal_snapshot())
    net.restart(1)
    net.step(1, Received(NodeId(0), propose(net.context, 0, b[3])))
    assert len(sent(net, 1, Phase.PREPARE)) == 1
    lock = certify(net.context, Phase.PREPARE, 0, b[3], [0, 2, 3])
    changes = [view_change(net.context, 2, node, lock) for node in (0, 2, 3)]
    net.step(1, Received(NodeId(2), new_view(net.context, 2, changes, lock)))
    assert sent(net, 1, Phase.PREPARE)[1:] == [(3, header_digest(b[3].header))]


@pytest.mark.pitfall(9)
def test_two_halves_with_different_blocks_confront_each_other() -> None:
    """The leader shows one block to node 1 and another to node 2, to node 3 nothing; no certificate ever forms."""
    net = Committee()
    a, b = chains(net)
    net.down.add(0)
    for node, block in ((1, a[1]), (2, b[1])):
        net.step(node, Received(NodeId(0), propose(net.context, 0, block)))
    net.deliver()
    for node in (1, 2):
        assert [(accused, kind) for accused, kind in kinds(net, node)] == [(0, DoubleVote)]
    shown = [m for e in net.desks[1].effects for to, m in e.send if to == 2 and isinstance(m, Proposal)]
    assert len(shown) == 1, "once"


@pytest.mark.pitfall(9)
def test_a_vote_that_is_only_in_a_certificate_is_compared_too() -> None:
    net = Committee()
    a, b = chains(net)
    net.step(1, Received(NodeId(3), vote(net.context, Phase.COMMIT, 0, a[1], 3)))
    net.step(1, Received(NodeId(2), CertificateMessage(certify(net.context, Phase.COMMIT, 0, b[1], [0, 2, 3]))))
    assert kinds(net) == [(3, DoubleVote)]
