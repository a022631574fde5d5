"""What hangs below the upper branches of the state tree: one bucket, or a branch over nothing but buckets.

A bucket is 0x00 and its entries (hashed key, digest of the value) in order, a branch 0x01, 16 counts and 16 digests
(see primitives.state_proof).
"""

from binascii import hexlify
from collections.abc import Iterable, Sequence
from typing import Final

from ledger.failures import LedgerDamaged
from primitives.hashing import ZERO_DIGEST, Digest
from primitives.state_proof import BRANCH, BRANCH_BYTES, BUCKET_ENTRIES_MAX, ENTRY_BYTES, FANOUT, node_digest

EMPTY_BUCKET: Final = b"\x00"
EMPTY_BRANCH: Final = b"\x01" + bytes(BRANCH_BYTES - 1)
DIGESTS_AT: Final = 1 + FANOUT  # in a branch
GONE: Final = ZERO_DIGEST  # in place of a value's digest: the key is deleted
TWIG_ENTRIES_MAX: Final = FANOUT * BUCKET_ENTRIES_MAX
_BUCKET_BYTES_MAX: Final = 1 + BUCKET_ENTRIES_MAX * ENTRY_BYTES
_BUCKET_OVERHEAD: Final = 256  # bytes in memory beside those of the entries: about so many
_BRANCH_OVERHEAD: Final = 1600

LeafChange = tuple[Digest, Digest]  # hashed key, digest of the new value or GONE
Child = tuple[int, Digest]  # what a branch says of one: count of entries or BRANCH, digest (zeros if it is empty)


class Twig:
    """The entries below one path. `held`: bytes of all entries; `loaded`: of those in memory, for buckets of a branch
    may be in the store only."""

    __slots__ = ("_branch", "_buckets", "held", "loaded")

    def __init__(self, branch: bytearray, buckets: Sequence[bytes | None]) -> None:
        """One bucket and no branch, or a branch, which belongs to the twig then, and its 16 buckets, None for each that
        is only in the store."""
        self._branch: Final = branch
        self._buckets: Final = list(buckets)
        self.loaded = sum([len(bucket) - 1 for bucket in buckets if bucket is not None])
        self.held = sum(branch[1:DIGESTS_AT]) * ENTRY_BYTES if branch else self.loaded

    @property
    def size(self) -> int:
        """About the bytes that it takes in memory."""
        return self.loaded + (_BRANCH_OVERHEAD if self._branch else _BUCKET_OVERHEAD)

    @property
    def branch(self) -> bytes:
        """Of its nodes the one above the buckets; nothing if there is one bucket only."""
        return bytes(self._branch)

    @property
    def is_whole(self) -> bool:
        """No bucket is missing in memory."""
        return self.loaded == self.held

    def lacks(self, child: int) -> bool:
        """The bucket with that digit behind the path is missing in memory."""
        return self._buckets[child if self._branch else 0] is None

    def fill(self, path: bytes, child: int, entries: bytes) -> None:
        """Take a bucket that is missing; `path`: of the bucket. Raises LedgerDamaged if it is not what the branch
        says."""
        bucket = EMPTY_BUCKET + entries
        check_digest(path, _bucket_child(bucket)[1], child_in(self._branch, child)[1])
        self._buckets[child] = bucket
        self.loaded += len(entries)

    def entries(self) -> bytes:
        """All of them, in order. It must be whole."""
        return b"".join([bucket[1:] for bucket in self._buckets if bucket is not None])

    def child(self) -> Child:
        """What the branch above says of it."""
        if self._branch:
            return BRANCH, node_digest(self._branch)
        return _bucket_child(self._bucket(0))

    def nodes(self, digit: int) -> tuple[bytes, ...]:
        """Of the proof of a key with that digit behind the path: branch and bucket, as far as there is any. It must not
        lack that one."""
        bucket = self._bucket(digit if self._branch else 0)
        branches = (bytes(self._branch),) if self._branch else ()
        return (*branches, bucket) if bucket != EMPTY_BUCKET else branches

    def change(self, depth: int, found: Iterable[LeafChange]) -> Child | None:
        """Change the entries, of buckets that it does not lack; `depth` is the length of the path. What the branch
        above says then, or None if another shape may be due: the twig is good for its entries only."""
        branch, buckets, fits = self._branch, self._buckets, True
        for hashed, value in found:
            child = child_at(hashed, depth) if branch else 0
            before = buckets[child]
            assert before is not None, "the bucket of a change is in memory"
            bucket = buckets[child] = _changed(before, hashed, value)
            if len(bucket) != len(before):
                self.held += len(bucket) - len(before)
                self.loaded += len(bucket) - len(before)
                fits &= len(bucket) <= _BUCKET_BYTES_MAX
            if branch:
                put_child(branch, child, _bucket_child(bucket))
        if not fits or (branch and self.held <= BUCKET_ENTRIES_MAX * ENTRY_BYTES):
            return None
        return self.child()

    def _bucket(self, child: int) -> bytes:
        bucket = self._buckets[child]
        assert bucket is not None, "the bucket is in memory"
        return bucket


