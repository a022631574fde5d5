"""The audit names the first wrong block, whatever was changed, and what it should have been."""

from collections.abc import Callable, Sequence

import pytest

from ledger import audit as auditing
from ledger.audit import Audit, Audited, Difference, Executed, Progress, Replay, tree_difference
from ledger.chain import Chain
from ledger.memory_disk import MemoryDisk
from ledger.schema import (
    BATCH,
    BLOCK,
    CERTIFICATE,
    HEAD_KEY,
    MENTIONS,
    RECEIPTS,
    STATE,
    TRANSACTION,
    height_key,
    pack_items,
)
from ledger.segments import pack_spot
from ledger.store import MemoryStore
from primitives.block import Block, Header, header_digest
from primitives.codec import decoder, encode
from tests.ledger.builders import (
    GENESIS_STATE,
    Builder,
    certificate_valid,
    execute,
    new_chain,
    transaction_id,
)


def replay(state: dict[bytes, bytes] | None = None) -> Replay:
    seen: set[bytes] = set()
    return Replay(GENESIS_STATE if state is None else state, lambda h, header, raw: execute(h, header, raw, seen))


def built(lag: int = 1) -> tuple[MemoryStore, Builder]:
    store = MemoryStore()
    builder = new_chain(store, lag=lag)
    for number in range(12):
        if number % 3 == 2:
            builder.add()
        else:
            builder.add(b"k%d=v" % number, b"k%d=w" % (number // 2), b"k0=v")
    builder.add()
    builder.add()
    return store, builder


def last(chain: Chain, with_replay: Replay | None = None, **range_: int) -> Difference | Audited:
    *progress, end = Audit(chain, certificate_valid, with_replay, **range_).run()
    assert all(isinstance(step, Progress) for step in progress)
    assert not isinstance(end, Progress)
    return end


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_a_sound_chain_passes_with_and_without_replay(lag: int) -> None:
    _, builder = built(lag)
    result = last(builder.chain, replay())
    assert result == Audited(0, 14, 24, 14, builder.chain.head.state_root)
    assert last(builder.chain) == Audited(0, 14, 24, 14, None)
    assert last(builder.chain, start=5, stop=9) == Audited(5, 9, 6, 9, None)
    assert last(builder.chain, replay(), stop=7) == Audited(0, 7, 15, 7, builder.roots[7])


def test_progress_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    _, builder = built()
    monkeypatch.setattr(auditing, "PROGRESS_BLOCKS", 5)
    steps = list(Audit(builder.chain, certificate_valid).run())
    assert steps[:-1] == [Progress(5, 14), Progress(10, 14)]


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3), (0, 15)])
def test_a_range_outside_the_chain_is_refused(start: int, stop: int) -> None:
    _, builder = built()
    with pytest.raises(ValueError, match="the chain has 0 to 14"):
        Audit(builder.chain, certificate_valid, None, start, stop)
    with pytest.raises(ValueError, match="begins at 0"):
        Audit(builder.chain, certificate_valid, replay(), 1, 3)


def put(chain: Chain, prefix: bytes, payload: bytes) -> None:
    """This, well stored, instead of what block 4 has."""
    spot = chain.segments.append(4, [payload])[0]
    chain.store.write([(height_key(prefix, 4), pack_spot(spot))])


def swapped_ids(chain: Chain) -> None:
    raw = b"".join(chain.transaction_ids(4))
    put(chain, MENTIONS, raw[32:64] + raw[:32] + raw[64:])


def lost_batch(chain: Chain) -> None:
    block = chain.block(4)
    assert block is not None
    chain.store.write([(BATCH + block.batch_digests[0], None)])


def forged_header(chain: Chain) -> None:
    """A header that hashes to what is stored with it, but that its child does not name."""
    store = chain.store
    raw = store.get(height_key(BLOCK, 4)) or b""
    block = decoder(Block).decode(raw[32:])
    header = Header(**{f: getattr(block.header, f) for f in Header.__struct_fields__} | {"proposer": 3})
    forged = Block(header, block.batch_digests, block.certificate)
    store.write([(height_key(BLOCK, 4), header_digest(header) + encode(forged))])


