"""Server-sent events read from the committed log by cursor: never dropped, never a channel inside consensus.

One message per receipt, its id "height.index"; behind the receipts of a block one message "block" with the id
"height.count" and the events of the block itself, for a week. A reader that was away resumes behind its Last-Event-ID,
from the log, on any node.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.block_events import block_events, concerning
from chainnode.calls import Answer, Call, Query
from chainnode.problem import Refused
from chainnode.proofs import decode_receipt
from ledger.chain import Chain
from primitives.block import header_digest
from primitives.codes import Code
from primitives.receipt import Receipt
from primitives.receipt_form import event_to_plain, receipt_to_plain

CHUNK_RECEIPTS: Final = 64  # rendered at once, about 1 ms; then the loop gets its turn
CHUNK_BYTES: Final = 32 * 1024  # or so much: a batch's receipt has 25 KiB, rendered in 2 ms
KEEP_ALIVE_S: Final = 15
KEEP_ALIVE: Final = b": still here\n\n"
_JSON: Final = msgspec.json.Encoder()

Accounts = frozenset[bytes] | None  # whose messages; None: all


class EventsQuery(Query, frozen=True):
    """`from`: the first message wanted, height.index ("0.0": all); without it and Last-Event-ID: what comes next.
    `account`: only receipts whose sender-visible events name this address; blocks are told all the same."""

    start: str = msgspec.field(name="from", default="")
    account: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A message's place; `index` of a block message is the number of the block's mentions."""

    height: int
    index: int


def read_cursor(text: str) -> Cursor:
    """The cursor of "height.index". Raises: Refused."""
    height, _, index = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (height, index)):
        raise Refused(Code.BAD_REQUEST, f"cursor: expected height.index, found {text[:40]!r}")
    return Cursor(int(height), int(index))


def start_of(chain: Chain, query: EventsQuery, last_event_id: str) -> Cursor:
    """Where to begin; Last-Event-ID, which a browser sends when it reconnects, wins. Raises: Refused."""
    if last_event_id:
        last = read_cursor(last_event_id)
        return Cursor(last.height, last.index + 1)
    if query.start:
        return read_cursor(query.start)
    return Cursor(chain.head.height + 1, 0)


def _message(kind: str, cursor: Cursor, data: dict[str, Any]) -> bytes:
    return b"event: %b\nid: %d.%d\ndata: %b\n\n" % (kind.encode(), cursor.height, cursor.index, _JSON.encode(data))


def names(receipt: Receipt, accounts: Accounts) -> bool:
    """Whether an event of the receipt names one of the accounts; None: always."""
    return accounts is None or any(value in accounts for event in receipt.events for _, value in event.accounts)


def _render(raws: list[bytes | None], height: int, first: int, accounts: Accounts) -> bytes:
    found = []
    for index, raw in enumerate(raws, first):
        receipt = None if raw is None else decode_receipt(raw)
        if receipt is not None and names(receipt, accounts):
            found.append(_message("receipt", Cursor(height, index), receipt_to_plain(receipt)))
    return b"".join(found)


def _chunk_end(receipts: list[bytes | None], first: int) -> int:
    octets = 0
    for position in range(first, min(first + CHUNK_RECEIPTS, len(receipts))):
        octets += len(receipts[position] or b"")
        if octets > CHUNK_BYTES:
            return position + 1
    return min(first + CHUNK_RECEIPTS, len(receipts))


async def _block_messages(chain: Chain, start: Cursor, accounts: Accounts) -> AsyncIterator[bytes]:
    header = chain.header(start.height)
    assert header is not None, f"block {start.height} is at or below the head"
    receipts = chain.receipts(start.height)
    first = start.index
    while first < len(receipts):
        stop = _chunk_end(receipts, first)
        chunk = _render(receipts[first:stop], start.height, first, accounts)
        if chunk:
            yield chunk
        await asyncio.sleep(0)
        first = stop
    if start.index <= len(receipts):
        told = block_events(chain, start.height)
        events = [event_to_plain(e) for e in (told if accounts is None else concerning(told, accounts))]
        data = {"height": header.height, "hash": header_digest(header).hex(), "time_ms": header.time_ms,
                "transactions": len(receipts), "events": events}  # fmt: skip
        yield _message("block", Cursor(start.height, len(receipts)), data)


async def stream_events(
    backend: NodeBackend, start: Cursor, accounts: Accounts, permit: Callable[[], object] = bool
) -> AsyncIterator[bytes]:
    """The messages from `start` on, for ever; a comment every 15 s of silence. Reads as fast as it is consumed.

    `permit` is asked before every block and every silence; what it raises ends the stream.
    """
    chain, at = backend.chain, start
    while True:
        permit()
        while at.height <= chain.head.height:
            permit()
            async for chunk in _block_messages(chain, at, accounts):
                yield chunk
            at = Cursor(at.height + 1, 0)
        try:
            async with asyncio.timeout(KEEP_ALIVE_S):
                await backend.commits.height_above(at.height - 1)
        except TimeoutError:
            yield KEEP_ALIVE


async def streamed(backend: NodeBackend, call: Call) -> Answer:
    """Marks the route that the listener writes to piece by piece."""
    raise AssertionError("the listener streams this route itself")
