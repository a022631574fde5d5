"""The authenticated state: a trie over hashed keys, updated once per block, only where something changed.

Nodes are stored by their path and checked against their parent's digest when they are loaded. The store holds the tree
after the newest appended block only; `prove` over a snapshot of the store proves the state of that moment.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ledger.failures import LedgerDamaged
from ledger.schema import NODE
from ledger.store import Operation, Reader
from primitives.hashing import Digest
from primitives.state_proof import (
    BRANCH,
    BRANCH_BYTES,
    BUCKET_ENTRIES_MAX,
    EMPTY_STATE_ROOT,
    ENTRY_BYTES,
    FANOUT,
    StateProof,
    key_hash,
    node_digest,
    value_digest,
)

CACHE_NODES: Final = 32_768  # per generation; about 40 MB when both are full
_EMPTY_BUCKET: Final = b"\x00"
_EMPTY_BRANCH: Final = b"\x01" + bytes(BRANCH_BYTES - 1)
_DIGESTS_AT: Final = 1 + FANOUT
_DIGITS: Final = [b"%x" % digit for digit in range(FANOUT)]

_Entry = tuple[bytes, Digest | None]  # hashed key, digest of the new value or None to delete
_Child = tuple[int, bytes]  # entry count as in a branch, digest (any if the count is 0)


class TreeUpdate(NamedTuple):
    """The root after a block and the writes that store the nodes; append them in the block's own batch."""

    root: Digest
    operations: list[Operation]


