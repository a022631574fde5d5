"""A twig that is changed in place is the twig of the changed entries, and says when it must be another shape."""

import random

import pytest

from ledger.twig import GONE, LeafChange, Twig, made_twig, merged
from primitives.hashing import Digest
from primitives.state_proof import BUCKET_ENTRIES_MAX, ENTRY_BYTES

DEPTH = 3  # of its path: the keys have these digits in common


def key(child: int, number: int) -> Digest:
    return Digest(b"\xab" + bytes([0xC0 + child, number]) + bytes(29))


def full(child: int, count: int) -> list[LeafChange]:
    return [(key(child, number), Digest(bytes([number + 1]) * 32)) for number in range(count)]


def of(entries: list[LeafChange]) -> Twig:
    twig = made_twig(merged(b"", entries), DEPTH)
    assert twig is not None
    return twig


@pytest.mark.parametrize("seed", range(30))
def test_a_changed_twig_is_the_one_of_its_entries(seed: int) -> None:
    """Also where the digest of a value is the key of another one."""
    rng = random.Random(seed)
    keys = [key(rng.randrange(16), rng.randrange(256)) for _ in range(60)]
    values = [*keys, Digest(b"\xab" * 32), GONE]
    entries = [(one, Digest(bytes([number + 1]) * 32)) for number, one in enumerate(keys[:40])]
    twig = of(entries)
    for _ in range(30):
        found = [(rng.choice(keys), rng.choice(values)) for _ in range(rng.randrange(1, 5))]
        expected = merged(twig.entries(), found)
        child = twig.change(DEPTH, found)
        assert twig.entries() == expected
        assert twig.held == len(expected)
        again = made_twig(expected, DEPTH)
        if child is None:
            assert again is None or len(expected) <= BUCKET_ENTRIES_MAX * ENTRY_BYTES
            twig = of(entries)
            continue
        assert again is not None
        assert child == again.child() == twig.child()
        assert [twig.nodes(digit) for digit in range(16)] == [again.nodes(digit) for digit in range(16)]


def test_one_bucket_too_full_is_another_shape_whatever_else_changes() -> None:
    entries = full(1, BUCKET_ENTRIES_MAX) + full(2, 3)
    for order in (1, -1):
        found = [(key(1, 99), key(1, 1)), (key(2, 99), key(1, 1))][::order]
        assert of(entries).change(DEPTH, found) is None
        assert made_twig(merged(of(entries).entries(), found), DEPTH) is None


def test_a_branch_that_fits_into_one_bucket_is_another_shape() -> None:
    twig = of(full(1, BUCKET_ENTRIES_MAX) + full(2, 1))
    assert len(twig.nodes(1)) == 2
    assert twig.change(DEPTH, [(key(1, 0), GONE)]) is None
