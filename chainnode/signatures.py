"""Signatures are verified once per node, in short turns on the event loop, so that a vote never waits for a flood.

Beside a busy loop a thread fights for the interpreter lock after each signature; turns on the loop itself verified more
and delayed votes less (measured; the figures stand in the node's performance page).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Final

from chainnode.eight_lanes import Lanes
from chainnode.eight_lanes import find as find_eight_lanes
from primitives.certificate import Verify
from primitives.keys import PublicKey, Signature, verify
from primitives.transaction import Decoded, SignatureCheck, signature_checks

TURN_CHECKS: Final = 16  # about 1 ms; a message from a socket waits for two turns at most
TURN_CHECKS_IN_LANES: Final = 96  # about 1 ms of 8 to 11 us
CACHE_ENTRIES: Final = 65_536  # about 8 MiB

VerifyAll = Callable[[Sequence[SignatureCheck]], list[bool]]


class SignatureCache:
    """Remembers what verified, the oldest forgotten first; a failure is never remembered, its sender is gone anyway."""

    def __init__(self, entries_max: int = CACHE_ENTRIES, using: Verify = verify) -> None:
        self._known: Final[dict[bytes, None]] = {}
        self._entries_max: Final = entries_max
        self._verify: Final = using
        self.saved = 0  # curve operations not done

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Like keys.verify, but at most once per triple while it is remembered. For votes and certificates."""
        # key and signature have fixed widths when they verify, so the triple cannot be split in two ways
        name = sha256(key + signature + message).digest()
        if name in self._known:
            self.saved += 1
            return True
        if not self._verify(key, message, signature):
            return False
        self._remember(name)
        return True

    def knows(self, raw: bytes) -> bytes | None:
        """None if every signature of these transaction bytes has verified here, else the name for `remember`."""
        name = sha256(raw).digest()
        if name in self._known:
            self.saved += 1
            return None
        return name

    def remember(self, name: bytes) -> None:
        """All signatures of the bytes with this name have verified."""
        self._remember(name)

    def _remember(self, name: bytes) -> None:
        if len(self._known) >= self._entries_max:
            del self._known[next(iter(self._known))]
        self._known[name] = None


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
    """Verifies transactions by the hundred. Turns are handed out first come, first served, one per loop iteration."""

    def __init__(
        self, cache: SignatureCache, using: Verify = verify, turn_checks: int = TURN_CHECKS,
        bulk: VerifyAll | None = None,
    ) -> None:  # fmt: skip
        """`bulk`: a faster way to the verdicts of `using`, for whole turns."""
        self.cache: Final = cache
        self._verify_all: Final = bulk or partial(verify_each, using)
        self._turn_checks: Final = turn_checks
        self._turn: Final = asyncio.Lock()

    async def bad_transactions(self, transactions: Sequence[Decoded]) -> list[int]:
        """The positions of those with a signature that does not verify, inner signatures included; ascending."""
        bad: list[int] = []
        position = 0
        while position < len(transactions):
            async with self._turn:
                position = self._verify_turn(transactions, position, bad)
                await asyncio.sleep(0)  # inside the lock: one turn per iteration, however many bulks wait
        return bad

    async def turn(self) -> None:
        """Wait for the next turn without using it up: for work of the same length that is not a signature."""
        async with self._turn:
            await asyncio.sleep(0)

    def _verify_turn(self, transactions: Sequence[Decoded], position: int, bad: list[int]) -> int:
        budget = self._turn_checks
        checks: list[SignatureCheck] = []
        owners: list[tuple[int, bytes, int]] = []  # position, name in the cache, where its checks end
        while budget > 0 and position < len(transactions):
            decoded = transactions[position]
            name = self.cache.knows(decoded.raw)
            if name is None:
                budget -= 1
            else:
                own = signature_checks(decoded)
                budget -= len(own)
                checks += own
                owners.append((position, name, len(checks)))
            position += 1
        verdicts = self._verify_all(checks)
        start = 0
        for number, name, end in owners:
            if all(verdicts[start:end]):
                self.cache.remember(name)
            else:
                bad.append(number)
            start = end
        return position
