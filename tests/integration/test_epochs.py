"""Validators come, go and change keys by transactions, on real processes under load (S11, C8)."""

import time
from pathlib import Path

import pytest

from chainnode.devnet_layout import NodePlace, vote_key
from chainnode.devnet_members import add_node, membership_of
from chainnode.listening_ports import free_ports
from chainnode.voting_keys import next_path
from primitives.keys import SigningKey
from primitives.kinds import Body
from primitives.kinds_validators import ValidatorRekey, ValidatorRemove
from primitives.validators import vote_key_digest
from tests.integration.local_network import SEED, Load, Network, local_network
from tests.integration.test_power_cuts import check_acknowledged, check_nothing_twice

GAP_SECONDS_MAX = 3.0


def decide(network: Network, body: Body, place: NodePlace | None = None) -> None:
    """The operator's transaction is committed with code OK."""
    lines = network.submit(place or network.places[0], [network.sign("operator", body)])
    assert lines[0]["status"] == "committed" and lines[0]["code"] == "OK", lines


def wait_epoch(network: Network, epoch: int, places: tuple[NodePlace, ...], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        found = {place.name: network.get(place, "/v1/status")["epoch"] for place in places}
        if set(found.values()) == {epoch}:
            return
        assert time.monotonic() < deadline, f"epochs {found} after {seconds} s, expected {epoch}"
        time.sleep(0.05)


def longest_gap(load: Load, seconds: float) -> float:
    """The longest time without another acknowledged transaction, while it waits."""
    began = last = time.monotonic()
    count, longest = len(load.acknowledged), 0.0
    while time.monotonic() - began < seconds:
        if len(load.acknowledged) > count:
            count, last = len(load.acknowledged), time.monotonic()
        longest = max(longest, time.monotonic() - last)
        time.sleep(0.01)
    return longest


@pytest.mark.pitfall(64)
def test_a_validator_joins_and_another_leaves_under_load(tmp_path: Path) -> None:
    with local_network(tmp_path) as network:
        with Load(network, threads=2, prefix="E") as load:
            load.wait_acknowledged(40)
            network.devnet, place = add_node(network.devnet, network.genesis, tuple(free_ports(4)))  # type: ignore[arg-type]
            network.devnet.start(place)
            network.devnet.wait_answering((place,))
            decide(network, membership_of(network.devnet, place, network.genesis))
            gap = longest_gap(load, 4.0)
            wait_epoch(network, 1, network.places)
            network.devnet.wait_ready((place,))
            leaver = network.places[1]
            with Load(network, threads=6, prefix="G", places=(leaver,)) as guests:
                guests.wait_acknowledged(40)
                decide(network, ValidatorRemove(leaver.name))
                gap = max(gap, longest_gap(load, 4.0))
            stayed = tuple(p for p in network.places if p != leaver)
            wait_epoch(network, 2, stayed)
            load.wait_acknowledged(len(load.acknowledged) + 40)
        assert gap <= GAP_SECONDS_MAX, f"{gap:.1f} s without a commit"
        assert guests.slowest_s <= GAP_SECONDS_MAX, f"a client of the node that left waited {guests.slowest_s:.1f} s"
        for identity in guests.pending:  # what it had taken goes on without it
            outcome = network.get(network.places[0], f"/v1/transactions/{identity}?timeout_ms=10000")
            assert outcome["status"] == "committed", outcome
        network.devnet.kill(leaver)
        members = network.get(place, "/v1/validators")
        assert [v["name"] for v in members["members"]] == ["node0", "node2", "node3", "node4"]
        network.wait_equal(places=stayed)
        check_acknowledged(network, load.acknowledged | guests.acknowledged, stayed)
        check_nothing_twice(network, others=2)


@pytest.mark.pitfall(65, 66)
@pytest.mark.parametrize("down", [True, False], ids=["while-it-is-down", "while-it-runs"])
def test_a_validator_changes_its_key_and_the_old_one_is_erased(tmp_path: Path, down: bool) -> None:
    with local_network(tmp_path) as network:
        place = network.places[2]
        old, new = vote_key(SEED, place.index), SigningKey.from_seed(b"another key for node2 of 32 B...")
        path = network.devnet.folder(place) / "vote.key"
        if down:
            network.devnet.kill(place)
        next_path(path).write_text(new.seed.hex() + "\n")
        next_path(path).chmod(0o600)
        digest = vote_key_digest(network.chain_id, place.name, new.public_key)
        body = ValidatorRekey(place.name, old.public_key, new.public_key, old.sign(digest), new.sign(digest))
        decide(network, body)
        wait_epoch(network, 1, tuple(p for p in network.places if p != place))
        network.devnet.start(place)
        network.devnet.wait_ready((place,))
        network.devnet.kill(network.places[3])  # from here on nothing is decided without the new key
        lines = network.submit(place, [network.issue("with-the-new-key")])
        assert lines[0]["status"] == "committed", lines
        assert path.read_text().strip() == new.seed.hex() and not next_path(path).exists()


@pytest.mark.pitfall(65)
def test_a_start_inside_the_new_epoch_erases_the_old_key_too(tmp_path: Path) -> None:
    """The node ended after the close block was durable and before its key file was changed, or its directory came by a
    resync: no epoch opens while it runs, and yet the key of the former one must not stay on the disk."""
    with local_network(tmp_path, start=False) as network:
        place = network.places[2]
        path, voting = network.devnet.folder(place) / "vote.key", vote_key(SEED, place.index)
        path.rename(next_path(path))
        path.write_text(SigningKey.from_seed(b"the key of a former epoch, 32 B.").seed.hex() + "\n")
        path.chmod(0o600)
        network.devnet.start(place)
        network.devnet.wait_answering((place,))
        assert path.read_text().strip() == voting.seed.hex() and not next_path(path).exists()
