"""Whether a port of the loopback interface is free, and who holds it if not."""

import errno
import os
import secrets
import socket
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
LOWEST: Final = 10_000
TRIES: Final = 1000
_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTEN: Final = "0A"  # state in /proc/net/tcp


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a listener could bind it now; it may be gone a moment later."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def free_ports(count: int) -> list[int]:
    """So many free ports in a row, at a random place below the range from which the system takes the ports of outgoing
    connections: such a connection would hold a node's port while the node restarts.

    Raises: OSError if there are none in 1000 tries.
    """
    starts = max(1, (_ephemeral_low() - LOWEST) // count)
    for _ in range(TRIES):
        start = LOWEST + secrets.randbelow(starts) * count
        ports = list(range(start, start + count))
        if all(is_free(port) for port in ports):
            return ports
    raise OSError(errno.EADDRINUSE, f"no {count} free ports in a row above {LOWEST}")


def _ephemeral_low() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def holder_of(port: int) -> str:
    """Like "pid 4711 (nginx)" where the system tells (Linux, own processes), else ""."""
    inodes = _inodes(port)
    for folder in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(_target(link) in inodes for link in (folder / "fd").iterdir()):
                return f"pid {folder.name} ({(folder / 'comm').read_text().strip()})"
        except OSError:  # not ours, or already gone
            continue
    return ""


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed since it was listed
        return ""


def _inodes(port: int) -> set[str]:
    found = set()
    for table in _TABLES:
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
