"""The loop around the core: durable before sent, bodies before votes, nothing after a disk error (S9, C1)."""

from collections.abc import Callable

import pytest

from chainnode.clock import monotonic_ms
from chainnode.driver import TURN_EVENTS_MAX
from consensus.events import Tick
from consensus.journal_records import Prepared, Proposed, SawCertificate
from consensus.messages import CertificateMessage, Proposal, Vote
from ledger.failures import DiskFull, StorageFailed
from primitives.block import Block, batch_digest, header_digest
from primitives.certificate import Phase, certificate_hash
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.validators import NodeId
from tests.chainnode.rooms import (
    NOW_MS,
    Room,
    batch_of,
    certificate_of,
    child_of,
    header_at,
    propose,
    vote_of,
)

BODY = batch_of(0, "H-1", "H-2")


def first_block(room: Room, **changes: object) -> Block:
    return child_of(header_at(room.chain, 0), 0, [BODY], **changes)


def prepared(room: Room) -> Callable[[], bool]:
    return lambda: bool(room.votes(Phase.PREPARE))


def test_a_prepare_leaves_after_its_record_and_all_its_bodies_are_durable() -> None:
    room = Room(1)
    room.hold(*BODY)
    block = first_block(room)
    room.hear(propose(block), 0)
    room.work(prepared(room))
    _, vote, surviving = next(s for s in room.sent if isinstance(s[1], Vote))
    assert vote.digest == header_digest(block.header)
    assert BODY[0] in surviving.batches, "C1: a power cut now would leave a vote for a body that nobody has"
    assert any(isinstance(r, Prepared) and r.vote == vote and r.block == block for r in surviving.records)


def test_nothing_signed_ever_leaves_before_it_is_durable() -> None:
    """Through a whole decision: PREPARE, COMMIT and what follows."""
    room = Room(1)
    room.hold(*BODY)
    block = first_block(room)
    room.hear(propose(block), 0)
    room.hear(vote_of(2, Phase.PREPARE, block), 2)
    room.hear(vote_of(0, Phase.COMMIT, block), 0)
    room.hear(vote_of(2, Phase.COMMIT, block), 2)
    room.work(lambda: room.chain.head.height == 1)
    own = [(m, kept) for _, m, kept in room.sent if isinstance(m, Vote)]
    assert {m.phase for m, _ in own} == {Phase.PREPARE, Phase.COMMIT}
    for message, kept in own:
        assert any(getattr(record, "vote", None) == message for record in kept.records), message
    assert not room.blamed and not room.failed


def test_a_flood_of_other_events_does_not_keep_votes_out() -> None:
    """Votes wait until the inbox is empty; with more than a turn can do it never is."""
    room = Room(1)
    room.hold(*BODY)
    block = first_block(room)
    room.hear(propose(block), 0)
    room.work(prepared(room))
    room.driver.hear_vote(NodeId(2), vote_of(2, Phase.PREPARE, block))
    for _ in range(3):
        for _ in range(2 * TURN_EVENTS_MAX):
            room.driver.post(Tick(1))
        room.driver.end(room.driver.begin())
    assert room.votes(Phase.COMMIT)


@pytest.mark.pitfall(45)
def test_a_vote_with_the_own_key_is_seen_behind_those_that_make_the_certificate() -> None:
    room = Room(1)
    block = first_block(room)
    room.hear(propose(block), 0)
    for sender, signer in ((2, 2), (3, 3), (3, 2), (3, 1)):
        room.driver.hear_vote(NodeId(sender), vote_of(signer, Phase.PREPARE, block))
    room.driver.end(room.driver.begin())
    assert room.driver.replica.abstains is not None


def test_without_the_body_there_is_no_vote_until_it_comes() -> None:
    room = Room(1)
    room.hear(propose(first_block(room)), 0)
    room.work(lambda: bool(room.wanted))
    assert room.wanted == [batch_digest(BODY[0])] and not room.votes(Phase.PREPARE)
    room.hold(*BODY)
    room.work(prepared(room))
    assert not room.blamed


