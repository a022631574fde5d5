"""Transactions from clients on their way into the pool: cheap refusals first, signatures in bulk, then the place."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from chainnode.backend import Admission
from chainnode.clock import Clock
from chainnode.rooms import Rooms
from chainnode.signatures import BulkVerifier
from points.admission import check_admission
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded

EXPIRED_KEPT: Final = 100_000  # ids that were given up; the oldest is forgotten first

_ACCEPTED: Final = Admission(Code.OK)
_EXECUTED: Final = Admission(Code.DUPLICATE_TX, "executed already")
_FORGED: Final = Admission(Code.BAD_SIGNATURE, "a signature does not verify")
_NO_SEAT: Final = Admission(Code.NOT_VALIDATOR, "this node has no seat and could not put it into a batch")
_LEAVING: Final = Admission(Code.NOT_VALIDATOR, "this node leaves the set with this epoch, a batch could be late")


class Admissions:
    """The way in for this node's own clients. Batches of other validators do not pass here."""

    def __init__(
        self, rooms: Rooms, verifier: BulkVerifier, clock: Clock, clock_ms: Callable[[], int],
        on_admitted: Callable[[], None],
    ) -> None:  # fmt: skip
        self._rooms: Final = rooms
        self._mempool: Final = rooms.mempool
        self._store: Final = rooms.store
        self._verifier: Final = verifier
        self._executor: Final = rooms.executor
        self._chain_id: Final = rooms.identity
        self._clock: Final = clock
        self._clock_ms: Final = clock_ms
        self._on_admitted: Final = on_admitted
        self._expired: Final[OrderedDict[Digest, None]] = OrderedDict()
        self._ahead = 0  # bytes whose signatures are being verified: their places are taken

    @property
    def now_s(self) -> int:
        """The block time that a transaction admitted now will at least meet."""
        return max(self._clock.now_ms() // 1000, self._executor.time_s)

    async def submit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """One answer each, in order. Code.OK: it is pooled and will end committed, rejected or expired.

        What has no place in the pool when its turn comes is refused before its signatures are verified: under overload
        a refusal costs next to nothing, and no signature is verified for it.
        """
        answers = await self._answers(transactions, self._admit)
        self._on_admitted()
        return answers

    async def examine(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """One answer each, in order; nothing is pooled."""
        return await self._answers(transactions, lambda _: _ACCEPTED)

    async def _answers(
        self, transactions: Sequence[Decoded], accept: Callable[[Decoded], Admission]
    ) -> list[Admission]:
        answers = [_ACCEPTED] * len(transactions)

        def wanted(position: int) -> bool:
            answers[position] = self._check(transactions[position])
            if answers[position].code is not Code.OK:
                return False
            self._ahead += len(transactions[position].raw)
            return True

        def judged(position: int, good: bool) -> None:
            self._ahead -= len(transactions[position].raw)
            answers[position] = accept(transactions[position]) if good else _FORGED

        await self._verifier.judge(transactions, wanted, judged)
        return answers

    def expired(self, ids: Sequence[Digest]) -> None:
        """These were given up: no later block can accept them."""
        for identity in ids:
            self._expired[identity] = None
        while len(self._expired) > EXPIRED_KEPT:
            self._expired.popitem(last=False)

    def was_expired(self, identity: Digest) -> bool:
        """Whether this node gave it up lately."""
        return identity in self._expired

    def _check(self, decoded: Decoded) -> Admission:
        if not self._rooms.takes_transactions:
            return _LEAVING if self._rooms.has_seat else _NO_SEAT
        envelope = decoded.transaction.envelope
        if envelope.chain_id != self._chain_id:
            return Admission(
                Code.WRONG_CHAIN, f"signed for chain {envelope.chain_id.hex()}, this is {self._chain_id.hex()}"
            )
        if decoded.id in self._executor.seen:
            return _EXECUTED
        now_s = self.now_s
        code = self._mempool.check(decoded, now_s, self._ahead)
        # what was executed before `seen` begins has expired since: only then the ledger need be asked
        if code is Code.EXPIRED_TX and self._executor.chain.place(decoded.id) is not None:
            return _EXECUTED
        if code is not Code.OK:
            return self._refusal(code, envelope.valid_until, now_s)
        code, detail = check_admission(self._executor.cache, decoded, now_s)
        return _ACCEPTED if code is Code.OK else Admission(code, detail)

    def _admit(self, decoded: Decoded) -> Admission:
        now_s = self.now_s
        code = self._mempool.admit(decoded, now_s, self._clock_ms(), self._store.mentions(decoded.id))
        return _ACCEPTED if code is Code.OK else self._refusal(code, decoded.transaction.envelope.valid_until, now_s)

    def _refusal(self, code: Code, valid_until: int, now_s: int) -> Admission:
        match code:
            case Code.EXPIRED_TX | Code.TTL_TOO_LONG:
                return Admission(code, f"valid_until {valid_until}, block time {now_s}, at most 600 s ahead")
            case Code.POOL_FULL | Code.SENDER_POOL_LIMIT:
                wait = self._mempool.retry_ms
                return Admission(code, f"try again in {wait} ms", wait)
            case _:
                return Admission(code)
