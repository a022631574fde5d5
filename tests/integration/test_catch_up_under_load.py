"""Nodes unlike the others: one that comes back under full load, one whose operator set everything otherwise."""

import time
from pathlib import Path

import msgspec
import pytest

from chainnode.config import config_text, load_config
from tests.integration.local_network import Load, local_network
from tests.integration.test_power_cuts import check_acknowledged, check_nothing_twice


@pytest.mark.pitfall(58)
def test_a_node_catches_up_while_the_load_goes_on(tmp_path: Path) -> None:
    """It meets the head of the others although they decide on, and with it the load reaches all four again."""
    with local_network(tmp_path) as network:
        away, witness = network.places[3], network.places[0]
        with Load(network, threads=4, bulk=16, prefix="C") as load:
            load.wait_acknowledged(32)
            assert network.devnet.kill(away)
            load.wait_acknowledged(len(load.acknowledged) + 320, 60)
            behind = network.height(witness)
            network.devnet.start(away)
            network.devnet.wait_ready([away])
            deadline = time.monotonic() + 40
            while network.height(away) < max(behind, network.height(witness) - 1):
                assert time.monotonic() < deadline, "it falls behind for as long as the load lasts"
                time.sleep(0.02)
            load.wait_acknowledged(len(load.acknowledged) + 64, 60)  # the load never stopped meanwhile
        network.wait_equal()
        check_acknowledged(network, load.acknowledged)
        check_nothing_twice(network)


@pytest.mark.pitfall(54)
def test_local_settings_of_one_node_are_its_own_business(tmp_path: Path) -> None:
    """A pool of a few transactions, other limits per sender and other pauses on one node: no view changes, the others
    take everything, and what that node refuses it refuses with a code."""
    with local_network(tmp_path, start=False) as network:
        odd = network.places[1]
        path = network.devnet.folder(odd) / "node.toml"
        changed = msgspec.structs.replace(
            load_config(path), pool_transactions=4, pool_bytes=65_536, sender_transactions=2, reconnect_ms_max=100
        )
        path.write_text(config_text(changed))
        network.start_all()
        for place in (network.places[0], network.places[2], network.places[3]):
            lines = network.submit(place, [network.issue(f"{place.name}-{i}") for i in range(50)])
            assert {line["status"] for line in lines} == {"committed"}, lines
        refused = network.submit(odd, [network.issue(f"odd-{i}") for i in range(8)])
        said = [line.get("status") for line in refused]
        assert said.count("committed") >= 2 and len(said) > said.count("committed"), refused
        network.wait_equal()
        assert {network.get(place, "/v1/status")["view"] for place in network.places} == {0}
