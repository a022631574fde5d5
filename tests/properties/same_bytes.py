"""Plain Python and the compiled build give the same bytes: `python -m tests.properties.same_bytes --compiled FOLDER`.

The same towns of all kinds are lived through in two processes, one on each. Of every block all receipts, all changes of
the state, the events of time and the root of the state tree are hashed; a line per town. Exit 1: a line differs, or
one of the processes did not run on what it should have.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from chainnode.code_form import CODE_FORM
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from points.state import encode_value
from points.transition import apply_block, genesis_state
from points.view import Memory
from primitives.codec import encode
from tests.properties.town import START, Town
from tests.properties.town_walk import plan, play

ROOT = Path(__file__).resolve().parents[2]
STEPS = 400


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiled", type=Path, default=ROOT / "build" / "compiled", help="folder of the other build")
    parser.add_argument("--towns", type=int, default=12)
    parser.add_argument("--tell", action="store_true", help=argparse.SUPPRESS)  # of a process: print its lines
    arguments = parser.parse_args()
    if arguments.tell:
        print(CODE_FORM)
        for seed in range(arguments.towns):
            print(seed, *line_of(play(seed, plan(seed, STEPS))))
        return 0
    running = [_start(paths, arguments.towns) for paths in ([ROOT], [arguments.compiled.resolve(), ROOT])]
    plain, compiled = [process.communicate()[0].splitlines() for process in running]
    if any(process.returncode for process in running) or (plain[0], compiled[0]) != ("plain", "compiled"):
        print(f"not two runs to compare: {plain[:1]} and {compiled[:1]}", file=sys.stderr)
        return 1
    for one, other in zip(plain[1:], compiled[1:], strict=True):
        print(one if one == other else f"DIFFERENT: plain {one}, compiled {other}")
    return int(plain[1:] != compiled[1:])


def line_of(town: Town) -> tuple[int, int, str, str]:
    """Blocks, operations, the hash of everything that was made, the state root at the end."""
    view, tree, previous, hashed = Memory(), StateTree(MemoryStore()), START, hashlib.sha256()
    founded = genesis_state(town.genesis)
    view.apply(founded)
    root = tree.update({key: encode_value(record) for key, record in founded.items() if record is not None}).root
    for height, (at, transactions, note) in enumerate(town.log, 1):
        done = apply_block(
            view, time_s=at, previous_s=previous, height=height, chain_id=town.chain_id, transactions=transactions,
            seen=lambda _: False, note=note,
        )  # fmt: skip
        changes = {key: None if record is None else encode_value(record) for key, record in done.changes.items()}
        root = tree.update(changes).root
        hashed.update(encode((done.receipts, done.events, sorted(changes.items()), root)))
        view.apply(done.changes)
        previous = at
    return len(town.log), town.operations, hashed.hexdigest(), root.hex()


def _start(paths: list[Path], towns: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(map(str, paths))}
    command = [sys.executable, "-m", "tests.properties.same_bytes", "--tell", "--towns", str(towns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


if __name__ == "__main__":
    raise SystemExit(main())
