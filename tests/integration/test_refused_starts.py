"""A node that must not start says why, exits with its code, and has written nothing."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from chainnode.config import write_secret
from primitives.genesis import genesis_text
from tests.integration.local_network import Network, local_network


def run_node(config: Path) -> tuple[int, str]:
    """(exit code, stderr) of a node that is expected to end by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "node", "run", "--config", str(config)],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).resolve().parents[2], check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def content(directory: Path) -> dict[str, str]:
    """Hashes of all files, for "nothing was written"."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*")) if path.is_file() and path.name != "LOCK"
    }  # fmt: skip


@pytest.fixture(name="network")
def stopped_network(tmp_path: Path) -> "Network":
    with local_network(tmp_path, start=False) as network:
        return network


def config_of(network: Network) -> Path:
    return network.devnet.folder(network.places[0]) / "node.toml"


@pytest.mark.parametrize("door", ["peer_port", "http_port", "admin_port", "ingress_port"])
def test_a_taken_port_is_named(network: Network, door: str) -> None:
    before = content(network.devnet.directory)
    with socket.create_server(("127.0.0.1", getattr(network.places[0], door))):
        code, said = run_node(config_of(network))
    assert code == 2 and str(getattr(network.places[0], door)) in said, (code, said)
    assert content(network.devnet.directory) == before
    assert str(os.getpid()) in said, f"the holder is not named: {said}"


@pytest.mark.pitfall(45)
def test_a_directory_in_use_names_its_holder(network: Network) -> None:
    """F07: the second process exits at once, the first is not disturbed."""
    place = network.places[0]
    pid = network.devnet.start(place)
    deadline = time.monotonic() + 20
    while network.devnet.status(place) is None:
        assert time.monotonic() < deadline, network.devnet.last_words(place)
        time.sleep(0.05)
    began = time.monotonic()
    code, said = run_node(config_of(network))
    assert code == 2 and f"pid {pid}" in said, (code, said)
    assert time.monotonic() - began < 15
    assert network.devnet.process(place) == pid and network.devnet.status(place) is not None
    network.devnet.kill(place)


@pytest.mark.pitfall(76)
def test_another_genesis_is_refused_with_both_ids(network: Network, tmp_path: Path) -> None:
    """T25: the data directory is of one chain for ever."""
    before = content(network.devnet.folder(network.places[0]) / "data")
    other = msgspec.structs.replace(network.genesis, time=network.genesis.time + 1)
    (network.devnet.directory / "genesis.json").write_bytes(genesis_text(other))
    code, said = run_node(config_of(network))
    assert code == 2 and network.chain_id.hex() in said, (code, said)
    assert content(network.devnet.folder(network.places[0]) / "data") == before


def test_a_faulty_genesis_is_refused_with_the_path_of_the_field(network: Network) -> None:
    path = network.devnet.directory / "genesis.json"
    path.write_text(path.read_text().replace('"window": 8', '"window": 800'))
    code, said = run_node(config_of(network))
    assert code == 2 and "$.limits.window" in said, (code, said)


def test_a_missing_directory_is_not_made(network: Network) -> None:
    data = network.devnet.folder(network.places[0]) / "data"
    shutil.rmtree(data)
    code, said = run_node(config_of(network))
    assert code == 2 and "data" in said, (code, said)
    assert not data.exists()


def test_a_foreign_key_is_refused(network: Network) -> None:
    key = network.devnet.folder(network.places[0]) / "vote.key"
    key.unlink()
    write_secret(key, bytes(range(32)))
    code, said = run_node(config_of(network))
    assert code == 2 and "validator" in said, (code, said)


def test_a_key_that_others_may_read_is_refused(network: Network) -> None:
    key = network.devnet.folder(network.places[0]) / "vote.key"
    key.chmod(0o644)
    code, said = run_node(config_of(network))
    assert code == 2 and "0600" in said and key.read_text().strip() not in said, (code, said)


def test_a_lost_ledger_is_never_made_anew(network: Network) -> None:
    """F04: exit 74 and a sentence; an empty ledger beside an old anchor would be amnesia."""
    ledger = network.devnet.folder(network.places[0]) / "data" / "ledger"
    (ledger / "CURRENT").unlink()
    code, said = run_node(config_of(network))
    assert code == 74, (code, said)
    shutil.rmtree(ledger)
    code, said = run_node(config_of(network))
    assert code == 74 and "ledger" in said, (code, said)
    assert not ledger.exists()


def test_an_unknown_setting_is_refused_with_its_path(network: Network) -> None:
    config = config_of(network)
    config.write_text(config.read_text().replace("[http]", "[http]\nprot = 1"))
    code, said = run_node(config)
    assert code == 2 and "prot" in said, (code, said)
