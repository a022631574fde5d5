"""Proofs against validators: checked before they are kept, kept once, told once, offered until everybody has them."""

import asyncio

import msgspec
import pytest

from chainnode.evidence_book import OFFER_MS, PAGE_MS, PEER_BURST, PER_ACCUSED_MAX, EvidenceBook
from chainnode.peer_messages import (
    EVIDENCE_LISTED_MAX,
    EvidenceFound,
    EvidenceHeld,
    EvidenceMessage,
    EvidenceWanted,
)
from chainnode.wire import encode_message
from consensus.epochs import EpochContext
from consensus.evidence import DoubleVote, Evidence, HiddenCommit, accuse, decode_evidence, evidence_id
from consensus.messages import Vote
from ledger.evidence_shelf import EvidenceShelf
from ledger.store import MemoryStore, Store
from primitives.certificate import Phase
from primitives.codec import Malformed, encode
from primitives.validators import NodeId
from tests.chainnode.solo import Town
from tests.chainnode.test_api import ask, call
from tests.consensus.committee import GENESIS, block_on, context_of, fake_verify, view_change, vote

CONTEXT = context_of(4)
A, B = block_on(GENESIS, CONTEXT), block_on(GENESIS, CONTEXT, time_ms=9_000)


def double(view: int, signer: int = 3) -> Evidence:
    """One offence per view."""
    votes = (vote(CONTEXT, Phase.PREPARE, view, block, signer) for block in (A, B))
    return accuse(CONTEXT, signer, DoubleVote(*votes))


class Desk:
    """A book whose mail the test carries."""

    def __init__(self, me: int, store: Store | None = None, epochs: tuple[int, ...] = (0,)) -> None:
        self.me = me
        self.mail: list[tuple[int, EvidenceMessage]] = []  # -1: everybody
        self.peers: list[NodeId] = []
        self.new: list[Evidence] = []
        self.checks = 0
        self.epochs = epochs
        self.shelf = EvidenceShelf(store or MemoryStore())
        self.book = EvidenceBook(self.shelf, self.context_of, self.verify, self, self.new.append)

    def context_of(self, epoch: int) -> EpochContext | None:
        return CONTEXT if epoch in self.epochs else None

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        self.checks += 1
        return fake_verify(key, message, signature)  # type: ignore[arg-type]

    def send(self, node: NodeId, message: EvidenceMessage) -> bool:
        self.mail.append((node, message))
        return True

    def broadcast(self, message: EvidenceMessage) -> int:
        self.mail.append((-1, message))
        return len(self.peers)

    def connected(self) -> list[NodeId]:
        return self.peers

    def hear(self, message: EvidenceMessage, now_ms: int = 0, sender: int = 1) -> None:
        self.book.receive(NodeId(sender), message, now_ms)


def carry(desks: list[Desk], now_ms: int) -> None:
    """Time passes for all, and their mail arrives, until nobody says anything more."""
    for desk in desks:
        desk.book.tick(now_ms)
    while any(desk.mail for desk in desks):
        for desk in desks:
            mail, desk.mail = desk.mail, []
            for recipient, message in mail:
                for other in desks:
                    if other is not desk and NodeId(other.me) in desk.peers and recipient in (-1, other.me):
                        other.hear(message, now_ms, desk.me)


def test_a_proof_is_told_and_kept_once() -> None:
    desk = Desk(0)
    evidence = double(1)
    for _ in range(3):
        desk.hear(EvidenceFound(encode(evidence)))
        desk.book.found(evidence)
    assert desk.new == [evidence]
    assert desk.mail == [(-1, EvidenceFound(encode(evidence)))]
    assert desk.checks == 2, "what is known is not verified again"
    assert evidence_id(evidence) in desk.book and evidence_id(double(2)) not in desk.book


def test_false_evidence_costs_its_sender_and_is_not_kept() -> None:
    desk = Desk(0)
    good = double(1)
    assert isinstance(good.proof, DoubleVote)
    forged: Vote = msgspec.structs.replace(good.proof.first, signature=bytes(64))
    for raw in (
        encode(msgspec.structs.replace(good, proof=DoubleVote(forged, good.proof.second))),
        encode(msgspec.structs.replace(good, accused=2)),
        encode(msgspec.structs.replace(good, chain_id=bytes(32))),
        encode(good) + b"\0",
        b"",
    ):
        with pytest.raises(Malformed):
            desk.hear(EvidenceFound(raw))
    assert not len(desk.book) and not desk.mail and not desk.new


def test_an_epoch_that_is_not_reached_is_nobodys_fault() -> None:
    desk = Desk(0, epochs=())
    desk.hear(EvidenceFound(encode(double(1))))
    assert not len(desk.book)
    desk.epochs = (0,)
    desk.hear(EvidenceFound(encode(double(1))))
    assert len(desk.book) == 1


