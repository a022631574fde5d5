"""The authenticated state: a trie over hashed keys, updated once per block, only where something changed.

The store holds the leaves (hashed key -> digest of the value), written with the block that changes them, and of the
nodes only the upper branches: those that have a branch among their children. What hangs below an upper branch, a
bucket or a branch of buckets, is a twig. It is never stored but made from its leaves, at most 256 in a row, and
checked against its parent's digest; where its branch is in memory still, bucket by bucket (see twig_cache).

Upper branches are few and change with every block, so they wait in memory until one block stores them all (the flush).
Until then a record of the log per block tells where keys changed. Opening the tree makes anew what is below these
places, so the tree is always that of the newest appended block.
"""

from binascii import hexlify, unhexlify
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ledger.failures import LedgerDamaged
from ledger.schema import LEAF, NODE, TREE_LOG, height_key
from ledger.store import Operation, Reader
from ledger.tree_layers import Layer
from ledger.twig import (
    DIGESTS_AT,
    EMPTY_BRANCH,
    EMPTY_BUCKET,
    GONE,
    TWIG_ENTRIES_MAX,
    Child,
    LeafChange,
    Twig,
    check_digest,
    child_at,
    child_in,
    counts_of,
    made_twig,
    merged,
    put_child,
)
from ledger.twig_cache import TwigCache
from primitives.hashing import DIGEST_BYTES, Digest
from primitives.state_proof import (
    BRANCH,
    BUCKET_ENTRIES_MAX,
    EMPTY_STATE_ROOT,
    ENTRY_BYTES,
    FANOUT,
    StateProof,
    key_hash,
    node_digest,
    value_digest,
)

CACHE_BYTES: Final = 256 * 1024 * 1024  # of twigs and branches of twigs: about a million keys stay whole
UPPERS_MAX: Final = 65_536  # stored ones in memory, some 40 MB: all of them up to ten million keys
LOG_ENTRIES_MAX: Final = 65_536  # then the upper branches are stored; so many places to make anew after a crash
LOGGED_BYTES: Final = 4  # of each changed key in the log: enough to find its place among a thousand million keys
_MERGED: Final = 8  # more changes than this in one twig are merged at once
_DIGITS: Final = b"0123456789abcdef"  # a path is a string of these; iterating over it or a path gives integers
_PATHS: Final = tuple(bytes((digit,)) for digit in _DIGITS)  # by child
_CHILD: Final = {digit: child for child, digit in enumerate(_DIGITS)}


class TreeUpdate(NamedTuple):
    """The root after a block and the writes that make it durable; append them in the block's own batch."""

    root: Digest
    operations: list[Operation]
    layer: Layer | None = None  # None: nothing changed


