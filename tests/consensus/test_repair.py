"""Lost messages, windows, peers that are behind: STATUS and blocks by hash, and no storm (L4, L8, S8, C12)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.events import Effects, Received, Synced, Tick
from consensus.messages import (
    BlockReply,
    BlockRequest,
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
from primitives.hashing import Digest, tagged_hash
from primitives.validators import NodeId
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


def long_chain(net: Committee, heights: int) -> list[Block]:
    """A legal chain whose blocks embed certificates as the window demands."""
    chain = [GENESIS]
    for height in range(1, heights + 1):
        certificate = certify(net.context, Phase.COMMIT, 0, chain[-1], [0, 1, 2]) if height > 1 else None
        chain.append(block_on(chain[-1], net.context, certificate=certificate, exec_height=height - 1))
    return chain


@pytest.mark.pitfall(33)
def test_every_kind_of_message_lost_once_is_repaired() -> None:
    """L4, pitfall 33: the first copy of each vote and proposal to each node is lost; without view change all decide."""
    net = Committee()
    lost: set[tuple[int, Message]] = set()

    def first_is_lost(sender: int, receiver: int, message: Message) -> bool:
        if isinstance(message, Status | BlockRequest | BlockReply) or (receiver, message) in lost:
            return True
        lost.add((receiver, message))
        return False

    net.submit("a")
    net.run(3_000, first_is_lost)
    assert net.heights() == [2] * 4
    assert {desk.replica.view for desk in net.desks} == {0}


@pytest.mark.pitfall(33)
def test_random_delays_and_losses_stall_nothing() -> None:
    """Pitfall 33: a third of everything lost, 40 batches, window 4."""
    net, count = Committee(window=4), 0

    def lossy(sender: int, receiver: int, message: Message) -> bool:
        nonlocal count
        count += 1
        return tagged_hash(b"test/loss", count.to_bytes(4, "big"))[0] >= 85

    for name in range(40):
        net.submit(str(name))
    for _ in range(40):
        net.run(500, lossy)
    net.run(3_000)
    assert len(set(net.heights())) == 1 and not net.desks[0].pool


@pytest.mark.pitfall(11)
def test_a_laggard_recovers_the_block_by_hash() -> None:
    """Pitfall 11: the leader withholds the proposal from node 3, which has it from a voter."""
    net = Committee()
    net.submit("a")
    net.run(1_000, lambda s, r, m: not (isinstance(m, Proposal | BlockReply) and s == 0 and r == 3))
    assert net.heights() == [2] * 4


@pytest.mark.pitfall(50)
def test_followers_that_cannot_hear_each_other_live_again_when_healed() -> None:
    """Pitfall 50: only the links of the leader are up; after healing no restart is needed."""
    net = Committee()
    net.submit("a")
    net.run(6_000, lambda s, r, m: 0 in (s, r))
    net.submit("b")
    net.run(6_000)
    assert len(set(net.heights())) == 1 and not net.desks[2].pool


@pytest.mark.pitfall(51)
def test_a_deaf_replica_does_not_disturb_the_others() -> None:
    """Pitfall 51: it can send and cannot receive; the majority stays in view 0."""
    net = Committee()
    net.submit("a")
    net.run(8_000, lambda s, r, m: r != 3)
    assert net.heights() == [2, 2, 2, 0]
    assert [desk.replica.view for desk in net.desks[:3]] == [0] * 3
    assert net.desks[3].replica.view == 1  # and it does not run away
    net.run(1_000)
    assert net.heights() == [2] * 4


def test_a_replica_far_behind_asks_for_catch_up_and_abstains() -> None:
    """L8, C12: a certificate beyond the window; no vote, no VIEWCHANGE, one CatchUp a second; Synced heals it."""
    net = Committee(window=2)
    chain = long_chain(net, 9)
    top = certify(net.context, Phase.COMMIT, 0, chain[9], [0, 1, 2])
    net.step(3, Tick(0))
    net.submit("a", 3)
    assert len(net.step(3, Received(NodeId(0), CertificateMessage(top))).fetch) == 1
    assert net.desks[3].replica.behind
    fetched = 0
    for now in range(25, 5_000, 25):
        fetched += len(net.step(3, Tick(now)).fetch)
    assert fetched == 4 and net.desks[3].replica.view == 0
    effects = net.step(3, Received(NodeId(0), propose(net.context, 0, chain[1])))
    assert not [m for _, m in effects.send if isinstance(m, Vote)]
    net.step(3, Synced(tuple(chain[1:6]), certify(net.context, Phase.COMMIT, 0, chain[5], [0, 1, 2])))
    net.step(3, Synced(tuple(chain[4:]), top))
    assert net.heights()[3] == 9 and not net.desks[3].replica.behind


@pytest.mark.pitfall(56)
def test_catch_up_pieces_that_do_not_fit_are_refused() -> None:
    """S5, pitfall 56: gaps, foreign blocks, a certificate of another height; nothing is decided."""
    net = Committee()
    chain = long_chain(net, 4)
    top = certify(net.context, Phase.COMMIT, 0, chain[4], [0, 1, 2])
    wrong_phase = certify(net.context, Phase.PREPARE, 0, chain[4], [0, 1, 2])
    bad = [
        Synced(tuple(chain[2:]), top),
        Synced((chain[1], chain[3], chain[4]), top),
        Synced(tuple(chain[1:4]), top),
        Synced(tuple(chain[1:]), wrong_phase),
        Synced((), top),
    ]
    for event in bad:
        net.step(3, event)
    assert net.heights()[3] == 0
    net.step(3, Synced(tuple(chain[1:]), top))
    assert net.heights()[3] == 4


def test_a_block_reply_that_nobody_asked_for_or_that_lies_is_not_kept() -> None:
    """S8: only wanted blocks and their ancestors; the body must be the one that the header binds."""
    net = Committee()
    block, stranger = (
        block_on(GENESIS, net.context, batches=(b"a" * 32,)),
        block_on(GENESIS, net.context, time_ms=9_000),
    )
    tree = net.desks[3].replica._state.tree
    net.step(3, Received(NodeId(1), BlockReply((block,))))
    assert header_digest(block.header) not in tree
    lock = certify(net.context, Phase.COMMIT, 0, block, [0, 1, 2])
    net.step(3, Received(NodeId(1), CertificateMessage(lock)))
    for blocks in ((Block(block.header, (b"b" * 32,), None),), (block, stranger)):
        net.desks[3].violations.clear()
        net.step(3, Received(NodeId(1), BlockReply(blocks)))
        assert net.desks[3].violations
    assert net.heights()[3] == 1  # the wanted one got in before the lie
    assert header_digest(stranger.header) not in tree


def test_a_block_that_no_wanted_one_stands_on_is_not_taken_from_a_reply() -> None:
    """S5, S8: the hash that was asked for vouches for the chain below it, and for nothing else."""
    net = Committee()
    first = block_on(GENESIS, net.context)
    second, stranger = block_on(first, net.context, exec_height=0), block_on(GENESIS, net.context, time_ms=9_000)
    net.step(3, Received(NodeId(1), CertificateMessage(certify(net.context, Phase.COMMIT, 0, second, [0, 1, 2]))))
    net.step(3, Received(NodeId(1), BlockReply((second, stranger))))
    tree = net.desks[3].replica._state.tree
    assert header_digest(second.header) in tree and header_digest(stranger.header) not in tree
    assert [(node, text[:2]) for node, text in net.desks[3].violations] == [(1, "S8")]
    net.step(3, Received(NodeId(2), BlockReply((first,))))
    assert net.heights()[3] == 2


def test_an_unanswered_request_goes_to_the_next_peer() -> None:
    """S8: one peer at a time, every 100 ms another."""
    net = Committee()
    net.step(3, Tick(0))
    lock = certify(net.context, Phase.COMMIT, 0, block_on(GENESIS, net.context), [0, 1, 2])
    net.step(3, Received(NodeId(1), CertificateMessage(lock)))
    for now in range(25, 400, 25):
        net.step(3, Tick(now))
    asked = [r for _, r, m in net.mail if isinstance(m, BlockRequest)]
    assert asked[:4] == [0, 1, 2, 0]


def answers(net: Committee, node: int, status: Status) -> list[Message]:
    """What the node sends on four STATUS 50 ms apart: its turn to relay comes once."""
    found: list[Message] = []
    for _ in range(4):
        net.now += 50
        net.step(node, Tick(net.now))
        effects: Effects = net.step(node, Received(NodeId(3), status))
        found += [m for r, m in effects.send if r == 3]
    return found


def test_status_is_answered_with_exactly_what_is_missing() -> None:
    """L4: votes by bitmap, the certificate instead of them once it exists, nothing that the sender has."""
    net = Committee()
    block = block_on(GENESIS, net.context)
    for message in (propose(net.context, 0, block), vote(net.context, Phase.PREPARE, 0, block, 2)):
        net.step(1, Received(NodeId(0), message))
    nothing = answers(net, 1, Status(0, 0, True, 0, 0, ()))
    assert sum(isinstance(m, Proposal) for m in nothing) == 1
    assert sum(isinstance(m, CertificateMessage) for m in nothing) == 1
    assert sum(isinstance(m, Vote) and m.phase is Phase.COMMIT for m in nothing) == 4
    most = answers(net, 1, Status(0, 0, True, 0, 0, (SlotStatus(True, True, 0b0111, 0b0010),)))
    assert most == []


def test_a_lower_view_gets_the_new_view_and_an_older_height_the_certificate() -> None:
    """L5: not another view change."""
    net = Committee()
    net.submit("a")
    net.deliver()
    message = new_view(net.context, 2, [view_change(net.context, 2, s) for s in (0, 1, 2)], None)
    net.step(0, Received(NodeId(2), message))
    found = answers(net, 0, Status(0, 1, False, 0, 0, ()))
    assert [type(m) for m in found] == [CertificateMessage, NewView]


def test_an_inactive_peer_gets_the_view_changes_that_it_lacks() -> None:
    """L4: own at once, those of others in turn."""
    net = Committee()
    for signer in (0, 3):
        net.step(2, Received(NodeId(signer), view_change(net.context, 1, signer)))
    found = answers(net, 2, Status(0, 1, False, 0, 0b1000, ()))
    assert [m.summary.signer for m in found if isinstance(m, ViewChange)].count(2) == 4
    assert [m.summary.signer for m in found if isinstance(m, ViewChange)].count(0) == 1
    assert answers(net, 2, Status(0, 1, False, 0, 0b1101, ())) == []


def test_status_is_answered_at_most_once_in_25_ms() -> None:
    """L4: a flood of STATUS draws no flood of answers."""
    net = Committee()
    net.step(1, Received(NodeId(0), propose(net.context, 0, block_on(GENESIS, net.context))))
    net.mail.clear()
    for _ in range(100):
        net.step(1, Received(NodeId(3), Status(0, 0, True, 0, 0, ())))
    assert len(net.mail) <= 2


def test_an_idle_network_sends_five_status_a_second_and_persists_nothing() -> None:
    """L4, C4: silence on the disk, no view change."""
    net = Committee()
    net.submit("a")
    net.run(2_000)
    before = len(net.desks[1].effects)
    net.run(2_000)
    later = net.desks[1].effects[before:]
    sent = [m for effects in later for _, m in effects.send]
    assert all(isinstance(m, Status) for m in sent) and 9 <= len(sent) <= 11
    assert not [record for effects in later for record in effects.persist]


numbers = st.integers(0, 20)


@st.composite
def any_message(draw: st.DrawFn) -> Message:
    """Anything with the right shape and a number that does not fit; signatures are not looked at by the core."""
    net = Committee()
    view, height, signer = draw(numbers), draw(numbers), draw(st.integers(0, 21))
    block = block_on(GENESIS, net.context, height=height, proposer=draw(st.integers(0, 5)), cert_height=draw(numbers))
    certificate = certify(net.context, draw(st.sampled_from(Phase)), view, block, [0, 1, 2])
    digest = Digest(draw(st.sampled_from([bytes(32), header_digest(block.header), net.context.start_digest])))
    change = view_change(net.context, max(1, view), signer % 4, draw(st.sampled_from([None, certificate])))
    slot = SlotStatus(draw(st.booleans()), draw(st.booleans()), draw(numbers), draw(numbers))
    return draw(
        st.sampled_from(
            [
                Proposal(view, block, bytes(64)),
                Proposal(view, Block(block.header, (), certificate), bytes(64)),
                Vote(draw(st.sampled_from(Phase)), draw(st.integers(0, 1)), view, height, digest, signer, bytes(64)),
                change,
                new_view(net.context, max(1, view), [change] * draw(st.integers(0, 4)), certificate),
                Status(0, view, draw(st.booleans()), height, draw(numbers), (slot,) * draw(st.integers(0, 8))),
                CertificateMessage(certificate),
                BlockRequest(digest, height),
                BlockReply((block,) * draw(st.integers(0, 3))),
            ]
        )
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), any_message()), max_size=30))
def test_step_is_total(messages: list[tuple[int, Message]]) -> None:
    """Whatever a peer sends: no exception, bounded memory, still able to vote and tick."""
    net = Committee()
    for number, (sender, message) in enumerate(messages):
        net.desks[1].replica.step(Received(NodeId(sender), message))
        net.desks[1].replica.step(Tick(number * 40))
    state = net.desks[1].replica._state
    assert len(state.tree) + len(state.slots) + len(state.wants) < 200
