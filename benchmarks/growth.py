"""How cost grows: with validators, with operations in an envelope, with how people meet, with accounts."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.crowded_network import crowded_network
from benchmarks.network import Network
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
ACCOUNTS: Final = (10_000, 100_000, 1_000_000)
OUTSTANDING: Final = 512


class Point(msgspec.Struct, frozen=True):
    """One load. `rate`: operations per second. `node_us`: CPU per operation and node."""

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


def _point(stand: Stand, network: Network, x: str, outstanding: int, profile: Profile, operations: int = 1) -> Point:
    result = load(stand, Tally(), network, stand.seconds(SECONDS), outstanding=outstanding, profile=profile,
                  operations=operations)  # fmt: skip
    node_us = result.cost.nodes_us_per_transaction / operations / len(network.devnet.places)
    return Point(x, result.operations_per_s, result.latency["all"].p50, node_us, result.baseline.us, result.is_sound)


def validators(stand: Stand) -> list[Point]:
    """512 outstanding on ever more nodes of one machine: the work per transaction grows with them."""
    points = []
    for count in VALIDATORS:
        with stand.network(count) as network:
            points.append(_point(stand, network, str(count), OUTSTANDING, "mixed"))
    return points


def operations(stand: Stand) -> list[Point]:
    """One signature for ever more operations."""
    points = []
    for count in OPERATIONS:
        with stand.network() as network:
            envelopes = max(16, OPERATIONS_OUTSTANDING // count)
            points.append(_point(stand, network, str(count), envelopes, "batch", count))
    return points


def keys(stand: Stand) -> list[Point]:
    """Everybody in turn, people drawn at random, one issuer for all, one shop for all."""
    points = []
    for profile in KEYS:
        with stand.network(profile=profile) as network:
            points.append(_point(stand, network, profile, OUTSTANDING, profile))
    return points


def accounts(stand: Stand) -> list[Point]:
    """Networks beside ever more accounts, which have points from the start and are all drawn alike."""
    points = []
    for count in (count // 50 for count in ACCOUNTS) if stand.short else ACCOUNTS:
        with crowded_network(count, stand.folder) as network:
            points.append(_point(stand, network, f"{count:,}", OUTSTANDING, "mixed"))
    return points


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


