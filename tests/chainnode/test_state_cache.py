"""What the cache of records keeps, and what it may not keep. Written behind its back, the store tells who answered."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from chainnode.record_view import RecordView
from chainnode.state_cache import StateCache
from ledger.chain import StateView
from ledger.schema import STATE, Head
from ledger.store import MemoryStore
from points.keys import account_key, daily_key, due_hold_key, order_key
from points.state import Agg, Daily, Due, RefundDone, encode_value
from primitives.hashing import ZERO_DIGEST

NOWHERE = Head(0, ZERO_DIGEST, ZERO_DIGEST)
TODAY = daily_key(1, b"t", b"u")


def house(records_max: int = 100) -> tuple[MemoryStore, StateCache]:
    store = MemoryStore()
    return store, StateCache(StateView(store, NOWHERE), records_max)


def put(store: MemoryStore, key: bytes, value: int) -> None:
    store.write([(STATE + key, encode_value(Daily(value)))])


def due(cache: StateCache, second: int) -> list[bytes]:
    """The holds that have expired by then."""
    return [key for key, _ in cache.range(b"T", due_hold_key(second + 1, b""))]


def test_a_record_is_read_once() -> None:
    store, cache = house()
    put(store, TODAY, 1)
    assert cache.get(TODAY) == Daily(1)
    put(store, TODAY, 2)
    assert cache.get(TODAY) == Daily(1)
    assert cache.get(account_key(b"x")) is None


def test_what_a_block_wrote_or_deleted_is_seen_at_once() -> None:
    store, cache = house()
    put(store, TODAY, 1)
    assert cache.get(TODAY) == Daily(1)
    cache.sealed({TODAY: Daily(2)})
    assert cache.get(TODAY) == Daily(2)
    cache.sealed({TODAY: None})
    assert cache.get(TODAY) is None


def test_orders_drive_nothing_out() -> None:
    """They are asked of the ledger each time, and a block of them leaves the cache as it was."""
    store, cache = house(records_max=4)
    put(store, TODAY, 1)
    assert cache.get(TODAY) == Daily(1)
    orders = [order_key(b"m" * 20, f"o{number}") for number in range(100)]
    for key in orders:
        cache.sealed({key: RefundDone(1, bytes(32), 1, 0)})
    assert [cache.get(key) for key in orders[:9]] == [None] * 9
    put(store, TODAY, 2)
    assert cache.get(TODAY) == Daily(1)


def test_it_forgets_what_was_not_used_for_long() -> None:
    """Two generations of half the bound each: what is read again stays."""
    store, cache = house(records_max=8)
    hot, cold = daily_key(1, b"t", b"hot"), daily_key(1, b"t", b"cold")
    for key in (hot, cold):
        put(store, key, 1)
        assert cache.get(key) == Daily(1)
    for number in range(20):
        cache.get(daily_key(2, b"t", b"%d" % number))
        cache.get(hot)
    for key in (hot, cold):
        put(store, key, 2)
    assert (cache.get(hot), cache.get(cold)) == (Daily(1), Daily(2))


def test_that_nothing_is_due_is_asked_of_the_ledger_once() -> None:
    store, cache = house()
    soon, later = due_hold_key(10, b"a"), due_hold_key(20, b"b")
    store.write([(STATE + later, encode_value(Due()))])
    assert due(cache, 9) == []
    store.write([(STATE + soon, encode_value(Due()))])
    assert due(cache, 19) == [], "nobody told the cache of it"
    cache.sealed({soon: Due()})
    assert (due(cache, 9), due(cache, 19), due(cache, 20)) == ([], [soon], [soon, later])


def test_what_was_due_and_left_is_not_due_again() -> None:
    """Also when it was the last of its kind, and when the next one comes after it."""
    store, cache = house()
    soon, later = due_hold_key(10, b"a"), due_hold_key(20, b"b")
    for key in (soon, later):
        store.write([(STATE + key, encode_value(Due()))])
        cache.sealed({key: Due()})
        assert due(cache, 30) == [key]
        store.write([(STATE + key, None)])
        cache.sealed({key: None})
        assert due(cache, 30) == []
        assert due(cache, 30) == []


# kinds that the cache keeps, passes by, and asks for by time
KEYS = st.builds(lambda kind, second, end: kind + b"%d" % second + end, st.sampled_from([b"D", b"G", b"R", b"T"]),
                 st.integers(0, 5), st.sampled_from([b"", b"x"]))  # fmt: skip
BLOCKS = st.lists(st.dictionaries(KEYS, st.none() | st.integers(1, 3), max_size=6), max_size=8)
RANGES = st.tuples(st.sampled_from([b"D", b"G", b"R", b"T", b"T2"]), st.integers(0, 7))


def record_of(key: bytes, value: int | None) -> Daily | Agg | RefundDone | Due | None:
    if value is None:
        return None
    kinds = {b"D": Daily(value), b"G": Agg(value, 0), b"R": RefundDone(value, bytes(32), 1, 0), b"T": Due()}
    return kinds[key[:1]]


def begun(view: StateCache | RecordView, asked: tuple[bytes, int], most: int) -> Iterator[object]:
    """The first records of a range; the rest is never asked for."""
    start, second = asked
    stop = start + b"%d" % second if len(start) == 1 and second < 7 else bytes([start[0] + 1])
    return (row for row, _ in zip(view.range(start, stop), range(most), strict=False))


@given(BLOCKS, st.lists(KEYS, max_size=12), st.lists(RANGES, max_size=6), st.integers(2, 12), st.integers(1, 9))
@settings(deadline=None)
def test_the_cache_tells_what_the_ledger_holds(
    blocks: list[dict[bytes, int | None]], keys: list[bytes], ranges: list[tuple[bytes, int]], records_max: int,
    most: int,
) -> None:  # fmt: skip
    store, cache = house(records_max)
    truth = RecordView(StateView(store, NOWHERE))
    for block in [{}, *blocks]:
        records = {key: record_of(key, value) for key, value in block.items()}
        store.write([(STATE + k, None if r is None else encode_value(r)) for k, r in records.items()])
        for key in keys[:2]:
            cache.get(key)  # somebody asks between the write and its word
        cache.sealed(records)
        assert [cache.get(key) for key in keys] == [truth.get(key) for key in keys]
        for asked in ranges:
            assert list(begun(cache, asked, most)) == list(begun(truth, asked, most))
