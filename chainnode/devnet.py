"""A local network of real processes in one folder: made, started, watched, disturbed, stopped.

DIR/devnet.json marks the folder as ours; DIR/genesis.json; DIR/nodeN/ holds a node's keys, node.toml, data, node.log
(JSON lines) and node.pid. A process is only ever signalled if its id and its start time are the recorded ones.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from chainnode.config import load_config, write_config, write_secret
from chainnode.devnet_calls import NoAnswer, Refused, call
from chainnode.devnet_layout import NodePlace, node_config, transport_identity, vote_key
from chainnode.failures import BadConfiguration, LedgerFailure, NodeFailure, PortTaken
from chainnode.listening_ports import holder_of, is_free
from ledger.data_directory import initialise
from ledger.failures import FatalError
from points.state import encode_value
from points.transition import genesis_state
from primitives.genesis import Genesis, genesis_text

FORMAT: Final = 1
MARK: Final = "devnet.json"
PID_FILE: Final = "node.pid"
LOG_FILE: Final = "node.log"
READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.1
_PROJECT: Final = Path(__file__).resolve().parent.parent

State = Literal["running", "paused", "stopped"]
_STARTED: Final[list["subprocess.Popen[bytes]"]] = []  # nodes may outlive their Devnet; kept until this process ends


class NotReady(NodeFailure):
    """A node runs but does not serve yet; it may later."""

    exit_code = 4


class DevnetFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """devnet.json. `seed` (hex) makes all keys of this network; the file is of mode 0600."""

    format: int
    seed: str
    test_clock: bool
    places: tuple[NodePlace, ...]


class ProcessFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """node.pid: `started` is the kernel's start time, so that a reused id is never taken for the node."""

    pid: int
    started: str