class StateTree:
    """The tree in `reader`. One owner; about 4 us per changed key in blocks of 1,000."""

    def __init__(
        self, reader: Reader, root: Digest = EMPTY_STATE_ROOT, cache_bytes: int = CACHE_BYTES,
        uppers: int = UPPERS_MAX, log_entries: int = LOG_ENTRIES_MAX, layers: Sequence[Layer] = (),
        logged_bytes: int = LOGGED_BYTES,
    ) -> None:  # fmt: skip
        """`layers`, where they cover the log, spare reading it; the tree is then to prove from alone. `logged_bytes` is
        part of the format; other numbers are for tests.

        Raises LedgerDamaged if `reader` does not hold the tree with the digest `root`.
        """
        self._reader = reader
        self._uppers_max = uppers
        self._log_entries = log_entries
        self._logged_bytes = logged_bytes
        self._uppers: dict[bytes, bytes] = {}  # by path; all that are not stored are here
        self._twigs = TwigCache(cache_bytes)
        self._unstored: dict[bytes, bytes | None] = {}  # upper branches changed since the last flush, None if gone
        self._writes: dict[bytes, bytes | None] = {}  # of the update under way
        self._depth = 0  # of the twig that was looked up last
        first, last = _log_ends(reader)
        self._log_from, self._sequence = first, last  # records of the log: [_log_from, _sequence)
        self._logged = 0  # entries in them
        self._layers: list[Mapping[bytes, bytes | None]] = []  # on top of the store, newest first
        known = [layer for layer in layers if first <= layer.first and layer.last < last]
        if sum(layer.last + 1 - layer.first for layer in known) == last - first:
            self.root = root
            self._layers = [layer.nodes for layer in reversed(known)]
        else:
            self._catch_up(root)
        if self._upper(b"", root) is None:
            self._twig(b"", BRANCH, root)  # checks it

    def update(self, changes: Mapping[bytes, bytes | None]) -> TreeUpdate:
        """Apply the changes (None deletes, also a key that is absent) and return the new root and the writes.

        The operations must be in the store before the next update or proof.
        """
        assert not self._layers, "a tree over layers is not updated"
        entries = [(key_hash(k), GONE if v is None else value_digest(v)) for k, v in changes.items()]
        if not entries:
            return TreeUpdate(self.root, [])
        self._make_room()
        self._writes = {}
        self._change_above([(path, self._into_twig(path, *one)) for path, one in self._by_twig(entries).items()])
        sequence = self._sequence
        self._sequence += 1
        self._logged += len(entries)
        flush = self._logged > self._log_entries
        layer = Layer(sequence, sequence, self._writes, flush)
        operations: list[Operation] = [(LEAF + key, None if value == GONE else value) for key, value in entries]
        if flush:
            operations += self.flush()
        else:
            record = b"".join([key[: self._logged_bytes] for key, _ in entries])
            operations.append((height_key(TREE_LOG, sequence), record))
        return TreeUpdate(self.root, operations, layer)

    def flush(self) -> list[Operation]:
        """The writes that store every changed upper branch and clear the log; the tree stays what it is."""
        assert not self._layers, "a tree over layers is not stored"
        operations: list[Operation] = [(NODE + path, node) for path, node in self._unstored.items()]
        operations += [(height_key(TREE_LOG, number), None) for number in range(self._log_from, self._sequence)]
        self._unstored.clear()
        self._log_from, self._logged = self._sequence, 0
        return operations

    def prove(self, key: bytes) -> StateProof:
        """The proof of what `key` holds or that it is absent; see primitives.state_proof.verify_state_proof."""
        digits = hexlify(key_hash(key))
        nodes: list[bytes] = []
        path, count, digest = b"", BRANCH, self.root
        while count == BRANCH and (node := self._upper(path, digest, keep=False)) is not None:
            nodes.append(node)
            path, count, digest = _step(path, node, digits)
        twig, child = self._twig(path, count, digest, keep=False), _CHILD[digits[len(path)]]
        self._fill(path, twig, (child,))
        nodes += twig.nodes(child)
        return StateProof(tuple(nodes or (EMPTY_BUCKET,)))

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """All (hashed key, value digest) in order, every node checked; for the audit. It brings no twig into the cache.

        Raises LedgerDamaged also for a leaf at a place that is empty.
        """
        for path, count, digest in self._places():
            entries = self._entries(path, self._twig(path, count, digest, keep=False)) if count else self._leaves(path)
            if entries and not count:
                raise LedgerDamaged(f"state tree node {path.decode()!r} has leaves, its parent says that it is empty")
            for at in range(0, len(entries), ENTRY_BYTES):
                yield entries[at : at + 32], entries[at + 32 : at + 64]

    def warm(self) -> None:
        """Make all twigs at once, as far as the cache reaches: some 50 us each, which the first blocks would pay."""
        for path, count, digest in self._places():
            if self._twigs.is_half_full:
                return
            self._twig(path, count, digest)

    def _places(self) -> Iterator[tuple[bytes, int, Digest]]:
        """Of all twigs, in order, with what the branch above says of each; also the empty ones."""
        stack: list[tuple[bytes, int, Digest]] = [(b"", BRANCH, self.root)]
        while stack:
            path, count, digest = stack.pop()
            node = self._upper(path, digest, keep=False) if count == BRANCH else None
            if node is None:
                yield path, count, digest
            else:
                stack += [(path + _PATHS[child], *child_in(node, child)) for child in reversed(range(FANOUT))]

    def _make_room(self) -> None:
        """Before an update, when all earlier ones are in the store: forget what is stored and was not used lately."""
        self._twigs.make_room()
        if len(self._uppers) > self._uppers_max and not self._unstored:
            self._uppers = {}

    def _catch_up(self, root: Digest) -> None:
        """From the upper branches of the last flush, the leaves and the log to the newest tree: it has this root."""
        stored = self._reader.get(NODE)
        self.root = EMPTY_STATE_ROOT if stored is None else node_digest(stored)
        logged: set[bytes] = set()
        width = self._logged_bytes
        for number in range(self._log_from, self._sequence):
            raw = self._reader.get(height_key(TREE_LOG, number))
            if raw is None or len(raw) % width:
                raise LedgerDamaged(f"record {number} of the state tree's log is missing or damaged")
            logged.update(raw[at : at + width] for at in range(0, len(raw), width))
            self._logged += len(raw) // width
        anew = []
        for path in {self._place(hexlify(beginning)) for beginning in logged}:
            if len(path) == 2 * width:  # upper branches may be stored below
                below = self._reader.range(NODE + path, NODE + path + b"g")
                self._writes.update((key[len(NODE) :], None) for key, _ in below)
            anew.append((path, self._build(path, self._leaves(path))))
        self._change_above(anew)
        if self.root != root:
            raise LedgerDamaged(f"state tree node b'' is {self.root.hex()}, the head says {root.hex()}")

    def _place(self, digits: bytes) -> bytes:
        """The longest path along these digits with nothing but upper branches of the last flush above it."""
        path, digest = b"", self.root
        while len(path) < len(digits) and (stored := self._upper(path, digest)) is not None:
            path, count, digest = _step(path, stored, digits)
            if count != BRANCH:
                break
        return path

    def _upper(self, path: bytes, digest: Digest, keep: bool = True) -> bytes | None:
        """The upper branch there, None if there is a twig."""
        node = self._uppers.get(path)
        if node is not None or path in self._unstored or path in self._twigs:
            return node
        for nodes in self._layers:
            if path in nodes:
                node = nodes[path]
                break
        else:
            node = self._reader.get(NODE + path)
        if node is not None:
            check_digest(path, node_digest(node), digest)
            if keep:
                self._uppers[path] = node
        return node

    def _twig(self, path: bytes, count: int, digest: Digest, keep: bool = True) -> Twig:
        """What hangs there, below upper branches. It may lack buckets."""
        if not count:
            return Twig(bytearray(), (EMPTY_BUCKET,))
        twig = self._twigs.find(path)
        if twig is None:
            twig = made_twig(self._leaves(path, TWIG_ENTRIES_MAX), len(path))
            if twig is None:
                raise LedgerDamaged(f"state tree node {path.decode()!r} is missing, or too many leaves are below it")
            check_digest(path, _child_of(path, twig)[1], digest)
        if keep and path not in self._twigs.young:
            self._twigs.keep(path, twig)
        return twig

    def _fill(self, path: bytes, twig: Twig, children: Iterable[int]) -> None:
        """Read these buckets, if the twig lacks them."""
        loaded = twig.loaded
        for child in children:
            if twig.lacks(child):
                below = path + _PATHS[child]
                twig.fill(below, child, self._leaves(below, BUCKET_ENTRIES_MAX))
        if path in self._twigs.young:
            self._twigs.young_bytes += twig.loaded - loaded

    def _entries(self, path: bytes, twig: Twig) -> bytes:
        """All of a twig, in order."""
        if not twig.is_whole:
            self._fill(path, twig, range(FANOUT))
        return twig.entries()

    def _leaves(self, path: bytes, limit: int | None = None) -> bytes:
        """The entries of all leaves below a path, or the first `limit` + 1 of them."""
        first, last = (LEAF + unhexlify(path.ljust(2 * DIGEST_BYTES, digit)) for digit in (b"0", b"f"))
        pairs = islice(self._reader.range(first, last + b"\x00"), None if limit is None else limit + 1)
        entries = b"".join([part for key, value in pairs for part in (key[len(LEAF) :], value)])
        if len(entries) % ENTRY_BYTES:
            raise LedgerDamaged(f"state tree node {path.decode()!r} has a leaf of a wrong length")
        return entries

    def _by_twig(self, entries: Sequence[LeafChange]) -> dict[bytes, tuple[Twig, list[LeafChange]]]:
        """The twig where each entry belongs, by path."""
        groups: dict[bytes, tuple[Twig, list[LeafChange]]] = {}
        young, depth = self._twigs.young, self._depth
        for entry in entries:
            digits = hexlify(entry[0])
            path = digits[:depth]
            twig = young.get(path)
            if twig is None:  # most twigs hang at the same depth
                path, twig = self._twig_of(digits)
                depth = len(path)
            group = groups.get(path)
            if group is None:
                groups[path] = twig, [entry]
            else:
                group[1].append(entry)
        self._depth = depth
        return groups

    def _twig_of(self, digits: bytes) -> tuple[bytes, Twig]:
        """Where a hashed key belongs: the path of the twig, and the twig."""
        path, count, digest = b"", BRANCH, self.root
        while count == BRANCH and (node := self._upper(path, digest)) is not None:
            path, count, digest = _step(path, node, digits)
        return path, self._twig(path, count, digest)

    def _into_twig(self, path: bytes, twig: Twig, found: Sequence[LeafChange]) -> Child:
        if len(found) > _MERGED:
            return self._build(path, merged(self._entries(path, twig), found))
        if not twig.is_whole:
            self._fill(path, twig, [child_at(hashed, len(path)) for hashed, _ in found])
        loaded = twig.loaded
        child = twig.change(len(path), found)
        if path in self._twigs.young:
            self._twigs.young_bytes += twig.loaded - loaded
        else:
            self._twigs.keep(path, twig)
        if child is None or not child[0]:
            return self._build(path, self._entries(path, twig))
        return child

    def _build(self, path: bytes, entries: bytes) -> Child:
        """The canonical subtree of these entries in order."""
        self._twigs.forget(path)
        twig = made_twig(entries, len(path))
        if twig is not None:
            if entries:
                self._twigs.keep(path, twig)
            return _child_of(path, twig)
        node, start = bytearray(EMPTY_BRANCH), 0
        for child, count in enumerate(counts_of(entries, len(path))):
            if count:
                end = start + count * ENTRY_BYTES
                put_child(node, child, self._build(path + _PATHS[child], entries[start:end]))
                start = end
        return self._put_upper(path, bytes(node))

    def _change_above(self, changed: Iterable[tuple[bytes, Child]]) -> None:
        """The upper branches above these subtrees, each once, from the bottom up."""
        levels: list[dict[bytes, list[tuple[int, Child]]]] = [{}]  # by length of path: its changed children
        for path, child in changed:
            if not path:
                self.root = Digest(child[1])
                continue
            while len(levels) < len(path):
                levels.append({})
            levels[len(path) - 1].setdefault(path[:-1], []).append((path[-1], child))
        while levels:
            for path, children in levels.pop().items():
                child = self._into_upper(path, children)
                if levels:
                    levels[-1].setdefault(path[:-1], []).append((path[-1], child))
                else:
                    self.root = Digest(child[1])
        self._unstored.update(self._writes)

    def _into_upper(self, path: bytes, children: list[tuple[int, Child]]) -> Child:
        node = bytearray(self._uppers.get(path) or self._again(path))
        for digit, child in children:
            put_child(node, _CHILD[digit], child)
        if BRANCH in node[1:DIGESTS_AT]:
            return self._put_upper(path, bytes(node))
        entries = b""  # nothing but buckets below: it is a twig now
        for number, one in enumerate(_PATHS):
            entries += self._twig(path + one, *child_in(node, number)).entries()
            self._twigs.forget(path + one)
        del self._uppers[path]
        self._writes[path] = None
        return self._build(path, entries)

    def _again(self, path: bytes) -> bytes:
        """An upper branch that was forgotten while a twig below it was not. Those above are not changed yet."""
        node, digest = self._upper(b"", self.root), self.root
        for depth, digit in enumerate(path, start=1):
            assert node is not None, "above a branch is an upper branch"
            digest = child_in(node, _CHILD[digit])[1]
            node = self._upper(path[:depth], digest)
        assert node is not None, "a twig hangs below an upper branch"
        return node

    def _put_upper(self, path: bytes, node: bytes) -> Child:
        self._uppers[path] = self._writes[path] = node
        return BRANCH, node_digest(node)


def _log_ends(reader: Reader) -> tuple[int, int]:
    """The first record of the log and the one behind the last; equal if the log is empty."""
    stop = bytes((TREE_LOG[0] + 1,))
    first = next(reader.range(TREE_LOG, stop), None)
    last = next(reader.range(TREE_LOG, stop, reverse=True), None)
    if first is None or last is None:
        return 0, 0
    return int.from_bytes(first[0][1:], "big"), int.from_bytes(last[0][1:], "big") + 1


def _step(path: bytes, upper: bytes, digits: bytes) -> tuple[bytes, int, Digest]:
    """One level down along these digits: the path there, and what the upper branch says of it."""
    depth = len(path)
    return digits[: depth + 1], *child_in(upper, _CHILD[digits[depth]])


def _child_of(path: bytes, twig: Twig) -> Child:
    """What the branch above says of a twig; at the top there is none, and an empty tree has a root."""
    count, digest = twig.child()
    return count, digest if count or path else EMPTY_STATE_ROOT