@pytest.mark.pitfall(10)
@pytest.mark.parametrize(
    ("why", "changes"),
    [
        ("another state root", {"state_root": ZERO_DIGEST}),
        ("another receipts root", {"receipts_root": ZERO_DIGEST}),
        ("another list of transactions", {"tx_root": ZERO_DIGEST}),
    ],
)
def test_an_unacceptable_content_gets_no_vote_and_its_leader_is_blamed(why: str, changes: dict[str, object]) -> None:
    """Pitfall 10: no PREPARE, no instant view change."""
    room = Room(1)
    room.hold(*BODY)
    room.hear(propose(first_block(room, **changes)), 0)
    room.work(lambda: bool(room.blamed))
    assert not room.votes(Phase.PREPARE) and not room.failed


def test_a_block_of_another_time_waits_for_the_test_clock() -> None:
    """C14: the clock of this node is set a moment later than the leader's."""
    room = Room(1)
    room.hold(*BODY)
    room.hear(propose(first_block(room, time_ms=NOW_MS + 86_400_000)), 0)
    room.work(lambda: bool(room.checks.open))
    assert not room.votes(Phase.PREPARE)
    room.clock.set(NOW_MS + 86_400_000)
    room.driver.bodies_changed()
    room.work(prepared(room))


def test_a_block_with_a_batch_twice_is_refused() -> None:
    room = Room(1)
    room.hold(*BODY)
    room.hear(propose(child_of(header_at(room.chain, 0), 0, [BODY, BODY])), 0)
    room.work(lambda: bool(room.blamed))
    assert not room.votes(Phase.PREPARE)


def test_a_leader_proposes_only_bodies_that_are_durable() -> None:
    room = Room(0)
    digest = room.hold(*BODY)
    room.work(lambda: any(isinstance(m, Proposal) for _, m, _ in room.sent))
    _, proposal, kept = next(s for s in room.sent if isinstance(s[1], Proposal))
    assert proposal.block.batch_digests == (digest,)
    assert BODY[0] in kept.batches and Proposed(proposal) in kept.records


@pytest.mark.pitfall(43)
def test_after_an_error_of_the_disk_nothing_is_sent() -> None:
    """Pitfall 43: stop signing at once; the exception ends the node."""
    for error, kind in ((OSError(28, "full"), DiskFull), (OSError(5, "io"), StorageFailed)):
        room = Room(1)
        room.hold(*BODY)
        room.disk.fail_at(room.disk.operations + 2, error)  # the write works, the sync fails
        room.hear(propose(first_block(room)), 0)
        room.work(lambda room=room: bool(room.failed))  # type: ignore[misc]
        assert isinstance(room.failed[0], kind)
        assert not room.votes(Phase.PREPARE), "a vote left although it is on no disk"


@pytest.mark.pitfall(38, 39)
def test_after_a_power_cut_the_same_vote_is_sent_again_and_no_other() -> None:
    """Pitfalls 38, 39: identical bytes; a second block for the slot gets no second signature."""
    room = Room(1)
    room.hold(*BODY)
    room.hear(propose(first_block(room)), 0)
    room.work(prepared(room))
    signed = room.votes(Phase.PREPARE)[0]
    room.disk.crash(0)
    again = Room(1, room.disk, room.chain)
    other = batch_of(0, "H-9")
    again.hold(*other)
    again.hear(propose(child_of(header_at(again.chain, 0), 0, [other])), 0)
    again.hear(vote_of(2, Phase.PREPARE, first_block(again)), 2)
    again.work(lambda: bool(again.votes(Phase.PREPARE)) or bool(again.sent))
    assert all(vote == signed for vote in again.votes(Phase.PREPARE))
    assert again.store.get(batch_digest(BODY[0])) is not None, "the body came back with the promise"


def test_a_rotated_journal_keeps_promises_and_their_bodies() -> None:
    room = Room(1)
    room.driver.rotate_bytes = 0
    room.hold(*BODY)
    block = first_block(room)
    room.hear(propose(block), 0)
    room.work(prepared(room))
    room.hear(vote_of(2, Phase.PREPARE, block), 2)
    room.work(lambda: bool(room.votes(Phase.COMMIT)))
    kept = room.surviving()
    assert kept.batches == [BODY[0]], "a rotation must keep the body of an undecided block"
    votes = {getattr(record, "vote", None) for record in kept.records}
    assert set(room.votes(Phase.PREPARE) + room.votes(Phase.COMMIT)) <= votes


