"""The authenticated state: a trie over hashed keys, updated once per block, only where something changed.

Nodes are stored by their path and checked against their parent's digest when they are loaded. A block does not store
the nodes that it changes but one record of the log: 64 bytes for each changed key. The changed nodes wait in memory
until there are enough of them; then one block stores them all, each once however often it changed, and clears the log
(the flush). Opening the tree plays the log back, so the tree is always that of the newest appended block.
"""

from binascii import hexlify
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from ledger.failures import LedgerDamaged
from ledger.schema import NODE, TREE_LOG, height_key
from ledger.store import Operation, Reader
from primitives.hashing import ZERO_DIGEST, Digest
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

CACHE_NODES: Final = 131_072  # per generation; about 120 MB when both are full, beside a million accounts or more
# A flush writes each node that changed once: the rarer it is, the less has LevelDB to merge under a lasting load.
UNSTORED_NODES_MAX: Final = 65_536  # then they are flushed: some 30 MB in one write
LOG_ENTRIES_MAX: Final = 131_072  # then too: 8 MB to play back after a crash
_EMPTY_BUCKET: Final = b"\x00"
_EMPTY_BRANCH: Final = b"\x01" + bytes(BRANCH_BYTES - 1)
_BUCKET_BYTES_MAX: Final = 1 + BUCKET_ENTRIES_MAX * ENTRY_BYTES
_DIGITS: Final = b"0123456789abcdef"  # a path is a string of these; iterating over it or a path gives integers
_COUNT_AT: Final = {digit: 1 + child for child, digit in enumerate(_DIGITS)}  # in a branch, by the digit of the child
_DIGEST_AT: Final = {digit: 1 + FANOUT + 32 * child for child, digit in enumerate(_DIGITS)}
_GONE: Final = ZERO_DIGEST  # in place of a value's digest: the key is deleted

_Entry = tuple[Digest, Digest]  # hashed key, digest of the new value or _GONE
_Child = tuple[int, bytes]  # entry count as in a branch, digest (zeros if the count is 0)


class Layer(NamedTuple):
    """What updates in a row changed. Layers since the last flush, on top of the store, are the tree without playing
    back.

    `first` and `last` are the numbers of their records in the log; `nodes` are by path, None for one that is gone;
    `flushed`: the update stores these and all before them.
    """

    first: int
    last: int
    nodes: Mapping[bytes, bytes | None]
    flushed: bool


class TreeUpdate(NamedTuple):
    """The root after a block and the writes that make it durable; append them in the block's own batch."""

    root: Digest
    operations: list[Operation]
    layer: Layer | None = None  # None: nothing changed


