"""Pieces of the chain: proved by a certificate in the piece itself, or worth nothing (L8, pitfalls 56, 57)."""

import msgspec
import pytest

from chainnode import catchup
from chainnode.batches import Candidate
from chainnode.catchup import UNEXECUTED_MAX, CatchUpClient, chain_piece, proven_piece
from chainnode.peer_messages import BlockRangeReply, BlockRangeRequest, DecidedBlock
from consensus.events import CatchUp, Synced
from consensus.messages import CertificateMessage
from primitives.block import Block, batch_digest, header_digest
from primitives.certificate import Certificate, Phase, certificate_hash, verify_certificate
from primitives.codec import encode
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.keys import verify
from primitives.validators import Height, NodeId
from tests.chainnode.rooms import CHAIN_ID, MEMBERS, Room, batch_of, certificate_of, child_of, header_at, propose

BODIES = [batch_of(0, f"C-{i}") for i in range(3)]


def valid(certificate: Certificate) -> bool:
    return verify_certificate(certificate, CHAIN_ID, MEMBERS, verify)


def chain_of(room: Room, length: int = 3) -> list[Block]:
    blocks: list[Block] = []
    parent = header_at(room.chain, 0)
    for number in range(length):
        blocks.append(child_of(parent, 0, [BODIES[number]]))
        parent = blocks[-1].header
    return blocks


@pytest.mark.pitfall(56)
def test_a_piece_counts_up_to_its_highest_valid_certificate() -> None:
    blocks = chain_of(Room(1))
    assert proven_piece(1, blocks, certificate_of(blocks[1]), valid) == (tuple(blocks[:2]), certificate_of(blocks[1]))
    assert proven_piece(1, blocks, certificate_of(blocks[2]), valid) == (tuple(blocks), certificate_of(blocks[2]))
    assert proven_piece(1, blocks, None, valid) is None


def test_an_embedded_certificate_proves_what_lies_below_it() -> None:
    room = Room(1)
    first, second, _ = chain_of(room)
    own = certificate_of(first)
    header = msgspec.structs.replace(second.header, cert_height=1, cert_hash=certificate_hash(own))
    carrying = Block(header, second.batch_digests, own)
    assert proven_piece(1, [first, carrying], None, valid) == ((first,), own)


@pytest.mark.pitfall(56)
def test_forged_foreign_and_prepare_certificates_prove_nothing() -> None:
    blocks = chain_of(Room(1))
    good = certificate_of(blocks[2])
    for wrong in (
        certificate_of(blocks[2], Phase.PREPARE),
        msgspec.structs.replace(good, digest=ZERO_DIGEST),
        msgspec.structs.replace(good, signatures=good.signatures[::-1]),
        msgspec.structs.replace(good, height=10**12),
    ):
        assert proven_piece(1, blocks, wrong, valid) is None


def test_a_broken_link_ends_the_piece() -> None:
    blocks = chain_of(Room(1))
    assert proven_piece(1, [blocks[0], blocks[2]], certificate_of(blocks[2]), valid) is None
    assert proven_piece(1, [blocks[0], blocks[2]], certificate_of(blocks[0]), valid) == (
        (blocks[0],), certificate_of(blocks[0])
    )  # fmt: skip


def test_a_linked_block_with_a_false_height_ends_the_piece() -> None:
    """It would stand behind the certified one and make the core refuse the whole piece."""
    blocks = chain_of(Room(1))
    false = child_of(blocks[1].header, 0, [BODIES[2]], height=2)
    assert proven_piece(1, [*blocks[:2], false], certificate_of(blocks[1]), valid) == (
        tuple(blocks[:2]), certificate_of(blocks[1])
    )  # fmt: skip


