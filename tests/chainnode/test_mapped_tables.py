"""How much of its database a node keeps mapped is its operator's choice (docs/adr/0040), wherever it is opened."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chainnode.config import config_text, load_config
from chainnode.failures import BadConfiguration, LedgerFailure
from chainnode.ledger_audit import audit_config
from chainnode.process import run
from chainnode.upkeep import prune_history
from ledger import data_directory
from ledger.failures import LedgerDamaged
from tests.integration.local_network import local_network
from tests.ledger.bound_of_tables import AskedStore


def started(path: Path) -> None:
    assert run(path) == LedgerDamaged.exit_code


def verified(path: Path) -> None:
    with pytest.raises(LedgerFailure):
        audit_config(path, lambda height, stop: None)


def pruned(path: Path) -> None:
    with pytest.raises(LedgerFailure):
        prune_history(path, 1000, lambda done, total: None)


@pytest.mark.parametrize("opened", [started, verified, pruned])
def test_a_node_maps_as_much_as_its_file_says(
    opened: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AskedStore()
    with local_network(tmp_path, start=False) as network:
        path = network.devnet.folder(network.places[0]) / "node.toml"
        text = path.read_text()
        assert "ledger_mapped_mib = 512\n" in text
        path.write_text(text.replace("ledger_mapped_mib = 512\n", "ledger_mapped_mib = 2000\n"))
        monkeypatch.setattr(data_directory, "LevelDbStore", store)
        opened(path)
    assert store.asked == [2000]


@pytest.mark.parametrize(("wrong", "bound"), [(127, 128), (64_001, 64_000)])
def test_a_number_out_of_bounds_is_refused_with_the_bound(wrong: int, bound: int, tmp_path: Path) -> None:
    with local_network(tmp_path, start=False) as network:
        path = network.devnet.folder(network.places[0]) / "node.toml"
        path.write_text(config_text(load_config(path)).replace("mapped_mib = 512", f"mapped_mib = {wrong}"))
        with pytest.raises(BadConfiguration, match=rf"{bound}.*ledger_mapped_mib"):
            load_config(path)
