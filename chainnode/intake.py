"""Batches from peers: decoded, hashed and verified once per node, in short turns beside everything else.

In rounds, each with some of every peer, so one that floods waits behind itself. A batch with one bad transaction is
refused whole and costs whoever answers for it (section 5 of the protocol, T9). A liar costs little more than a turn:
nothing is verified behind the first signature that does not, and what else it sent unasked is not looked at.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from chainnode.batches import BatchStore, Candidate, Declined, HeldBatch
from chainnode.signatures import TURN_CHECKS, BulkVerifier
from primitives.codec import Malformed
from primitives.transaction import Decoded, decode_transaction
from primitives.validators import NodeId

ROUND_TRANSACTIONS: Final = 128  # of one peer: a turn of the lanes


class BatchIntake:
    """Between the links and the store. Its queues need no bound of their own: the store's quotas count what is in
    hand, and what was asked for is bounded by the window."""

    def __init__(
        self,
        store: BatchStore,
        verifier: BulkVerifier,
        chain_id: bytes,
        clock_ms: Callable[[], int],
        on_held: Callable[[HeldBatch], None],
        on_bad: Callable[[Candidate, str], None],
    ) -> None:
        """on_held: a foreign batch is now in the store. on_bad: it is refused, with the reason; if not
        `candidate.wanted`, its sender lied, else the leader whose proposal names it did."""
        self._store: Final = store
        self._verifier: Final = verifier
        self._chain_id: Final = chain_id
        self._clock_ms: Final = clock_ms
        self._on_held: Final = on_held
        self._on_bad: Final = on_bad
        self._lines: Final[dict[NodeId, deque[Candidate]]] = {}
        self._work: Final = asyncio.Event()

    def receive(self, sender: NodeId, raw: bytes) -> Declined | None:
        """Take a batch from the link of `sender`; None: it is in hand, on_held or on_bad follows.

        Raises: Malformed if the sender lies; charge it.
        """
        found = self._store.offer(sender, raw)
        if isinstance(found, Declined):
            return found
        line = self._lines.setdefault(sender, deque())
        if found.wanted:
            line.appendleft(found)  # a block waits for it
        else:
            line.append(found)
        self._work.set()
        return None

    async def run(self) -> None:
        """Work until cancelled; run it in the node's TaskGroup."""
        while True:
            await self._work.wait()
            await asyncio.gather(*map(self._verify, self._next_round()))
            if not self._lines:
                self._work.clear()

    def _next_round(self) -> list[list[Candidate]]:
        """Of every peer as many as a turn may verify, one at least: small batches, each with a turn of its own, would
        keep a busy loop from ever being through with them."""
        chosen: list[list[Candidate]] = []
        for sender, line in list(self._lines.items()):
            some, room = [line.popleft()], ROUND_TRANSACTIONS
            while line and (room := room - len(some[-1].batch.transactions)) > 0:
                some.append(line.popleft())
            if not line:
                del self._lines[sender]
            chosen.append(some)
        return chosen

    async def _verify(self, some: Sequence[Candidate]) -> None:
        """Of one peer, in order, until the first that is bad; what follows that waits again."""
        decoded: list[list[Decoded]] = []
        reason = ""  # of the one behind those that are decoded
        for candidate in some:
            try:
                decoded.append(await self._decode(candidate))
            except Malformed as error:
                reason = str(error)
                break
        bad = await self._verifier.first_bad([one for transactions in decoded for one in transactions])
        for candidate, transactions in zip(some, decoded, strict=False):
            if bad is not None and bad < len(transactions):
                self._refuse(some, candidate, f"transaction {bad} of a batch: a signature does not verify")
                return
            bad = None if bad is None else bad - len(transactions)
            self._on_held(self._store.keep(candidate, tuple(transactions), self._clock_ms()))
        if len(decoded) < len(some):
            self._refuse(some, some[len(decoded)], reason)

    async def _decode(self, candidate: Candidate) -> list[Decoded]:
        if candidate.fault:
            raise Malformed(candidate.fault)
        decoded: list[Decoded] = []
        for number, raw in enumerate(candidate.batch.transactions):
            if number and not number % (TURN_CHECKS * 8):  # decoding costs a tenth of a signature
                await self._verifier.turn()
            one = decode_transaction(raw)
            if one.transaction.envelope.chain_id != self._chain_id:
                raise Malformed(f"transaction {number} of a batch is of another chain")
            decoded.append(one)
        return decoded

    def _refuse(self, some: Sequence[Candidate], candidate: Candidate, reason: str) -> None:
        rest = some[some.index(candidate) + 1 :]
        if rest:
            self._lines.setdefault(candidate.sender, deque()).extendleft(reversed(rest))
        self._store.refuse(candidate, reason)
        if not candidate.wanted:
            self._drop_line(candidate.sender)
        self._on_bad(candidate, reason)

    def _drop_line(self, liar: NodeId) -> None:
        """What was not asked for. It may be good and named by now: then it is fetched again, from whoever has it."""
        line = self._lines.pop(liar, None)
        if line is None:
            return
        wanted = deque(candidate for candidate in line if candidate.wanted)
        if wanted:
            self._lines[liar] = wanted
        for candidate in line:
            if not candidate.wanted:
                self._store.forget(candidate)
