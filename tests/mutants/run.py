"""Proves the suite: plants each bug of the tables in a copy of the tree and demands that the named test turns red.

    python -m tests.mutants.run [--jobs 2] [--limit-s 120] [--page] [WORD ...]

Words select rows by name or file. The results go into docs/*/planted-bugs.md; --page only brings its list of rows up to
date. Exit code 1 if a bug survives, does not apply, or its test is not green without it.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.page import Result, write_pages
from tests.mutants.table import Mutant, load_mutants

ROOT: Final = Path(__file__).resolve().parents[2]
IGNORED: Final = (
    ".git",
    ".venv",
    "venv",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".devnet",
    "dist",
    "build",
    "hnchain-bench-*",
)
GREEN, RED = 0, 1  # pytest's exit codes; any other means that nothing was proved


@dataclass(frozen=True)
class Verdict:
    """How one row ended. `sentence` says what went wrong, or names the seconds that the test took."""

    killed: bool
    sentence: str
    seconds: float = 0.0

    @property
    def result(self) -> Result:
        """As the page shows it."""
        said = "killed" if self.killed else self.sentence.partition(":")[0]
        return Result(said, f"{self.seconds:.1f}" if self.seconds else "")


def _run_tests(tree: Path, tests: tuple[str, ...], limit_s: int) -> tuple[int | None, str]:
    """(exit code, last lines) of pytest in a tree; the code is None when the time ran out."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = dict(os.environ, PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1")
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"no end within {limit_s} s"
    return done.returncode, (done.stdout + done.stderr)[-1500:]


def _verdict(tree: Path, mutant: Mutant, limit_s: int) -> Verdict:
    path = tree / mutant.file
    text = path.read_text()
    try:
        path.write_text(mutant.applied_to(text))
    except ValueError as error:
        return Verdict(False, f"DOES NOT APPLY: {error}")
    started = time.monotonic()
    try:
        code, output = _run_tests(tree, mutant.tests, limit_s)
    finally:
        path.write_text(text)
    if code == RED:
        seconds = time.monotonic() - started
        return Verdict(True, f"{seconds:.1f} s", seconds)
    if code == GREEN:
        return Verdict(False, "SURVIVED")
    return Verdict(False, f"NOT PROVED (pytest ended with {code}): {output}")


def _baseline(tree: Path, tests: tuple[str, ...], limit_s: int) -> Verdict:
    code, output = _run_tests(tree, tests, limit_s)
    return Verdict(code == GREEN, "green" if code == GREEN else f"RED WITHOUT A BUG: {' '.join(tests)}: {output}")


def _demand_own_code(tree: Path) -> None:
    """Tests in the copy must import the copy, not the installed project: else every bug would survive or none."""
    asked = "import primitives; print(primitives.__file__)"
    environment = dict(os.environ, PYTHONPATH=str(tree))
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    if not done.stdout.startswith(str(tree)):
        raise SystemExit(f"the copy in {tree} runs the code of {done.stdout.strip()}")


class Trees:
    """One private copy of the tree per worker."""

    def __init__(self, count: int, folder: Path) -> None:
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(count):
            copy = folder / str(number)
            shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*IGNORED))
            _demand_own_code(copy)
            self._free.put(copy)

    @contextmanager
    def borrowed(self) -> Iterator[Path]:
        """A copy that nobody else uses meanwhile."""
        tree = self._free.get()
        try:
            yield tree
        finally:
            self._free.put(tree)


def prove(mutants: list[Mutant], jobs: int, limit_s: int) -> list[tuple[Mutant, Verdict]]:
    """The verdict on every row; rows whose tests are red without the bug are not killed by them."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees = Trees(jobs, Path(folder))

        def check_green(tests: tuple[str, ...]) -> tuple[tuple[str, ...], Verdict]:
            with trees.borrowed() as tree:
                return tests, _baseline(tree, tests, limit_s)

        def check_red(mutant: Mutant) -> Verdict:
            if not green[mutant.tests].killed:
                return Verdict(False, green[mutant.tests].sentence)
            with trees.borrowed() as tree:
                return _verdict(tree, mutant, limit_s)

        green = dict(pool.map(check_green, dict.fromkeys(mutant.tests for mutant in mutants)))
        proved = []
        for mutant, verdict in zip(mutants, pool.map(check_red, mutants), strict=True):
            print(
                f"{'killed  ' if verdict.killed else 'ALIVE   '}{mutant.file:32}{mutant.name}: {verdict.sentence}",
                flush=True,
            )
            proved.append((mutant, verdict))
        return proved


def main() -> int:
    """The command; prints a row per bug and a last line with the count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--limit-s", type=int, default=120)
    parser.add_argument("--page", action="store_true", help="plant nothing, only renew the list of rows")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()
    rows = load_mutants(Path(__file__).parent)
    if options.page:
        write_pages(rows, {})
        return 0
    mutants = [
        mutant
        for mutant in rows
        if all(word in mutant.name or word in mutant.file for word in options.words)
    ]
    started = time.monotonic()
    proved = prove(mutants, options.jobs, options.limit_s)
    write_pages(rows, {mutant.name: verdict.result for mutant, verdict in proved})
    killed = sum(verdict.killed for _, verdict in proved)
    print(f"{killed} of {len(proved)} planted bugs killed in {time.monotonic() - started:.0f} s")
    return 0 if proved and killed == len(proved) else 1


if __name__ == "__main__":
    raise SystemExit(main())
