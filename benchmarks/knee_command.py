"""`hnchain bench knee`: the highest rate that a network keeps up with, and how fast it answers below it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from benchmarks.chosen_network import chosen_network, failed, progress
from benchmarks.durations import Seconds
from benchmarks.knee import FORMAT, IDLE_RATE, KEPT_SHARE, Knee, Step, find, knee_of, step_of
from benchmarks.load_options import load_options
from benchmarks.machine import hardware
from benchmarks.network import Network
from benchmarks.report import Result, Settings
from benchmarks.result_file import ResultFile, save_json
from benchmarks.run import RunFailed, Tell, measure
from benchmarks.workload import BATCH_OPERATIONS, Profile
from cli.language import example, t
from cli.output import answer, pairs, say, table, with_output
from cli.verdicts import Verdict

WARMUP: Final = 2.0
LONGER: Final = 2  # times as long as a step: the loads at half the knee and of an idle network


@click.command(
    help=t(
        "Find the highest rate that a network keeps up with: open loop, fixed rates, doubled and then bisected. Then "
        "the latency at half of it and of an idle network.",
        "寻找网络能持续跟上的最高速率：开环、固定速率，先倍增后二分；再测该速率一半时与空闲时的时延。",
    ),
    epilog=example("hnchain bench knee --transport ingress --report knee.json"),
)
@click.option("--from", "first", type=click.FloatRange(min=10), default=1_000.0, show_default=True,
              help=t("The first rate.", "起始速率。"))  # fmt: skip
@click.option("--most", type=click.FloatRange(min=10), default=20_000.0, show_default=True,
              help=t("The highest rate that is tried.", "尝试的最高速率。"))  # fmt: skip
@click.option("--precision", type=click.FloatRange(min=0.01, max=1.0), default=0.05, show_default=True,
              help=t("How close the knee is bracketed.", "拐点区间的相对精度。"))  # fmt: skip
@click.option("--p99", type=Seconds(), default="500ms", show_default=True,
              help=t("The p99 above which a rate is not kept.", "超过此 p99 即视为跟不上。"))  # fmt: skip
@click.option("--duration", type=Seconds(), default="6s", show_default=True,
              help=t("Measured time of a step.", "每步测量时长。"))  # fmt: skip
@load_options(transport="ingress")
@click.option("--report", type=ResultFile(), metavar="FILE.json",
              help=t("Keep every step, and raw histograms.", "保存每一步结果与原始直方图。"))  # fmt: skip
@with_output
def knee(
    first: float, most: float, precision: float, p99: float, duration: float, profile: Profile, transport: str,
    generators: int, directory: Path | None, validators: int, tourists: int | None, report: Path | None,
) -> None:  # fmt: skip
    with chosen_network(directory, (), validators, tourists, profile) as network:
        operations = BATCH_OPERATIONS if profile == "batch" else 1
        settings = Settings(
            profile, transport, 0.0, duration, WARMUP, 0, len(network.devnet.places), len(network.cast.tourists),
            operations, generators,
        )  # fmt: skip
        try:
            found = find_knee(network, settings, (first, most, precision), p99 * 1000, _told(p99 * 1000), progress())
        except (RunFailed, OSError) as error:
            raise failed(error) from error
    if report is not None:
        save_json(report, found)
    answer(msgspec.to_builtins(found), text_of(found))
    if not found.is_sound:
        raise SystemExit(int(Verdict.UNKNOWN))


def find_knee(
    network: Network, settings: Settings, rates: tuple[float, float, float], p99_ms: float,
    told: Callable[[Step], None], tell: Tell,
) -> Knee:  # fmt: skip
    """The knee of this network, then the latencies below it. `rates`: the first, the highest, the precision.
    `settings`: of a step; its rate is ours. `told` hears of every step. Raises: as run.measure."""
    results: dict[str, Result] = {}

    def attempt(rate: float, seconds: float, name: str = "") -> Step:
        asked = replace(settings, rate=rate, duration=seconds, outstanding=0)
        result = measure(network, asked, settings.profile, tell)  # type: ignore[arg-type]  # one of PROFILES
        if name:
            results[name] = result
        step = step_of(result)
        told(step)
        return step

    first, most, precision = rates
    steps = find(attempt, first, most, precision, p99_ms, settings.duration)
    rate = knee_of(steps, p99_ms)
    half = attempt(rate / 2, LONGER * settings.duration, "half") if rate else None
    idle = attempt(IDLE_RATE, LONGER * settings.duration, "idle")
    return Knee(FORMAT, settings, hardware(), p99_ms, precision, rate, rate >= most, steps, half, idle, results)


def _told(p99_ms: float) -> Callable[[Step], None]:
    def told(step: Step) -> None:
        verdict = t("kept", "跟上") if step.is_kept(p99_ms) else t("not kept", "未跟上")
        committed = t(f"{step.committed_per_s:,.0f} committed", f"提交 {step.committed_per_s:,.0f}")
        say(f"{step.rate:,.0f} tx/s: {committed}, p99 {step.p99_ms:,.0f} ms, {verdict}")

    return told


def text_of(found: Knee) -> str:
    """For a terminal, in the language in use."""
    headers = (
        t("offered", "设定"), t("committed", "已提交"), t("share", "比例"), "p50 ms", "p99 ms", t("refused", "拒收"),
        t("CPU us/tx", "CPU us/笔"), t("kept", "跟上"),
    )  # fmt: skip
    rows = [_row(step, found.p99_ms) for step in sorted(found.steps, key=lambda step: step.rate)]
    lines: list[tuple[str, object]] = [(t("knee", "拐点"), _knee_text(found))]
    for name, step in ((t("at half the knee", "拐点一半"), found.half), (t("idle", "空闲"), found.idle)):
        if step is not None:
            text = f"{step.rate:,.0f} tx/s: p50 {step.p50_ms:,.1f}  p99 {step.p99_ms:,.1f} ms"
            lines.append((name, text))
    machine = found.hardware
    lines.append((t("machine", "机器"), f"{machine.processor}, {machine.cores} " + t("cores", "核")
                  + f", {machine.commit[:12]}{'+' * machine.modified}, {machine.code}"))  # fmt: skip
    return table(headers, rows) + "\n\n" + pairs(lines)


def _row(step: Step, p99_ms: float) -> tuple[object, ...]:
    return (
        f"{step.rate:,.0f}", f"{step.committed_per_s:,.0f}", f"{step.committed_per_s / step.rate:.1%}",
        f"{step.p50_ms:,.1f}", f"{step.p99_ms:,.1f}", f"{step.refused:,}", f"{step.nodes_us_per_transaction:,.0f}",
        t("yes", "是") if step.is_kept(p99_ms) else t("no", "否"),
    )  # fmt: skip


def _knee_text(found: Knee) -> str:
    if not found.rate:
        return t("none: no rate was kept", "无：没有能跟上的速率")
    checks = found.rate * min(step.verify_us for step in found.steps) / 1e6
    text = t(
        f"{found.rate:,.0f} tx/s ({KEPT_SHARE:.0%} committed in time, p99 <= {found.p99_ms:,.0f} ms), "
        f"{checks:.2f} of libsodium's checks on one core",
        f"{found.rate:,.0f} tx/s（{KEPT_SHARE:.0%} 按时提交，p99 ≤ {found.p99_ms:,.0f} ms），"
        f"为单核 libsodium 验签速率的 {checks:.2f} 倍",
    )  # fmt: skip
    if found.bounded:
        text += t("; the highest rate tried: it may be higher", "；已达尝试上限，实际可能更高")
    return text