def _digit(hashed: bytes, depth: int) -> int:
    byte = hashed[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


class StateTree:
    """The tree whose nodes are in `reader`. One owner; about 7 us per changed key in blocks of 1,000."""

    def __init__(self, reader: Reader, root: Digest = EMPTY_STATE_ROOT, cache_nodes: int = CACHE_NODES) -> None:
        """Raises LedgerDamaged if `reader` does not hold a node with the digest `root`."""
        self._reader = reader
        self._cache_nodes = cache_nodes
        self._young: dict[bytes, bytes] = {}  # used since the last turn of generations
        self._old: dict[bytes, bytes] = {}
        self._writes: dict[bytes, bytes | None] = {}  # of the update under way; never evicted before it ends
        self.root: Digest = root
        self._load(b"", root)

    def update(self, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
        """Apply the changes (None deletes, also a key that is absent) and return the new root and the writes.

        The operations must be in the store before the update after the next one: by then the cache may drop nodes.
        """
        if len(self._young) > self._cache_nodes:
            self._old, self._young = self._young, {}
        entries: list[_Entry] = [(key_hash(k), None if v is None else value_digest(v)) for k, v in changes.items()]
        if not entries:
            return TreeUpdate(self.root, [])
        entries.sort()
        writes = self._writes = {}
        root = self._load(b"", self.root)
        self.root = Digest(self._apply(b"", _count(root), self.root, entries)[1])
        for path, node in writes.items():
            if node is None:
                self._young.pop(path, None)
                self._old.pop(path, None)
            else:
                self._young[path] = node
        if self.root == EMPTY_STATE_ROOT:
            self._young[b""] = _EMPTY_BUCKET
        self._writes = {}
        return TreeUpdate(self.root, [(NODE + path, node) for path, node in writes.items()])

    def prove(self, key: bytes) -> StateProof:
        """The proof of what `key` holds or that it is absent; see primitives.state_proof.verify_state_proof."""
        hashed = key_hash(key)
        nodes = [self._load(b"", self.root, keep=False)]
        path = b""
        while nodes[-1][0]:
            branch, child = nodes[-1], _digit(hashed, len(path))
            if not branch[1 + child]:
                break
            path += _DIGITS[child]
            nodes.append(self._load(path, _child_digest(branch, child), keep=False))
        return StateProof(tuple(nodes))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All (hashed key, value digest) in order, every node checked; for the audit, without filling the cache."""
        stack: list[tuple[bytes, bytes]] = [(b"", self.root)]
        while stack:
            path, digest = stack.pop()
            node = self._load(path, digest, keep=False)
            if node[0]:
                for child in reversed(range(FANOUT)):
                    if node[1 + child]:
                        stack.append((path + _DIGITS[child], _child_digest(node, child)))
                continue
            for at in range(1, len(node), ENTRY_BYTES):
                yield node[at : at + 32], node[at + 32 : at + 64]

    def _load(self, path: bytes, digest: bytes, keep: bool = True) -> bytes:
        node = self._young.get(path)
        if node is not None:
            return node
        node = self._old.get(path)
        if node is None:
            node = self._reader.get(NODE + path)
            if node is None and not path and digest == EMPTY_STATE_ROOT:
                node = _EMPTY_BUCKET
            if node is None or node_digest(node) != digest:
                found = "nothing" if node is None else node_digest(node).hex()
                raise LedgerDamaged(f"state tree node {path.decode()!r} is {found}, its parent says {digest.hex()}")
        if keep:
            self._young[path] = node
        return node

    def _apply(self, path: bytes, count: int, digest: bytes, entries: list[_Entry]) -> _Child:
        """The child at `path` after the sorted entries; the nodes that changed are in _writes."""
        if count != BRANCH:
            bucket = self._load(path, digest) if count else _EMPTY_BUCKET
            return self._apply_to_bucket(path, count, bucket, entries)
        node = bytearray(self._load(path, digest))
        depth, start = len(path), 0
        while start < len(entries):
            child = _digit(entries[start][0], depth)
            end = start + 1
            while end < len(entries) and _digit(entries[end][0], depth) == child:
                end += 1
            at = _DIGESTS_AT + 32 * child
            node[1 + child], node[at : at + 32] = self._apply(
                path + _DIGITS[child], node[1 + child], bytes(node[at : at + 32]), entries[start:end]
            )
            start = end
        counts = node[1:_DIGESTS_AT]
        if BRANCH not in counts and sum(counts) <= BUCKET_ENTRIES_MAX:
            return self._collapse(path, bytes(node))
        return self._put(path, BRANCH, bytes(node))

    def _apply_to_bucket(self, path: bytes, count: int, bucket: bytes, entries: list[_Entry]) -> _Child:
        if len(entries) == 1 and entries[0][1] is not None:  # by far the most frequent: one known key gets a new value
            at = bucket.find(entries[0][0])
            if at % ENTRY_BYTES == 1:
                return self._put(path, count, bucket[: at + 32] + entries[0][1] + bucket[at + 64 :])
        held = {bucket[at : at + 32]: bucket[at + 32 : at + 64] for at in range(1, len(bucket), ENTRY_BYTES)}
        for hashed, value in entries:
            if value is None:
                held.pop(hashed, None)
            else:
                held[hashed] = value
        return self._build(path, sorted(key + value for key, value in held.items()))

    def _build(self, path: bytes, entries: list[bytes]) -> _Child:
        """The canonical subtree of these sorted bucket entries."""
        if len(entries) <= BUCKET_ENTRIES_MAX:
            return self._put(path, len(entries), _EMPTY_BUCKET + b"".join(entries))
        groups: list[list[bytes]] = [[] for _ in range(FANOUT)]
        for entry in entries:
            groups[_digit(entry, len(path))].append(entry)
        node = bytearray(_EMPTY_BRANCH)
        for child, group in enumerate(groups):
            if group:
                at = _DIGESTS_AT + 32 * child
                node[1 + child], node[at : at + 32] = self._build(path + _DIGITS[child], group)
        return self._put(path, BRANCH, bytes(node))

    def _collapse(self, path: bytes, branch: bytes) -> _Child:
        """One bucket instead of a branch whose children hold no more than a bucket may."""
        entries = b""
        for child in range(FANOUT):
            if branch[1 + child]:
                below = path + _DIGITS[child]
                bucket = self._writes.get(below)
                entries += (bucket or self._load(below, _child_digest(branch, child)))[1:]
                self._writes[below] = None
        return self._put(path, len(entries) // ENTRY_BYTES, _EMPTY_BUCKET + entries)

    def _put(self, path: bytes, count: int, node: bytes) -> _Child:
        if count == 0:
            self._writes[path] = None
            return 0, bytes(32) if path else EMPTY_STATE_ROOT
        self._writes[path] = node
        return count, node_digest(node)


def _count(node: bytes) -> int:
    return BRANCH if node[0] else len(node) // ENTRY_BYTES


def _child_digest(branch: bytes, child: int) -> bytes:
    at = _DIGESTS_AT + 32 * child
    return branch[at : at + 32]
