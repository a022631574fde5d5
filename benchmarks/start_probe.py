"""`python -m benchmarks.start_probe DIRECTORY`: start on a data directory as a node does, until its executor stands.

Prints seconds to open the directory, seconds to make the executor, resident MiB, and the height.
"""

import os
import sys
import time
from pathlib import Path

import chainnode.node  # noqa: F401  (its import is part of a start)
from benchmarks.crowd import Crowd
from benchmarks.machine import resident_mib
from chainnode.executor import Executor
from chainnode.restart import ledger_head
from ledger.data_directory import open_data_directory
from primitives.genesis import chain_id


def main(path: Path) -> None:
    """See above."""
    genesis = Crowd(0).genesis
    began = time.perf_counter()
    data = open_data_directory(path, genesis)
    opened = time.perf_counter()
    executor = Executor(data.chain, data.tree, chain_id(genesis))
    ledger_head(data.chain)
    stood = time.perf_counter()
    print(f"{opened - began:.3f} {stood - opened:.3f} {resident_mib(os.getpid()) or 0:.1f} {executor.height}")
    data.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
