"""Old history may be pruned at any moment, by another thread: who reads it just then is told so, and goes on."""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from chainnode.catchup import chain_piece
from chainnode.proofs import raw_transaction
from consensus.messages import CertificateMessage, Vote
from ledger.failures import Pruned
from ledger.schema import BATCH
from ledger.store import MemoryStore
from primitives.block import Block
from tests.chainnode.rooms import NOW_MS, Room, batch_of, certificate_of, child_of, header_at, new_chain, propose

LATER_MS = NOW_MS + 601_000  # the first batch may be named again by then (C5)
BODIES = [batch_of(0, *orders, valid_s=2_000) for orders in (("H-1", "H-2"), ("H-3",), ("H-4",))]
AGAIN = BODIES[0]


class Database(MemoryStore):
    """Another thread prunes right behind a look for a batch."""

    chain: Any = None
    looks = 0  # until then; 0: it never does

    def get(self, key: bytes) -> bytes | None:
        found = super().get(key)
        if key[:1] == BATCH and self.looks:
            self.looks -= 1
            if not self.looks:
                self.chain.raise_floor(self.chain.head.height)
        return found


def grown(blocks: int) -> tuple[Room, Database, Block]:
    """A node with so many blocks, and one more that names the first batch again."""
    database = Database()
    database.chain = new_chain(database)
    room = Room(1, chain=database.chain)
    room.driver.rotate_bytes = 0  # the journal keeps no body of an executed block
    parent = header_at(room.chain, 0)
    for body in BODIES[:blocks]:
        room.hold(*body)
        block = child_of(parent, 0, [body])
        if block.header.height > 1:
            room.clock.set(LATER_MS)
            block = child_of(parent, 0, [body], time_ms=max(LATER_MS, parent.time_ms + 1))
        room.hear(propose(block), 0)
        room.hear(CertificateMessage(certificate_of(block)), 2)
        parent = block.header
    room.work(lambda: room.executor.height == blocks)
    return room, database, child_of(parent, 0, [AGAIN])


def pruned_at_each_look(votes: bool) -> Iterator[Room]:
    """Rooms that heard such a block, with or without time to vote on it before its certificate comes, each with the
    pruning one step of theirs later; at last it is too late."""
    for looks in count(1):
        room, database, again = grown(2)
        database.looks = looks
        room.hear(propose(again), 0)
        while votes and not room.driver.idle:
            turn = room.driver.begin()
            room.journal.sync()
            room.driver.end(turn)
        room.hear(CertificateMessage(certificate_of(again)), 2)
        room.work(partial(ended, room, waits=True))
        yield room
        if database.looks:
            assert looks > (4 if votes else 2)
            return


def ended(room: Room, waits: bool = False) -> bool:
    return bool(room.failed) or room.executor.height == 3 or (waits and bool(room.wanted))


@pytest.mark.parametrize("votes", [False, True])
def test_a_batch_that_is_pruned_while_a_block_names_it_again_is_fetched(votes: bool) -> None:
    """At whatever step of check, vote and execution it happens; and no vote is for a body that no disk has (C1)."""
    fetched, cast = 0, set()
    for room in pruned_at_each_look(votes):
        mine = [kept for _, message, kept in room.sent if isinstance(message, Vote) and message.height == 3]
        assert all(AGAIN[0] in kept.batches for kept in mine)
        cast.add(len(mine))
        if room.wanted:
            fetched += 1
            room.hold(*AGAIN)
            room.work(partial(ended, room))
        assert not room.failed and not room.blamed
        assert room.executor.height == 3
    assert fetched > 1
    assert cast == ({0, 1} if votes else {0})


def test_a_transaction_that_is_pruned_while_it_is_read_is_gone_and_no_bug() -> None:
    room, database, _ = grown(2)
    place = room.chain.place(AGAIN[1][1].id)
    assert place is not None
    assert raw_transaction(room.chain, place) == AGAIN[1][1].raw
    database.looks = 1
    with pytest.raises(Pruned, match="block 1 is below 2"):
        raw_transaction(room.chain, place)


def test_who_asks_for_blocks_that_are_pruned_while_they_are_read_gets_none() -> None:
    room, database, _ = grown(3)
    assert len(chain_piece(room.chain, room.bodies, 1, 9).blocks) == 3
    database.looks = 1
    reply = chain_piece(room.chain, room.bodies, 1, 9)
    assert (reply.first, reply.blocks, reply.certificate) == (1, (), None)