def made_twig(entries: bytes, depth: int) -> Twig | None:
    """The twig of these entries; None if a branch below it would have branches itself."""
    if len(entries) <= BUCKET_ENTRIES_MAX * ENTRY_BYTES:
        return Twig(bytearray(), (EMPTY_BUCKET + entries,))
    counts = counts_of(entries, depth)
    if max(counts) > BUCKET_ENTRIES_MAX:
        return None
    branch, buckets, start = bytearray(EMPTY_BRANCH), [], 0
    for child, count in enumerate(counts):
        end = start + count * ENTRY_BYTES
        buckets.append(EMPTY_BUCKET + entries[start:end])
        put_child(branch, child, _bucket_child(buckets[child]))
        start = end
    return Twig(branch, buckets)


def bare_twig(branch: bytes) -> Twig:
    """The twig with this branch; it lacks every bucket that has entries."""
    return Twig(bytearray(branch), [None if count else EMPTY_BUCKET for count in branch[1:DIGESTS_AT]])


def child_at(hashed: bytes, depth: int) -> int:
    """The digit of a hashed key at that depth, from 0."""
    octet = hashed[depth >> 1]
    return octet & 15 if depth & 1 else octet >> 4


def counts_of(entries: bytes, depth: int) -> list[int]:
    """How many of the entries have each digit at that depth."""
    digits = hexlify(entries)[depth :: 2 * ENTRY_BYTES]
    return [digits.count(digit) for digit in b"0123456789abcdef"]


def merged(entries: bytes, found: Iterable[LeafChange]) -> bytes:
    """The entries after these changes: for many at once."""
    values = {entries[at : at + 32]: entries[at + 32 : at + 64] for at in range(0, len(entries), ENTRY_BYTES)}
    values.update(found)
    return b"".join([part for pair in sorted(values.items()) if pair[1] != GONE for part in pair])


def child_in(branch: bytes | bytearray, number: int) -> Child:
    """What a branch says of a child."""
    at = DIGESTS_AT + 32 * number
    return branch[1 + number], Digest(bytes(branch[at : at + 32]))


def put_child(branch: bytearray, number: int, child: Child) -> None:
    """Let the branch say that."""
    at = DIGESTS_AT + 32 * number
    branch[1 + number], branch[at : at + 32] = child


def check_digest(path: bytes, found: bytes, expected: bytes) -> None:
    """Raises LedgerDamaged if a node is not what its parent says."""
    if found != expected:
        raise LedgerDamaged(f"state tree node {path.decode()!r} is {found.hex()}, its parent says {expected.hex()}")


def _bucket_child(bucket: bytes) -> Child:
    count = len(bucket) // ENTRY_BYTES
    return count, node_digest(bucket) if count else ZERO_DIGEST


def _changed(bucket: bytes, hashed: Digest, value: Digest) -> bytes:
    at = bucket.find(hashed)
    if at % ENTRY_BYTES != 1:
        at, size = 1, len(bucket)
        while at < size and bucket[at : at + 32] < hashed:
            at += ENTRY_BYTES
    behind = at + ENTRY_BYTES if bucket[at : at + 32] == hashed else at
    return bucket[:at] + bucket[behind:] if value == GONE else bucket[:at] + hashed + value + bucket[behind:]
