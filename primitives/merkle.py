"""Binary Merkle trees with distinct prefixes for leaves and nodes (RFC 6962): no leaf can pose as a node.

An odd node is promoted unchanged, never paired with itself, so that no two lists of leaves share a root
(CVE-2012-2459). The root binds the number of leaves, so that a path fixes index and count.
"""

from collections.abc import Sequence
from typing import Final

from primitives.hashing import TAG_MERKLE_LEAF, TAG_MERKLE_NODE, TAG_MERKLE_ROOT, Digest, tagged_hash, tagged_hasher

LEAVES_MAX: Final = 2**32  # a path has at most 32 digests


def _sealed(count: int, top: bytes) -> Digest:
    return tagged_hash(TAG_MERKLE_ROOT, count.to_bytes(8, "big"), top)


EMPTY_ROOT: Final = _sealed(0, b"")


leaf_hash: Final = tagged_hasher(TAG_MERKLE_LEAF)  # of one leaf, any bytes
_node_hash: Final = tagged_hasher(TAG_MERKLE_NODE)  # of two digests, one behind the other


def _parents(level: list[Digest]) -> list[Digest]:
    paired = [_node_hash(left + right) for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) % 2:
        paired.append(level[-1])
    return paired


def root(leaves: Sequence[bytes]) -> Digest:
    """The root over the leaves in order; EMPTY_ROOT for none."""
    if not leaves:
        return EMPTY_ROOT
    level = list(map(leaf_hash, leaves))
    while len(level) > 1:
        level = _parents(level)
    return _sealed(len(leaves), level[0])


def path(leaves: Sequence[bytes], index: int) -> tuple[Digest, ...]:
    """The siblings of leaf `index` from the bottom up; IndexError outside the list."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    level = list(map(leaf_hash, leaves))
    siblings = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            siblings.append(level[sibling])
        level = _parents(level)
        index //= 2
    return tuple(siblings)


def verify_path(leaf: bytes, index: int, count: int, siblings: Sequence[bytes], expected: bytes) -> bool:
    """Whether `leaf` is number `index` of exactly `count` leaves under the root `expected`.

    A path with a digest too many or too few is false: there is one path per leaf.
    """
    if not 0 <= index < count <= LEAVES_MAX:
        return False
    node, width, used = leaf_hash(leaf), count, 0
    while width > 1:
        if index ^ 1 < width:
            if used == len(siblings):
                return False
            left, right = (siblings[used], node) if index & 1 else (node, siblings[used])
            node, used = _node_hash(left + right), used + 1
        index, width = index // 2, (width + 1) // 2
    return used == len(siblings) and _sealed(count, node) == expected