class Peers:
    """Two peers that answer nothing by themselves; what was asked is recorded."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, BlockRangeRequest]] = []
        self.liars: list[int] = []
        self.synced: list[Synced] = []
        self.decided = self.executed = 0

    def send(self, node: NodeId, message: BlockRangeRequest | BlockRangeReply) -> bool:
        assert isinstance(message, BlockRangeRequest)
        self.asked.append((node, message))
        return True

    def connected(self) -> list[NodeId]:
        return [NodeId(0), NodeId(2)]

    def client(self, room: Room) -> CatchUpClient:
        return CatchUpClient(
            self, room.store, valid, decided=lambda: self.decided, executed=lambda: self.executed,
            on_synced=self.synced.append, on_liar=lambda node, why: self.liars.append(node),
            on_bodies=room.queue.body_came,
        )  # fmt: skip


def piece(blocks: list[Block], certificate: Certificate | None, first: int = 1) -> BlockRangeReply:
    bodies = [DecidedBlock(block, (BODIES[block.header.height - 1][0],)) for block in blocks]
    return BlockRangeReply(first, tuple(bodies), certificate)


@pytest.mark.pitfall(57)
def test_a_silent_peer_is_passed_over_and_a_liar_named() -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    assert [node for node, _ in peers.asked] == [0]
    client.tick(1_000)
    assert len(peers.asked) == 1, "a second request while one is open"
    client.tick(2_500)
    assert [node for node, _ in peers.asked] == [0, 2], "the silent one is passed over"
    client.receive(NodeId(2), piece(blocks, certificate_of(blocks[2], Phase.PREPARE)), 2_600)
    assert peers.liars == [2] and not peers.synced
    client.tick(2_700)
    assert [node for node, _ in peers.asked] == [0, 2, 0], "the next request goes to another peer"
    client.receive(NodeId(0), piece(blocks, certificate_of(blocks[2])), 2_800)
    assert peers.synced == [Synced(tuple(blocks), certificate_of(blocks[2]))]
    assert all(room.store.get(d) is not None for block in blocks for d in block.batch_digests)  # type: ignore[arg-type]
    peers.decided = 3
    client.tick(9_000)
    assert len(peers.asked) == 3, "nothing is asked beyond a certified target"


def test_a_piece_nobody_asked_for_is_dropped() -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.receive(NodeId(0), piece(blocks, certificate_of(blocks[2])), 0)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(2), piece(blocks, certificate_of(blocks[2])), 1)
    client.receive(NodeId(0), piece(blocks, certificate_of(blocks[2]), first=7), 1)
    assert not peers.synced and not peers.liars


def test_the_next_piece_is_asked_for_while_the_last_one_is_executed() -> None:
    """Until enough waits for the executor: by blocks, or by the bytes of their bodies."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), piece(blocks[:2], certificate_of(blocks[1])), 1)
    peers.decided = 2
    client.tick(1)
    assert [request.first for _, request in peers.asked] == [1, 3]


@pytest.mark.parametrize("why", ["blocks", "octets"])
def test_what_waits_for_the_executor_is_bounded(why: str) -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    if why == "octets":
        client.octets_max = len(BODIES[0][0]) + 1
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), piece(blocks[:2], certificate_of(blocks[1])), 1)
    peers.decided = 2 if why == "octets" else UNEXECUTED_MAX
    client.start(CatchUp(Height(2), msgspec.structs.replace(certificate_of(blocks[2]), height=1_000)), 1)
    assert len(peers.asked) == 1, "enough waits"
    peers.executed = peers.decided
    client.tick(2)
    assert len(peers.asked) == 2


@pytest.mark.parametrize("bodies", [(b"",), (BODIES[1][0],), (BODIES[0][0], BODIES[0][0]), (BODIES[0][0][:-1],)])
def test_bodies_that_the_block_does_not_name_are_a_lie(bodies: tuple[bytes, ...]) -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), BlockRangeReply(1, (DecidedBlock(blocks[0], bodies),), certificate_of(blocks[0])), 1)
    assert peers.liars == [0] and not peers.synced and room.store.held_count == 0


@pytest.mark.pitfall(57)
@pytest.mark.parametrize("lie", ["other bodies", "another certificate", "another place"])
def test_a_genuine_header_vouches_for_nothing_that_it_does_not_bind(lie: str) -> None:
    """Else one peer makes this node hold what nobody verified as if a quorum had, and vote for it; or it is asked for
    ever, because nothing that it sends leads on."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    header, certificate = blocks[0].header, certificate_of(blocks[0])
    match lie:
        case "other bodies":
            raw, _ = batch_of(2, "F-1")  # of whatever signatures
            blocks[0] = Block(header, (batch_digest(raw),), None)
            reply = BlockRangeReply(1, (DecidedBlock(blocks[0], (raw,)),), certificate)
        case "another certificate":
            reply = piece([Block(header, blocks[0].batch_digests, certificate)], certificate)
        case _:
            reply = piece(blocks[1:], certificate_of(blocks[2]))
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), reply, 1)
    assert not peers.synced and room.store.held_count == 0 and room.store.wanted_count == 0
    assert peers.liars == [0]
    client.tick(2)
    assert [node for node, _ in peers.asked] == [0, 2], "the next request goes to another peer"


@pytest.mark.parametrize("lie", ["other bodies", "no chain", "another height"])
def test_a_lie_behind_what_is_certified_is_one(lie: str) -> None:
    """Else a liar holds a node up by a few blocks a piece, for ever. What stands before the lie counts all the same."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    match lie:
        case "other bodies":
            last = Block(blocks[2].header, blocks[0].batch_digests, None)
        case "no chain":
            last = child_of(blocks[0].header, 0, [BODIES[2]], height=3)
        case _:
            last = child_of(blocks[1].header, 0, [BODIES[2]], height=4)
    reply = piece([*blocks[:2], blocks[2]], certificate_of(blocks[1]))
    false = DecidedBlock(last, reply.blocks[2].batches)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), msgspec.structs.replace(reply, blocks=(*reply.blocks[:2], false)), 1)
    assert [synced.blocks for synced in peers.synced] == [tuple(blocks[:2])]
    assert peers.liars == [0]
    client.tick(2)
    assert [node for node, _ in peers.asked] == [0, 2], "the next request goes to another peer"


