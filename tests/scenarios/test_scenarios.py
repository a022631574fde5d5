"""Every scenario file plays green on the instant engine, replays from genesis, and is the same under any hash seed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chainnode.play import Player
from chainnode.play_instant import InstantEngine, open_instant
from chainnode.play_scenario import load_scenario
from chainnode.proofs import build_receipt_proof
from ledger.audit import Audited
from primitives.proof import encode_proof, verify_receipt_proof
from tests.code_under_test import environment

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "scenarios").glob("*.json"))
OF_THE_DESIGN = ("01", "02", "03", "04", "05", "07", "09", "11", "13", "17", "18", "22", "24", "25", "27")


def play(path: Path) -> tuple[InstantEngine, list[Any]]:
    lines: list[Any] = []
    player = Player(load_scenario(path.stem, path.read_bytes()), open_instant, lines.append)
    fault = player.run()
    assert fault is None, f"{path.name}: {fault}"
    assert isinstance(player.engine, InstantEngine)
    return player.engine, lines


def test_there_is_a_file_for_every_scenario_of_the_design() -> None:
    assert {path.name[:2] for path in FILES} >= set(OF_THE_DESIGN)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """Every expectation is met, and an audit from genesis finds every root, receipt and certificate again (INV-14)."""
    engine, lines = play(path)
    assert len(lines) == len(load_scenario(path.stem, path.read_bytes()).steps)
    audited = engine.replay()
    assert isinstance(audited, Audited), audited
    assert audited.stop == engine.height
    assert audited.state_root == engine.state_root


@pytest.mark.parametrize(("name", "least"), [("05-refund-after-settlement", 15), ("59-validators", 12)])
def test_every_receipt_of_a_scenario_proves_itself(name: str, least: int) -> None:
    """Transaction, receipt, path, header, certificate: verified with the genesis alone (C3, INV-14), over all the
    epochs that began since (S11)."""
    engine, _ = play(ROOT / "scenarios" / f"{name}.json")
    newest = engine.chain.header(engine.height)
    assert newest is not None
    engine.set_time(newest.time_ms // 1000 + 60)  # the header that covers the last receipts
    proven = 0
    for height in range(1, engine.height):
        for identity in engine.chain.transaction_ids(height):
            proof = build_receipt_proof(engine.chain, identity)
            assert proof is not None
            found = verify_receipt_proof(encode_proof(proof), engine.genesis)
            assert (found.receipt.tx, found.receipt.height) == (identity, height)
            proven += 1
    assert proven >= least


@pytest.mark.pitfall(77)
def test_the_same_roots_under_eight_hash_seeds() -> None:
    """Nothing that is hashed depends on the order of a set or on hash() (pitfall 77)."""
    picked = [path for path in FILES if path.name[:2] in ("05", "11", "18", "38", "40")]
    script = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from chainnode.play import play_file, ENGINES\n"
        "roots = []\n"
        "for name in sys.argv[1:]:\n"
        "    assert play_file(Path(name), ENGINES['instant'], lambda line: roots.append(line['state_root'])) == 0\n"
        "print(json.dumps(roots))\n"
    )
    answers = set()
    for seed in range(8):
        command = [sys.executable, "-c", script, *map(str, picked)]
        done = subprocess.run(
            command, env=environment(PYTHONHASHSEED=str(seed)), capture_output=True, text=True, check=True, timeout=120
        )
        answers.add(done.stdout)
    assert len(answers) == 1
    assert len(answers.pop()) > 64 * len(picked)
