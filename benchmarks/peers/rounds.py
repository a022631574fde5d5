"""Rounds: in each, every system is started, loaded and stopped, one after the other; each round begins with another
one, so that a machine that slows down or speeds up does it to all."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from benchmarks.machine import hardware, verifies_per_second
from benchmarks.peers import closed_loop, our_network
from benchmarks.peers.etcd_members import Etcd
from benchmarks.peers.figures import FORMAT, Baseline, Comparison, Entry, Figure, Load, Measured
from benchmarks.peers.postgresql import PostgreSQL
from benchmarks.peers.redis_server import Redis
from benchmarks.peers.systems import System, SystemFailed

SYNCS: Final = 50
NAMES: Final = (our_network.NAME, PostgreSQL.name, Redis.name, Etcd.name)

Say = Callable[[str], None]
Loader = Callable[[Load], Measured]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared. `names`: of NAMES. `folder`: where every system keeps its data, so on one disk."""

    names: Sequence[str]
    outstanding: Sequence[int]
    rounds: int
    warmup: float
    duration: float
    accounts: int
    folder: Path


def peers() -> list[System]:
    """Those that are not ours."""
    return [PostgreSQL(), Redis(), Etcd()]


def missing_of(names: Sequence[str], systems: Sequence[System]) -> dict[str, str]:
    """What has to be installed, by system."""
    return {system.name: system.missing for system in systems if system.name in names and system.missing}


def compare(plan: Plan, systems: Sequence[System], say: Say) -> Comparison:
    """All of it. A system that is missing or fails is in the result with the reason, and the others go on."""
    machine = hardware()
    entries = {our_network.NAME: our_network.entry(machine)}
    entries |= {s.name: Entry(s.name, "", s.durability, s.lacks, s.missing) for s in systems}
    figures: list[Figure] = []
    baselines = []
    names = list(plan.names)
    for number in range(1, plan.rounds + 1):
        baselines.append(Baseline(verifies_per_second(), sync_ms(plan.folder)))
        for name in names:
            if entries[name].missing:
                continue
            system = next((s for s in systems if s.name == name), None)
            try:
                for load, measured in _loads(plan, number, system):
                    figures.append(Figure(name, number, load, measured))
                    say(f"{number}/{plan.rounds}  {name}, {load.outstanding} outstanding: {measured.per_s:,.0f} /s, "
                        f"p50 {measured.p50_ms:,.1f} ms")  # fmt: skip
            except SystemFailed as error:
                entries[name] = replace(entries[name], missing=str(error))
            if system is not None:
                entries[name] = replace(entries[name], version=system.version)
        names = names[1:] + names[:1]
    kept = tuple(entries[name] for name in NAMES if name in plan.names)
    return Comparison(FORMAT, machine, filesystem_of(plan.folder), tuple(baselines), kept, tuple(figures))


def _loads(plan: Plan, number: int, system: System | None) -> Iterator[tuple[Load, Measured]]:
    """The loads of one round on a system, None: ours. Raises: SystemFailed."""
    opened = our_loader(plan) if system is None else peer_loader(system, plan.folder)
    with opened as loader:
        for outstanding in plan.outstanding:
            load = Load(outstanding, plan.warmup, plan.duration, plan.accounts, number)
            yield load, loader(load)


@contextmanager
def our_loader(plan: Plan) -> Iterator[Loader]:
    """A network of ours that runs meanwhile. Raises: SystemFailed."""
    with our_network.running(plan.accounts, plan.folder) as network:
        yield lambda load: our_network.measured(network, load)


@contextmanager
def peer_loader(system: System, parent: Path) -> Iterator[Loader]:
    """The system runs meanwhile; it and its data are gone afterwards. Raises: SystemFailed."""
    folder = Path(tempfile.mkdtemp(prefix="hnchain-bench-", dir=parent))
    try:
        door = system.start(folder)
        yield lambda load: closed_loop.measured(door, load, system.processes())
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def sync_ms(folder: Path) -> float:
    """Median of appending 200 bytes and syncing them: what an answer that must last costs a single writer."""
    with tempfile.TemporaryFile(dir=folder) as file:
        times = []
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(file.fileno(), bytes(200))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def filesystem_of(folder: Path) -> str:
    """Its type, like ext4; "" where the system does not tell. On a tmpfs nothing lasts, whatever is synced."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    inside = [(Path(where), kind) for where, kind in mounts if folder.resolve().is_relative_to(where)]
    return max(inside, key=lambda mount: len(mount[0].parts), default=(folder, ""))[1]