def test_blocks_behind_the_last_certificate_are_no_lie() -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    client.receive(NodeId(0), piece(blocks, certificate_of(blocks[1])), 1)
    assert [synced.blocks for synced in peers.synced] == [tuple(blocks[:2])]
    assert peers.liars == []


def test_bodies_that_a_piece_leaves_out_are_asked_for() -> None:
    """By digest; one that is being verified here is not taken twice."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    in_hand = room.store.offer(NodeId(0), BODIES[0][0])
    assert isinstance(in_hand, Candidate)
    full, bare = DecidedBlock(blocks[0], (BODIES[0][0],)), DecidedBlock(blocks[1], ())
    client.receive(NodeId(2), BlockRangeReply(1, (full, bare), certificate_of(blocks[1])), 1)
    client.receive(NodeId(0), BlockRangeReply(1, (full, bare), certificate_of(blocks[1])), 1)
    assert len(peers.synced) == 1 and room.store.held_count == 0
    room.store.keep(in_hand, BODIES[0][1], 1)
    assert room.store.missing([Digest(d) for block in blocks[:2] for d in block.batch_digests]) == [
        Digest(blocks[1].batch_digests[0])
    ]
    assert [digests for _, digests in room.store.requests(2, 64)] == [(blocks[1].batch_digests[0],)]


@pytest.mark.pitfall(31)
def test_a_piece_that_comes_after_its_blocks_were_executed_holds_no_bodies() -> None:
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    peers.decided = peers.executed = 3  # by another way
    client.receive(NodeId(0), piece(blocks, certificate_of(blocks[2])), 100)
    assert not peers.liars and room.store.held_count == 0


@pytest.mark.pitfall(31)
@pytest.mark.parametrize("lies", [False, True])
def test_a_piece_brings_bodies_to_blocks_that_were_decided_by_another_way(lies: bool) -> None:
    """They wait for nothing else, and nobody looks at them again (seed 21269, n = 5: it stood still for ever). Also if
    a later body of the piece is a lie."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    for block in blocks:
        room.hear(propose(block), 0)
    room.hear(CertificateMessage(certificate_of(blocks[2])), 2)
    room.work(lambda: room.driver.replica.decided == 3 and not room.queue_wake.is_set())
    assert room.chain.head.height == 0 and room.wanted, "the bodies are missing"
    peers.decided = 3
    complete = piece(blocks, certificate_of(blocks[2]))
    if lies:
        complete = msgspec.structs.replace(
            complete, blocks=(*complete.blocks[:2], DecidedBlock(blocks[2], (b"not a batch",)))
        )
    client.receive(NodeId(0), complete, 100)
    room.work(lambda: room.chain.head.height == (2 if lies else 3))


def test_a_piece_of_an_epoch_that_ended_meanwhile_is_no_lie() -> None:
    """C8: the close block came by another way; the members of the next epoch have not signed what this piece proves."""
    room, peers = Room(1), Peers()
    blocks, client = chain_of(room), peers.client(room)
    client.start(CatchUp(Height(0), certificate_of(blocks[2])), 0)
    peers.decided = 3
    former = msgspec.structs.replace(certificate_of(blocks[2]), epoch=7)  # valid for none but the members of then
    client.receive(NodeId(0), piece(blocks, former), 100)
    assert not peers.liars and not peers.synced


def test_what_one_ledger_serves_another_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a room that decided and executed to a piece that proves itself, and that fits into a frame."""
    room = Room(1)
    blocks = chain_of(room)
    for block, body in zip(blocks, BODIES, strict=True):
        room.hold(*body)
        room.hear(propose(block), 0)
    room.hear(CertificateMessage(certificate_of(blocks[2])), 2)
    room.work(lambda: room.chain.head.height == 3)
    reply = chain_piece(room.chain, room.bodies, 1, 128)
    assert [header_digest(d.block.header) for d in reply.blocks] == [header_digest(b.header) for b in blocks]
    assert [d.batches for d in reply.blocks] == [(raw,) for raw, _ in BODIES]
    assert proven_piece(1, (d.block for d in reply.blocks), reply.certificate, valid) is not None
    assert chain_piece(room.chain, room.bodies, 4, 128).blocks == ()
    assert len(chain_piece(room.chain, room.bodies, 0, 2).blocks) <= 2
    sizes = [len(encode(block)) + len(raw) for block, (raw, _) in zip(blocks, BODIES, strict=True)]
    monkeypatch.setattr(catchup, "PIECE_BYTES_MAX", sum(sizes) - 1)
    assert [len(d.batches) for d in chain_piece(room.chain, room.bodies, 1, 128).blocks] == [1, 1], "the rest is next"
    monkeypatch.setattr(catchup, "PIECE_BYTES_MAX", sizes[0] - 1)
    assert [d.batches for d in chain_piece(room.chain, room.bodies, 1, 128).blocks] == [()], "larger than a frame"
