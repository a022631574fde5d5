"""A load under which all nodes are watched: the stage table of one run."""

import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.network import Network
from benchmarks.report import Result
from benchmarks.run import RunFailed
from benchmarks.stages import (
    STAGES,
    StageTable,
    compiled_modules,
    sampler,
    stage_seconds,
    table_of,
    thread_seconds,
)
from benchmarks.trial import WARMUP, Stand, Tally, load
from benchmarks.workload import BATCH_OPERATIONS, Profile
from cli.language import t
from cli.output import table

RATE: Final = 99  # samples per second and node, no multiple of what the nodes themselves do a hundred times a second
MARGIN_SECONDS: Final = 1.0  # at the end of the load: the sampler has finished before it
LATE_SECONDS: Final = 20.0  # that a sampler may take to write its file


class Watched(msgspec.Struct, frozen=True):
    """A run's stage table, per operation, beside what the run gave. `stacks`: collapsed, of all nodes, for any flame
    graph tool. `operations`: of a transaction."""

    stages: StageTable
    committed_per_s: float
    outstanding: int
    verify_us: float
    stacks: dict[str, int] = {}
    operations: int = 1


class Watch:
    """Samples all nodes of a network from `begin` on, for so many seconds, in a thread of its own."""

    def __init__(self, network: Network, seconds: float, folder: Path) -> None:
        self._network: Final = network
        self._seconds: Final = seconds
        self._folder: Final = folder
        self._compiled: Final = compiled_modules()
        self._thread: Final = threading.Thread(target=self._run, name="watch")
        self._used: Final[dict[int, dict[int, float]]] = {}
        self._errors: Final[list[str]] = []
        self.window = (0.0, 0.0)  # time.monotonic()

    def begin(self) -> None:
        """Start; does not wait."""
        self._thread.start()

    def _run(self) -> None:
        pids = [pid for pid in self._network.processes().values() if pid is not None]
        before = {pid: thread_seconds(pid) for pid in pids}
        began = time.monotonic()
        try:
            running = [
                subprocess.Popen(  # noqa: S603  (our own arguments)
                    sampler(pid, self._seconds, RATE, self._file(pid), native=bool(self._compiled)),
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                )
                for pid in pids
            ]  # fmt: skip
        except OSError as error:
            self._errors.append(f"py-spy: {error.strerror}; pip install 'hnchain[bench]'")
            return
        time.sleep(self._seconds)
        self.window = (began, time.monotonic())
        for pid in pids:
            after = thread_seconds(pid)
            self._used[pid] = {thread: used - before[pid].get(thread, 0.0) for thread, used in after.items()}
        for process in running:
            _, said = process.communicate(timeout=LATE_SECONDS)
            if process.returncode:
                self._errors.append(said.decode("utf-8", "replace").strip()[-300:])

    def _file(self, pid: int) -> Path:
        return self._folder / f"{pid}.txt"

    def result(self, operations: int) -> tuple[StageTable, dict[str, int]]:
        """Wait for the end. Raises: RunFailed if the nodes could not be sampled."""
        self._thread.join()
        if self._errors:
            raise RunFailed("; ".join(self._errors))
        parts = []
        stacks: dict[str, int] = {}
        for pid, used in self._used.items():
            lines = self._file(pid).read_text(encoding="utf-8").splitlines()
            parts.append(stage_seconds(lines, used, self._compiled))
            for line in lines:
                stack, _, count = line.rpartition(" ")
                bare = stack.partition(";")[2]
                stacks[bare] = stacks.get(bare, 0) + int(count)
        return table_of(parts, operations, self.window[1] - self.window[0]), stacks


def watched(
    stand: Stand, seconds: float, outstanding: int, validators: int, profile: Profile = "mixed"
) -> Watched:
    """A load of so many seconds in a new network, watched but for its edges. Raises: RunFailed, NodeFailure."""
    folder = Path(tempfile.mkdtemp(prefix="hnchain-stages-"))
    operations = BATCH_OPERATIONS if profile == "batch" else 1
    try:
        with stand.network(validators, profile=profile) as network:
            watch = Watch(network, max(1.0, round(seconds - MARGIN_SECONDS)), folder)
            start = WARMUP / (WARMUP + seconds)
            result = load(
                stand, Tally(), network, seconds, outstanding=outstanding, profile=profile, operations=operations,
                at=(start, watch.begin),
            )  # fmt: skip
            stages, stacks = watch.result(operations_in(result, watch))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Watched(stages, result.committed_per_s, outstanding, result.baseline.us, stacks, operations)


def operations_in(result: Result, watch: Watch) -> int:
    """While the nodes were watched: the mean rate of the measured time, over that time."""
    return round(result.operations_per_s * (watch.window[1] - watch.window[0]))


def text_of(found: Watched) -> str:
    """The table, largest first, and what it adds up to."""
    stages = found.stages
    names = {stage.name: t(stage.english, stage.chinese) for stage in STAGES}
    rows = [
        (names[share.name], f"{share.us:.1f}", f"{share.share:.1%}")
        for share in sorted(stages.shares, key=lambda share: -share.seconds) if share.seconds
    ]  # fmt: skip
    whole = sum(share.us for share in stages.shares)
    rows.append((t("together", "合计"), f"{whole:.1f}", "100.0%"))
    each = "" if found.operations == 1 else t(f" of {found.operations} operations", f"，每笔 {found.operations} 个操作")
    end = t(
        f"{found.committed_per_s:,.0f} tx/s{each} at {found.outstanding} outstanding; {stages.nodes} nodes used "
        f"{stages.cpu_seconds:.1f} s of CPU in {stages.seconds:.0f} s; {stages.named:.1%} of it has a stage",
        f"{found.outstanding} 笔在途，{found.committed_per_s:,.0f} 笔/秒{each}；{stages.nodes} 个节点在 "
        f"{stages.seconds:.0f} 秒内使用 {stages.cpu_seconds:.1f} 秒 CPU，其中 {stages.named:.1%} 已归类",
    )
    heads = (t("stage", "阶段"), t("us per operation and node", "每个操作每节点微秒"), t("share", "占比"))
    return f"{table(heads, rows)}\n\n{end}"
