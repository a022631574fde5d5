"""What must be reached: every figure of the table with its gate and its goal, and the judgement of a measured value.

A gate must hold; a goal says how far it could go. Both are for four validators and the load on one machine of two
cores with AVX-512, and are written down before anything is measured.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Better = Literal["more", "less", "neither"]  # neither: told, not judged
Judgement = Literal["goal", "holds", "misses", "told", "not judged", "not measured"]


class Figure(msgspec.Struct, frozen=True):
    """One line of the table. `kind`: how it compares with the libsodium base line of its run (see `ratio`)."""

    name: str
    trial: str
    english: str
    chinese: str
    unit: str
    better: Better = "neither"
    gate: float | None = None
    goal: float | None = None
    kind: Literal["rate", "time_ms", "time_us", "plain"] = "plain"


FIGURES: Final = (
    Figure("best", "best", "committed issues and redemptions, best, sustained", "发放与核销混合，最高持续速率",
           "tx/s", "more", 5_000, 15_000, "rate"),
    Figure("steady", "best", "of the rate in the first quarter of such a load, kept in the last",
           "该负载末四分之一时段保持首段速率的比例", ""),
    Figure("share", "best", "share of the limit that checks by libsodium set", "占 libsodium 验签上限的比例",
           "", "more", 0.2, 0.5),
    Figure("share_lanes", "best", "share of the limit that checks in eight lanes set", "占八路并行验签上限的比例", ""),
    Figure("cpu", "best", "CPU of all nodes per transaction", "每笔交易的全部节点 CPU", "us", kind="time_us"),
    Figure("growth", "best", "ledger growth per transaction and node", "每笔交易每节点的账本增长", "B"),
    Figure("w512", "w512", "the same at 512 outstanding", "同上，512 笔在途", "tx/s", "more", 4_000, 8_000, "rate"),
    Figure("w512_p50", "w512", "p50 at 512 outstanding", "512 笔在途时的 p50", "ms", "less", 120, 50, "time_ms"),
    Figure("plain", "plain", "without AVX-512 (libsodium), best", "无 AVX-512（libsodium），最高速率",
           "tx/s", "more", 3_000, 4_500, "rate"),
    Figure("batch", "batch", "envelopes of 100 operations", "每个信封 100 个操作",
           "op/s", "more", 15_000, 50_000, "rate"),
    Figure("knee", "half", "the knee: highest rate that is kept up with", "拐点：可持续跟上的最高速率",
           "tx/s", kind="rate"),
    Figure("half_p50", "half", "p50 at half the knee", "拐点一半速率时的 p50", "ms", "less", 60, 15, "time_ms"),
    Figure("half_p99", "half", "p99 at half the knee", "拐点一半速率时的 p99", "ms", "less", 200, 50, "time_ms"),
    Figure("idle_p50", "idle", "p50 of an idle network", "空闲网络的 p50", "ms", "less", 15, 8, "time_ms"),
    Figure("follower", "follower", "one crashed follower: share of the rate kept", "一个从节点宕机：保持的速率比例",
           "", "more", 0.95, 1.0),
    Figure("leader_gap", "leader", "leader killed under load: gap between commits", "负载下杀死主节点：提交间隔",
           "s", "less", 3, 1),
    Figure("leader_views", "leader", "leader killed under load: view changes", "负载下杀死主节点：视图切换次数",
           "", "less", 1, 1),
    Figure("sync", "sync", "a fresh node joins by snapshot: times the live rate", "新节点经快照加入：实时速率的倍数",
           "x", "more", 5, 20),
    Figure("sync_seconds", "sync", "a fresh node joins by snapshot", "新节点经快照加入的用时", "s"),
    Figure("replay", "sync", "a fresh node replays every block from height 0: times the live rate",
           "新节点从高度 0 重放全部区块：实时速率的倍数", "x"),
    Figure("replay_rate", "sync", "a fresh node replays every block from height 0", "新节点从高度 0 重放全部区块的速率",
           "tx/s", kind="rate"),
    Figure("accounts", "accounts", "1,000,000 accounts: share of the rate with 10,000",
           "100 万账户：相对 1 万账户的速率", "", "more", 0.8, 0.95),
    Figure("accounts_rate", "accounts", "committed beside 1,000,000 accounts", "100 万账户下的提交速率",
           "tx/s", kind="rate"),
    Figure("startup", "startup", "start of a node with 100,000 blocks", "含 10 万区块的节点启动", "s", "less", 5, 1),
    Figure("idle_bytes", "silence", "idle network: bytes written per minute", "空闲网络每分钟写入字节", "B",
           "less", 0, 0),
    Figure("slope", "memory", "memory of a node at 60 % load, growth", "60% 负载下节点内存增长", "MiB/h",
           "less", 8, 1),
    Figure("own_slope", "memory", "the same without mapped files, nearly all tables of the database",
           "同上，不计映射文件（几乎全部为数据库数据表）", "MiB/h"),
    Figure("overload", "overload", "offered 3 times the knee: share of the knee kept", "3 倍拐点过载：保持的速率比例",
           "", "more", 0.8, 0.95),
    Figure("recovery", "overload", "back to normal after the overload", "过载后恢复正常", "s", "less", 5, 1),
    Figure("forged", "overload", "beside a client that only forges: share of the rate kept",
           "伪造签名客户端在旁：保持的速率比例", "", "more", 0.9, 1.0),
    Figure("queries", "queries", "queries of balances and transactions", "余额与交易查询", "q/s"),
    Figure("query_p99", "queries", "p99 of a query", "查询 p99", "ms", kind="time_ms"),
    Figure("deploy", "deploy", "a new network of four: from nothing to ready", "新建四节点网络：从零到就绪", "s"),
    Figure("deploy_first", "deploy", "a new network of four: from nothing to the first commit",
           "新建四节点网络：从零到首笔提交", "s"),
)  # fmt: skip

TRIALS: Final = tuple(dict.fromkeys(figure.trial for figure in FIGURES))


def figures_of(trial: str) -> tuple[Figure, ...]:
    """What a trial measures."""
    return tuple(figure for figure in FIGURES if figure.trial == trial)


def judge(figure: Figure, values: Sequence[float], sound: bool = True) -> Judgement:
    """A gate holds if it held in two of three runs, and so a goal is reached. What is not sound misses."""
    if not values:
        return "not measured"
    if figure.better == "neither" or figure.gate is None:
        return "told"
    if not sound:
        return "misses"
    if figure.goal is not None and _in_two_of_three(figure, values, figure.goal):
        return "goal"
    return "holds" if _in_two_of_three(figure, values, figure.gate) else "misses"


def runs_held(figure: Figure, values: Sequence[float]) -> int:
    """In how many of the runs the gate held; 0 for what has none."""
    return 0 if figure.gate is None else sum(_reaches(figure, value, figure.gate) for value in values)


def _in_two_of_three(figure: Figure, values: Sequence[float], bound: float) -> bool:
    return 3 * sum(_reaches(figure, value, bound) for value in values) >= 2 * len(values)


def _reaches(figure: Figure, value: float, bound: float) -> bool:
    return value >= bound if figure.better == "more" else value <= bound


def ratio(figure: Figure, value: float, verify_us: float) -> float | None:
    """Against libsodium's signature check on one core in the same run: a rate as a share of the checks per second, a
    time as a number of checks. It says more than the figure itself on a machine whose speed changes. None: no sense."""
    if not verify_us:
        return None
    match figure.kind:
        case "rate":
            return value * verify_us / 1e6
        case "time_ms":
            return value * 1e3 / verify_us
        case "time_us":
            return value / verify_us
        case "plain":
            return None
