"""The published acceptance scenarios on four real nodes: the same codes and numbers as in one process."""

from pathlib import Path
from typing import Any

import pytest

from chainnode.play import play_file
from chainnode.play_devnet import devnet_engine
from chainnode.play_instant import open_instant

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
PUBLISHED = sorted(path for path in SCENARIOS.glob("*.json") if int(path.stem.partition("-")[0]) < 30)
# Heights differ by flush blocks and nothing else may: ids hold the chain's, and roots hold heights of orders.
OF_THE_CHAIN = {"height", "index", "tx", "first", "created", "state_root", "hold", "detail"}


def compared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: compared(item) for key, item in value.items() if key not in OF_THE_CHAIN}
    if isinstance(value, list):
        return [compared(item) for item in value]
    if isinstance(value, str) and len(value) == 64:
        return "an id"
    return value


def test_there_are_published_scenarios() -> None:
    assert len(PUBLISHED) == 15


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_both_engines_agree(path: Path, tmp_path: Path) -> None:
    """At the end of the devnet's run its ledger is replayed from genesis as well."""
    instant: list[Any] = []
    assert play_file(path, open_instant, instant.append) == 0
    real: list[Any] = []
    with devnet_engine(tmp_path, 4) as engine:
        assert play_file(path, engine, real.append) == 0
    assert [compared(line) for line in real] == [compared(line) for line in instant]