class StateTree:
    """The tree in `reader`. One owner; about 4 us per changed key in blocks of 1,000."""

    def __init__(
        self, reader: Reader, root: Digest = EMPTY_STATE_ROOT, cache_nodes: int = CACHE_NODES,
        unstored_nodes: int = UNSTORED_NODES_MAX, log_entries: int = LOG_ENTRIES_MAX, layers: Sequence[Layer] = (),
    ) -> None:  # fmt: skip
        """`layers`, where they cover the log, spare playing it back; the tree is then to prove from alone.

        Raises LedgerDamaged if `reader` does not hold the tree with the digest `root`.
        """
        self._reader = reader
        self._cache_nodes = cache_nodes
        self._unstored_nodes = unstored_nodes
        self._log_entries = log_entries
        self._young: dict[bytes, bytes] = {}  # used since the last turn of generations, so all that is not stored
        self._old: dict[bytes, bytes] = {}
        self._unstored: dict[bytes, bytes | None] = {}  # changed since the last flush, None if gone
        self._writes: dict[bytes, bytes | None] = {}  # of the update under way
        first, last = _log_ends(reader)
        self._log_from, self._sequence = first, last  # records of the log: [_log_from, _sequence)
        self._logged = 0  # entries in them
        self._layers: list[Mapping[bytes, bytes | None]] = []  # between the cache and the store, newest first
        known = [layer for layer in layers if first <= layer.first and layer.last < last]
        if sum(layer.last + 1 - layer.first for layer in known) == last - first:
            self.root = root
            self._layers = [layer.nodes for layer in reversed(known)]
        else:
            self._play_back(root)
        self._load(b"", root)

    def update(self, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
        """Apply the changes (None deletes, also a key that is absent) and return the new root and the writes.

        The operations must be in the store before the next update.
        """
        assert not self._layers, "a tree over layers is not updated"
        entries = [(key_hash(k), _GONE if v is None else value_digest(v)) for k, v in changes.items()]
        if not entries:
            return TreeUpdate(self.root, [])
        nodes = self._apply(entries)
        sequence = self._sequence
        self._sequence += 1
        self._logged += len(entries)
        flush = len(self._unstored) > self._unstored_nodes or self._logged > self._log_entries
        record = (height_key(TREE_LOG, sequence), b"".join(chain.from_iterable(entries)))
        return TreeUpdate(self.root, self.flush() if flush else [record], Layer(sequence, sequence, nodes, flush))

    def flush(self) -> list[Operation]:
        """The writes that store every changed node and clear the log; the tree stays what it is."""
        assert not self._layers, "a tree over layers is not stored"
        operations: list[Operation] = [(NODE + path, node) for path, node in self._unstored.items()]
        operations += [(height_key(TREE_LOG, number), None) for number in range(self._log_from, self._sequence)]
        self._unstored.clear()
        self._log_from, self._logged = self._sequence, 0
        if len(self._young) > self._cache_nodes:  # a turn: all that is in it is stored now
            self._old, self._young = self._young, {}
        return operations

    def prove(self, key: bytes) -> StateProof:
        """The proof of what `key` holds or that it is absent; see primitives.state_proof.verify_state_proof."""
        digits = hexlify(key_hash(key))
        nodes = [self._load(b"", self.root, keep=False)]
        while nodes[-1][0]:
            branch, depth = nodes[-1], len(nodes)
            if not branch[_COUNT_AT[digits[depth - 1]]]:
                break
            nodes.append(self._load(digits[:depth], _child_digest(branch, digits[depth - 1]), keep=False))
        return StateProof(tuple(nodes))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All (hashed key, value digest) in order, every node checked; for the audit, without filling the cache."""
        stack: list[tuple[bytes, bytes]] = [(b"", self.root)]
        while stack:
            path, digest = stack.pop()
            node = self._load(path, digest, keep=False)
            if node[0]:
                for digit in reversed(_DIGITS):
                    if node[_COUNT_AT[digit]]:
                        stack.append((path + bytes((digit,)), _child_digest(node, digit)))
                continue
            for at in range(1, len(node), ENTRY_BYTES):
                yield node[at : at + 32], node[at + 32 : at + 64]

    def _play_back(self, root: Digest) -> None:
        """From the nodes of the last flush and the log to the newest tree, which must have this root."""
        stored = self._reader.get(NODE)
        self.root = EMPTY_STATE_ROOT if stored is None else node_digest(stored)
        newest: dict[Digest, Digest] = {}
        for number in range(self._log_from, self._sequence):
            raw = self._reader.get(height_key(TREE_LOG, number))
            if raw is None or len(raw) % ENTRY_BYTES:
                raise LedgerDamaged(f"record {number} of the state tree's log is missing or damaged")
            for at in range(0, len(raw), ENTRY_BYTES):
                newest[Digest(raw[at : at + 32])] = Digest(raw[at + 32 : at + 64])
            self._logged += len(raw) // ENTRY_BYTES
        if newest:
            self._apply(list(newest.items()))
        if self.root != root:
            raise LedgerDamaged(f"state tree node b'' is {self.root.hex()}, the head says {root.hex()}")

    def _load(self, path: bytes, digest: bytes, keep: bool = True) -> bytes:
        node = self._young.get(path)
        if node is not None:
            return node
        node = self._old.get(path)
        if node is None:
            node = self._below(path)
            if node is None and not path and digest == EMPTY_STATE_ROOT:
                node = _EMPTY_BUCKET
            if node is None or node_digest(node) != digest:
                found = "nothing" if node is None else node_digest(node).hex()
                raise LedgerDamaged(f"state tree node {path.decode()!r} is {found}, its parent says {digest.hex()}")
        if keep:
            self._young[path] = node
        return node

    def _below(self, path: bytes) -> bytes | None:
        for nodes in self._layers:
            if path in nodes:
                return nodes[path]
        return self._reader.get(NODE + path)

    def _apply(self, entries: Sequence[_Entry]) -> Mapping[bytes, bytes | None]:
        """Change the tree: first the buckets, then the branches above them, each once, from the bottom up."""
        writes = self._writes = {}
        levels: list[dict[bytes, list[tuple[int, _Child]]]] = []  # by length of path: branches, their changed children
        for path, (bucket, found) in self._by_bucket(entries).items():
            child = self._into_bucket(path, bucket, found)
            if not path:
                self.root = Digest(child[1])
                break
            while len(levels) < len(path):
                levels.append({})
            levels[len(path) - 1].setdefault(path[:-1], []).append((path[-1], child))
        while levels:
            above = levels[-2] if len(levels) > 1 else None
            for path, children in levels.pop().items():
                child = self._into_branch(path, children)
                if above is None:
                    self.root = Digest(child[1])
                else:
                    above.setdefault(path[:-1], []).append((path[-1], child))
        for path, node in writes.items():
            if node is None:
                self._young.pop(path, None)
                self._old.pop(path, None)
            else:
                self._young[path] = node
        if self.root == EMPTY_STATE_ROOT:
            self._young[b""] = _EMPTY_BUCKET
        self._unstored.update(writes)
        return writes

    def _by_bucket(self, entries: Sequence[_Entry]) -> dict[bytes, tuple[bytes, list[_Entry]]]:
        """The bucket where each entry belongs, by path. All branches on the way are in the young generation then."""
        groups: dict[bytes, tuple[bytes, list[_Entry]]] = {}
        top, young = self._load(b"", self.root), self._young.get
        for entry in entries:
            node, depth, digits = top, 0, hexlify(entry[0])
            while node[0]:
                digit = digits[depth]
                depth += 1
                path = digits[:depth]
                if node[_COUNT_AT[digit]]:
                    node = young(path) or self._load(path, _child_digest(node, digit))
                else:
                    node = _EMPTY_BUCKET
            path = digits[:depth]
            group = groups.get(path)
            if group is None:
                groups[path] = node, [entry]
            else:
                group[1].append(entry)
        return groups

    def _into_bucket(self, path: bytes, bucket: bytes, entries: list[_Entry]) -> _Child:
        for hashed, value in entries:
            at = bucket.find(hashed)
            if at % ENTRY_BYTES == 1 and value != _GONE:
                bucket = bucket[: at + 32] + value + bucket[at + 64 :]
                continue
            at = size = len(bucket)
            for start in range(1, size, ENTRY_BYTES):
                if bucket[start : start + 32] >= hashed:
                    at = start
                    break
            end = at + ENTRY_BYTES if bucket[at : at + 32] == hashed else at
            bucket = bucket[:at] + (b"" if value == _GONE else hashed + value) + bucket[end:]
        if len(bucket) > _BUCKET_BYTES_MAX:
            return self._build(path, [bucket[at : at + ENTRY_BYTES] for at in range(1, len(bucket), ENTRY_BYTES)])
        return self._put_bucket(path, bucket)

    def _into_branch(self, path: bytes, children: list[tuple[int, _Child]]) -> _Child:
        node = bytearray(self._young[path])
        shrunk = False
        for digit, (count, digest) in children:
            at = _COUNT_AT[digit]
            shrunk |= count < node[at]
            node[at] = count
            at = _DIGEST_AT[digit]
            node[at : at + 32] = digest
        if shrunk:
            counts = node[1 : 1 + FANOUT]
            if BRANCH not in counts and sum(counts) <= BUCKET_ENTRIES_MAX:
                return self._collapse(path, bytes(node))
        return self._put_branch(path, bytes(node))

    def _build(self, path: bytes, entries: list[bytes]) -> _Child:
        """The canonical subtree of these sorted bucket entries."""
        if len(entries) <= BUCKET_ENTRIES_MAX:
            return self._put_bucket(path, _EMPTY_BUCKET + b"".join(entries))
        depth = len(path)
        groups: dict[int, list[bytes]] = {}
        for entry in entries:
            groups.setdefault(hexlify(entry)[depth], []).append(entry)
        node = bytearray(_EMPTY_BRANCH)
        for digit, group in groups.items():
            at = _DIGEST_AT[digit]
            node[_COUNT_AT[digit]], node[at : at + 32] = self._build(path + bytes((digit,)), group)
        return self._put_branch(path, bytes(node))

    def _collapse(self, path: bytes, branch: bytes) -> _Child:
        """One bucket instead of a branch whose children hold no more than a bucket may."""
        entries = _EMPTY_BUCKET
        for digit in _DIGITS:
            if branch[_COUNT_AT[digit]]:
                below = path + bytes((digit,))
                entries += (self._writes.get(below) or self._load(below, _child_digest(branch, digit)))[1:]
                self._writes[below] = None
        return self._put_bucket(path, entries)

    def _put_bucket(self, path: bytes, bucket: bytes) -> _Child:
        if bucket == _EMPTY_BUCKET:
            self._writes[path] = None
            return 0, ZERO_DIGEST if path else EMPTY_STATE_ROOT
        self._writes[path] = bucket
        return len(bucket) // ENTRY_BYTES, node_digest(bucket)

    def _put_branch(self, path: bytes, branch: bytes) -> _Child:
        self._writes[path] = branch
        return BRANCH, node_digest(branch)


def stacked(layers: Sequence[Layer], newest: Layer) -> tuple[Layer, ...]:
    """One layer more. Those below it, which are in the store by now, are merged as they grow: a dozen stand for a log
    of any length."""
    below = list(layers)
    while len(below) > 1 and below[-2].last - below[-2].first <= below[-1].last - below[-1].first:
        upper, lower = below.pop(), below.pop()
        below.append(Layer(lower.first, upper.last, {**lower.nodes, **upper.nodes}, flushed=False))
    return *below, newest


def _log_ends(reader: Reader) -> tuple[int, int]:
    """The first record of the log and the one behind the last; equal if the log is empty."""
    stop = bytes((TREE_LOG[0] + 1,))
    first = next(reader.range(TREE_LOG, stop), None)
    last = next(reader.range(TREE_LOG, stop, reverse=True), None)
    if first is None or last is None:
        return 0, 0
    return int.from_bytes(first[0][1:], "big"), int.from_bytes(last[0][1:], "big") + 1


def _child_digest(branch: bytes, digit: int) -> bytes:
    at = _DIGEST_AT[digit]
    return branch[at : at + 32]
