"""Where the code under test lies: what a test starts as a process comes from there too, sources or compiled build."""

import os
from pathlib import Path
from typing import Final

import chainnode

FOLDER: Final = Path(str(chainnode.__file__)).resolve().parents[1]


def environment(**more: str) -> dict[str, str]:
    """This process's own, and the packages of the code under test."""
    return {**os.environ, "PYTHONPATH": str(FOLDER), **more}
