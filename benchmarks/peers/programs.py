"""Programs of the peers: where they are, started in sessions of their own, ended with their children, and their CPU."""

import grp
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.machine import TICKS_PER_SECOND
from benchmarks.peers.systems import READY_SECONDS, SystemFailed
from cli.language import t

STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02
_LOG_BYTES: Final = 2_000
_UNPRIVILEGED: Final = ("postgres", "nobody")


def missing_parts(programs: dict[str, str | None], package: str, modules: Sequence[str]) -> str:
    """What has to be installed for these programs (by name, with where they were found) and Python modules."""
    found = []
    if absent := [name for name, path in programs.items() if path is None]:
        found.append(t(f"{', '.join(absent)} not found: apt-get install {package}",
                       f"未找到 {', '.join(absent)}：apt-get install {package}"))  # fmt: skip
    if absent := [name for name in modules if importlib.util.find_spec(name) is None]:
        found.append(t(f"Python package {', '.join(absent)} not found: pip install 'hnchain[peers]'",
                       f"未找到 Python 包 {', '.join(absent)}：pip install 'hnchain[peers]'"))  # fmt: skip
    return "; ".join(found)


def program(name: str, *folders: str) -> str | None:
    """Its path: on PATH, else the newest in folders that match these patterns (absolute, with * in them)."""
    matches = [p for pattern in folders for p in Path("/").glob(pattern.lstrip("/")) if os.access(p / name, os.X_OK)]
    return shutil.which(name) or (str(max(matches, key=_release) / name) if matches else None)


def _release(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parts if part.isdigit())


def version_of(path: str) -> str:
    """The number in what it says to `--version`; "" if there is none."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found[0] if found else ""


def unprivileged() -> pwd.struct_passwd | None:
    """Whom to run a program as that refuses to work for root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    found = next((known[name] for name in _UNPRIVILEGED if name in known), None)
    if found is None:
        raise SystemFailed(t("root has no other user to run it as", "root 身份下没有可用的普通用户"))
    return found


class Program:
    """One running program. Its output goes to a file, whose end tells why it did not start."""

    def __init__(self, command: Sequence[str], log: Path, user: pwd.struct_passwd | None = None) -> None:
        """Raises: SystemFailed if the file cannot be run."""
        self._log: Final = log
        self._name: Final = Path(command[0]).name
        as_user = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": _groups(user)}
        try:
            with log.open("ab") as output:
                self._process: Final = subprocess.Popen(  # noqa: S603  (a peer's server)
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                    cwd=log.parent, **as_user,
                )  # type: ignore[call-overload]  # fmt: skip
        except OSError as error:
            raise SystemFailed(f"{command[0]}: {error}") from error

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def wait_until(self, ready: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Returns when `ready` says so. Raises: SystemFailed with the end of its log if it ends before or is late."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None:
                raise SystemFailed(f"{self._name}: exit code {self._process.returncode}: {self.last_words()}")
            if time.monotonic() > deadline:
                raise SystemFailed(f"{self._name}: not ready after {seconds:.0f} s: {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def wait_done(self, seconds: float = READY_SECONDS) -> None:
        """For a program that ends by itself. Raises: SystemFailed if it fails or is late."""
        self.wait_until(lambda: self._process.poll() == 0, seconds)

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends it and everything it started: asked first, killed after STOP_SECONDS."""
        family = tree_of(self.pid) if self._process.poll() is None else []
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in family[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _groups(user: pwd.struct_passwd) -> list[int]:
    return [entry.gr_gid for entry in grp.getgrall() if user.pw_name in entry.gr_mem]


def _stat(pid: str) -> list[str]:
    """The fields of /proc/PID/stat behind the name; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree_of(pid: int) -> list[int]:
    """The process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def tree_cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes and their descendants, those included that ended and were waited for."""
    ticks = 0
    for pid in (member for root in pids for member in tree_of(root)):
        fields = _stat(str(pid))
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS_PER_SECOND
