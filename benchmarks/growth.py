"""How cost grows: with validators, with operations in an envelope, with how people meet, with accounts."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import scale
from benchmarks.machine import verifies_per_second
from benchmarks.result_file import save_json
from benchmarks.scoreboard import number
from benchmarks.trial import Stand, Tally, load
from benchmarks.workload import Profile
from cli.language import t
from cli.output import table

FORMAT: Final = 1
SECONDS: Final = 8.0
VALIDATORS: Final = (4, 7, 10, 16)
OPERATIONS: Final = (1, 8, 64, 256)
OPERATIONS_OUTSTANDING: Final = 4_096  # operations; at least 16 envelopes
KEYS: Final[tuple[Profile, ...]] = ("uniform", "mixed", "hot-issuer", "hot-merchant")
OUTSTANDING: Final = 512


class Point(msgspec.Struct, frozen=True):
    """One load. `rate`: operations per second. `node_us`: CPU per operation and node; 0 where it was not counted."""

    x: str
    rate: float
    p50_ms: float
    node_us: float
    verify_us: float
    sound: bool


class Curve(msgspec.Struct, frozen=True):
    """All points of one question, of these sources (see scoreboard.sources_key)."""

    sources: str
    points: list[Point]
    short: bool


class Growth(msgspec.Struct, frozen=True):
    """The file. Curves by name."""

    format: int
    curves: dict[str, Curve]


TITLES: Final = {
    "validators": ("validators", "验证节点数"), "operations": ("operations per envelope", "每信封操作数"),
    "keys": ("who meets whom", "访问热点"), "accounts": ("accounts", "账户数"),
}  # fmt: skip


def _point(stand: Stand, x: str, validators: int, outstanding: int, profile: Profile, operations: int) -> Point:
    tally = Tally()
    with stand.network(validators, profile=profile) as network:
        result = load(stand, tally, network, stand.seconds(SECONDS), outstanding=outstanding, profile=profile,
                      operations=operations)  # fmt: skip
    node_us = result.cost.nodes_us_per_transaction / operations / validators
    return Point(x, result.operations_per_s, result.latency["all"].p50, node_us, result.baseline.us, result.is_sound)


def validators(stand: Stand) -> list[Point]:
    """512 outstanding on ever more nodes of one machine: the work per transaction grows with them."""
    return [_point(stand, str(count), count, OUTSTANDING, "mixed", 1) for count in VALIDATORS]


def operations(stand: Stand) -> list[Point]:
    """One signature for ever more operations."""
    return [
        _point(stand, str(count), 4, max(16, OPERATIONS_OUTSTANDING // count), "batch", count) for count in OPERATIONS
    ]


def keys(stand: Stand) -> list[Point]:
    """Everybody in turn, people drawn at random, one issuer for all, one shop for all."""
    return [_point(stand, profile, 4, OUTSTANDING, profile, 1) for profile in KEYS]


def accounts(stand: Stand) -> list[Point]:
    """Execution and ledger of one node beside ever more accounts, on one core and without a network."""
    verify_us = 1e6 / verifies_per_second()
    counts = tuple(count // 50 for count in scale.ACCOUNTS) if stand.short else scale.ACCOUNTS
    with tempfile.TemporaryDirectory(prefix="hnchain-bench-", dir=stand.folder) as folder:
        carried = scale.carry(Path(folder), counts, 2 if stand.short else scale.ROUNDS, stand.say).carried
    return [Point(f"{one.accounts:,}", one.rate, 0.0, 1e6 / one.rate, verify_us, True) for one in carried]


CURVES: Final[dict[str, Callable[[Stand], list[Point]]]] = {
    "validators": validators, "operations": operations, "keys": keys, "accounts": accounts,
}  # fmt: skip


def load_growth(path: Path) -> Growth:
    """The file; empty if there is none, or one of another format."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Growth)
    except (OSError, msgspec.DecodeError):
        return Growth(FORMAT, {})


def keep(path: Path, name: str, curve: Curve) -> Growth:
    """The file with this curve."""
    growth = Growth(FORMAT, {**load_growth(path).curves, name: curve})
    save_json(path, growth)
    return growth


def text_of(growth: Growth) -> str:
    """A table per curve."""
    parts = []
    for name, curve in growth.curves.items():
        heads = (t(*TITLES[name]), t("operations/s", "操作/秒"), "p50 ms",
                 t("us per operation and node", "每操作每节点微秒"),
                 t("checks per operation and node", "每操作每节点折合验签"))  # fmt: skip
        rows = [
            (p.x, number(p.rate), number(p.p50_ms), number(p.node_us), number(p.node_us / p.verify_us))
            for p in curve.points
        ]  # fmt: skip
        parts.append(table(heads, rows) + (t("\n(short runs)", "\n（短时运行）") if curve.short else ""))
    return "\n\n".join(parts) or t("nothing measured yet", "尚无测量结果")