def two_proposed(room: Room) -> Block:
    """The second of two blocks that the leader proposed; the bodies of both are held."""
    second = batch_of(0, "H-4")
    room.hold(*BODY)
    room.hold(*second)
    block = first_block(room)
    child = child_of(block.header, 0, [second])
    room.hear(propose(block), 0)
    room.hear(propose(child), 0)
    return child


def test_an_accepted_body_survives_a_rotation_before_its_vote() -> None:
    """The body was written for an answer that the core has not acted on yet: rotation must not drop it."""
    room = Room(1)
    child = two_proposed(room)
    room.driver.rotate_bytes = 0
    for _ in range(TURN_EVENTS_MAX):
        room.driver.post(Tick(1))
    turn = room.driver.begin()  # it ends before the answers, which stand behind all that
    room.journal.sync()
    room.driver.end(turn)
    assert not room.votes(Phase.PREPARE)
    assert {batch_digest(raw) for raw in room.surviving().batches} == {batch_digest(BODY[0]), *child.batch_digests}
    room.work(lambda: len(room.votes(Phase.PREPARE)) == 2)


def test_a_decision_of_two_heights_is_durable_before_the_first_is_executed() -> None:
    """A crash between the two must not leave a head without any certificate above it (C15)."""
    room = Room(1)
    child = two_proposed(room)
    room.work(lambda: len(room.votes(Phase.PREPARE)) == 2)
    certificate = certificate_of(child)
    room.hear(CertificateMessage(certificate), 2)
    room.work(lambda: room.chain.head.height == 2)
    assert SawCertificate(certificate) in room.surviving().records
    assert room.chain.certificate(1) is None and room.chain.certificate(2) is not None
    again = Room(1, room.disk, room.chain)
    assert again.driver.replica.decided == 2
    assert certificate_hash(certificate) != ZERO_DIGEST


@pytest.mark.pitfall(71)
def test_a_body_that_was_executed_before_stays_until_the_block_that_names_it_again_is_executed() -> None:
    """Every node prunes at the same height: what all of them accepted from their ledgers would be nowhere (C1)."""
    room, old = Room(1), batch_of(0, "H-1", valid_s=2_000)  # so that it may be named again after 600 s (C5)
    room.hold(*old)
    first = child_of(header_at(room.chain, 0), 0, [old])
    child = child_of(first.header, 0, [], time_ms=NOW_MS + 601_000)
    room.hear(propose(first), 0)
    room.work(prepared(room))
    room.clock.set(NOW_MS + 601_000)
    room.hear(propose(child), 0)
    room.hear(CertificateMessage(certificate_of(child)), 2)
    room.work(lambda: room.chain.head.height == 2)
    assert room.store.held_count == 0
    third = child_of(child.header, 0, [old])
    room.hear(propose(third), 0)
    room.work(lambda: any(vote.height == 3 for vote in room.votes(Phase.PREPARE)))
    kept = room.store.get(batch_digest(old[0]))
    assert kept is not None and kept.held_ms <= monotonic_ms(), "by the clock of all that waits, not by block times"
    room.chain.raise_floor(2)
    assert room.bodies.missing(third) == []
    room.hear(CertificateMessage(certificate_of(third)), 2)
    room.work(lambda: room.chain.head.height == 3)
    assert room.store.held_count == 0


def test_batches_of_a_dead_proposal_are_proposed_again() -> None:
    """Nothing is lost with a view: what only an undecided block named is a candidate of the next leader."""
    room = Room(1)
    digest = room.hold(*BODY)
    room.hear(propose(first_block(room)), 0)
    room.work(prepared(room))
    assert [held.digest for held in room.store.candidates(())] == [digest]


@pytest.mark.pitfall(78)
def test_a_certified_block_with_another_state_root_stops_the_node() -> None:
    """Pitfall 78: a node that computed something else than a quorum halts before it serves anything."""
    room = Room(1)
    room.hold(*BODY)
    block = first_block(room, state_root=Digest(b"\x01" * 32))
    room.hear(propose(block), 0)
    room.hear(CertificateMessage(certificate_of(block)), 2)
    room.work(lambda: bool(room.failed))
    assert type(room.failed[0]).__name__ == "Diverged" and room.chain.head.height == 0
