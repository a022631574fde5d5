"""What the figures were measured on, and what the processes used of it."""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from chainnode.code_form import CODE_FORM, CodeForm
from chainnode.eight_lanes import find as find_eight_lanes
from primitives.keys import SigningKey, verify
from primitives.transaction import SignatureCheck

BASELINE_SECONDS: Final = 0.5
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PROJECT: Final = Path(__file__).resolve().parent.parent


class Hardware(msgspec.Struct, frozen=True):
    """Of this machine, and the release that ran on it. `commit` is "" outside a git checkout."""

    processor: str
    cores: int
    memory_mib: int
    system: str
    python: str
    commit: str
    modified: bool  # the checkout differs from the commit
    code: CodeForm = "plain"  # compiled: that of the commit from which `make compiled` built


def hardware() -> Hardware:
    """As far as the system tells."""
    fields = _fields(Path("/proc/cpuinfo"))
    memory = _fields(Path("/proc/meminfo")).get("MemTotal", "0 kB").split()[0]
    return Hardware(
        fields.get("model name", platform.processor()), len(os.sched_getaffinity(0)), int(memory) // 1024,
        f"{platform.system()} {platform.release()}", platform.python_version(),
        git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no")),
        CODE_FORM,
    )  # fmt: skip


def verifies_per_second(seconds: float = BASELINE_SECONDS) -> float:
    """Ed25519 verifications of a 32-byte message on one core by libsodium: the base line of every figure."""
    return _rate(lambda checks: [verify(*check) for check in checks], seconds)


def lane_verifies_per_second(seconds: float = BASELINE_SECONDS) -> float | None:
    """The same by the eight-lane verifier; None where there is none."""
    lanes = find_eight_lanes("auto")
    return None if lanes is None else _rate(lanes.verify_all, seconds)


def _rate(verify_all: Callable[[Sequence[SignatureCheck]], object], seconds: float) -> float:
    key = SigningKey.from_seed(bytes(32))
    message = bytes(range(32))
    checks = [SignatureCheck(key.public_key, message, key.sign(message))] * 64
    began = time.perf_counter()
    done = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        verify_all(checks)
        done += len(checks)
    return done / elapsed


def _fields(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in reversed(list(pairs))}


def git(*arguments: str) -> str:
    """What git says about this checkout; "" outside of one."""
    try:
        done = subprocess.run(  # noqa: S603  (fixed arguments)
            ["git", "-C", str(_PROJECT), *arguments],  # noqa: S607  (whichever git the user has)
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def cpu_seconds(pid: int) -> float | None:
    """User and system time of a process and its threads; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def busy_seconds() -> float:
    """CPU time that all processes of the machine used since it started, on all cores; 0 where it cannot be told."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = (int(field) for field in fields[:8])
    return (user + nice + system + interrupts + soft + stolen) / TICKS_PER_SECOND


def bytes_written(pid: int) -> int:
    """That a process has caused to be sent to the disk; 0 if it is gone or the system does not tell."""
    return int(_fields(Path(f"/proc/{pid}/io")).get("write_bytes", "0"))


def resident_mib(pid: int) -> float:
    """Resident memory of a process; 0 if it is gone."""
    return resident_and_mapped_mib(pid)[0]


def resident_and_mapped_mib(pid: int) -> tuple[float, float]:
    """Resident memory of a process, and how much of it is pages of files, which the system takes back when it needs
    them: a database maps its tables. Zeros if it is gone."""
    try:
        resident, mapped = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    except OSError:
        return 0.0, 0.0
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    return resident * page, mapped * page


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


@dataclass(slots=True)
class Usage:
    """CPU time and the largest memory of some processes by name, also across deaths and restarts of them."""

    memory_mib: dict[str, float] = field(default_factory=dict)
    _last: dict[tuple[str, int], float] = field(default_factory=dict)

    def sample(self, processes: Mapping[str, int | None]) -> float:
        """Look now. Returns: CPU seconds of all processes seen so far, dead ones as of their last sample."""
        for name, pid in processes.items():
            seconds = None if pid is None else cpu_seconds(pid)
            if pid is None or seconds is None:
                continue
            self._last[name, pid] = seconds
            self.memory_mib[name] = max(self.memory_mib.get(name, 0.0), resident_mib(pid))
        return sum(self._last.values())
