"""The trial of a node that begins with nothing: it joins by a proven snapshot, or replays the whole chain."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.aftermath import agree, standing
from benchmarks.network import Network
from benchmarks.run import RunFailed
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.trials_load import BEST_OUTSTANDING
from chainnode.config import load_config
from chainnode.devnet import NotReady, child_environment, initialise_data
from chainnode.devnet_layout import NodePlace
from chainnode.upkeep import take_snapshot

CHAIN_SECONDS: Final = 20.0  # of load at full rate before the snapshot
TAIL_SECONDS: Final = 1.0  # of load after it: blocks that only the other nodes' ledgers hold
TAIL_RATE: Final = 50.0
SYNC_SECONDS_MAX: Final = 180.0
POLL_SECONDS: Final = 0.02


def sync(stand: Stand) -> Outcome:
    """The others stand still, and hold what one load at full rate left, a snapshot, and a few blocks behind it."""
    tally = Tally()
    with stand.network() as network:
        live = load(stand, tally, network, stand.seconds(CHAIN_SECONDS), outstanding=BEST_OUTSTANDING)
        server, fresh = network.devnet.places[0], network.devnet.places[-1]
        standing(network)
        began = time.monotonic()
        height = take_snapshot(network.devnet.folder(server) / "node.toml", lambda done, total: None)
        made = time.monotonic() - began
        tail = load(stand, tally, network, TAIL_SECONDS, rate=TAIL_RATE)
        transactions = live.endings["committed"] + tail.endings["committed"]
        top = goal_of(network)
        for _ in range(stand.runs):
            fetching, seconds = joined(network, fresh, server)
            stand.say(f"  snapshot: node resync {fetching:.2f} s, start and last blocks {seconds - fetching:.2f} s")
            tally.add("sync", transactions / seconds / max(live.committed_per_s, 1.0))
            tally.add("sync_seconds", seconds)
            seconds = replayed(network, fresh)
            tally.add("replay", transactions / seconds / max(live.committed_per_s, 1.0))
            tally.add("replay_rate", transactions / seconds)
    tally.note(f"{transactions:,} transactions in {top:,} blocks, start of the processes included",
               f"{transactions:,} 笔、{top:,} 个区块，含进程启动")  # fmt: skip
    tally.note(f"the snapshot of height {height:,}, {top - height:,} blocks below the top, was made before the clock "
               f"in {made:.1f} s by a node that serves",
               f"高度 {height:,} 的快照（最高区块之下 {top - height:,} 块）由在服务的节点在计时之前制作，"
               f"用时 {made:.1f} 秒")  # fmt: skip
    return tally.outcome()


def goal_of(network: Network) -> int:
    """The height at which the others stand."""
    return max((spot[0] for spot in standing(network).values() if spot is not None), default=0)


def joined(network: Network, fresh: NodePlace, server: NodePlace) -> tuple[float, float]:
    """Seconds of `hnchain node resync` in a process of its own, and of that, the node's start and the last blocks.

    Raises: RunFailed if the command fails or the node is not where the others are; NotReady.
    """
    goal, config = _emptied(network, fresh)
    command = [sys.executable, "-m", "cli", "node", "resync", "--config", str(config), "--from", server.url]
    began = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603  (our own interpreter and module)
            command, env=child_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=SYNC_SECONDS_MAX,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"node resync has not ended in {SYNC_SECONDS_MAX:.0f} s") from error
    fetching = time.monotonic() - began
    if done.returncode != 0:
        raise RunFailed(f"node resync: exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    _up_to(network, fresh, goal)
    return fetching, _agreed(network, fresh, time.monotonic() - began)


def replayed(network: Network, fresh: NodePlace) -> float:
    """Seconds from the start of a node with an empty ledger until it has replayed all blocks. Raises: as `joined`."""
    goal, config = _emptied(network, fresh)
    initialise_data(config, network.genesis)
    began = time.monotonic()
    _up_to(network, fresh, goal)
    return _agreed(network, fresh, time.monotonic() - began)


def _emptied(network: Network, fresh: NodePlace) -> tuple[int, Path]:
    """The height of the others and the node's configuration; the node is dead and its ledger gone."""
    goal = goal_of(network)
    network.devnet.kill(fresh)
    config = network.devnet.folder(fresh) / "node.toml"
    shutil.rmtree(Path(load_config(config).data))
    return goal, config


def _up_to(network: Network, fresh: NodePlace, goal: int) -> None:
    network.devnet.start(fresh)
    deadline = time.monotonic() + SYNC_SECONDS_MAX
    while time.monotonic() < deadline:
        status = network.devnet.status(fresh)
        if status is not None and int(status["height"]) >= goal:
            return
        time.sleep(POLL_SECONDS)
    raise NotReady(f"{fresh.name} has not come to height {goal} in {SYNC_SECONDS_MAX:.0f} s")


def _agreed(network: Network, fresh: NodePlace, seconds: float) -> float:
    """The seconds, if the node then has block hash and state root of the others: a time to a wrong state is none."""
    found = standing(network)
    if found[fresh.name] is None or not agree(found):
        raise RunFailed(f"{fresh.name} has synced, and the nodes do not agree: {found}")
    return seconds
