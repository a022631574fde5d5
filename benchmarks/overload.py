"""More than a network can take: what it still commits, whether all is answered, and when all is well again.

In one run and one network: the best rate of a closed loop, the same beside a client that only forges, the best rate
once more, a calm load, the overload, the calm load again, and the best rate at the end, for a state that has grown
costs more with or without an overload. Every transaction has one ending, and what was told as committed is looked up.
Only the best rate tells how much must be signed for the overload, so that is done between the two.
"""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.aftermath import Chain, inspect, standing
from benchmarks.flood import Flood, RanDry, forged_frame
from benchmarks.latencies import Percentiles, histogram_of, percentiles
from benchmarks.machine import Hardware, Usage, cpu_seconds, hardware, resident_mib, verifies_per_second
from benchmarks.network import Network
from benchmarks.outcomes import Book, Ending, together
from benchmarks.run import LIFETIME_MAX, RunFailed, Tell, prepare
from benchmarks.signed_file import Recipe, SignedFile
from benchmarks.signing import PART, sign_into
from benchmarks.workload import Writer, units_for
from cli.language import t
from cli.output import pairs
from primitives.codes import Code

CONNECTIONS: Final = 3  # to each node
OUTSTANDING: Final = 2_048  # of the closed loop that gives the best rate
CALM_SHARE: Final = 0.2  # of the knee
RAMP_SECONDS: Final = 2.0  # of the overload, until the pools are full
DRAIN_SECONDS: Final = 30.0
NORMAL_FACTOR: Final = 3.0  # times the p99 of before
NORMAL_SECONDS_MIN: Final = 0.2
FIRST_RATE: Final = 6_000  # transactions signed per second of the first closed loops; more, where they are too few
BEST_GROWS: Final = 3.0  # a machine that others use as well may have more to give later

GATE_KEPT: Final = 0.8
GATE_FORGED: Final = 0.9
GATE_NORMAL_S: Final = 5.0
GATE_MEMORY_MIB: Final = 128.0


