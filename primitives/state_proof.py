"""What one key holds under a state root, provable to anybody: the hashing of the state tree and its pure verifier.

The tree is a 16-way trie over the hashed keys, four bits a level, whose shape is decided by the content alone: a
subtree of at most BUCKET_ENTRIES_MAX entries is one bucket, a larger one a branch. So two nodes with the same state
have the same root whatever their histories (pitfall 77), and a missing key is proven by the place where it would be.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from primitives.codec import Record
from primitives.hashing import TAG_STATE_KEY, TAG_STATE_LEAF, TAG_STATE_NODE, Digest, tagged_hasher

BUCKET_ENTRIES_MAX: Final = 16  # part of the format; 32 writes twice the bytes per touched key at 100,000 keys
FANOUT: Final = 16
LEVELS_MAX: Final = 64  # hex digits of a hashed key
BRANCH: Final = 255  # in place of a child's entry count: the child is a branch (and holds more than a bucket may)
ENTRY_BYTES: Final = 64  # hashed key, digest of the value
BRANCH_BYTES: Final = 1 + FANOUT + FANOUT * 32
_BUCKET_KIND: Final = b"\x00"
_BRANCH_KIND: Final = b"\x01"
_DIGESTS_AT: Final = 1 + FANOUT

NodeBytes = Annotated[bytes, msgspec.Meta(max_length=max(BRANCH_BYTES, 1 + BUCKET_ENTRIES_MAX * ENTRY_BYTES))]


class StateProof(Record):
    """The nodes from the root to the place of a key: all branches, then a bucket unless that place is empty.

    A bucket is 0x00 and its entries (hashed key, value digest) in order; a branch is 0x01, the entry counts of its 16
    children (0 none, BRANCH a branch), and their 16 digests (zero for none). About 0.6 kB a level.
    """

    nodes: Annotated[tuple[NodeBytes, ...], msgspec.Meta(min_length=1, max_length=LEVELS_MAX + 1)]


key_hash: Final = tagged_hasher(TAG_STATE_KEY)  # of a key: where it stands in the tree
value_digest: Final = tagged_hasher(TAG_STATE_LEAF)  # of a value: what a bucket says about it
node_digest: Final = tagged_hasher(TAG_STATE_NODE)  # of a bucket or branch; its first byte tells them apart

EMPTY_STATE_ROOT: Final = node_digest(_BUCKET_KIND)


def state_root_of(values: Mapping[bytes, bytes]) -> Digest:
    """The root over a whole state that fits in memory: the same as the ledger's, which updates it piece by piece."""
    entries = sorted((key_hash(key), value_digest(value)) for key, value in values.items())
    return _root_of(entries, 0)


def _root_of(entries: Sequence[tuple[Digest, Digest]], level: int) -> Digest:
    if len(entries) <= BUCKET_ENTRIES_MAX:
        return node_digest(_BUCKET_KIND + b"".join(key + value for key, value in entries))
    counts, digests = bytearray(FANOUT), bytearray(32 * FANOUT)
    for child in range(FANOUT):
        below = [entry for entry in entries if int(entry[0].hex()[level], 16) == child]
        if below:
            counts[child] = len(below) if len(below) <= BUCKET_ENTRIES_MAX else BRANCH
            digests[32 * child : 32 * (child + 1)] = _root_of(below, level + 1)
    return node_digest(_BRANCH_KIND + bytes(counts) + bytes(digests))


def verify_state_proof(root: bytes, key: bytes, value: bytes | None, proof: StateProof) -> bool:
    """Whether under `root` the key holds exactly `value`; None: whether it is absent. False for any other proof."""
    hashed = key_hash(key)
    digits = hashed.hex()
    expected, count = root, -1  # the root's kind is unknown; only a bucket or a branch of the right shape has its hash
    for level, node in enumerate(proof.nodes):
        last = level == len(proof.nodes) - 1
        if node_digest(node) != expected:
            return False
        if node[:1] == _BUCKET_KIND:
            return last and _bucket_says(node, count, hashed, value)
        if len(node) != BRANCH_BYTES or node[:1] != _BRANCH_KIND or level >= LEVELS_MAX:
            return False
        child = int(digits[level], 16)
        count = node[1 + child]
        if count == 0:
            return last and value is None
        expected = node[_DIGESTS_AT + 32 * child : _DIGESTS_AT + 32 * (child + 1)]
    return False


def _bucket_says(node: bytes, count: int, hashed: Digest, value: bytes | None) -> bool:
    entries = [node[i : i + ENTRY_BYTES] for i in range(1, len(node), ENTRY_BYTES)]
    if count not in (-1, len(entries)):
        return False
    found = [entry[32:] for entry in entries if entry[:32] == hashed]
    return found == ([] if value is None else [value_digest(value)])
