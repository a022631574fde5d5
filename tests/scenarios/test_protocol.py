"""The protocol scripts: one text file per rule or past bug, with the golden lines of what real cores then did."""

import re
from pathlib import Path

import pytest

from tests.scenarios.protocol_runner import ScriptError, check_file, parse

SCRIPTS = sorted((Path(__file__).parent / "protocol").glob("*.txt"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path: Path) -> None:
    """The output of every group of commands is what stands below it."""
    check_file(path)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_names_its_rule_and_its_source(path: Path) -> None:
    """`S7b-...` begins with S7 in its first comment, and says where the danger is known from."""
    comment = "\n".join(parse(path.read_text()).header)
    rule = re.fullmatch(r"([SLC]\d+|P\d+)[a-z]?", path.stem.partition("-")[0])
    assert rule is not None, path.stem
    letter, number = rule[1][0], int(rule[1][1:])
    assert comment.startswith(f"# {letter}{number}") or (letter == "P" and comment.startswith(f"# Pitfall {number}:"))
    assert "Source:" in comment or "found" in comment, f"{path.stem} cites nothing"


def test_what_the_language_does_not_know_is_refused() -> None:
    """A mistyped command is not passed over."""
    with pytest.raises(ScriptError):
        parse("nodes 4\n")
