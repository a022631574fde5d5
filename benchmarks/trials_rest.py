"""Trials of what should not happen: writing while nothing is to be done, and memory that grows; and of beginnings."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from benchmarks.machine import bytes_written, resident_and_mapped_mib, verifies_per_second
from benchmarks.network import Network
from benchmarks.run import settle_all
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.trials_load import RATE_UNKNOWN
from benchmarks.workload import Writer

SETTLE_SECONDS: Final = 8.0  # after the start: what a node writes then belongs to the start
SILENCE_SECONDS: Final = 60.0
MEMORY_SECONDS: Final = 45.0  # of the row in a whole table
LOAD_SECONDS: Final = 90.0  # of one load; a longer time is made of several
MEMORY_LOAD: Final = 0.6  # of the knee
JUDGED_SECONDS: Final = 3_000.0  # a slope per hour of less time says nothing: caches fill first
SAMPLE_SECONDS: Final = 1.0
PIECES: Final = 12  # of the samples, for the error of their slope
DEPLOYED_TOURISTS: Final = 10


def silence(stand: Stand) -> Outcome:
    """What four nodes without a transaction write: to their folders, and as the system counts it, the larger."""
    tally = Tally()
    with stand.network() as network:
        tally.verify_us.append(1e6 / verifies_per_second())
        time.sleep(SETTLE_SECONDS)
        seconds = stand.seconds(SILENCE_SECONDS)
        folders = [network.devnet.folder(place) for place in network.devnet.places]
        files, counted = files_of(folders), _counted(network)
        time.sleep(seconds)
        in_folders, in_all = changed_bytes(files, files_of(folders)), _counted(network) - counted
    files_minute, all_minute = in_folders * 60 / seconds, in_all * 60 / seconds
    tally.add("idle_bytes", max(files_minute, all_minute))
    tally.note(f"files {files_minute:,.0f} B, system's count {all_minute:,.0f} B, over {seconds:.0f} s",
               f"文件 {files_minute:,.0f} 字节，系统计数 {all_minute:,.0f} 字节，历时 {seconds:.0f} 秒")  # fmt: skip
    return tally.outcome()


def files_of(folders: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Size and time of change of every file below."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                stat = path.stat()
            except OSError:
                continue
            if path.is_file():
                found[path] = (stat.st_size, stat.st_mtime_ns)
    return found


def changed_bytes(before: dict[Path, tuple[int, int]], after: dict[Path, tuple[int, int]]) -> int:
    """That were added to files, at least: a file that changed without growing counts whole, so does a new one."""
    total = 0
    for path, (size, changed) in after.items():
        old = before.get(path)
        if old is None:
            total += size
        elif old[1] != changed or old[0] != size:
            total += size - old[0] if size > old[0] else size
    return total


def _counted(network: Network) -> int:
    return sum(bytes_written(pid) for pid in network.processes().values() if pid is not None)


def memory(stand: Stand) -> Outcome:
    """The short form of `soak`."""
    return soak(stand, stand.seconds(MEMORY_SECONDS))


def soak(stand: Stand, seconds: float, rate: float = 0.0) -> Outcome:
    """An open loop at `rate`, 0: 60 % of the knee; the resident memory of every node once a second, and the slope of
    the second half of the time, of the node where it is steepest. Judged is all of it; told beside it what the node
    holds itself: mapped files are the kernel's to drop, up to their bound (docs/adr/0040). Between loads of a
    minute and a half transactions are signed."""
    tally = Tally()
    rate = rate or stand.found.get("knee", RATE_UNKNOWN) * MEMORY_LOAD
    with stand.network() as network, sampling(network) as samples:
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0 or not tally.verify_us:
            load(stand, tally, network, max(2.0, min(left, LOAD_SECONDS)), rate=rate)
        lasted = time.monotonic() - began
    slope, error = steepest(samples, lasted, lambda sample: sample.resident)
    own, own_error = steepest(samples, lasted, lambda sample: sample.resident - sample.mapped)
    tally.add("slope", slope)
    tally.add("own_slope", own)
    ends = [points[-1] for points in samples.values() if points]
    begun = max((points[0].resident for points in samples.values() if points), default=0.0)
    ended = max((sample.resident for sample in ends), default=0.0)
    mapped = max((sample.mapped for sample in ends), default=0.0)
    tally.note(
        f"+- {error:.1f} (standard error), second half of {lasted:.0f} s at {rate:,.0f} tx/s; "
        f"without mapped files, nearly all tables of the database, {own:+,.1f} +- {own_error:.1f} MiB/h, each of "
        f"the node where it is steepest; {begun:,.0f} to {ended:,.0f} MiB in all, up to {mapped:,.0f} of them mapped",
        f"标准误差 ±{error:.1f}，取 {lasted:.0f} 秒的后半段，{rate:,.0f} 笔/秒；"
        f"不计映射文件（几乎全部为数据库数据表）为 {own:+,.1f} ±{own_error:.1f} MiB/h，两者各取最陡的节点；"
        f"全程由 {begun:,.0f} 增至 {ended:,.0f} MiB，其中映射文件至多 {mapped:,.0f} MiB",
    )
    tally.judged = lasted >= JUDGED_SECONDS
    if not tally.judged:
        tally.note("too short to judge a slope per hour: make soak", "时长不足以判断每小时斜率：make soak")
    return tally.outcome()


class Sample(NamedTuple):
    """Of one node: seconds since the begin, MiB of resident memory, and what of it are pages of files."""

    at: float
    resident: float
    mapped: float


def steepest(
    samples: Mapping[str, Sequence[Sample]], lasted: float, of: Callable[[Sample], float]
) -> tuple[float, float]:
    """(slope, its standard error) in MiB/h of the second half of `lasted` seconds, of the node where it is largest;
    (0, infinite) without samples."""
    late = ([(one.at, of(one)) for one in points if one.at >= lasted / 2] for points in samples.values())
    return max(map(slope_per_hour, late), default=(0.0, math.inf))


@contextmanager
def sampling(network: Network) -> Iterator[dict[str, list[Sample]]]:
    """Samples of every node by name, gathered by a thread until the end."""
    samples: dict[str, list[Sample]] = {name: [] for name in network.names}
    over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            for name, pid in network.processes().items():
                resident, mapped = (0.0, 0.0) if pid is None else resident_and_mapped_mib(pid)
                if resident:
                    samples[name].append(Sample(time.monotonic() - began, resident, mapped))

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def slope_per_hour(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of the straight line nearest to (seconds, value), and its standard error: neighbours resemble each other, so
    that the error is counted from the means of PIECES pieces. (0, infinite) of fewer than three pieces."""
    size = max(1, len(points) // PIECES)
    pieces = [points[start : start + size] for start in range(0, len(points) - size + 1, size)]
    if len(pieces) < 3:
        return 0.0, math.inf
    middles = [(fmean(x for x, _ in piece), fmean(y for _, y in piece)) for piece in pieces]
    middle_x, middle_y = fmean(x for x, _ in middles), fmean(y for _, y in middles)
    width = sum((x - middle_x) ** 2 for x, _ in middles)
    if not width:
        return 0.0, math.inf
    slope = sum((x - middle_x) * (y - middle_y) for x, y in middles) / width
    rest = sum((y - middle_y - slope * (x - middle_x)) ** 2 for x, y in middles)
    return 3600 * slope, 3600 * math.sqrt(rest / (len(middles) - 2) / width)


def deploy(stand: Stand) -> Outcome:
    """From an empty folder to four nodes that take transactions, and to the first that is committed."""
    tally = Tally()
    for _ in range(stand.runs):
        tally.verify_us.append(1e6 / verifies_per_second())
        began = time.monotonic()
        with stand.network(tourists=DEPLOYED_TOURISTS) as network:
            tally.add("deploy", time.monotonic() - began)
            poke = Writer(network.cast, "deploy", int(time.time()) + 300, 1).poke()
            book = asyncio.run(settle_all(network.urls[:1], [poke]))
            tally.add("deploy_first", time.monotonic() - began)
            tally.sound = tally.sound and book.count_of(range(1))["committed"] == 1
    return tally.outcome()
