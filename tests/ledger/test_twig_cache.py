"""Twigs that go out of use leave their branch: the next change reads one bucket, checked, and no more."""

import random
from collections.abc import Iterator

import pytest

from ledger.failures import LedgerDamaged
from ledger.schema import LEAF
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from ledger.twig import bare_twig, made_twig, merged
from ledger.twig_cache import BRANCH_HELD, TwigCache
from primitives.hashing import Digest
from primitives.state_proof import BUCKET_ENTRIES_MAX, ENTRY_BYTES, key_hash, state_root_of, verify_state_proof

CONTENT = {b"%d" % number: b"old" for number in range(3000)}


class Counting(MemoryStore):
    """Counts the rows that ranges give."""

    rows = 0

    def range(self, start: bytes, stop: bytes | None, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for pair in super().range(start, stop, reverse):
            self.rows += 1
            yield pair


def bare(store: MemoryStore) -> StateTree:
    """The tree of CONTENT, nothing of it in memory but upper branches and the branches of twigs."""
    tree = StateTree(store, log_entries=10**6)
    store.write(tree.update(CONTENT).operations)
    tree._twigs._old = dict(tree._twigs.young)
    tree._twigs.young.clear()
    tree._twigs.young_bytes = 10**9
    tree._twigs.make_room()
    assert tree._twigs._branches
    assert not tree._twigs._old
    assert not tree._twigs.young
    return tree


def below_a_bare_twig(tree: StateTree) -> tuple[bytes, bytes]:
    """(a key, the path of its twig)."""
    for path in tree._twigs._branches:
        for key in CONTENT:
            if key_hash(key).hex().encode().startswith(path):
                return key, path
    raise AssertionError("no key below a bare twig")


def test_a_change_below_a_bare_twig_reads_one_bucket() -> None:
    store = Counting()
    tree = bare(store)
    key, path = below_a_bare_twig(tree)
    store.rows = 0
    store.write(tree.update({key: b"new"}).operations)
    assert 0 < store.rows <= BUCKET_ENTRIES_MAX
    assert tree.root == state_root_of({**CONTENT, key: b"new"})
    twig = tree._twigs.young[path]
    assert not twig.is_whole
    assert 0 < twig.loaded < twig.held
    store.rows = 0
    store.write(tree.update({key: b"newer"}).operations)
    assert store.rows == 0, "what was read stays"


def test_a_twig_that_came_back_in_part_leaves_its_branch_again() -> None:
    store = MemoryStore()
    tree = bare(store)
    twigs, (key, path) = tree._twigs, below_a_bare_twig(tree)
    known = len(twigs._branches)
    store.write(tree.update({key: b"new"}).operations)
    assert path in twigs.young
    for _ in range(2):
        twigs.young_bytes = 10**9
        twigs.make_room()
    assert len(twigs._branches) == known
    assert tree.update({key: b"newer"}).root == state_root_of({**CONTENT, key: b"newer"})


def test_a_proof_below_a_bare_twig_reads_one_bucket_and_keeps_nothing() -> None:
    store = Counting()
    tree = bare(store)
    key, path = below_a_bare_twig(tree)
    store.rows = 0
    assert verify_state_proof(tree.root, key, b"old", tree.prove(key))
    assert 0 < store.rows <= BUCKET_ENTRIES_MAX
    assert path not in tree._twigs.young
    absent = next(b"absent%d" % n for n in range(10**6) if key_hash(b"absent%d" % n).hex().encode().startswith(path))
    assert verify_state_proof(tree.root, absent, None, tree.prove(absent))


@pytest.mark.parametrize("damage", ["flip", "delete", "cut", "another"])
def test_a_bucket_that_is_read_again_is_checked(damage: str) -> None:
    for action in ("update", "prove", "entries"):
        store = MemoryStore()
        tree = bare(store)
        key, _ = below_a_bare_twig(tree)
        leaf = LEAF + key_hash(key)
        value = store.get(leaf)
        assert value is not None
        another = leaf[:-1] + bytes([leaf[-1] ^ 1])
        store.write([{"flip": (leaf, value[:-1] + bytes([value[-1] ^ 1])), "delete": (leaf, None),
                      "cut": (leaf, value[:-1]), "another": (another, value)}[damage]])  # fmt: skip
        with pytest.raises(LedgerDamaged, match="state tree node"):
            if action == "update":
                tree.update({key: b"new"})
            elif action == "prove":
                tree.prove(key)
            else:
                list(tree.entries())


@pytest.mark.parametrize("seed", range(6))
def test_however_small_the_cache_the_tree_is_that_of_its_content(seed: int) -> None:
    """Twigs go and come back in part, split, shrink and merge."""
    rng = random.Random(seed)
    store, model = MemoryStore(), dict(CONTENT)
    tree = StateTree(store, log_entries=rng.choice([500, 10**6]))
    store.write(tree.update(model).operations)
    tree._twigs = TwigCache(rng.choice([0, 20_000, 100_000]), rng.choice([0, 4, 40, 10**6]))
    seen = 0
    for number in range(120):
        space, deleted, count = rng.choice([3000, 6000]), rng.choice([0.1, 0.9]), rng.choice([1, 4, 30, 300])
        drawn = [b"%d" % rng.randrange(space) for _ in range(count)]
        changes = {key: None if rng.random() < deleted else rng.randbytes(2) for key in drawn}
        store.write(tree.update(changes).operations)
        model = {key: value for key, value in {**model, **changes}.items() if value is not None}
        if number % 8 == 0:
            assert tree.root == state_root_of(model)
        twigs = tree._twigs
        assert twigs.young_bytes == sum(twig.size for twig in twigs.young.values())
        assert len(twigs._branches) <= twigs._branches_max
        assert not twigs.young.keys() & twigs._old.keys()
        assert not (twigs.young.keys() | twigs._old.keys()) & twigs._branches.keys()
        seen += sum(not twig.is_whole for twig in twigs.young.values())
        for key in (rng.choice(drawn), rng.choice(sorted(model)) if model else b""):
            assert verify_state_proof(tree.root, key, model.get(key), tree.prove(key))
        assert twigs.young_bytes == sum(twig.size for twig in twigs.young.values()), "a proof changes no count"
    assert seen or not twigs._branches_max, "twigs came back in part"


def test_a_bare_twig_knows_how_much_it_holds() -> None:
    found = [(Digest(bytes([n * 9 % 256, n]) + bytes(30)), Digest(bytes([n + 1]) * 32)) for n in range(40)]
    entries = merged(b"", found)
    twig = made_twig(entries, 0)
    assert twig is not None
    again = bare_twig(twig.branch)
    assert (again.held, again.loaded) == (len(entries), 0)
    assert again.child() == twig.child()
    assert again.size < twig.size
    for child in range(16):
        assert again.lacks(child) == (len(twig.nodes(child)) == 2), "an empty bucket is not missing"
    assert twig.is_whole
    assert not again.is_whole


def test_the_branches_that_were_left_first_go_first() -> None:
    entries = merged(b"", [(Digest(bytes([n * 6]) + bytes(31)), Digest(bytes(31) + b"\1")) for n in range(40)])
    cache = TwigCache(0, branches_max=10)
    for number in range(14):
        twig = made_twig(entries, 0)
        assert twig is not None
        cache.keep(b"%x" % number, twig)
        cache.make_room()
    assert 5 <= len(cache._branches) <= 10
    assert b"b" in cache
    assert b"0" not in cache
    found = cache.find(b"b")
    assert found is not None
    assert found.loaded == 0
    assert cache.find(b"0") is None
    whole = cache.find(b"d")
    assert whole is not None
    assert whole.held == whole.loaded == 40 * ENTRY_BYTES
    cache.forget(b"b")
    assert b"b" not in cache


def test_branches_and_twigs_share_one_bound() -> None:
    entries = merged(b"", [(Digest(bytes([n * 6]) + bytes(31)), Digest(bytes(31) + b"\1")) for n in range(40)])
    cache, most = TwigCache(200_000), 0
    for number in range(2000):
        twig = made_twig(entries, 0)
        assert twig is not None
        cache.make_room()
        cache.keep(b"%x" % number, twig)
        held = cache.young_bytes + sum(old.size for old in cache._old.values()) + len(cache._branches) * BRANCH_HELD
        most = max(most, held)
    assert 100_000 < most < 225_000, "a turn adds branches while the twigs of before are there still"
    assert 50_000 < len(cache._branches) * BRANCH_HELD <= 100_000
