"""What happened to an account, newest first, read from the committed log: no index to keep, none to fall behind.

A receipt that does not hold the address as bytes is passed over undecoded, so a block costs one read, about 20 us.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from chainnode.event_feed import Cursor, names
from chainnode.proofs import decode_receipt
from ledger.chain import Chain
from primitives.receipt import Receipt

BLOCKS_MAX: Final = 4096  # per request; then the reader goes on from `next`
_SLICE: Final = 128  # blocks until the loop gets its turn


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`next` names the place below which to go on; None: genesis was reached."""

    receipts: tuple[tuple[Receipt, int], ...]  # with the block's time in ms
    next: Cursor | None


async def account_history(chain: Chain, account: bytes, before: Cursor | None, limit: int) -> HistoryPage:
    """Up to `limit` receipts whose events name the account, from just below `before` (None: the head) down."""
    top = Cursor(chain.head.height + 1, 0) if before is None else before
    height = min(top.height, chain.head.height)
    lowest = max(0, height - BLOCKS_MAX)
    found: list[tuple[Receipt, int]] = []
    while height > lowest:
        for index, raw in reversed(list(enumerate(chain.receipts(height)))):
            if raw is None or account not in raw or Cursor(height, index) >= top:
                continue
            receipt = decode_receipt(raw)
            if not names(receipt, account):
                continue
            header = chain.header(height)
            assert header is not None, "a block with receipts has a header"
            found.append((receipt, header.time_ms))
            if len(found) == limit:
                return HistoryPage(tuple(found), Cursor(height, index))
        height -= 1
        if height % _SLICE == 0:
            await asyncio.sleep(0)
    return HistoryPage(tuple(found), Cursor(height, 2**32) if height > 0 else None)
