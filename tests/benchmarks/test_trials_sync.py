"""A node that begins with nothing: its time counts only if it then stands where the others stand."""

import asyncio
import time
from pathlib import Path

import pytest

from benchmarks.network import throwaway_network
from benchmarks.run import RunFailed, settle_all
from benchmarks.trials_sync import goal_of, joined, replayed
from benchmarks.workload import Writer
from chainnode.upkeep import take_snapshot


def test_a_node_joins_or_replays_and_a_join_that_fails_is_no_figure(tmp_path: Path) -> None:
    with throwaway_network(4, 10, tmp_path) as network:
        devnet, (server, *_, fresh) = network.devnet, network.devnet.places
        pokes = [Writer(network.cast, f"poke{n}", int(time.time()) + 300, n).poke() for n in range(3)]
        assert asyncio.run(settle_all(network.urls[:1], pokes)).count_of(range(3))["committed"] == 3
        top = goal_of(network)
        assert 0 < take_snapshot(devnet.folder(server) / "node.toml", lambda done, total: None) <= top
        fetching, seconds = joined(network, fresh, server)
        assert 0 < fetching < seconds
        assert (devnet.status(fresh) or {})["height"] >= top
        assert replayed(network, fresh) > 0
        assert (devnet.status(fresh) or {})["height"] >= top
        devnet.kill(server)
        with pytest.raises(RunFailed, match="node resync: exit code"):
            joined(network, fresh, server)