class Devnet:
    """An existing network folder."""

    def __init__(self, directory: Path, file: DevnetFile) -> None:
        self.directory: Final = directory
        self.file: Final = file
        self._children: Final[dict[str, subprocess.Popen[bytes]]] = {}
        self._exit_codes: Final[dict[str, int]] = {}

    @property
    def places(self) -> tuple[NodePlace, ...]:
        """Of all nodes, in order."""
        return self.file.places

    def place(self, name: str) -> NodePlace:
        """Of one node, by name or number. Raises: BadConfiguration."""
        for place in self.places:
            if name in (place.name, str(place.index)):
                return place
        raise BadConfiguration(f"no node {name!r}; there are {', '.join(p.name for p in self.places)}")

    def folder(self, place: NodePlace) -> Path:
        """Of one node."""
        return self.directory / place.name

    def token(self, place: NodePlace) -> str:
        """The admin listener's bearer token."""
        return (self.folder(place) / "admin.token").read_text(encoding="ascii").strip()

    def admin(self, place: NodePlace, method: str, path: str, body: Any = None, seconds: float = 30.0) -> Any:
        """A request to a node's admin listener. Raises: NoAnswer, Refused."""
        return call(place.admin_port, method, path, body, self.token(place), seconds)

    def process(self, place: NodePlace) -> int | None:
        """The node's process id while it runs."""
        child = self._children.get(place.name)
        if child is not None and child.poll() is not None:
            self._exit_codes[place.name] = child.returncode
            del self._children[place.name]
            return None
        try:
            recorded = msgspec.json.decode((self.folder(place) / PID_FILE).read_bytes(), type=ProcessFile)
        except (OSError, msgspec.DecodeError):
            return None
        return recorded.pid if start_time(recorded.pid) == recorded.started else None

    def state(self, place: NodePlace) -> State:
        """Whether its process runs, is stopped by SIGSTOP, or is gone."""
        pid = self.process(place)
        if pid is None:
            return "stopped"
        return "paused" if process_state(pid) in ("T", "t") else "running"

    def start(self, place: NodePlace) -> int:
        """Start one node and return its process id; a running one is left alone."""
        running = self.process(place)
        if running is not None:
            return running
        folder = self.folder(place)
        command = [sys.executable, "-m", "cli", "node", "run", "--config", str(folder / "node.toml")]
        with open(folder / LOG_FILE, "ab") as log:
            child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(),
                start_new_session=True,
            )  # fmt: skip
        self._children[place.name] = child
        _STARTED.append(child)
        recorded = ProcessFile(child.pid, start_time(child.pid))
        (folder / PID_FILE).write_bytes(msgspec.json.encode(recorded))
        return child.pid

    def signal(self, place: NodePlace, number: int) -> bool:
        """Send a signal; False if the node does not run."""
        pid = self.process(place)
        if pid is None:
            return False
        os.kill(pid, number)
        return True

    def kill(self, place: NodePlace) -> bool:
        """SIGKILL, and wait until the process is gone; False if it did not run."""
        if not self.signal(place, signal.SIGKILL):
            return False
        wait_for(lambda: self.process(place) is None, STOP_SECONDS)
        return True

    def stop(self) -> None:
        """All nodes: SIGTERM (and SIGCONT for paused ones), after ten seconds SIGKILL."""
        for place in self.places:
            if self.signal(place, signal.SIGTERM):
                self.signal(place, signal.SIGCONT)
        wait_for(lambda: all(self.process(place) is None for place in self.places), STOP_SECONDS)
        for place in self.places:
            self.kill(place)

    def partition(self, group: Sequence[NodePlace]) -> None:
        """Cut every link between `group` and the others. Raises: NoAnswer, Refused (not a test network)."""
        for place in self.places:
            own_side = place in group
            others = [other.name for other in self.places if (other in group) != own_side]
            self.admin(place, "POST", "/admin/peers", {"drop": others})

    def heal(self) -> None:
        """Mend all links."""
        for place in self.places:
            if self.state(place) == "running":
                self.admin(place, "POST", "/admin/peers", {"drop": []})

    def status(self, place: NodePlace) -> Any:
        """The node's /v1/status, None while it does not answer."""
        try:
            return call(place.http_port, "GET", "/v1/status")
        except (NoAnswer, Refused):
            return None

    def is_ready(self, place: NodePlace) -> bool:
        """Whether the node takes transactions, or has no seat and so never will in this epoch."""
        status = self.status(place)
        return status is not None and (status["ready"] or status["role"] == "observer")

    def wait_answering(self, places: Sequence[NodePlace], seconds: float = READY_SECONDS) -> None:
        """Until these nodes answer; they may still lack a quorum. Raises: as wait_ready."""
        self._wait(places, lambda place: self.status(place) is not None, seconds)

    def wait_ready(self, places: Sequence[NodePlace], seconds: float = READY_SECONDS) -> None:
        """Until these nodes take transactions and each sees all the others of `places`.

        Raises: NodeFailure, with the log's last lines: of the node's own exit code if it stopped, NotReady if not in
        time.
        """
        names = {place.name for place in places}
        self._wait(places, lambda place: self.is_ready(place) and self._sees(place, names), seconds)

    def _wait(self, places: Sequence[NodePlace], fit: Callable[[NodePlace], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for place in places:
            while not fit(place):
                if self.process(place) is None:
                    exit_code = self._exit_codes.get(place.name, BadConfiguration.exit_code)
                    raise LedgerFailure(f"{place.name} stopped: {self.last_words(place)}", exit_code)
                if time.monotonic() >= deadline:
                    raise NotReady(f"{place.name} not ready after {seconds:.0f} s: {self.last_words(place)}")
                time.sleep(POLL_SECONDS)

    def _sees(self, place: NodePlace, names: set[str]) -> bool:
        status = self.status(place)
        if status is not None and status["role"] == "observer":
            return True
        connected = {peer["name"] for peer in (status or {}).get("peers", []) if peer["connected"]}
        missing = names - connected - {place.name}
        return all(self._observes(self.place(name)) for name in missing)

    def _observes(self, place: NodePlace) -> bool:
        """Whether it runs without a seat: validators have no link to it."""
        status = self.status(place)
        return status is not None and status["role"] == "observer"

    def last_words(self, place: NodePlace, lines: int = 3) -> str:
        """The end of a node's log."""
        try:
            raw = (self.folder(place) / LOG_FILE).read_bytes()[-4096:]
        except OSError as error:
            return str(error)
        return " | ".join(raw.decode("utf-8", "replace").strip().splitlines()[-lines:])

    def prune(self) -> None:
        """Remove the folder with everything in it. Raises: BadConfiguration while a node runs."""
        for place in self.places:
            if self.process(place) is not None:
                raise BadConfiguration(f"{place.name} runs (pid {self.process(place)}); stop the network first")
        shutil.rmtree(self.directory)


def create(
    directory: Path, seed: bytes, places: tuple[NodePlace, ...], genesis: Genesis, checked: bool = False
) -> Devnet:
    """Write a new network's folder; nothing is started. `checked`: see devnet_layout.node_config.

    Raises: BadConfiguration if the folder is there and not empty. PortTaken: see check_ports, call it before.
    """
    check_directory(directory)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    (directory / "genesis.json").write_bytes(genesis_text(genesis))
    for place in places:
        folder = directory / place.name
        folder.mkdir(mode=0o700)
        write_secret(folder / "vote.key", vote_key(seed, place.index).seed)
        write_secret(folder / "admin.token", secrets.token_bytes(32))
        write_private(folder / "transport.pem", transport_identity(seed, place.index).key_pem)
        write_config(folder / "node.toml", node_config(place, places, checked))
        initialise_data(folder / "node.toml", genesis)
    file = DevnetFile(FORMAT, seed.hex(), genesis.test_clock, places)
    write_private(directory / MARK, msgspec.json.format(msgspec.json.encode(file), indent=1))  # last: now it is whole
    return Devnet(directory, file)


def initialise_data(config_path: Path, genesis: Genesis) -> None:
    """A node's data directory at height 0. Raises: LedgerFailure."""
    state = {key: encode_value(record) for key, record in genesis_state(genesis).items() if record is not None}
    try:
        initialise(Path(load_config(config_path).data), genesis, state)
    except FatalError as error:
        raise LedgerFailure(str(error), error.exit_code) from error


def open_devnet(directory: Path) -> Devnet:
    """The network of a folder. Raises: BadConfiguration if it is none."""
    path = directory / MARK
    try:
        file = msgspec.json.decode(path.read_bytes(), type=DevnetFile)
    except OSError as error:
        raise BadConfiguration(f"{directory} holds no local network ({MARK}: {error.strerror})") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path}: {error}") from error
    if file.format != FORMAT:
        raise BadConfiguration(f"{path}: format {file.format}, this release reads {FORMAT}")
    return Devnet(directory, file)


def is_devnet(directory: Path) -> bool:
    """Whether the folder is a network of ours."""
    return (directory / MARK).is_file()


def check_directory(directory: Path) -> None:
    """Raises: BadConfiguration unless the folder is absent or empty: nothing foreign is ever written into."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadConfiguration(f"{directory} exists, is not empty and holds no network of ours ({MARK} is missing)")


def check_ports(places: Sequence[NodePlace]) -> None:
    """Raises: PortTaken with every port that is not free and, where the system tells, who holds it."""
    taken = [port for place in places for port in place.ports if not is_free(port)]
    if taken:
        raise PortTaken("; ".join(f"port {port} is taken {holder_of(port) and 'by ' + holder_of(port)}".strip()
                                  for port in taken[:4]))  # fmt: skip


def write_private(path: Path, raw: bytes) -> None:
    """A new file of mode 0600."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(raw)


def child_environment() -> dict[str, str]:
    """Of a process that is to run our modules, whatever its current folder: this one's, our packages first."""
    paths = [str(_PROJECT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def start_time(pid: int) -> str:
    """The kernel's start time of a process, "" if it is gone or a zombie. Without /proc: "?" while it runs."""
    fields = _stat(pid)
    if fields is not None:
        gone = fields[0] == "Z" and _threads(pid) <= 1  # the first thread may end before the others let go of the files
        return "" if gone else fields[19]
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "?"


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def process_state(pid: int) -> str:
    """The kernel's one-letter state, "" where it cannot be told."""
    fields = _stat(pid)
    return fields[0] if fields is not None else ""


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on; the second is a name that may hold blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
