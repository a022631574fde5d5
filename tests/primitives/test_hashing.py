"""The two ways to the same hash."""

import hashlib

from primitives.hashing import TAG_MERKLE_NODE, TAG_TRANSACTION, tagged_hash, tagged_hasher

PARTS = (b"", b"x", bytes(range(256)) * 300)


def test_a_tagged_hash_is_over_the_length_of_the_tag_the_tag_and_the_parts() -> None:
    expected = hashlib.sha256(b"\x05hn/txonetwo").digest()
    assert tagged_hash(TAG_TRANSACTION, b"one", b"two") == expected
    assert tagged_hash(TAG_TRANSACTION, memoryview(b"-onetwo-")[1:-1]) == expected


def test_a_hasher_gives_the_same_as_often_as_it_is_asked() -> None:
    hash_part = tagged_hasher(TAG_MERKLE_NODE)
    for part in PARTS * 2:
        assert hash_part(part) == tagged_hash(TAG_MERKLE_NODE, part) == hash_part(memoryview(part))
    assert tagged_hasher(TAG_TRANSACTION)(b"x") != hash_part(b"x")
