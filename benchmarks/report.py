"""The result of a run: what the file keeps, and what a person reads. Milliseconds, seconds, MiB; rates per second."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from benchmarks.aftermath import Chain
from benchmarks.latencies import Percentiles, encoded, histogram_of, merged, percentiles
from benchmarks.machine import Hardware
from benchmarks.outcomes import Book, Ending
from cli.language import t
from cli.output import pairs
from primitives.codes import Code, code_text

FORMAT: Final = 1
SUPPLY: Final = 10_000
SUPPLIED_OPERATIONS: Final = 80_000


class Settings(msgspec.Struct, frozen=True):
    """What was asked for. Seconds; `outstanding` 0 = open loop. New fields have defaults: older files are read."""

    profile: str
    transport: str
    rate: float
    duration: float
    warmup: float
    outstanding: int
    validators: int
    tourists: int
    operations: int = 1  # of a transaction
    generators: int = 1  # processes
    queries_per_second: float = 0.0
    supply: int = 0  # transactions signed per second of a closed loop; 0: SUPPLY, or its operations in envelopes

    @property
    def transactions(self) -> int:
        """How many are signed for the run; nobody knows beforehand how many a closed loop takes."""
        seconds = self.warmup + self.duration
        if not self.outstanding:
            return int(self.rate * seconds)
        return int((self.supply or supply_of(self.operations)) * seconds)


def supply_of(operations: int) -> int:
    """Transactions of so many operations that are signed per second of a closed loop of which nothing is known."""
    return min(SUPPLY, SUPPLIED_OPERATIONS // operations)


class Signing(msgspec.Struct, frozen=True):
    """Before the clock started: transactions at hand, how many of them were signed for this run, and how long it took.
    No part of any other figure."""

    count: int
    fresh: int
    seconds: float


class Queries(msgspec.Struct, frozen=True):
    """Queries beside the load, in the measured window: due in it, and answered in it, whenever they were due. Latency
    over all, from when each was due; `failed`: by HTTP status, 0: no answer."""

    offered_per_s: float
    answered_per_s: float
    latency: Percentiles
    histogram: str
    failed: dict[int, int]


class Cost(msgspec.Struct, frozen=True):
    """What the measured window took. Microseconds of CPU per committed transaction, of all nodes together."""

    nodes_us_per_transaction: float
    nodes_cores: float
    generator_cores: float
    memory_mib: dict[str, float]
    ledger_bytes: dict[str, int]  # growth by node, whole run


class Baseline(msgspec.Struct, frozen=True):
    """Signature checks per second on one core of this machine, before and after the run."""

    before: float
    after: float
    signatures_per_transaction: float

    @property
    def us(self) -> float:
        """Microseconds per check, the better of both: noise only ever slows it down."""
        return 1e6 / max(self.before, self.after)


class Result(msgspec.Struct, frozen=True):
    """One run. `latency` and `histograms` have the keys all, committed, failed; `endings` those of outcomes.Ending."""

    format: int
    loop: Literal["open", "closed"]
    settings: Settings
    hardware: Hardware
    offered_per_s: float
    achieved_per_s: float
    committed_per_s: float
    operations_per_s: float
    share_of_limit: float
    share_with_all_signatures: float
    latency: dict[str, Percentiles]
    histograms: dict[str, str]
    endings: dict[str, int]  # of everything sent, warm-up included
    measured: dict[str, int]  # of the measured window
    rejected: dict[str, int]
    refused: dict[str, int]
    sent_again: int
    longest_gap_ms: float
    per_second: list[int]  # commits answered in each second since the start
    cost: Cost
    baseline: Baseline
    chain: Chain
    signing: Signing | None = None
    queries: Queries | None = None  # None: none were asked

    @property
    def is_sound(self) -> bool:
        """Nothing lost, nothing open, one chain, no broken invariant."""
        return (
            not self.chain.lost and not self.endings["unresolved"] and self.chain.agreed and not self.chain.invariants
        )


class Spent(msgspec.Struct, frozen=True):
    """CPU seconds within the measured window, and what was looked up besides."""

    nodes: float
    generator: float
    memory_mib: dict[str, float]
    ledger_bytes: dict[str, int]


def result_of(
    book: Book, settings: Settings, hardware: Hardware, baseline: Baseline, spent: Spent, chain: Chain,
    signing: Signing | None = None,
) -> Result:  # fmt: skip
    """Put the figures together."""
    start, end = settings.warmup, settings.warmup + settings.duration
    numbers, everything = book.between(start, end), range(book.released)
    committed = book.committed_between(start, end)
    rate = committed / settings.duration
    limit = len(spent.memory_mib) * baseline.us / (hardware.cores * 1e6)
    done = histogram_of(book.latencies(numbers, Ending.COMMITTED))
    failed = histogram_of(
        book.latencies(numbers, Ending.REJECTED, Ending.EXPIRED, Ending.REFUSED, Ending.UNRESOLVED)
    )
    histograms = {"all": merged((done, failed)), "committed": done, "failed": failed}
    sent = sum(1 for n in everything if book.attempts[n] and start <= book.sent[n] < end)
    return Result(
        FORMAT, "closed" if settings.outstanding else "open", settings, hardware,
        offered_per_s=len(numbers) / settings.duration,
        achieved_per_s=sent / settings.duration,
        committed_per_s=rate,
        operations_per_s=rate * settings.operations,
        share_of_limit=rate * limit,
        share_with_all_signatures=rate * limit * baseline.signatures_per_transaction,
        latency={name: percentiles(histogram) for name, histogram in histograms.items()},
        histograms={name: encoded(histogram) for name, histogram in histograms.items()},
        endings=book.count_of(everything),
        measured=book.count_of(numbers),
        rejected=_named(book.codes(everything, Ending.REJECTED)),
        refused=_named(book.codes(everything, Ending.REFUSED)),
        sent_again=sum(1 for n in everything if book.attempts[n] > 1),
        longest_gap_ms=book.longest_gap(start, end) * 1000,
        per_second=_per_second(book),
        cost=Cost(
            spent.nodes * 1e6 / committed if committed else 0.0, spent.nodes / settings.duration,
            spent.generator / settings.duration, spent.memory_mib, spent.ledger_bytes,
        ),
        baseline=baseline,
        chain=chain,
        signing=signing,
    )  # fmt: skip


def queries_of(asked: Book, settings: Settings) -> Queries | None:
    """Of a book as queries.QueryLoad fills it."""
    if not asked.released:
        return None
    start, end = settings.warmup, settings.warmup + settings.duration
    numbers = asked.between(start, end)
    failed = Counter(asked.code[n] for n in numbers if asked.ending[n] != Ending.COMMITTED)
    histogram = histogram_of(asked.latencies(numbers))
    answered = asked.committed_between(start, end) / settings.duration
    return Queries(
        len(numbers) / settings.duration, answered, percentiles(histogram), encoded(histogram),
        dict(sorted(failed.items())),
    )  # fmt: skip


def _named(codes: Mapping[int, int]) -> dict[str, int]:
    known = {int(code): code.name for code in Code}
    return {known.get(number, code_text(number)): count for number, count in sorted(codes.items())}


def _per_second(book: Book) -> list[int]:
    counts: list[int] = []
    for n in range(book.released):
        if book.ending[n] == Ending.COMMITTED:
            second = int(book.done[n])
            counts.extend([0] * (second + 1 - len(counts)))
            counts[second] += 1
    return counts


def text_of(result: Result) -> str:
    """For a terminal, in the language in use."""
    s, cost, chain = result.settings, result.cost, result.chain
    loop = t("open loop", "开环") if result.loop == "open" else t(
        f"CLOSED loop, {s.outstanding} outstanding: stalls do not show in the latency",
        f"闭环，{s.outstanding} 笔在途：停顿不会体现在时延中",
    )  # fmt: skip
    rows: list[tuple[str, object]] = [
        (t("profile", "负载"), f"{s.profile}, {s.transport}, {loop}"),
        (t("offered / achieved", "设定 / 实发"), f"{result.offered_per_s:,.0f} / {result.achieved_per_s:,.0f} tx/s"),
        (t("committed", "已提交"), _rate_text(result)),
        (t("latency, all submitted", "时延（全部提交）"), _latency_text(result.latency["all"])),
        (t("latency, committed", "时延（已提交）"), _latency_text(result.latency["committed"])),
    ]
    if result.latency["failed"].count:
        rows.append((t("latency, failed", "时延（失败）"), _latency_text(result.latency["failed"])))
    rows += [
        *_queries_rows(result.queries),
        (t("outcomes", "结果"), _counts(result.endings)),
        (t("rejected by code", "按代码拒绝"), _counts(result.rejected)),
        (t("refused by code", "按代码拒收"), _counts(result.refused)),
        (t("longest gap between commits", "提交最长间隔"), f"{result.longest_gap_ms:,.0f} ms"),
        (t("CPU of all nodes", "全部节点 CPU"),
         f"{cost.nodes_us_per_transaction:,.0f} us/tx, {cost.nodes_cores:.2f} " + t("cores", "核")
         + (t(" (queries included)", "（含查询）") if result.queries else "")),
        (t("CPU of the generators", "压测端 CPU"), _generators_text(result)),
        (t("memory, largest node", "内存（最大节点）"), f"{max(cost.memory_mib.values(), default=0):,.0f} MiB"),
        (t("ledger growth per node", "账本增长（每节点）"),
         f"{max(cost.ledger_bytes.values(), default=0) / 2**20:,.1f} MiB"),
        (t("libsodium, one core", "libsodium（单核）"), _baseline_text(result.baseline)),
        (t("share of the limit", "占物理上限"), f"{result.share_of_limit:.2f} ("
         + t("counting every signature", "按全部签名计") + f" {result.share_with_all_signatures:.2f})"),
        (t("answered committed, then lost", "已确认后丢失"), chain.lost),
        (t("nodes agree", "节点一致"), _agreement_text(chain)),
        (t("invariants", "不变量"), _invariants_text(chain)),
        (t("machine", "机器"), f"{result.hardware.processor}, {result.hardware.cores} " + t("cores", "核")
         + f", Python {result.hardware.python}, {result.hardware.commit[:12]}{'+' * result.hardware.modified}"
         + f", {result.hardware.code}"),
    ]  # fmt: skip
    return pairs(rows)


def _rate_text(result: Result) -> str:
    text = f"{result.committed_per_s:,.0f} tx/s"
    if result.operations_per_s != result.committed_per_s:
        text += f" = {result.operations_per_s:,.0f} " + t("operations/s", "操作/秒")
    return text


def _queries_rows(queries: Queries | None) -> list[tuple[str, object]]:
    if queries is None:
        return []
    rows: list[tuple[str, object]] = [
        (t("queries", "查询"), f"{queries.offered_per_s:,.0f} / {queries.answered_per_s:,.0f} "
         + t("asked / answered per s", "次/秒（发出 / 应答）")),
        (t("latency, queries", "时延（查询）"), _latency_text(queries.latency)),
    ]  # fmt: skip
    failed = {t("no answer", "无应答") if not status else f"HTTP {status}": n for status, n in queries.failed.items()}
    return [*rows, (t("queries that failed", "失败的查询"), _counts(failed))] if failed else rows


def _generators_text(result: Result) -> str:
    count = result.settings.generators
    text = f"{result.cost.generator_cores:.2f} " + t("cores", "核")
    text += t(f", {count} processes", f"，{count} 个进程") if count > 1 else ""
    if (signing := result.signing) is not None:
        text += t(f"; before the clock: {signing.fresh:,} of {signing.count:,} signed in {signing.seconds:.1f} s",
                  f"；计时前签名 {signing.fresh:,} / {signing.count:,} 笔，用时 {signing.seconds:.1f} 秒")  # fmt: skip
    return text


def _latency_text(p: Percentiles) -> str:
    return f"p50 {p.p50:,.1f}  p95 {p.p95:,.1f}  p99 {p.p99:,.1f}  max {p.max:,.1f} ms  (n={p.count:,})"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "0"


def _baseline_text(baseline: Baseline) -> str:
    text = t("verifies/s before, after", "次验签/秒（前、后）")
    return f"{baseline.before:,.0f}, {baseline.after:,.0f} {text}"


def _agreement_text(chain: Chain) -> str:
    silent = [name for name, place in chain.nodes.items() if place is None]
    height, _, root = next((place for place in chain.nodes.values() if place is not None), (0, "", ""))
    text = t("yes", "是") if chain.agreed else t("NO", "否")
    text += t(f", height {height}, state root {root[:16]}", f"，高度 {height}，状态根 {root[:16]}")
    return text + (t(f"; no answer: {', '.join(silent)}", f"；无应答：{', '.join(silent)}") if silent else "")


def _invariants_text(chain: Chain) -> str:
    if chain.invariants is None:
        return t("not checked: no admin interface answered", "未检查：管理接口无应答")
    return "; ".join(chain.invariants) or t("hold", "成立")
