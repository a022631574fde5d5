"""What happened to an account, newest first, read from the committed log: no index to keep, none to fall behind.

A receipt that does not hold the address as bytes is passed over undecoded, so a block costs one read, about 20 us.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from chainnode.block_events import block_receipt
from chainnode.event_feed import Cursor, names
from chainnode.proofs import decode_receipt
from ledger.chain import Chain
from ledger.failures import Pruned
from primitives.receipt import Receipt

BLOCKS_MAX: Final = 4096  # per request; then the reader goes on from `next`
PAGE_BYTES: Final = 64 * 1024  # of receipts, then the page ends: as JSON some four times as much, rendered in 5 ms
_SLICE_BYTES: Final = 128 * 1024  # read until the loop gets its turn; a block counts at least as _BLOCK_BYTES
_BLOCK_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`next` names the place below which to go on, on another node if this one has pruned what is there; None: genesis
    was reached."""

    receipts: tuple[tuple[Receipt, int], ...]  # with the block's time in ms
    next: Cursor | None


async def account_history(
    chain: Chain, account: bytes, before: Cursor | None, limit: int, of_blocks: bool = False
) -> HistoryPage:
    """Up to `limit` receipts, or PAGE_BYTES of them, naming the account, from just below `before` (None: head) down.

    `of_blocks`: events of blocks that name it too, as the receipt of no transaction; nothing proves that none of them
    is missing.
    Raises: Pruned for a `before` at or below the chain's floor, if it has one.
    """
    top = Cursor(chain.head.height + 1, 0) if before is None else before
    height = min(top.height, chain.head.height)
    of_account = frozenset((account,))
    floor = chain.floor
    if floor and top <= Cursor(floor, 0):
        raise Pruned(floor - 1, floor)
    end = max(floor - 1, 0)
    lowest = max(end, height - BLOCKS_MAX)
    found: list[tuple[Receipt, int]] = []
    taken = read = 0
    while height > lowest:
        receipts = chain.receipts(height)
        read += _BLOCK_BYTES + sum(len(raw) for raw in receipts if raw is not None)
        told = block_receipt(chain, height, len(receipts), account) if of_blocks else None
        if told is not None and Cursor(height, len(receipts)) < top:
            found.append((told, _time_ms(chain, height)))
            if len(found) == limit:
                return HistoryPage(tuple(found), Cursor(height, len(receipts)))
        for index, raw in reversed(list(enumerate(receipts))):
            if raw is None or account not in raw or Cursor(height, index) >= top:
                continue
            receipt = decode_receipt(raw)
            if not names(receipt, of_account):
                continue
            found.append((receipt, _time_ms(chain, height)))
            taken += len(raw)
            if len(found) == limit or taken > PAGE_BYTES:
                return HistoryPage(tuple(found), Cursor(height, index))
        height -= 1
        if read > _SLICE_BYTES:
            read = 0
            await asyncio.sleep(0)
    if height > end:
        return HistoryPage(tuple(found), Cursor(height, 2**32))
    return HistoryPage(tuple(found), Cursor(floor, 0) if floor else None)


def _time_ms(chain: Chain, height: int) -> int:
    header = chain.header(height)
    assert header is not None, "a block with receipts has a header"
    return header.time_ms