def test_a_book_is_the_same_after_a_restart() -> None:
    store = MemoryStore()
    desk = Desk(0, store)
    for view in range(300):
        desk.book.found(double(view))
    assert desk.book.get(evidence_id(double(7))) == encode(double(7)), "also before it is written"
    desk.book.write()
    assert not desk.book.unwritten
    again = Desk(0, store)
    assert len(again.book) == 300 and not again.new
    assert decode_evidence(again.book.get(evidence_id(double(7))) or b"") == double(7)
    again.book.found(double(7))
    assert not again.mail


def test_the_first_thousand_per_member_and_epoch_count() -> None:
    store = MemoryStore()
    desk = Desk(0, store)
    for view in range(PER_ACCUSED_MAX + 20):
        desk.book.found(double(view))
    desk.book.found(double(1, signer=2))
    assert len(desk.book) == PER_ACCUSED_MAX + 1
    desk.book.write()
    again = Desk(0, store)
    again.hear(EvidenceFound(encode(double(PER_ACCUSED_MAX + 5))))
    assert len(again.book) == PER_ACCUSED_MAX + 1 and again.checks == 0


def test_all_end_with_the_same_offences_although_messages_are_lost() -> None:
    """Two pages of offences at one node, one at another, a third that connects late; every broadcast is lost."""
    desks = [Desk(node) for node in range(3)]
    for view in range(EVIDENCE_LISTED_MAX + 40):
        desks[0].book.found(double(view))
    desks[1].book.found(accuse(CONTEXT, 3, HiddenCommit(
        vote(CONTEXT, Phase.COMMIT, 0, A, 3), view_change(CONTEXT, 1, 3).summary
    )))  # fmt: skip
    for desk in desks:
        desk.mail.clear()
        desk.peers = [NodeId(other) for other in range(2) if other != desk.me]
    for now in (0, PAGE_MS, OFFER_MS, OFFER_MS + PAGE_MS):  # what is beyond a peer's budget comes with the next list
        carry(desks[:2], now)
    assert len(desks[0].book) == len(desks[1].book) == EVIDENCE_LISTED_MAX + 41
    for desk in desks:
        desk.peers = [NodeId(other) for other in range(3) if other != desk.me]
    now = 2 * OFFER_MS
    for turn in range(150):
        carry(desks, now + turn * 1_000)
    assert len({tuple(desk.book._ids) for desk in desks}) == 1
    desks[2].mail.clear()
    for desk in desks:
        desk.book.tick(now + 150_000)
    assert not any(desk.mail for desk in desks), "between the minutes all is said"


def test_a_list_begins_again_with_every_connection() -> None:
    desk = Desk(0)
    desk.book.found(double(1))
    desk.mail.clear()
    for now, peers, said in ((0, [1], 1), (20, [1], 0), (40, [], 0), (60, [1, 2], 2), (OFFER_MS + 30, [1, 2], 0),
                             (OFFER_MS + 60, [1, 2], 2)):  # fmt: skip
        desk.peers = [NodeId(peer) for peer in peers]
        desk.book.tick(now)
        assert len(desk.mail) == said, f"at {now}"
        desk.mail.clear()


def test_one_peer_cannot_make_the_node_work_without_end() -> None:
    desk = Desk(0)
    desk.book.found(double(1))
    desk.mail.clear()
    wanted = EvidenceWanted((evidence_id(double(1)),))
    for _ in range(int(PEER_BURST) + 500):
        desk.hear(wanted)
    assert len(desk.mail) == int(PEER_BURST)
    desk.mail.clear()
    desk.hear(wanted, sender=2)
    desk.hear(EvidenceHeld((bytes(32),)))
    assert len(desk.mail) == 1, "another peer has its own budget; the first one's is spent"


def test_messages_fit_their_class() -> None:
    ids = tuple(bytes([n]) * 32 for n in range(EVIDENCE_LISTED_MAX))
    for message in (EvidenceHeld(ids), EvidenceWanted(ids), EvidenceFound(bytes(64 * 1024))):
        assert encode_message(message)


# ---- what the API tells of it


def test_the_api_lists_pages_and_gives_the_bytes() -> None:
    town = Town()
    shelf = EvidenceShelf(town.node.chain.store)
    held = {evidence_id(double(view, 0)): encode(double(view, 0)) for view in range(5)}
    shelf.put(held)
    seen: list[str] = []
    cursor = ""
    while True:
        page = call(town, "GET", "/v1/evidence", cursor=cursor, limit="2")[1]
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == sorted(identity.hex() for identity in held)
    assert page["items"][0]["kind"] == "double_vote" and len(page["items"][0]["signed"]) == 2
    for identity, raw in held.items():
        path = f"/v1/evidence/{identity.hex()}"
        assert asyncio.run(ask(town, "GET", path, format="msgpack")).body == raw
        plain = call(town, "GET", path)[1]
        assert bytes.fromhex(plain["raw"]) == raw and plain["seat"] == 0
    assert call(town, "GET", f"/v1/evidence/{'00' * 32}")[0] == 404
    assert call(town, "GET", "/v1/evidence", cursor="xyz")[0] == 400
