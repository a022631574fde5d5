"""What the first block after a midnight costs at which many accounts hold points that expire.

The state lies in a LevelDB on disk, as in a node. Every repetition opens it anew with an empty cache and runs
begin_block once: nothing was closed before it, nothing was read before it. Beside it, in turn, the same with a block
one second before midnight, to which nothing happens.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.year_people import Shop, person, shops, year_genesis
from chainnode.state_cache import StateCache
from cli.language import t
from cli.output import table
from ledger.chain import StateView
from ledger.leveldb import LevelDbStore
from ledger.schema import STATE, Head
from points.keys import account_key, books_key, counters_key, holdings_key, open_agg_key
from points.state import Account, AccountKind, Agg, Books, Counters, Holdings, Lot, encode_value
from points.transition import begin_block, genesis_state
from points.view import Changes
from primitives.hashing import ZERO_DIGEST
from primitives.kinds import AccountKey

START: Final = 1_767_196_800 - 28_800  # 2026-01-01 00:00 UTC+8
MIDNIGHT: Final = START + 86_400
LIMIT_MS: Final = 5.0
LOTS: Final = 3  # that expire, per account: of three classes
UNITS: Final = 100
WRITE_KEYS: Final = 10_000
_NOWHERE: Final = Head(0, ZERO_DIGEST, ZERO_DIGEST)


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds over all repetitions."""

    least: float
    median: float
    most: float


class Midnight(msgspec.Struct, frozen=True):
    """The result. `buckets`: of a class each, closed in that block; `expired`: units."""

    accounts: int
    lots: int
    buckets: int
    expired: int
    repetitions: int
    midnight_ms: Spread
    quiet_ms: Spread
    limit_ms: float = LIMIT_MS

    @property
    def ratio(self) -> float:
        """Midnight to a second in which nothing happens, medians."""
        return self.midnight_ms.median / max(self.quiet_ms.median, 0.001)

    @property
    def is_fast(self) -> bool:
        """Whether the median is below the limit."""
        return self.midnight_ms.median < self.limit_ms


def measure(accounts: int, repetitions: int, tell: Callable[[str], None] = lambda _: None) -> Midnight:
    """Build the state, then take turns. Raises: FatalError of the disk."""
    with tempfile.TemporaryDirectory(prefix="hnchain-midnight-") as folder:
        path = Path(folder) / "state"
        tell(t(f"{accounts:,} accounts with {LOTS} lots each", f"{accounts:,} 个账户，各有 {LOTS} 个批次"))
        build(path, accounts)
        midnights: list[float] = []
        quiets: list[float] = []
        expired: set[tuple[int, int]] = set()
        for _ in range(repetitions):
            quiet, _ = _once(path, MIDNIGHT - 1, MIDNIGHT - 2)
            took, found = _once(path, MIDNIGHT, MIDNIGHT - 1)
            quiets.append(quiet)
            midnights.append(took)
            expired.add(found)
    (buckets, units), = expired
    return Midnight(
        accounts, accounts * LOTS, buckets, units, repetitions, _spread(midnights), _spread(quiets)
    )  # fmt: skip


def build(path: Path, accounts: int) -> None:
    """A LevelDB with a state in which every account's lots expire at MIDNIGHT; the invariants hold in it."""
    store = LevelDbStore.create(path)
    try:
        pairs = [(STATE + key, encode_value(record)) for key, record in state(accounts).items() if record is not None]
        for start in range(0, len(pairs), WRITE_KEYS):
            store.write(pairs[start : start + WRITE_KEYS], sync=False)
        store.compact(STATE, bytes([STATE[0] + 1]))
    finally:
        store.close()


def state(accounts: int) -> Changes:
    """Its records; every third class in turn."""
    records = genesis_state(year_genesis(START))
    classes = [(shop, class_id, uv) for shop in shops() for class_id, uv in _classes(shop)]
    classes.sort(key=lambda one: one[1])
    held = [0] * len(classes)
    for number in range(accounts):
        somebody = person(f"t{number}")
        chosen = sorted((number * LOTS + part) % len(classes) for part in range(LOTS))
        for index in chosen:
            held[index] += UNITS
        lots = tuple(Lot(MIDNIGHT, classes[index][1], 0, 0, UNITS, 0) for index in chosen)
        records[account_key(somebody.address)] = Account(AccountKind.TOURIST, (AccountKey(somebody.key),), 1)
        records[holdings_key(somebody.address)] = Holdings(lots)
    issued: dict[bytes, int] = {}
    for (shop, class_id, uv), units in zip(classes, held, strict=True):
        if units:
            records[open_agg_key(MIDNIGHT, class_id)] = Agg(units, 0)
            records[counters_key(class_id)] = Counters(issued=units)
            issued[shop.person.address] = issued.get(shop.person.address, 0) + units * uv
    for address, value in issued.items():
        records[books_key(address)] = Books(outstanding=value, issued=value)
    return records


def _classes(shop: Shop) -> tuple[tuple[str, int], ...]:
    return (shop.class_id, shop.uv), (shop.gift_class, 10_000)


def _once(path: Path, now: int, previous: int) -> tuple[float, tuple[int, int]]:
    """Milliseconds of one begin_block; how many buckets it closed, with how many units."""
    store = LevelDbStore.open(path)
    try:
        view = StateCache(StateView(store, _NOWHERE))
        began = time.perf_counter()
        _, events = begin_block(view, now, previous)
        took = (time.perf_counter() - began) * 1000
    finally:
        store.close()
    closed = [dict(event.fields) for event in events if event.kind == "BucketExpired"]
    return took, (len(closed), sum(int(fields["units"]) for fields in closed))


def _spread(values: list[float]) -> Spread:
    return Spread(round(min(values), 3), round(statistics.median(values), 3), round(max(values), 3))


def text_of(found: Midnight) -> str:
    """A table and a sentence."""
    rows = [
        (name, f"{spread.least:.3f}", f"{spread.median:.3f}", f"{spread.most:.3f}")
        for name, spread in (
            (t("midnight", "零点"), found.midnight_ms),
            (t("a second in which nothing happens", "无事的一秒"), found.quiet_ms),
        )
    ]
    heads = (t("begin_block, ms", "begin_block，毫秒"), t("least", "最小"), t("median", "中位"), t("most", "最大"))
    verdict = t("below", "低于") if found.is_fast else t("NOT below", "不低于")
    end = t(f"{found.accounts:,} accounts hold {found.lots:,} lots that expire: {found.buckets} buckets are closed, "
            f"{found.expired:,} units expire. {found.repetitions} times on a state opened anew. "
            f"{found.ratio:.0f} times a quiet second; {verdict} {found.limit_ms:g} ms.",
            f"{found.accounts:,} 个账户持有 {found.lots:,} 个到期批次：关闭 {found.buckets} 个桶，"
            f"{found.expired:,} 单位到期。每次重新打开状态，共 {found.repetitions} 次。"
            f"为无事一秒的 {found.ratio:.0f} 倍；{verdict} {found.limit_ms:g} 毫秒。")  # fmt: skip
    return f"{table(heads, rows)}\n{end}"
