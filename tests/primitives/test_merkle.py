"""Merkle trees: every leaf has one path, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import merkle
from primitives.hashing import TAG_MERKLE_NODE, tagged_hash

leaf_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


@given(leaf_lists, st.data())
def test_every_leaf_is_proven_and_only_at_its_place(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.path(leaves, index)
    assert merkle.verify_path(leaves[index], index, len(leaves), path, root)
    for other in range(len(leaves) + 1):
        if other != index:
            assert not merkle.verify_path(leaves[index], other, len(leaves), path, root) or (
                other < len(leaves) and leaves[other] == leaves[index] and merkle.path(leaves, other) == path
            )
    for count in range(1, 50):
        assert count == len(leaves) or not merkle.verify_path(leaves[index], index, count, path, root)


@given(leaf_lists, st.data())
def test_a_changed_leaf_or_path_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.path(leaves, index)
    assert not merkle.verify_path(leaves[index] + b"x", index, len(leaves), path, root)
    assert not merkle.verify_path(leaves[index], index, len(leaves), (*path, root), root)
    if path:
        assert not merkle.verify_path(leaves[index], index, len(leaves), path[:-1], root)
        swapped = (bytes([path[0][0] ^ 1]) + path[0][1:], *path[1:])
        assert not merkle.verify_path(leaves[index], index, len(leaves), swapped, root)


@given(leaf_lists, leaf_lists)
def test_different_lists_have_different_roots(left: list[bytes], right: list[bytes]) -> None:
    assert (merkle.root(left) == merkle.root(right)) == (left == right)


def test_an_odd_leaf_is_not_paired_with_itself() -> None:
    """CVE-2012-2459."""
    assert merkle.root([b"a", b"b", b"c"]) != merkle.root([b"a", b"b", b"c", b"c"])


def test_a_node_cannot_pose_as_a_leaf() -> None:
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.root([left + right]) != merkle.root([b"a", b"b"])
    assert merkle.leaf_hash(left + right) != tagged_hash(TAG_MERKLE_NODE, left, right)


def test_no_leaves_have_a_root_of_their_own_and_no_path() -> None:
    assert merkle.root([]) == merkle.EMPTY_ROOT != merkle.root([b""])
    with pytest.raises(IndexError):
        merkle.path([], 0)
    assert not merkle.verify_path(b"", 0, 0, (), merkle.EMPTY_ROOT)
