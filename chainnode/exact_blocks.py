"""Blocks to order, for scenario files on a network with a test clock: these transactions, in this order, one block."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from chainnode.admissions import Admissions
from chainnode.backend import Admission, ExactBlock
from chainnode.clock import Clock
from chainnode.commit_feed import CommitFeed
from chainnode.membership import Membership
from chainnode.mempool import Packed
from ledger.chain import Chain
from primitives.block import Batch, batch_digest
from primitives.codec import encode
from primitives.codes import Code
from primitives.genesis import Limits
from primitives.hashing import Digest
from primitives.transaction import Decoded

SEQUENCE_START: Final = 2**62  # apart from the numbers of the pool's own batches


class ExactBlocks:
    """One batch is one block here because nothing else is pending on such a network."""

    def __init__(
        self, membership: Membership, limits: Limits, admissions: Admissions, chain: Chain, commits: CommitFeed,
        clock: Clock, publish: Callable[[Packed], None],
    ) -> None:  # fmt: skip
        self._membership: Final = membership
        self._limits: Final = limits
        self._admissions: Final = admissions
        self._chain: Final = chain
        self._commits: Final = commits
        self._clock: Final = clock
        self._publish: Final = publish
        self._sequence = SEQUENCE_START
        self._waiting: Final[dict[Digest, asyncio.Future[int]]] = {}

    async def submit(self, transactions: Sequence[Decoded], timeout_ms: int) -> ExactBlock:
        """See NodeBackend.submit_block."""
        if not transactions:
            return await self._empty(timeout_ms)
        admissions = await self._admissions.examine(transactions)
        chosen = [t for t, a in zip(transactions, admissions, strict=True) if a.code is Code.OK]
        if not chosen:
            return ExactBlock(None, tuple(admissions))
        self._sequence += 1
        batch = Batch(self._membership.me, self._sequence, tuple(t.raw for t in chosen))
        raw = encode(batch)
        if len(chosen) > self._limits.batch_transactions or len(raw) > self._limits.batch_bytes:
            fault = (
                f"{len(chosen)} transactions of {len(raw)} bytes do not fit into one batch: limits "
                f"{self._limits.batch_transactions} and {self._limits.batch_bytes} bytes"
            )
            return ExactBlock(None, tuple(admissions), fault)
        return await self._decided(Packed(batch_digest(raw), raw, batch, tuple(chosen)), admissions, timeout_ms)

    def executed(self, height: int, digests: Sequence[bytes]) -> None:
        """A block with these batches is in the ledger."""
        for digest in digests:
            waiting = self._waiting.get(Digest(digest))
            if waiting is not None and not waiting.done():
                waiting.set_result(height)

    async def _decided(self, packed: Packed, admissions: Sequence[Admission], timeout_ms: int) -> ExactBlock:
        future = self._waiting[packed.digest] = asyncio.get_running_loop().create_future()
        self._publish(packed)
        try:
            height = await asyncio.wait_for(future, timeout_ms / 1000)
        except TimeoutError:
            return ExactBlock(None, tuple(admissions), f"no block within {timeout_ms} ms; is a quorum running?")
        finally:
            del self._waiting[packed.digest]
        return ExactBlock(height, tuple(admissions))

    async def _empty(self, timeout_ms: int) -> ExactBlock:
        """The block that the set clock asked for; every node wants one since its clock was set."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while not self._reached():
                    await self._commits.height_above(self._chain.head.height)
        except TimeoutError:
            return ExactBlock(None, (), f"no block at the set time within {timeout_ms} ms; set the clock of all nodes")
        return ExactBlock(self._chain.head.height, ())

    def _reached(self) -> bool:
        header = self._chain.header(self._chain.head.height)
        return header is not None and header.time_ms >= self._clock.now_ms()
