"""Signatures are verified once per node, in short turns on the event loop, so that a vote never waits for a flood.

Beside a busy loop a thread fights for the interpreter lock after each signature; turns on the loop itself verified more
and delayed votes less (measured; the figures stand in the node's performance page).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple

from chainnode.eight_lanes import Lanes
from chainnode.eight_lanes import find as find_eight_lanes
from primitives.certificate import Verify
from primitives.keys import PublicKey, Signature, verify
from primitives.transaction import Decoded, SignatureCheck, signature_checks

TURN_CHECKS: Final = 16  # about 1 ms; a message from a socket waits for two turns at most
TURN_CHECKS_IN_LANES: Final = 128  # about 1 ms of 5 to 8 us; whole groups of eight
CACHE_ENTRIES: Final = 65_536  # about 16 MiB

BATCHES_SHARE: Final = (3, 4)  # of a turn, while clients wait too: else a flood at one node starves all others
LANES_WORTH: Final = 3  # a call for eight costs as much as two of libsodium's

VerifyAll = Callable[[Sequence[SignatureCheck]], list[bool]]
Wanted = Callable[[int], bool]
Judged = Callable[[int, bool], None]


class SignatureCache:
    """Remembers what verified; a failure is never remembered, its sender is gone anyway.

    The older half is forgotten at once: to take one name out at a time, a dictionary looks through all the places that
    were given up before.
    """

    def __init__(self, entries_max: int = CACHE_ENTRIES, using: Verify = verify) -> None:
        """`entries_max`: at most so many are remembered, and always the last half of so many."""
        self._known: set[bytes] = set()
        self._older: set[bytes] = set()
        self._half: Final = entries_max // 2
        self._verify: Final = using
        self.saved = 0  # curve operations not done

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Like keys.verify, but at most once per triple while it is remembered. For votes and certificates."""
        # key and signature have fixed widths when they verify, so the triple cannot be split in two ways
        name = sha256(key + signature + message).digest()
        if self._has(name):
            self.saved += 1
            return True
        if not self._verify(key, message, signature):
            return False
        self.remember(name)
        return True

    def verify_some(self, checks: Sequence[SignatureCheck], bulk: VerifyAll) -> list[bool]:
        """Like `verify`, one verdict each; those that are not known go to `bulk` together if they are enough for it."""
        if len(checks) < LANES_WORTH:
            return [self.verify(*check) for check in checks]
        names = [sha256(key + signature + message).digest() for key, message, signature in checks]
        verdicts = [self._has(name) for name in names]
        self.saved += sum(verdicts)
        new = [number for number, known in enumerate(verdicts) if not known]
        for number, good in zip(new, bulk([checks[number] for number in new]), strict=True):
            if good:
                verdicts[number] = True
                self.remember(names[number])
        return verdicts

    def knows(self, decoded: Decoded) -> bytes | None:
        """None if every signature of this transaction has verified here, else the name for `remember`."""
        name = _name_of(decoded)
        if self._has(name):
            self.saved += 1
            return None
        return name

    def remember(self, name: bytes) -> None:
        """All signatures of what has this name have verified."""
        if len(self._known) >= self._half:
            self._older, self._known = self._known, set()
        self._known.add(name)

    def _has(self, name: bytes) -> bool:
        return name in self._known or name in self._older


def _name_of(decoded: Decoded) -> bytes:
    """Equal for equal bytes only: the id covers all but the signatures."""
    pairs = decoded.transaction.signatures
    if len(pairs) == 1:
        return decoded.id + pairs[0].key + pairs[0].sig
    return sha256(decoded.raw).digest()


def verify_each(using: Verify, checks: Sequence[SignatureCheck]) -> list[bool]:
    """One verdict each, one after the other."""
    return [using(check.key, check.message, check.signature) for check in checks]


def build_bulk_verifier(cache: SignatureCache, use: Lanes = "auto") -> "BulkVerifier":
    """The fastest that this machine has and `use` allows; the verdicts are the same. Raises: as eight_lanes.find."""
    lanes = find_eight_lanes(use)
    if lanes is None:
        return BulkVerifier(cache)
    return BulkVerifier(cache, turn_checks=TURN_CHECKS_IN_LANES, bulk=lanes.verify_all)


