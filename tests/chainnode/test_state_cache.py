"""What the cache of records keeps, and what it may not keep. Written behind its back, the store tells who answered."""

from chainnode.state_cache import StateCache
from ledger.chain import StateView
from ledger.schema import STATE, Head
from ledger.store import MemoryStore
from points.keys import account_key, daily_key, due_hold_key, order_key
from points.state import Daily, Due, RefundDone, encode_value
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
    cache.committed({TODAY: Daily(2)})
    assert cache.get(TODAY) == Daily(2)
    cache.committed({TODAY: None})
    assert cache.get(TODAY) is None


def test_orders_drive_nothing_out() -> None:
    """They are asked of the ledger each time, and a block of them leaves the cache as it was."""
    store, cache = house(records_max=4)
    put(store, TODAY, 1)
    assert cache.get(TODAY) == Daily(1)
    orders = [order_key(b"m" * 20, f"o{number}") for number in range(100)]
    for key in orders:
        cache.committed({key: RefundDone(1, bytes(32), 1, 0)})
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
    cache.committed({soon: Due()})
    assert (due(cache, 9), due(cache, 19), due(cache, 20)) == ([], [soon], [soon, later])


def test_what_was_due_and_left_is_not_due_again() -> None:
    """Also when it was the last of its kind, and when the next one comes after it."""
    store, cache = house()
    soon, later = due_hold_key(10, b"a"), due_hold_key(20, b"b")
    for key in (soon, later):
        store.write([(STATE + key, encode_value(Due()))])
        cache.committed({key: Due()})
        assert due(cache, 30) == [key]
        store.write([(STATE + key, None)])
        cache.committed({key: None})
        assert due(cache, 30) == []
        assert due(cache, 30) == []
