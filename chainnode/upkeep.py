"""Snapshots, pruning and backups of a node by its configuration: by the running node itself, or on a stopped one."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from chainnode.config import NodeConfig, load_config, read_secret
from chainnode.devnet_calls import NoAnswer, call
from chainnode.failures import BadConfiguration, LedgerFailure, NodeFailure
from chainnode.genesis_file import read_genesis
from ledger.data_directory import SNAPSHOT_DIRECTORY, DataDirectory, lock_holder, open_data_directory
from ledger.failures import FatalError
from ledger.pruning import prune
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import decode_manifest
from ledger.snapshot_moments import Moments, newest_named
from ledger.snapshot_writer import SnapshotWriter, handovers_of

POLL_SECONDS: Final = 0.2
WAIT_SECONDS: Final = 60.0  # for a header that names a state held by the node: there at once, or after a few blocks

Tell = Callable[[int, int], None]  # done, total (0: not known)


class NotCertified(NodeFailure):
    """No certified header names a state that is here: nothing can be proven to anybody yet."""

    exit_code = 4


def take_snapshot(config_path: Path, tell: Tell) -> int:
    """A new snapshot in the node's directory. Returns: its height.

    Raises: NotCertified where no header names the newest state of a stopped node; NodeFailure.
    """
    config = load_config(config_path)
    if lock_holder(Path(config.data)) is None:
        with _stopped(config) as data:
            return _write_snapshot(data, tell)
    _admin(config, "POST", "/admin/snapshot")
    deadline = time.monotonic() + WAIT_SECONDS
    while (progress := _admin(config, "GET", "/admin/snapshot"))["phase"] != "idle":
        if progress["phase"] == "waiting" and time.monotonic() >= deadline:
            raise NotCertified(
                f"no header named a state of this node within {WAIT_SECONDS:.0f} s; the node makes the snapshot with "
                "the next blocks"
            )
        tell(int(progress["chunks"]), 0)
        time.sleep(POLL_SECONDS)
    return int(progress["newest"])


def prune_history(config_path: Path, keep_blocks: int, tell: Tell) -> int:
    """Forget what is older than the newest `keep_blocks` blocks. Returns: the lowest height that is kept.

    Raises: NodeFailure.
    """
    config = load_config(config_path)
    if lock_holder(Path(config.data)) is None:
        with _stopped(config) as data:
            for cleared in prune(data.chain, keep_blocks):
                tell(cleared, data.chain.floor)
            return data.chain.floor
    _admin(config, "POST", "/admin/prune", {"keep_blocks": keep_blocks})
    while (progress := _admin(config, "GET", "/admin/prune"))["phase"] != "idle":
        tell(int(progress["cleared"]), int(progress["floor"]))
        time.sleep(POLL_SECONDS)
    return int(progress["floor"])


def back_up(config_path: Path, target: Path, tell: Tell) -> int:
    """A new snapshot, copied into an empty folder with the genesis; `hnchain node resync --from FOLDER` restores it.

    The journal is not copied: promises of the past are worse than none. Returns: the height. Raises: NodeFailure.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadConfiguration(f"{target} is not an empty folder")
    height = take_snapshot(config_path, tell)
    config = load_config(config_path)
    source = SnapshotFolder(Path(config.data) / SNAPSHOT_DIRECTORY)
    raw = source.manifest(height)
    if raw is None:
        raise LedgerFailure(f"the snapshot of height {height} is gone again", 74)
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest, copy = decode_manifest(raw), SnapshotFolder(target)
        copy.begin()
        for number in range(len(manifest.chunks)):
            chunk = source.chunk(height, number)
            if chunk is None:
                raise LedgerFailure(f"chunk {number} of the snapshot of height {height} is gone", 74)
            copy.put(number, chunk)
            tell(number + 1, len(manifest.chunks))
        copy.finish(manifest)
        shutil.copyfile(config.genesis, target / "genesis.json")
    except FatalError as error:
        raise LedgerFailure(str(error), error.exit_code) from error
    except OSError as error:
        raise BadConfiguration(f"{target}: {error.strerror or error}") from error
    return height


def _write_snapshot(data: DataDirectory, tell: Tell) -> int:
    moments = Moments(data.chain, newest_named(data.chain))
    proven = moments.advance()
    if proven is None:
        moments.close()
        raise NotCertified(
            f"no certified header names the state after block {data.chain.head.height}: let the node run, and stop it "
            "while nothing is going on"
        )
    handovers = handovers_of(data.store, proven.headers[-1].epoch)
    writer = SnapshotWriter(data.chain.chain_id, handovers, proven, data.snapshots)
    while writer.piece():
        tell(writer.written, 0)
    return writer.height


@contextmanager
def _stopped(config: NodeConfig) -> Iterator[DataDirectory]:
    genesis = read_genesis(config.genesis)
    try:
        data = open_data_directory(Path(config.data), genesis, config.ledger_mapped_mib)
        try:
            yield data
        finally:
            data.close()
    except FatalError as error:
        raise LedgerFailure(str(error), error.exit_code) from error


def _admin(config: NodeConfig, method: str, path: str, body: Any = None) -> Any:
    token = read_secret(config.admin.token, "admin token").hex()
    try:
        return call(config.admin.port, method, path, body, token)
    except NoAnswer as error:
        raise BadConfiguration(f"{config.data} is in use, and its node's admin listener is silent: {error}") from error