def write(key: bytes, value: bytes | None) -> Callable[[Chain], None]:
    return lambda chain: chain.store.write([(key, value)])


DAMAGE: dict[str, tuple[Callable[[Chain], None], int, str]] = {
    "receipts": (lambda chain: put(chain, RECEIPTS, pack_items([b"forged", None, None])), 4, "receipts"),
    "ids": (swapped_ids, 4, "transaction ids"),
    "header": (forged_header, 4, "certificate is valid"),
    "certificate": (write(height_key(CERTIFICATE, 6), b"forged"), 6, "certificate is valid"),
    "index": (write(TRANSACTION + transaction_id(b"k3=v"), None), 4, "index of transaction"),
    "state": (write(STATE + b"k3", b"forged"), 14, "state and state tree"),
    "state extra": (write(STATE + b"zz", b"forged"), 14, "state and state tree"),
    "batch": (lost_batch, 4, "batch"),
    "block": (write(height_key(BLOCK, 4), None), 4, "readable"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_the_first_difference_is_named(name: str) -> None:
    _, builder = built()
    damage, height, what = DAMAGE[name]
    damage(builder.chain)
    result = last(builder.chain, replay())
    assert isinstance(result, Difference)
    assert (result.height, what in result.what) == (height, True), result
    assert result.expected != result.found


@pytest.mark.parametrize("batch", [0, 1])
def test_a_frame_that_rots_is_found_even_if_nothing_refers_to_it(batch: int) -> None:
    disk = MemoryDisk()
    builder = new_chain(directory=disk)
    raw = builder.batch(b"twice=1")
    builder.chain.append(builder.entry([raw]))
    builder.chain.append(builder.entry([raw]))
    frames = [spot for spot in builder.chain.segments.walk() if builder.chain.segments.read(spot) == raw]
    assert len(frames) == 2
    assert isinstance(last(builder.chain), Audited)
    disk.flip(disk.names()[-1], frames[batch].offset + 20)
    result = last(builder.chain)
    assert isinstance(result, Difference)
    assert (result.what, "not what was written" in result.found) == ("readable", True)


@pytest.mark.parametrize("name", ["receipts", "ids", "header", "certificate", "index", "batch", "block"])
def test_without_replay_the_headers_still_speak(name: str) -> None:
    _, builder = built()
    DAMAGE[name][0](builder.chain)
    assert isinstance(last(builder.chain), Difference)


def test_a_header_without_a_certificate_is_caught_by_its_child() -> None:
    _, builder = built()
    forged_header(builder.chain)
    *_, end = Audit(builder.chain, lambda *_: True).run()
    assert isinstance(end, Difference)
    assert (end.height, end.what) == (5, "parent")


def test_other_rules_or_another_genesis_show_at_the_first_root_that_names_them() -> None:
    _, builder = built()

    def lenient(height: int, header: Header, batches: Sequence[bytes]) -> Executed:
        result = execute(height, header, batches, seen)
        more = {b"x": b"1"} if height == 4 else {}
        return Executed(result.transaction_ids, result.receipts, {**result.changes, **more})

    seen: set[bytes] = set()
    result = last(builder.chain, Replay(GENESIS_STATE, lenient))
    assert isinstance(result, Difference)
    assert (result.height, result.what) == (5, "state_root after 4")
    result = last(builder.chain, replay({b"a": b"9"}))
    assert isinstance(result, Difference)
    assert (result.height, result.what) == (0, "state_root of genesis")


def test_a_wrong_root_in_the_head_record_is_found() -> None:
    store, builder = built()
    raw = store.get(HEAD_KEY) or b""
    store.write([(HEAD_KEY, raw[:-1] + bytes([raw[-1] ^ 1]))])
    result = last(builder.chain, replay())
    assert isinstance(result, Difference)
    assert result.what == "state_root of the head record"


def test_tree_difference_sees_both_directions() -> None:
    store, builder = built()
    root = builder.chain.head.state_root
    assert tree_difference(store, root) is None
    store.write([(STATE + b"k3", None)])
    assert tree_difference(store, root) is not None