class BulkVerifier:
    """Verifies transactions by the hundred, in turns of bounded length, one per iteration of the loop. Who waits stands
    in line; what the first leaves of a turn goes to the next, so that many small bulks fill the lanes together. What
    another validator has admitted goes before what wants to be admitted here: work that is begun is finished first."""

    def __init__(
        self, cache: SignatureCache, using: Verify = verify, turn_checks: int = TURN_CHECKS,
        bulk: VerifyAll | None = None,
    ) -> None:  # fmt: skip
        """`bulk`: a faster way to the verdicts of `using`, for whole turns."""
        self.cache: Final = cache
        self._verify_all: Final = bulk or partial(verify_each, using)
        self._turn_checks: Final = turn_checks
        self._batches: Final[deque[_Work]] = deque()
        self._clients: Final[deque[_Work]] = deque()
        self._planned = False

    def verify_votes(self, checks: Sequence[SignatureCheck]) -> list[bool]:
        """One verdict each, at once and not in a turn: votes are few, and everybody waits for them."""
        return self.cache.verify_some(checks, self._verify_all)

    async def first_bad(self, transactions: Sequence[Decoded]) -> int | None:
        """Of a batch, the first with a signature that does not verify, inner signatures included; None: all verify.
        Nothing is verified in the turns behind it."""
        bad: list[int] = []
        if transactions:
            await self._wait(self._batches, transactions, lambda _: not bad,
                             lambda position, good: None if good else bad.append(position))  # fmt: skip
        return min(bad, default=None)

    async def judge(self, transactions: Sequence[Decoded], wanted: Wanted, judged: Judged) -> None:
        """Verify what clients bring, one after the other. `wanted(position)` is asked when the turn of a transaction
        has come: False, and nothing of it is verified. `judged(position, good)` follows once for each that was wanted,
        in the same turn unless it has more signatures than a turn."""
        if transactions:
            await self._wait(self._clients, transactions, wanted, judged)

    async def turn(self) -> None:
        """Wait for a turn without using it up: for work on a batch of the same length that is not a signature."""
        await self._wait(self._batches, (), lambda _: False, lambda _, __: None)

    def _wait(
        self, line: "deque[_Work]", transactions: Sequence[Decoded], wanted: Wanted, judged: Judged
    ) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        work = _Work(transactions, wanted, judged, loop.create_future())
        line.append(work)
        self._plan(loop)
        return work.done

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._planned:
            self._planned = True
            loop.call_soon(self._take_turn, loop)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._planned = False
        served: list[tuple[deque[_Work], _Work]] = []
        try:
            self._serve(served)
        except Exception as error:  # a bug; it ends the node through whoever waits
            for _, work in served:
                work.done.set_exception(error)
        if self._batches or self._clients:
            self._plan(loop)

    def _serve(self, served: "list[tuple[deque[_Work], _Work]]") -> None:
        checks: list[SignatureCheck] = []
        some, of = BATCHES_SHARE if self._clients else (1, 1)
        share = self._turn_checks * some // of
        left = self._turn_checks - share + self._fill(self._batches, share, checks, served)
        left = self._fill(self._clients, left, checks, served)
        self._fill(self._batches, left, checks, served)
        verdicts = self._verify_all(checks)
        for _, work in served:
            work.hear(verdicts, self.cache)
        for line, work in served:
            if work.is_through:
                work.done.set_result(None)
            else:
                line.append(work)

    def _fill(
        self, line: "deque[_Work]", budget: int, checks: list[SignatureCheck],
        served: "list[tuple[deque[_Work], _Work]]",
    ) -> int:  # fmt: skip
        """Returns: what the works of a line have left of a budget."""
        while line and budget > 0:
            work = line.popleft()
            if work.done.done():  # its caller has left
                work.abandon()
                continue
            served.append((line, work))
            budget = work.take(budget, checks, self.cache)
        return budget


class _Part(NamedTuple):
    """Some checks of one transaction, as they stand in a turn. `name`: in the cache, with its last part."""

    position: int
    start: int
    end: int
    name: bytes | None


class _Work:
    """What one caller still waits for. A transaction of 250 signatures is cut where a turn ends."""

    def __init__(
        self, transactions: Sequence[Decoded], wanted: Wanted, judged: Judged, done: "asyncio.Future[None]"
    ) -> None:
        self._transactions: Final = transactions
        self._wanted: Final = wanted
        self._judged: Final = judged
        self._position = 0
        self._name = b""  # of the transaction that is begun
        self._rest: list[SignatureCheck] = []  # of it
        self._parts: list[_Part] = []  # of this turn
        self.done: Final = done

    @property
    def is_through(self) -> bool:
        return self._position >= len(self._transactions)

    def take(self, budget: int, checks: list[SignatureCheck], cache: SignatureCache) -> int:
        """Append to `checks` what fits. Returns: the budget that is left; none of it where nothing was to verify."""
        if not self._transactions:
            return 0
        while budget > 0 and self._position < len(self._transactions):
            if not self._rest and not self._begin(cache):
                self._position += 1
                budget -= 1
                continue
            start = len(checks)
            if len(self._rest) > budget:
                checks += self._rest[:budget]
                self._rest = self._rest[budget:]
                self._parts.append(_Part(self._position, start, len(checks), None))
                return 0
            checks += self._rest
            budget -= len(self._rest)
            self._rest = []
            self._parts.append(_Part(self._position, start, len(checks), self._name))
            self._position += 1
        return budget

    def _begin(self, cache: SignatureCache) -> bool:
        """Whether the transaction at the position has signatures to verify."""
        if not self._wanted(self._position):
            return False
        decoded = self._transactions[self._position]
        name = cache.knows(decoded)
        if name is None:
            self._judged(self._position, True)
            return False
        self._name, self._rest = name, signature_checks(decoded)
        return True

    def hear(self, verdicts: Sequence[bool], cache: SignatureCache) -> None:
        """The verdicts on the checks of the turn; after a false one the rest of a transaction does not matter."""
        for part in self._parts:
            if not all(verdicts[part.start : part.end]):
                self._judged(part.position, False)
                if part.position == self._position:
                    self._rest = []
                    self._position += 1
            elif part.name is not None:
                cache.remember(part.name)
                self._judged(part.position, True)
        self._parts = []

    def abandon(self) -> None:
        """Nobody waits any more; a transaction that is begun is given up."""
        if self._rest:
            self._rest = []
            self._judged(self._position, False)
