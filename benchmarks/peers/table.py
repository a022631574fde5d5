"""The comparison as rows, for a terminal and for the report: medians over the rounds."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.peers.figures import Comparison, Entry, Figure
from benchmarks.peers.our_network import NAME
from benchmarks.peers.systems import Duty
from cli.language import t
from cli.output import table

WHOLE_CORE: Final = 0.95  # a load generator has one thread
MEMORY_FILESYSTEMS: Final = ("tmpfs", "ramfs")


def headers() -> list[str]:
    """Of `rows_of`."""
    return [
        t("system", "系统"), t("outstanding", "在途"), t("transfers/s", "笔/秒"), t("least to most", "最低至最高"),
        t("p50 ms", "p50 毫秒"), t("p99 ms", "p99 毫秒"), t("CPU us", "CPU 微秒"), t("times ours", "相对本链"),
        t("per check", "每次验签"), t("does not", "不具备"),
    ]  # fmt: skip


def rows_of(comparison: Comparison) -> list[list[str]]:
    """A row per number outstanding and system, and one for every system without figures."""
    sizes = sorted({figure.load.outstanding for figure in comparison.figures})
    rows = [row for size in sizes for row in _rows_at(comparison, size)]
    return rows + [
        [entry.system, "-", t("not measured", "未测"), *([""] * 6), _lacks(entry)]
        for entry in comparison.entries if entry.missing
    ]


def _rows_at(comparison: Comparison, outstanding: int) -> Iterator[list[str]]:
    for entry in comparison.entries:
        figures = [f for f in comparison.figures if f.system == entry.system and f.load.outstanding == outstanding]
        if figures:
            yield [entry.system, str(outstanding), *_cells(comparison, figures), _lacks(entry)]


def _cells(comparison: Comparison, figures: Sequence[Figure]) -> list[str]:
    rates = [figure.measured.per_s for figure in figures]
    checks = [figure.measured.per_s / comparison.baselines[figure.round - 1].verifies_per_s for figure in figures]
    ours = ratios(comparison, figures)
    return [
        f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} - {max(rates):,.0f}",
        f"{statistics.median(f.measured.p50_ms for f in figures):,.1f}",
        f"{statistics.median(f.measured.p99_ms for f in figures):,.1f}",
        f"{statistics.median(f.cpu_us for f in figures):,.0f}",
        f"{statistics.median(ours):.2f}" if ours else "-", f"{statistics.median(checks):.2f}",
    ]  # fmt: skip


def ratios(comparison: Comparison, figures: Sequence[Figure]) -> list[float]:
    """Each figure's rate against ours of the same round and number outstanding, where ours was measured."""
    ours = {(f.round, f.load.outstanding): f.measured.per_s for f in comparison.figures if f.system == NAME}
    pairs = ((figure.measured.per_s, ours.get((figure.round, figure.load.outstanding))) for figure in figures)
    return [rate / base for rate, base in pairs if base]


def _lacks(entry: Entry) -> str:
    names: dict[Duty, str] = {
        "signatures": t("check signatures", "验签"), "byzantine": t("survive liars", "容忍作恶节点"),
        "replicas": t("replicate", "多副本"), "proofs": t("prove", "出具证明"),
    }  # fmt: skip
    return t(", ", "、").join(names[duty] for duty in entry.lacks)


def notes_of(comparison: Comparison) -> list[str]:
    """What a reader has to know about the figures."""
    base, machine = comparison.baselines, comparison.hardware
    checks = statistics.median(b.verifies_per_s for b in base)
    sync = statistics.median(b.sync_ms for b in base)
    full = sorted({f"{f.system} {f.load.outstanding}" for f in comparison.figures if f.load_cores >= WHOLE_CORE})
    notes = [
        t("Closed loop: a stall sends less and hardly shows in the latency. CPU: of all processes of the system, per "
          "transfer. Per check: transfers per signature check of one core in the same time.",
          "闭环：停顿时发送减少，时延中几乎看不出。CPU：系统全部进程，每笔。每次验签：单核每验一次签名的时间内完成的笔数。"),
        t(f"The load is made on the same {machine.cores} cores.", f"压测端与系统共用 {machine.cores} 个核。"),
        *(t(f"{name}: the load took a whole core; the system may do more.",
            f"{name}：压测端占满一个核，实际上限可能更高。")
          for name in full),
        t(f"{checks:,.0f} signature checks/s on one core; {sync:.2f} ms to append and sync 200 bytes "
          f"({comparison.filesystem}).",
          f"单核每秒验签 {checks:,.0f} 次；追加并落盘 200 字节需 {sync:.2f} 毫秒（{comparison.filesystem}）。"),
        *(f"{entry.system} {entry.version}: {entry.durability}" for entry in comparison.entries if entry.version),
        *(t(f"NOT MEASURED: {name}: {why}", f"未测：{name}：{why}") for name, why in comparison.missing.items()),
    ]  # fmt: skip
    if comparison.filesystem in MEMORY_FILESYSTEMS:
        notes.append(t("A FILE SYSTEM IN MEMORY: nothing here was durable.", "内存文件系统：结果均未真正持久化。"))
    return notes + [t(f"NOT SOUND: {fault}", f"结果不可信：{fault}") for fault in comparison.faults]


def text_of(comparison: Comparison) -> str:
    """For a terminal, in the language in use."""
    return "\n".join([table(headers(), rows_of(comparison)), "", *notes_of(comparison)])
