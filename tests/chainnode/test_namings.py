"""A batch that the chain named within 600 s is not named again, and nobody counts it as waiting (C5)."""

from chainnode.batches import BatchLimits, BatchStore, HeldBatch
from chainnode.namings import Naming, Namings
from consensus.events import CheckBlock
from consensus.messages import CertificateMessage
from primitives.block import Block, batch_digest, header_digest
from primitives.certificate import Phase, certificate_hash
from primitives.hashing import Digest
from primitives.validators import Height, NodeId, View
from tests.chainnode.rooms import NOW_MS, Room, batch_of, certificate_of, child_of, header_at, propose
from tests.chainnode.transactions import NOW, make
from tests.chainnode.transactions import batch_of as raw_batch_of

ONE, TWO = Digest(b"1" * 32), Digest(b"2" * 32)
BLOCK = Digest(b"b" * 32)
BODY, SECOND = batch_of(0, "H-1"), batch_of(0, "H-2")


def test_a_naming_counts_for_600_seconds_of_the_parents_time() -> None:
    namings = Namings()
    namings.add([ONE], Naming(7, NOW))
    assert namings.forbid(ONE, 7, NOW) and namings.forbid(ONE, 9, NOW + 600)
    assert not namings.forbid(ONE, 9, NOW + 601) and not namings.forbid(TWO, 9, NOW)


def test_what_is_named_above_exec_height_is_the_cores_to_judge() -> None:
    """It may be of another branch than the proposal: then its leader must not be blamed."""
    namings = Namings()
    namings.add([ONE], Naming(7, NOW))
    assert not namings.forbid(ONE, 6, NOW)


def test_namings_are_forgotten_600_seconds_after_the_last() -> None:
    namings = Namings()
    namings.add([ONE, TWO], Naming(1, NOW))
    namings.add([ONE], Naming(2, NOW + 5))  # a quorum may decide what no honest replica prepares
    namings.expire(NOW + 600)
    assert ONE in namings and TWO in namings
    namings.expire(NOW + 601)
    assert ONE in namings and TWO not in namings
    namings.expire(NOW + 606)
    assert ONE not in namings


def _store() -> BatchStore:
    return BatchStore(NodeId(1), BatchLimits(batch_transactions=10, batch_bytes=8192))


def _hold(store: BatchStore, valid_until: int = NOW + 60) -> HeldBatch:
    raw, digest = raw_batch_of(1, [make(valid_until=valid_until)])
    store.restore(raw, 0)
    held = store.get(Digest(digest))
    assert held is not None
    return held


def test_an_executed_batch_that_a_dead_proposal_names_does_not_wait() -> None:
    """Else its node would owe a block in which nothing can stand, and change views until another batch comes (C4)."""
    store = _store()
    held, other = _hold(store), _hold(store)
    for block in (BLOCK, ONE):
        store.name(block, [held.digest])
    store.executed(BLOCK, [held.digest], Naming(1, NOW))
    assert store.get(held.digest) is held, "the other block may still be decided"
    assert store.candidates(()) == [other] and store.oldest_own(()) == other.digest
    assert store.waiting(()) == 1 and store.waiting({held.digest, other.digest}) == 0
    assert store.waits(other.digest) and not store.waits(held.digest)
    store.release(ONE)
    assert store.get(held.digest) is None and store.waiting(()) == 1


def test_an_expired_batch_that_a_block_names_does_not_wait() -> None:
    store = _store()
    held = _hold(store)
    store.name(BLOCK, [held.digest])
    store.expire(NOW + 60)
    assert store.waiting(()) == 1
    store.expire(NOW + 61)
    assert store.get(held.digest) is held and store.waiting(()) == 0 and store.candidates(()) == []
    store.release(BLOCK)
    assert store.get(held.digest) is None


def test_a_batch_that_comes_too_late_does_not_wait() -> None:
    """A peer that sends old batches would otherwise make idle nodes owe a block that none of them may propose."""
    store = _store()
    store.expire(NOW + 61)
    late = _hold(store)
    assert store.waiting(()) == 0 and store.candidates(()) == []
    store.expire(NOW + 62)
    assert store.get(late.digest) is None and store.waiting(()) == 0


def test_what_an_executed_block_named_and_comes_again_does_not_wait() -> None:
    store = _store()
    raw, digest = raw_batch_of(1, [make()])
    store.namings.add([Digest(digest)], Naming(1, NOW))
    store.restore(raw, 0)
    assert store.waiting(()) == 0 and store.candidates(()) == []


def _executed_once() -> tuple[Room, Block]:
    """A room whose ledger has one block, with BODY."""
    room = Room(1)
    room.hold(*BODY)
    block = child_of(header_at(room.chain, 0), 0, [BODY])
    room.hear(propose(block), 0)
    room.hear(CertificateMessage(certificate_of(block)), 2)
    room.work(lambda: room.chain.head.height == 1)
    assert not room.blamed
    return room, block


def _again(room: Room, parent: Block, body: tuple[bytes, tuple[object, ...]], **changes: object) -> CheckBlock:
    """The question about a child of `parent` that knows the state after it."""
    certificate = certificate_of(parent)
    block = child_of(
        parent.header, 0, [body], exec_height=1, state_root=room.executor.state_root(Height(1)),  # type: ignore[list-item]
        receipts_root=room.executor.receipts_root(Height(0), Height(1)), cert_height=1,
        cert_hash=certificate_hash(certificate), **changes,
    )  # fmt: skip
    return CheckBlock(View(0), Height(2), header_digest(block.header), block, parent)


def test_a_batch_of_an_executed_ancestor_is_refused_and_its_leader_blamed() -> None:
    room, first = _executed_once()
    room.hold(*SECOND)
    for body, accepted in ((SECOND, True), (BODY, False)):
        check = _again(room, first, body)
        room.checks.add(check)
        assert room.checks.evaluate() == [(check, accepted)]
    assert [why[:2] for why in room.blamed] == ["C5"]


def test_what_a_quorum_decided_anyway_is_executed() -> None:
    """The rule protects disks; a certified block is followed whatever it names."""
    room, first = _executed_once()
    block = child_of(first.header, 0, [BODY])
    room.hear(propose(block), 0)
    room.hear(CertificateMessage(certificate_of(block)), 2)
    room.work(lambda: room.chain.head.height == 2)
    assert not room.failed and [why[:2] for why in room.blamed] in ([], ["C5"])
    assert not [vote for vote in room.votes(Phase.PREPARE) if vote.height == 2]
    assert room.store.namings.forbid(Digest(batch_digest(BODY[0])), 2, NOW_MS // 1000)


def test_a_batch_in_which_nothing_can_be_valid_is_refused() -> None:
    """What is older than 600 s is remembered by nobody, and could be named again for ever."""
    room, first = _executed_once()
    room.hold(*SECOND)
    check = _again(room, first, SECOND)
    for late_s, accepted in ((299, True), (300, False)):
        late = first.header.time_ms + late_s * 1000
        parent = Block(type(first.header)(**{**_fields(first), "time_ms": late}), first.batch_digests, None)
        asked = CheckBlock(check.view, check.height, check.digest, check.block, parent)
        room.checks.add(asked)
        assert room.checks.evaluate() == [(asked, accepted)], late_s


def _fields(block: Block) -> dict[str, object]:
    return {name: getattr(block.header, name) for name in block.header.__struct_fields__}
