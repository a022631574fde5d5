"""What all trials of the table share: how long they run, what was measured before, and one load."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.machine import busy_seconds, cpu_seconds
from benchmarks.network import Network, throwaway_network
from benchmarks.report import Result, Settings, supply_of
from benchmarks.run import Tell, measure
from benchmarks.scoreboard import Outcome, Trace
from benchmarks.workload import Profile
from chainnode.eight_lanes import Lanes

VALIDATORS: Final = 4
TOURISTS: Final = 1_000
WARMUP: Final = 2.0
SHORT: Final = 0.12  # of the duration
SECONDS_MIN: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a trial runs. `found`: medians of figures measured before, by name."""

    folder: Path
    runs: int
    short: bool
    say: Callable[[str], None]
    tell: Tell
    found: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, full: float) -> float:
        """How long something lasts that takes `full` seconds in a whole table."""
        return max(SECONDS_MIN, full * SHORT) if self.short else full

    @contextmanager
    def network(
        self, validators: int = VALIDATORS, tourists: int = TOURISTS, lanes: Lanes = "auto", profile: Profile = "mixed"
    ) -> Iterator[Network]:
        """A throw-away one. Raises: NodeFailure if it does not come up."""
        with throwaway_network(validators, tourists, self.folder, profile, lanes) as network:
            yield network


@dataclass(slots=True)
class Tally:
    """Gathers the figures of a trial's runs."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    verify_us: list[float] = field(default_factory=list)
    strangers: list[float] = field(default_factory=list)
    sound: bool = True
    judged: bool = True
    notes: list[tuple[str, str]] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """One run's value of a figure."""
        self.figures.setdefault(name, []).append(value)

    def note(self, english: str, chinese: str) -> None:
        """Something that a reader must know; once."""
        if (english, chinese) not in self.notes:
            self.notes.append((english, chinese))

    def outcome(self) -> Outcome:
        """All of it."""
        strangers = max(self.strangers, default=0.0)
        return Outcome(self.figures, self.verify_us, strangers, self.sound, self.judged, self.notes, self.traces)


def load(
    stand: Stand, tally: Tally, network: Network, seconds: float, *, outstanding: int = 0, rate: float = 0.0,
    profile: Profile = "mixed", operations: int = 1, queries: float = 0.0,
    at: tuple[float, Callable[[], None]] | None = None,
) -> Result:  # fmt: skip
    """One measured load over the binary ingress, with so many queries per second beside it; what it says of itself and
    of the machine goes to the tally.

    `at`: (part of the load, what happens then), once; it runs on the event loop of the load and must not wait.
    Raises: RunFailed, OSError.
    """
    validators, tourists = len(network.devnet.places), len(network.cast.tourists)
    offered = f"{profile}, {outstanding} outstanding" if outstanding else f"{profile}, {rate:,.0f} tx/s"
    settings = Settings(
        profile, "ingress", rate, seconds, WARMUP, outstanding, validators, tourists, operations,
        queries_per_second=queries, supply=_supply(tally, offered, operations),
    )  # fmt: skip
    began, busy, ours = time.monotonic(), busy_seconds(), _our_seconds(network)
    result = measure(network, settings, profile, stand.tell if at is None else _with(stand.tell, *at))
    others = busy_seconds() - busy - (_our_seconds(network) - ours)
    tally.strangers.append(max(0.0, others / (time.monotonic() - began)))
    tally.verify_us.append(result.baseline.us)
    tally.sound = tally.sound and result.is_sound
    tally.traces.append(Trace(offered, result.committed_per_s, result.per_second, result.histograms["all"]))
    stand.say(f"  {result.committed_per_s:,.0f} tx/s, p50 {result.latency['all'].p50:,.1f} ms, "
              f"{result.cost.nodes_us_per_transaction:,.0f} us CPU")  # fmt: skip
    return result


def _supply(tally: Tally, offered: str, operations: int) -> int:
    """Transactions to sign per second of a closed loop: twice what the same load took before, at least what one gets of
    which nothing is known."""
    known = max((trace.committed_per_s for trace in tally.traces if trace.offered == offered), default=0.0)
    return max(round(2 * known), supply_of(operations))


def _with(tell: Tell, part: float, act: Callable[[], None]) -> Tell:
    left = [act]

    def told(what: str, done: float) -> None:
        if what == "load" and done >= part and left:
            left.pop()()
        tell(what, done)

    return told


def _our_seconds(network: Network) -> float:
    """CPU time of this process, its finished children and the nodes."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    nodes = (cpu_seconds(pid) or 0.0 for pid in network.processes().values() if pid is not None)
    return sum(one.ru_utime + one.ru_stime for one in used) + sum(nodes)
