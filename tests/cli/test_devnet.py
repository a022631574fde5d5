"""A local network's folder and ports: what is refused, and that nothing is written then."""

import os
import socket
import stat
import tarfile
from pathlib import Path

import pytest

from chainnode.config import load_config
from chainnode.devnet import MARK, check_ports, create, open_devnet
from chainnode.devnet_layout import PEOPLE, PORT_BASE, place_on, plan_ports
from chainnode.failures import BadConfiguration, PortTaken
from chainnode.listening_ports import free_ports, holder_of, is_free
from cli.devnet import make
from cli.devnet_wallets import demo_wallets
from cli.main import run
from cli.network import Network, read_genesis, read_network
from cli.wallets import Signer, find_wallet
from primitives.genesis import chain_id, check_genesis, genesis_text, load_genesis

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SEED, SAMPLE_TIME = "demo", 1759913600


def test_the_sample_genesis_is_what_the_command_prints(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["devnet", "genesis", "--seed", SAMPLE_SEED, "--time", str(SAMPLE_TIME)]) == 0
    assert capsysbinary.readouterr().out == (ROOT / "genesis.json").read_bytes()


def test_the_sample_genesis_loads() -> None:
    genesis = load_genesis((ROOT / "genesis.json").read_bytes())
    assert list(check_genesis(genesis)) == []
    assert len(genesis.validators) == 4
    assert {merchant.category for merchant in genesis.merchants} == {
        "TRANSPORT", "HOTEL", "DINING_RETAIL", "CULTURE_ENT",
    }  # fmt: skip
    assert genesis_text(genesis) == (ROOT / "genesis.json").read_bytes()


def test_ports_do_not_overlap() -> None:
    ports = [port for place in plan_ports(PORT_BASE, 22) for port in place.ports]
    assert len(ports) == len(set(ports)) == 88


@pytest.mark.parametrize(("base", "count"), [(80, 4), (65530, 4), (26600, 3), (26600, 23), (-1, 4)])
def test_impossible_plans_are_refused(base: int, count: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        plan_ports(base, count)


def test_a_taken_port_is_named_with_its_holder() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not is_free(port)
        assert f"pid {os.getpid()} " in holder_of(port)
        places = place_on([port, *free_ports(3)])
        with pytest.raises(PortTaken, match=f"port {port} is taken by pid {os.getpid()}"):
            check_ports(places)


def test_up_with_a_taken_port_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = listener.getsockname()[1]
        directory = tmp_path / "net"
        assert run(["devnet", "up", "-d", "--dir", str(directory), "--port-base", str(base)]) == 2
    assert not directory.exists()
    assert "HN-9003" in capsys.readouterr().err


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    for command in (["up", "-d"], ["down"], ["prune", "--yes"], ["status"]):
        assert run(["devnet", *command, "--dir", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("devnet") / "net"
    make(directory, place_on(free_ports(16)), bytes(32), test_clock=False)
    return directory


def test_secrets_are_private(folder: Path) -> None:
    private = [*folder.glob("*/*.key"), *folder.glob("*/transport.pem"), *folder.glob("*/admin.token"),
               *folder.glob("wallets/*"), folder / "devnet.json"]  # fmt: skip
    assert len(private) == 4 * 3 + len(PEOPLE) + 1 + 1
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in private)


def test_every_configuration_loads_and_names_the_others(folder: Path) -> None:
    for place in open_devnet(folder).places:
        config = load_config(folder / place.name / "node.toml")
        assert (config.name, len(config.peers)) == (place.name, 3)
        assert place.name not in config.peers
        assert Path(config.data).is_dir()


def test_the_network_file_and_the_wallets_fit_the_genesis(folder: Path) -> None:
    file = read_network(folder / "network.json")
    genesis = read_genesis(folder / "genesis.json")
    assert file.chain_id == chain_id(genesis).hex()
    network = Network(tuple(file.nodes), file, folder)
    from cli.passphrase import PassphraseSource

    opened = Signer(find_wallet("alice", network), PassphraseSource(None, None)).unlock()
    assert opened.address == demo_wallets(bytes(32))["alice"].address


def test_a_network_is_never_made_over_another(folder: Path) -> None:
    network = open_devnet(folder)
    with pytest.raises(BadConfiguration, match="not empty"):
        create(folder, bytes(32), network.places, read_genesis(folder / "genesis.json"))


def test_names_and_numbers_find_a_node(folder: Path) -> None:
    network = open_devnet(folder)
    assert network.place("node2") == network.place("2") == network.places[2]
    with pytest.raises(BadConfiguration, match="node0"):
        network.place("node9")


def test_a_recorded_process_that_is_gone_counts_as_stopped(folder: Path) -> None:
    """A process id may be given to somebody else: the recorded start time must fit too."""
    network = open_devnet(folder)
    (folder / "node0" / "node.pid").write_text(f'{{"pid": {os.getpid()}, "started": "1"}}')
    assert network.process(network.places[0]) is None
    assert not network.kill(network.places[0])


def test_a_snapshot_is_private_and_restores_every_byte(folder: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "s.hnsnap", tmp_path / "copy"
    assert run(["devnet", "snapshot", "save", str(file), "--dir", str(folder)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run(["devnet", "snapshot", "save", str(file), "--dir", str(folder)]) == 2, "never over a file"
    assert run(["devnet", "snapshot", "restore", str(file), "--dir", str(copy)]) == 0
    for path in folder.rglob("*"):
        again = copy / path.relative_to(folder)
        if path.is_file() and path.name != "node.pid":
            assert again.read_bytes() == path.read_bytes()
            assert stat.S_IMODE(again.stat().st_mode) & 0o077 == 0 or stat.S_IMODE(path.stat().st_mode) & 0o077
    assert run(["devnet", "snapshot", "restore", str(file), "--dir", str(copy)]) == 2, "never over a folder"


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "link"])
def test_a_snapshot_with_anything_but_plain_files_is_refused(tmp_path: Path, name: str) -> None:
    file, target = tmp_path / "s.hnsnap", tmp_path / "target"
    with tarfile.open(file, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("devnet.json"))
        entry = tarfile.TarInfo(name)
        if name == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    assert run(["devnet", "snapshot", "restore", str(file), "--dir", str(target)]) == 2
    assert not target.exists()


def test_a_restored_file_has_no_more_rights_than_it_needs(folder: Path, tmp_path: Path) -> None:
    """Neither an owner nor a set-uid bit comes out of a snapshot, on any Python 3.11 (`filter` came with 3.11.4)."""
    file, target = tmp_path / "s.hnsnap", tmp_path / "target"

    def spoiled(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid, entry.mode = 12_345, entry.mode | 0o7022
        return entry

    with tarfile.open(file, "w:gz") as tar:
        tar.add(folder, "", filter=spoiled)
    assert run(["devnet", "snapshot", "restore", str(file), "--dir", str(target)]) == 0
    restored = [path.stat() for path in target.rglob("*")]
    assert len(restored) == len(list(folder.rglob("*")))
    assert {found.st_uid for found in restored} == {os.getuid()}
    assert not any(stat.S_IMODE(found.st_mode) & 0o7022 for found in restored)


@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, 2)])
def test_a_snapshot_that_holds_a_file_twice_is_refused(folder: Path, tmp_path: Path, times: int, code: int) -> None:
    file = tmp_path / "s.hnsnap"
    with tarfile.open(file, "w:gz") as tar:
        for _ in range(times):
            tar.add(folder / MARK, MARK)
    assert run(["devnet", "snapshot", "restore", str(file), "--dir", str(tmp_path / "target")]) == code
