"""What a comparison keeps: every load of every round, and what could not be measured."""

import msgspec

from benchmarks.machine import Hardware
from benchmarks.peers.systems import Duty

FORMAT = 1


class Load(msgspec.Struct, frozen=True):
    """What is asked of a system. Seconds; what is sent in the warm-up counts only in the books."""

    outstanding: int
    warmup: float
    duration: float
    accounts: int
    seed: int = 0

    @property
    def stop(self) -> float:
        """When the last transfer is sent."""
        return self.warmup + self.duration


class Measured(msgspec.Struct, frozen=True):
    """Of one load. Rates per second of the window, milliseconds, CPU seconds within the window.

    `endings`: of everything sent, by outcomes.Ending. `faults`: what the books say against the answers.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    committed: int  # in the window
    system_cpu: float
    load_cpu: float
    endings: dict[str, int]
    faults: tuple[str, ...]
    histogram: str


class Figure(msgspec.Struct, frozen=True):
    """One load on one system in one round (from 1)."""

    system: str
    round: int
    load: Load
    measured: Measured

    @property
    def cpu_us(self) -> float:
        """Of the system, all its processes together, per transfer; 0 of none."""
        done = self.measured.committed
        return self.measured.system_cpu * 1e6 / done if done else 0.0

    @property
    def load_cores(self) -> float:
        """That the load generator took away from the system."""
        return self.measured.load_cpu / self.load.duration


class Entry(msgspec.Struct, frozen=True):
    """A system of the comparison. `missing`: why figures of it are not there, "" if they are."""

    system: str
    version: str
    durability: str
    lacks: tuple[Duty, ...]
    missing: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """Of the machine at the beginning of a round: signature checks per second on one core, and milliseconds that the
    disk takes to append 200 bytes and sync them."""

    verifies_per_s: float
    sync_ms: float


class Comparison(msgspec.Struct, frozen=True):
    """The whole file. `baselines`: by round."""

    format: int
    hardware: Hardware
    filesystem: str
    baselines: tuple[Baseline, ...]
    entries: tuple[Entry, ...]
    figures: tuple[Figure, ...]

    @property
    def missing(self) -> dict[str, str]:
        """By system, why figures of it are not there."""
        return {entry.system: entry.missing for entry in self.entries if entry.missing}

    @property
    def faults(self) -> list[str]:
        """Whatever makes a figure worthless."""
        return [
            f"{figure.system}, {figure.load.outstanding}, round {figure.round}: {fault}"
            for figure in self.figures for fault in figure.measured.faults
        ]  # fmt: skip
