"""The command run in this process, and what it said."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli.main import run

Ask = Callable[..., tuple[int, Any, str]]


def asker(capsys: pytest.CaptureFixture[str], *options: str) -> Ask:
    """(exit code, what stands on stdout, stderr) of a command; `options` stand behind its own arguments.

    form: json (read) or text. online=False leaves the options out.
    """

    def ask(*arguments: str, form: str = "json", online: bool = True) -> tuple[int, Any, str]:
        capsys.readouterr()
        code = run(["--lang", "en", *arguments, *(options if online else ()), "-o", form])
        said = capsys.readouterr()
        return code, json.loads(said.out) if form == "json" and said.out else said.out or None, said.err

    return ask