class Overload(msgspec.Struct, frozen=True):
    """`best_per_s`: before the overload, the knee if none was given; `best_after_per_s`: after it, of a state
    that has grown meanwhile. `kept`: share of the knee; `kept_of_mean`: of the mean of the two best rates.
    `beside_forger`: share of the mean of the best rates before and after the forger. `us_*`: CPU time of all nodes per
    committed transaction, which other work on the machine changes little; `load_share`: of all cores of the machine,
    what sending and the reading of answers took during the overload. `told_ms`: the longest time after which somebody
    refused was to come again. `normal_after_s`: after the overload, until every transaction is committed about as
    quickly as before it. `memory_mib`: by how much the largest node grew during it.
    """

    hardware: Hardware
    libsodium_per_s: float
    knee_per_s: float
    best_per_s: float
    best_after_per_s: float
    beside_forger: float | None
    us_best: float
    us_overload: float
    us_after: float
    load_share: float
    times: float
    seconds: float
    offered_per_s: float
    committed_per_s: float
    kept: float
    kept_of_mean: float
    endings: dict[str, int]
    refused: dict[str, int]
    admitted: int
    unanswered: int
    broken: int
    told_ms: int
    before: Percentiles
    after: Percentiles
    normal_after_s: float
    memory_mib: float
    chain: Chain

    @property
    def is_sound(self) -> bool:
        """Whether every submission was answered, and no answer was a lie."""
        return not self.unanswered and not self.chain.lost and self.chain.agreed and not self.chain.invariants

    @property
    def holds(self) -> bool:
        """Whether every gate does."""
        return (
            self.is_sound
            and self.kept >= GATE_KEPT
            and (self.beside_forger is None or self.beside_forger >= GATE_FORGED)
            and self.normal_after_s <= GATE_NORMAL_S
            and self.memory_mib <= GATE_MEMORY_MIB
        )


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds of each but the overload; `after` also says how late it can be seen that all is normal again."""

    best: float = 10.0
    calm: float = 3.0
    after: float = 8.0


def overload(
    network: Network, seconds: float, times: float, knee: float, tell: Tell, forger: bool = True,
    phases: Phases | None = None,
) -> Overload:  # fmt: skip
    """`knee`: measured before, 0: take the best rate of a closed loop. Raises: RunFailed, OSError."""
    first = min((place[0] for place in standing(network).values() if place is not None), default=0)
    base = verifies_per_second()
    trial = _Trial(network, seconds, times, knee, phases or Phases(), tell)
    try:
        trial.find_best(forger)
        trial.overload()
    except RanDry as error:
        raise RunFailed(str(error), Code.OUTCOME_UNKNOWN) from error
    tell("inspect", 0.0)
    return trial.result(base, inspect(network, first, trial.committed))


def with_enough(load: Callable[[int], None], count: int) -> None:
    """Make a load that has so many transactions, and once more with twice as many whenever they run dry."""
    while True:
        try:
            return load(count)
        except RanDry:
            count *= 2


def count_of(times: float, seconds: float, phases: Phases, knee: float, best: float) -> int:
    """Transactions of the overload, of the calm before and after it, and of the best rate at the end, which may be
    BEST_GROWS times that of before."""
    rated = times * seconds + CALM_SHARE * (phases.calm + phases.after)
    return ceil(rated * knee + max(BEST_GROWS * best, FIRST_RATE) * phases.best) + OUTSTANDING


class _Trial:
    """The phases of one run, and what they came to. It is made in two parts, each with transactions of its own: only
    the first one tells how many the second one takes."""

    def __init__(
        self, network: Network, seconds: float, times: float, knee: float, phases: Phases, tell: Tell
    ) -> None:  # fmt: skip
        self._network: Final = network
        self._seconds: Final = seconds
        self._times: Final = times
        self._phases: Final = phases
        self._tell: Final = tell
        self._knee = knee
        self._usage: Final = Usage()
        self._resident: dict[str, float] = {}  # before the overload
        self._beside_forger: float | None = None
        self._spans: Final[dict[str, tuple[float, float]]] = {}
        self._us: Final[dict[str, float]] = {}  # of CPU per committed transaction, by phase
        self._best = self._best_after = self._load_share = 0.0
        self._floods: Final[list[Flood]] = []  # one of each part
        self.committed: Final[set[str]] = set()  # ids that were answered so

    def find_best(self, forger: bool) -> None:
        """The first part: the best rate, and the same beside a forger. Raises: as `overload`."""
        count = int((1 + 2 * forger) * self._phases.best * FIRST_RATE)
        with_enough(lambda enough: self._part(enough, partial(self._find_best, forger)), count)
        self._knee = self._knee or self._best

    def overload(self) -> None:
        """The second part: calm, overload, calm, and the best rate again. Raises: as `overload`."""
        self._part(count_of(self._times, self._seconds, self._phases, self._knee, self._best), self._overload)

    def _part(self, count: int, work: Callable[[Flood, SignedFile], Awaitable[None]]) -> None:
        with _signed(self._network, count, 4 * self._phases.best + 4 * self._seconds, self._tell) as file:
            flood = Flood(file, count, self._network.ingress(), CONNECTIONS)

            async def run() -> None:
                async with flood:
                    await work(flood, file)

            asyncio.run(run())
            self._floods.append(flood)
            ending = flood.book.ending
            self.committed.update(file.id(n).hex() for n in range(count) if ending[n] == Ending.COMMITTED)

    async def _find_best(self, forger: bool, flood: Flood, file: SignedFile) -> None:
        self._best = await self._closed("best", flood)
        if forger:
            with self._forging(file):
                beside = await self._closed("forger", flood)
            again = await self._closed("best", flood)
            self._beside_forger, self._best = 2 * beside / (self._best + again), again

    async def _overload(self, flood: Flood, _file: SignedFile) -> None:
        calm = CALM_SHARE * self._knee
        self._spans["before"] = await flood.open(calm, self._phases.calm)
        pids = self._network.processes()
        self._resident = {name: resident_mib(pid) for name, pid in pids.items() if pid is not None}
        sampling = asyncio.create_task(self._sample(flood))
        with self._counting("overload", flood):
            used = time.process_time()
            self._spans["overload"] = began, ended = await flood.open(self._times * self._knee, self._seconds)
            self._load_share = (time.process_time() - used) / (ended - began) / len(os.sched_getaffinity(0))
        self._spans["after"] = await flood.open(calm, self._phases.after)
        await flood.drain(DRAIN_SECONDS)
        sampling.cancel()
        self._best_after = await self._closed("best after", flood)

    async def _closed(self, name: str, flood: Flood) -> float:
        seconds = self._phases.best
        with self._counting(name, flood):
            began, ended = await flood.closed(OUTSTANDING, seconds)
        rate = flood.book.committed_between(began + seconds / 4, ended) / (ended - began - seconds / 4)
        await flood.drain(DRAIN_SECONDS)
        if not rate:
            raise RunFailed("nothing was committed", Code.OUTCOME_UNKNOWN)
        return rate

    @contextmanager
    def _counting(self, name: str, flood: Flood) -> Iterator[None]:
        began, cpu = flood.now(), self._cpu_seconds()
        yield
        committed = flood.book.committed_between(began, flood.now())
        self._us[name] = (self._cpu_seconds() - cpu) * 1e6 / max(committed, 1)

    def _cpu_seconds(self) -> float:
        pids = self._network.processes().values()
        return sum(cpu_seconds(pid) or 0.0 for pid in pids if pid is not None)

    @contextmanager
    def _forging(self, file: SignedFile) -> Iterator[None]:
        host, port = self._network.ingress()[0]
        command = [sys.executable, "-m", "benchmarks.forger", host, str(port)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        try:
            with process.stdin:
                process.stdin.write(forged_frame(file.raw(len(file) - 1)))
            process.stdout.readline()
            yield
        finally:
            process.kill()
            process.stdout.close()
            process.wait()

    async def _sample(self, flood: Flood) -> None:
        while True:
            self._usage.sample(self._network.processes())
            whole = self._spans["before"][1] + self._seconds + self._phases.after
            self._tell("load", min(flood.now() / whole, 1.0))
            await asyncio.sleep(0.25)

    def result(self, base: float, chain: Chain) -> Overload:
        """What it came to."""
        book, (began, ended) = self._floods[-1].book, self._spans["overload"]
        every = together([flood.book for flood in self._floods])
        everything, under = range(every.released), book.between(began, ended)
        committed = book.committed_between(began + RAMP_SECONDS, ended) / (ended - began - RAMP_SECONDS)
        before = book.latencies(book.between(*self._spans["before"]))
        limit = max(NORMAL_FACTOR * percentiles(histogram_of(before)).p99 / 1000, NORMAL_SECONDS_MIN)
        grown = [peak - self._resident.get(name, peak) for name, peak in self._usage.memory_mib.items()]
        endings = every.count_of(everything)
        return Overload(
            hardware(), base, self._knee, self._best, self._best_after, self._beside_forger,
            self._us["best"], self._us["overload"], self._us["best after"], self._load_share,
            self._times, self._seconds, len(under) / (ended - began), committed,
            committed / self._knee, 2 * committed / (self._best + self._best_after), endings,
            {Code(code).name: n for code, n in every.codes(everything, Ending.REFUSED).items()},
            sum(flood.admitted for flood in self._floods), endings["unresolved"],
            sum(flood.broken for flood in self._floods), max(flood.told_ms for flood in self._floods),
            percentiles(histogram_of(before)),
            percentiles(histogram_of(book.latencies(book.between(ended + GATE_NORMAL_S, self._spans["after"][1])))),
            normal_after(book, ended, self._spans["after"][1], limit), max(grown, default=0.0), chain,
        )  # fmt: skip


@contextmanager
def _signed(network: Network, count: int, seconds: float, tell: Tell) -> Iterator[SignedFile]:
    """So many transactions for a load of so many seconds, and everybody has the points for them. Raises: RunFailed."""
    tell("prepare", 0.0)
    now = int(time.time())
    recipe = Recipe(
        network.cast.chain_id, bytes.fromhex(network.devnet.file.seed), network.genesis.time,
        len(network.genesis.validators), len(network.cast.tourists), "mixed", 1, secrets.token_hex(4),
        now, now + int(min(LIFETIME_MAX, count / 3_000 + seconds + 120)), count, PART,
    )  # fmt: skip
    writer = Writer(network.cast, secrets.token_hex(4), recipe.valid_until, secrets.randbits(32))
    prepare(network, writer, units_for(count, len(network.cast.tourists)))
    with tempfile.TemporaryDirectory(prefix="hnchain-overload-") as folder:
        path = Path(folder) / "signed"
        sign_into(path, network.cast, recipe, lambda done: tell("sign", done / count))
        with SignedFile(path) as file:
            yield file


def normal_after(book: Book, start: float, end: float, limit: float) -> float:
    """Seconds after `start` from which on every transaction was committed within `limit` seconds."""
    late = [
        book.intended[number] - start for number in book.between(start, end)
        if book.ending[number] != Ending.COMMITTED or book.done[number] - book.intended[number] > limit
    ]  # fmt: skip
    return max(late, default=0.0)


def text_of(found: Overload) -> str:
    """For people; each line with the gate that it has."""

    def share(value: float | None, gate: float) -> str:
        if value is None:
            return t("not measured", "未测")
        verdict = t("holds", "达标") if value >= gate else t("MISSES", "未达标")
        return f"{value:.0%}  ({t('gate', '门限')} {gate:.0%}, {verdict})"

    def below(value: float, gate: float, unit: str) -> str:
        verdict = t("holds", "达标") if value <= gate else t("MISSES", "未达标")
        return f"{value:,.1f} {unit}  ({t('gate', '门限')} {gate:g} {unit}, {verdict})"

    chain = found.chain
    rows: list[tuple[str, Any]] = [
        (t("best rate before, after", "过载前后最高速率"),
         f"{found.best_per_s:,.0f}, {found.best_after_per_s:,.0f} tx/s"),
        (t("offered", "提交速率"), f"{found.offered_per_s:,.0f} tx/s, {found.seconds:g} s"),
        (t("committed meanwhile", "期间上链速率"), f"{found.committed_per_s:,.0f} tx/s"),
        (t("kept", "保持比例"), share(found.kept, GATE_KEPT)),
        (t("kept of the mean of both", "占前后均值"), f"{found.kept_of_mean:.0%}"),
        (t("CPU of all nodes", "全部节点 CPU"),
         f"{found.us_best:,.0f} -> {found.us_overload:,.0f} -> {found.us_after:,.0f} us/tx"),
        (t("share of the machine of the load", "负载生成占整机"), f"{found.load_share:.1%}"),
        (t("kept beside a forger", "伪造签名下保持"), share(found.beside_forger, GATE_FORGED)),
        (t("normal again after", "恢复正常用时"), below(found.normal_after_s, GATE_NORMAL_S, "s")),
        (t("a node grew by", "节点内存增长"), below(found.memory_mib, GATE_MEMORY_MIB, "MiB")),
        (t("p99 before, after", "之前与之后的 p99"), f"{found.before.p99:,.1f}, {found.after.p99:,.1f} ms"),
        (t("endings", "结局"), "  ".join(f"{name} {n:,}" for name, n in found.endings.items() if n)),
        (t("refused by code", "拒绝代码"), "  ".join(f"{name} {n:,}" for name, n in found.refused.items()) or "0"),
        (t("told to wait, at most", "最长被告知等待"), f"{found.told_ms:,} ms"),
        (t("without an answer", "未获答复"), f"{found.unanswered:,}"),
        (t("answered committed, then lost", "已答复上链却丢失"), f"{chain.lost:,}"),
        (t("nodes agree", "节点一致"), t("yes", "是") if chain.agreed else t("NO", "否")),
        (t("libsodium, one core", "libsodium 单核"), f"{found.libsodium_per_s:,.0f} /s"),
    ]
    return pairs(rows)
