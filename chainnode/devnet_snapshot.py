"""A stopped local network in one file, and back: to pass a state on, or to try the same thing twice."""

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Final

from chainnode.devnet import LOG_FILE, MARK, PID_FILE, Devnet, check_directory, open_devnet
from chainnode.failures import BadConfiguration

FILES_MAX: Final = 100_000
BYTES_MAX: Final = 16 * 1024 * 1024 * 1024
LEFT_OUT: Final = (LOG_FILE, PID_FILE)


def save_snapshot(network: Devnet, target: Path) -> int:
    """Write the network's folder, keys included, to a new file of mode 0600; its size in bytes.

    Raises: BadConfiguration while a node runs, or if the file is there or cannot be written.
    """
    for place in network.places:
        if network.process(place) is not None:
            raise BadConfiguration(f"{place.name} runs (pid {network.process(place)}); stop the network first")
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
            for path in sorted(network.directory.rglob("*")):
                if path.name not in LEFT_OUT:
                    tar.add(path, path.relative_to(network.directory).as_posix(), recursive=False)
    except OSError as error:
        raise BadConfiguration(f"{target}: {error.strerror}") from error
    return target.stat().st_size


def restore_snapshot(source: Path, directory: Path) -> Devnet:
    """The network of a snapshot in a new folder, on the ports that it had.

    Raises: BadConfiguration if the folder is not empty, or the file holds anything but plain files and folders of a
    network, or one of them twice.
    """
    check_directory(directory)
    try:
        with tarfile.open(source, "r:gz") as tar:
            members = _checked(tar, source)
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for member in members:
                _unpack(tar, member, directory / member.name)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise BadConfiguration(f"{source}: {error}") from error
    return open_devnet(directory)


def _checked(tar: tarfile.TarFile, source: Path) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    octets = 0
    for member in tar:
        members.append(member)
        octets += member.size
        if len(members) > FILES_MAX or octets > BYTES_MAX:
            raise BadConfiguration(f"{source}: over {FILES_MAX} files or {BYTES_MAX} bytes")
        path = PurePosixPath(member.name)
        if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise BadConfiguration(f"{source}: {member.name[:100]!r} is no plain file inside the folder")
    if not any(member.name == MARK for member in members):
        raise BadConfiguration(f"{source} holds no local network ({MARK} is missing)")
    return members


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """By hand: before Python 3.11.4 `extractall` has no filter, and takes over owners and every bit of the mode."""
    content = tar.extractfile(member)
    if content is None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o755 | 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        shutil.copyfileobj(content, stream)
