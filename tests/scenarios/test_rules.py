"""Every rule of the protocol is named where it is kept and where it is shown."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = [f"S{i}" for i in range(13)] + [f"L{i}" for i in range(1, 9)] + [f"C{i}" for i in range(1, 18)]
SHOWN_ELSEWHERE = {"C17": "tests/points/test_blocks.py"}  # the only rule without a message between validators


def docstrings(folder: str) -> Iterator[str]:
    """The docstrings of all modules, classes and functions below a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


def cited(texts: Iterator[str]) -> set[str]:
    """The rules that texts name, ranges such as `S0 to S5` included."""
    found: set[str] = set()
    for text in texts:
        found.update(re.findall(r"\b[SLC]\d+\b", text))
        for letter, low, again, high in re.findall(r"\b([SLC])(\d+) to ([SLC])(\d+)\b", text):
            found.update(f"{letter}{i}" for i in range(int(low), int(high) + 1) if letter == again)
    return found


def test_every_rule_is_named_by_the_code_that_keeps_it() -> None:
    code = set().union(*(cited(docstrings(f)) for f in ("consensus", "chainnode", "ledger", "primitives", "points")))
    assert set(RULES) - code == set()


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_script(rule: str) -> None:
    """A file whose first comment begins with the rule; C17 is shown where transactions are."""
    if rule in SHOWN_ELSEWHERE:
        assert rule in cited(iter([(ROOT / SHOWN_ELSEWHERE[rule]).read_text(encoding="utf-8")]))
        return
    scripts = (ROOT / "tests" / "scenarios" / "protocol").glob("*.txt")
    heads = [path.read_text(encoding="utf-8").partition("\n")[0] for path in scripts]
    assert any(re.match(rf"# {rule}\b", head) for head in heads)
