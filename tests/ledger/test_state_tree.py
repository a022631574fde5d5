"""The state tree holds what a dict holds, its root depends on the content alone, its proofs prove nothing else."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.failures import LedgerDamaged
from ledger.schema import LEAF, NODE, TREE_LOG
from ledger.state_tree import LOGGED_BYTES, StateTree
from ledger.store import MemoryStore
from ledger.tree_layers import Layer, stacked
from ledger.twig_cache import TwigCache
from primitives.codec import decode_canonical, decoder, encode
from primitives.state_proof import (
    BUCKET_ENTRIES_MAX,
    EMPTY_STATE_ROOT,
    StateProof,
    key_hash,
    node_digest,
    state_root_of,
    value_digest,
    verify_state_proof,
)

KEYS = st.integers(0, 60).map(lambda number: b"key%d" % number)
CHANGES = st.dictionaries(KEYS, st.none() | st.binary(max_size=3), max_size=40)


def grown(content: dict[bytes, bytes]) -> StateTree:
    """The tree of that content, built in one update."""
    store = MemoryStore()
    tree = StateTree(store)
    store.write(tree.update(content).operations)
    store.write(tree.flush())
    return tree


@given(st.lists(CHANGES, max_size=8), st.integers(0, 60), st.integers(0, 2))
@settings(deadline=None, max_examples=200)
def test_tree_is_a_dict_whatever_its_history(
    steps: list[dict[bytes, bytes | None]], log_entries: int, uppers: int
) -> None:
    store, model = MemoryStore(), {}
    tree = StateTree(store, cache_bytes=0 if uppers % 2 else 40_000, uppers=uppers, log_entries=log_entries)
    layers: tuple[Layer, ...] = ()
    for changes in steps:
        update = tree.update(changes)
        store.write(update.operations)
        if update.layer:
            layers = () if update.layer.flushed else stacked(layers, update.layer)
        model = {k: v for k, v in {**model, **changes}.items() if v is not None}
        beside = StateTree(store, update.root, cache_bytes=0, layers=layers)
        again = StateTree(store, update.root)  # reopened, nothing cached, the log played back
        assert list(beside.entries()) == list(again.entries())
        assert dict(again.entries()) == {key_hash(k): value_digest(v) for k, v in model.items()}
    store.write(tree.flush())
    whole = grown(model)
    assert tree.root == whole.root == state_root_of(model)
    assert list(store.range(b"", None)) == list(whole._reader.range(b"", None)), "nothing is left behind"
    for number in range(62):
        key = b"key%d" % number
        proof = tree.prove(key)
        assert verify_state_proof(tree.root, key, model.get(key), proof)
        assert not verify_state_proof(tree.root, key, b"another", proof)
        assert not verify_state_proof(tree.root, key, None if key in model else b"", proof)


def test_root_depends_on_content_only_at_every_size_around_a_split() -> None:
    rng = random.Random(5)
    keys = [rng.randbytes(8) for _ in range(600)]
    for count in [0, 1, BUCKET_ENTRIES_MAX, BUCKET_ENTRIES_MAX + 1, 100, 257, 400]:
        content = {key: b"v" + key for key in keys[:count]}
        expected = grown(content).root
        store = MemoryStore()
        tree = StateTree(store)
        order = rng.sample(keys, len(keys))
        for start in range(0, len(order), 37):
            store.write(tree.update(dict.fromkeys(order[start : start + 37], b"old")).operations)
        for _ in range(0, len(order), 23):
            changes = {key: content.get(key) for key in rng.sample(order, len(order))[:23]}
            store.write(tree.update(changes).operations)
        store.write(tree.update({key: content.get(key) for key in keys}).operations)
        assert tree.root == expected
        assert (tree.root == EMPTY_STATE_ROOT) == (count == 0)


def plain_root(entries: list[tuple[str, bytes]], depth: int = 0) -> bytes:
    """The root by definition, from (hex of hashed key, value digest) in order: the oracle for every shape."""
    if len(entries) <= BUCKET_ENTRIES_MAX:
        return node_digest(b"\0" + b"".join(bytes.fromhex(key) + value for key, value in entries))
    groups = [[entry for entry in entries if entry[0][depth] == digit] for digit in "0123456789abcdef"]
    counts = bytes(255 if len(group) > BUCKET_ENTRIES_MAX else len(group) for group in groups)
    digests = b"".join(plain_root(group, depth + 1) if group else bytes(32) for group in groups)
    return node_digest(b"\1" + counts + digests)


@pytest.mark.parametrize("count", [0, 1, 16, 17, 40, 300, 5000])
def test_root_is_the_one_of_the_definition(count: int) -> None:
    content = {b"k%d" % i: b"v%d" % i for i in range(count)}
    assert grown(content).root == plain_root(sorted((key_hash(k).hex(), value_digest(v)) for k, v in content.items()))


def test_golden_roots() -> None:
    """A change of these bytes is a hard fork."""
    assert EMPTY_STATE_ROOT.hex() == "6ba0af3d132afe7046de62eca13f2830ee42f8fd550867a3133811cd98a71ae1"
    assert grown({b"a": b"1"}).root.hex() == "470de619e0e9197918f645d4cd3d70f2c665dfb36397e93e5cec7eac683fa9e0"
    squares = {b"%d" % i: b"%d" % (i * i) for i in range(1000)}
    assert grown(squares).root.hex() == "cb3fa38883b139ecefa428d20e9135e84c22dddd371374de3f5b03ced9db7ebf"


@pytest.mark.parametrize("key", [b"7", b"absent", b"absent2"])
def test_every_changed_byte_of_a_proof_is_noticed(key: bytes) -> None:
    content = {b"%d" % i: b"value" for i in range(300)}
    tree = grown(content)
    raw = encode(tree.prove(key))
    proofs = decoder(StateProof)
    assert verify_state_proof(tree.root, key, content.get(key), decode_canonical(proofs, raw))
    for at in range(len(raw)):
        for mask in (1, 0x80):
            damaged = bytearray(raw)
            damaged[at] ^= mask
            try:
                proof = proofs.decode(bytes(damaged))
            except msgspec.DecodeError:
                continue
            assert not verify_state_proof(tree.root, key, content.get(key), proof)


def test_a_proof_with_a_node_too_many_or_too_few_proves_nothing() -> None:
    content = {b"%d" % i: b"value" for i in range(3000)}
    tree = grown(content)
    nodes = tree.prove(b"7").nodes
    assert len(nodes) > 2
    for wrong in (nodes[:-1], nodes[1:], (*nodes, nodes[-1]), (nodes[0], *nodes), nodes[::-1]):
        assert not verify_state_proof(tree.root, b"7", b"value", StateProof(wrong))
        assert not verify_state_proof(tree.root, b"7", None, StateProof(wrong))
    assert not verify_state_proof(EMPTY_STATE_ROOT, b"7", b"value", StateProof(nodes))
    assert verify_state_proof(EMPTY_STATE_ROOT, b"7", None, grown({}).prove(b"7"))


def test_absence_at_an_empty_child_and_in_a_bucket_proves_absence_only() -> None:
    tree = grown({b"%d" % i: b"value" for i in range(40)})
    ends = set()
    for number in range(40, 400):
        proof = tree.prove(b"%d" % number)
        assert verify_state_proof(tree.root, b"%d" % number, None, proof)
        assert not verify_state_proof(tree.root, b"%d" % number, b"value", proof)
        ends.add(proof.nodes[-1][0])
    assert ends == {0, 1}, "both kinds of absence occurred"


def test_a_snapshot_proves_the_past() -> None:
    store = MemoryStore()
    tree = StateTree(store)
    store.write(tree.update({b"%d" % i: b"old" for i in range(100)}).operations)
    snapshot, old_root = store.snapshot(), tree.root
    store.write(tree.update({b"%d" % i: b"new" for i in range(100)}).operations)
    assert verify_state_proof(old_root, b"7", b"old", StateTree(snapshot, old_root).prove(b"7"))
    assert verify_state_proof(tree.root, b"7", b"new", tree.prove(b"7"))


@pytest.mark.parametrize("damage", ["flip", "delete", "cut", "long"])
def test_a_damaged_node_or_leaf_is_noticed_when_it_is_loaded(damage: str) -> None:
    source = grown({b"%d" % i: b"value" for i in range(3000)})
    stored = list(source._reader.range(b"", None))
    nodes = [pair for pair in stored if pair[0][:1] == NODE]
    assert len(nodes) > 2
    for key, value in (*nodes, *stored[:: len(stored) // 40]):
        store = MemoryStore()
        store.write(stored)
        held = {"flip": value[:-1] + bytes([value[-1] ^ 1]), "cut": value[:-1], "long": value + b"0", "delete": None}
        store.write([(key, held[damage])])
        with pytest.raises(LedgerDamaged, match="state tree node"):
            list(StateTree(store, source.root).entries())


@pytest.mark.parametrize("key", [LEAF + bytes(32), LEAF + b"\xff" * 32, LEAF + b"\x80" * 31])
def test_a_leaf_too_many_is_noticed_when_it_is_loaded(key: bytes) -> None:
    for count in (0, 10, 200, 700):
        source = grown({b"%d" % i: b"value" for i in range(count)})
        source._reader.write([(key, bytes(32))])  # type: ignore[attr-defined]
        with pytest.raises(LedgerDamaged, match="state tree node"):
            list(StateTree(source._reader, source.root).entries())


def test_a_leaf_at_a_place_that_is_empty_is_noticed_by_who_reads_all() -> None:
    content, crowded = {}, {}
    for number in range(4000):  # a root with a child that is empty and one that is a branch
        content[b"%d" % number] = b"v"
    for key, value in content.items():
        if key_hash(key)[0] >> 4 != 7:
            crowded[key] = value
    source = grown(crowded)
    source._reader.write([(LEAF + b"\x71" + bytes(31), bytes(32))])  # type: ignore[attr-defined]
    with pytest.raises(LedgerDamaged, match="'7' has leaves"):
        list(StateTree(source._reader, source.root).entries())


def test_updates_of_unchanged_or_absent_keys_keep_the_root() -> None:
    tree = grown({b"%d" % i: b"value" for i in range(50)})
    root = tree.root
    assert tree.update({}).root == root
    assert tree.update({b"7": b"value"}).root == root
    assert tree.update({b"absent": None}).root == root


def test_upper_branches_are_stored_when_the_log_is_long_and_each_once() -> None:
    store = MemoryStore()
    tree = StateTree(store, log_entries=2000)
    store.write(tree.update({b"%d" % key: b"old" for key in range(2000)}).operations)
    longest, stored, flushes = 0, 0, 0
    for number in range(60):
        update = tree.update({b"%d" % key: b"%d" % number for key in range(0, 2000, 37)})
        nodes = [key for key, _ in update.operations if key[:1] == NODE]
        assert len(nodes) == len(set(nodes))
        assert update.layer is not None
        assert bool(nodes) == update.layer.flushed
        stored, flushes = stored + len(nodes), flushes + update.layer.flushed
        store.write(update.operations)
        longest = max(longest, sum(len(raw) // LOGGED_BYTES for _, raw in store.range(TREE_LOG, b"r")))
        assert not update.layer.flushed or not list(store.range(TREE_LOG, b"r")), "what is stored needs no log"
    assert 1900 < longest <= 2000
    assert flushes == 2
    assert 0 < stored <= 2 * 17
    assert len(list(store.range(LEAF, b"m"))) == 2000


@pytest.mark.parametrize("seed", range(12))
def test_after_any_crash_the_tree_is_found_again(seed: int) -> None:
    """Writes are atomic, so a crash is a start between two of them, with less or more in the log and in memory."""
    rng = random.Random(seed)
    store, model, width = MemoryStore(), {}, rng.choice([1, 2, LOGGED_BYTES])
    space = rng.choice([40, 300, 3000])

    def opened(root: bytes) -> StateTree:
        cache, uppers, log = rng.choice([0, 9000, 10**8]), rng.choice([0, 3, 1000]), rng.choice([0, 500, 10**6])
        tree = StateTree(store, root, cache, uppers, log, logged_bytes=width)  # type: ignore[arg-type]
        tree._twigs = TwigCache(cache, rng.choice([0, 2, 1000]))
        return tree

    tree = opened(EMPTY_STATE_ROOT)
    for _ in range(25):
        deleted, count = rng.choice([0.1, 0.5, 0.98]), rng.choice([1, 9, 60, space])
        drawn = [b"%d" % rng.randrange(space) for _ in range(count)]
        changes = {key: None if rng.random() < deleted else rng.randbytes(2) for key in drawn}
        store.write(tree.update(changes).operations)
        model = {key: value for key, value in {**model, **changes}.items() if value is not None}
        assert tree.root == state_root_of(model)
        assert tree._twigs.young_bytes == sum(twig.size for twig in tree._twigs.young.values())
        again = opened(tree.root)
        assert dict(again.entries()) == {key_hash(k): value_digest(v) for k, v in model.items()}
        if rng.random() < 0.5:
            tree = again
        if rng.random() < 0.2:
            store.write(tree.flush())


def test_deep_upper_branches_that_are_gone_are_not_left_in_the_store() -> None:
    """Also where the log says too little to find them one by one."""
    store, content = MemoryStore(), {b"%d" % key: b"v" for key in range(40_000)}
    tree = StateTree(store, log_entries=10**6, logged_bytes=1)
    store.write(tree.update(content).operations)
    store.write(tree.flush())
    assert any(len(key) == 3 for key, _ in store.range(NODE, b"o"))
    rest = {key: content[key] for key in list(content)[:3000]}
    store.write(tree.update({key: None for key in content if key not in rest}).operations)
    expected = list(grown(rest)._reader.range(b"", None))
    crashed = store.snapshot()
    again = StateTree(crashed, tree.root, logged_bytes=1)
    for one, held in ((tree, store), (again, crashed)):
        held.write(one.flush())
        assert list(held.range(b"", None)) == expected


@pytest.mark.parametrize("damage", ["flip", "delete", "cut", "roll back"])
def test_a_damaged_log_is_noticed_when_the_tree_is_opened(damage: str) -> None:
    store = MemoryStore()
    tree = StateTree(store)
    store.write(tree.update({b"%d" % key: b"old" for key in range(3000)}).operations)
    store.write(tree.flush())
    for number in range(3):
        store.write(tree.update({b"%d" % number: b"new"}).operations)
    key, raw = list(store.range(TREE_LOG, b"r"))[{"roll back": 2}.get(damage, 1)]
    held = {"flip": bytes([raw[0] ^ 1]) + raw[1:], "cut": raw[:-1]}.get(damage)
    store.write([(key, held)])
    with pytest.raises(LedgerDamaged, match="state tree"):
        StateTree(store, tree.root)


def test_layers_that_do_not_cover_the_log_are_left_alone() -> None:
    store = MemoryStore()
    tree = StateTree(store)
    store.write(tree.update({b"%d" % key: b"old" for key in range(700)}).operations)
    store.write(tree.flush())
    layers = []
    for number in range(4):
        update = tree.update({b"%d" % key: b"%d" % number for key in range(number, 700, 4)})
        store.write(update.operations)
        assert update.layer is not None
        layers.append(update.layer)
    expected = list(StateTree(store, tree.root).entries())
    for some in (layers, layers[1:], layers[:3], []):
        assert list(StateTree(store, tree.root, cache_bytes=0, layers=some).entries()) == expected


def test_layers_tell_of_a_state_that_became_empty() -> None:
    store = MemoryStore()
    tree = StateTree(store)
    store.write(tree.update({b"a": b"1", **{b"%d" % key: b"old" for key in range(700)}}).operations)
    store.write(tree.flush())
    update = tree.update({b"a": None, **{b"%d" % key: None for key in range(700)}})
    assert update.layer is not None
    store.write(update.operations)
    beside = StateTree(store, update.root, cache_bytes=0, layers=[update.layer])
    assert verify_state_proof(EMPTY_STATE_ROOT, b"a", None, beside.prove(b"a"))


def test_few_layers_stand_for_a_long_log() -> None:
    """Each is read beside an append: its own block may be in the store or not."""
    store, model = MemoryStore(), {b"%d" % key: b"old" for key in range(500)}
    tree = StateTree(store)
    store.write(tree.update(model).operations)
    store.write(tree.flush())
    layers: tuple[Layer, ...] = ()
    most = 0
    for number in range(300):
        root, changes = tree.root, {b"%d" % (number * 7 % 50): None if number % 3 else b"%d" % number}
        update = tree.update(changes)
        assert update.layer is not None
        layers = stacked(layers, update.layer)
        before = StateTree(store.snapshot(), root, cache_bytes=0, layers=layers)
        store.write(update.operations)
        after = StateTree(store, update.root, cache_bytes=0, layers=layers)
        for beside, content in ((before, dict(model)), (after, {**model, **changes})):
            assert beside._layers or not number
            key = b"%d" % (number % 50)
            assert verify_state_proof(beside.root, key, content.get(key), beside.prove(key))
        model.update(changes)
        most = max(most, len(layers))
    assert most <= 10
    assert dict(StateTree(store, tree.root, layers=layers).entries()) == {
        key_hash(k): value_digest(v) for k, v in model.items() if v is not None
    }


def test_a_flush_stores_what_waited_from_earlier_blocks() -> None:
    store = MemoryStore()
    tree = StateTree(store)
    content = {b"%d" % key: b"value" for key in range(3000)}
    store.write(tree.update(content).operations)
    store.write(tree.update({b"7": b"new"}).operations)
    store.write(tree.flush())
    expected = {key_hash(k): value_digest(v) for k, v in {**content, b"7": b"new"}.items()}
    assert dict(StateTree(store, tree.root).entries()) == expected


def test_the_cache_is_bounded() -> None:
    store = MemoryStore()
    tree, fewest = StateTree(store, cache_bytes=100_000, uppers=5, log_entries=100), 17
    for key in range(0, 6000, 3):
        store.write(tree.update({b"%d" % (key + more): b"value" for more in range(3)}).operations)
        assert tree._twigs.young_bytes < 50_000 + 3 * 18_000
        assert sum(twig.size for twig in tree._twigs._old.values()) < 50_000 + 3 * 18_000
        fewest = min(fewest, len(tree._uppers)) if key > 4000 else fewest
    assert fewest <= 5, "all 17 of them are not needed"
    assert len(list(store.range(NODE, b"o"))) > 16
    for key in (7, 1500, 5999):
        assert verify_state_proof(tree.root, b"%d" % key, b"value", tree.prove(b"%d" % key))


def test_a_warm_tree_needs_no_leaf_of_the_store_and_keeps_its_bound() -> None:
    content = {b"%d" % key: b"old" for key in range(3000)}
    source = grown(content)
    store, changes = MemoryStore(), {b"%d" % key: b"new" for key in range(0, 3000, 7)}
    store.write(list(source._reader.range(b"", None)))
    small = StateTree(store, source.root, cache_bytes=100_000)
    small.warm()
    assert 50_000 < small._twigs.young_bytes < 50_000 + 18_000
    tree = StateTree(store, source.root)
    tree.warm()
    store.write([(key, None) for key, _ in list(store.range(LEAF, b"m"))])
    assert tree.update(changes).root == state_root_of({**content, **changes})
    with pytest.raises(LedgerDamaged, match="state tree node"):
        StateTree(store, source.root).warm()
