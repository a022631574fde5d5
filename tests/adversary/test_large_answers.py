"""Receipts of hundreds of events: no page and no piece of a stream holds up the loop, and none is left out."""

import asyncio

from chainnode.event_feed import Cursor, stream_events
from chainnode.history import PAGE_BYTES, account_history
from chainnode.proofs import find_receipt
from primitives.codec import encode
from primitives.kinds import BatchOperations, Issue
from primitives.receipt_form import receipt_to_plain
from primitives.transaction import decode_transaction
from tests.chainnode.solo import Town
from tests.points.market import ADDRESS

PIECE_BYTES_MAX = 256 * 1024


def crowded(blocks: int, batches: int) -> tuple[Town, list[bytes]]:
    """A town whose blocks hold batches of 100 issues to one tourist; the ids, newest first."""
    town, ids = Town(), list[bytes]()
    for height in range(blocks):
        raws = [
            town.sign("A", BatchOperations(tuple(
                Issue("hA", ADDRESS["u"], 1, f"{height}-{number}-{n}", "EARN", 1) for n in range(100))))
            for number in range(batches)
        ]  # fmt: skip
        decoded = [decode_transaction(raw) for raw in raws]
        town.node.commit(decoded)
        ids += [one.id for one in decoded]
    return town, ids[::-1]


def test_a_page_of_history_ends_early_and_the_next_goes_on() -> None:
    town, ids = crowded(3, 12)
    told, before = list[bytes](), None
    while True:
        page = asyncio.run(account_history(town.node.chain, ADDRESS["u"], before, 200))
        sizes = [len(encode(receipt)) for receipt, _ in page.receipts]
        assert sum(sizes[:-1]) <= PAGE_BYTES, "one receipt above the limit at most"
        told += [receipt.tx for receipt, _ in page.receipts]
        if page.next is None:
            break
        before = page.next
    assert told == ids


def test_a_stream_comes_in_small_pieces() -> None:
    town, ids = crowded(1, 24)

    async def read() -> list[bytes]:
        found = list[bytes]()
        stream = stream_events(town.node, Cursor(0, 0), None)
        async for piece in stream:
            found.append(piece)
            if b"event: block\nid: 1." in piece:
                break
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator
        return found

    pieces = asyncio.run(read())
    assert max(map(len, pieces)) < PIECE_BYTES_MAX
    receipts = [receipt_to_plain_of(town, id) for id in reversed(ids)]
    assert b"".join(pieces).count(b"event: receipt") == len(receipts) == 24
    assert all(plain["tx"].encode() in b"".join(pieces) for plain in receipts)


def receipt_to_plain_of(town: Town, id: bytes) -> dict[str, str]:
    found = find_receipt(town.node.chain, id)
    assert found is not None
    return receipt_to_plain(found)
