"""Which test carries which numbers, read from the source: `@pytest.mark.pitfall(21, 22)`, and protocol scripts whose
first comment says `pitfalls 21, 22`."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]
ROOT: Final = TESTS.parent
COUNT: Final = 80
_CITED: Final = re.compile(r"[Pp]itfalls? (\d+(?:(?:, | and )\d+)*)")


@dataclass(frozen=True)
class Marked:
    """A test, or one script of a test, and the pitfalls that it proves."""

    node_id: str
    numbers: tuple[int, ...]


def titles() -> dict[int, str]:
    """The short names of all pitfalls."""
    table = tomllib.loads((Path(__file__).parent / "titles.toml").read_text())
    return {int(number): title for number, title in table["titles"].items()}


def happened() -> set[int]:
    """The pitfalls that happened in a real system."""
    return set(tomllib.loads((Path(__file__).parent / "titles.toml").read_text())["real"]["numbers"])


def _numbers(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, ...]:
    found: list[int] = []
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.pitfall":
            found += [ast.literal_eval(argument) for argument in decorator.args]
    return tuple(found)


def _scripts() -> list[Marked]:
    found = []
    for path in sorted((TESTS / "scenarios" / "protocol").glob("*.txt")):
        comment = path.read_text(encoding="utf-8").partition("\n\n")[0]
        numbers = {int(number) for cited in _CITED.findall(comment) for number in re.findall(r"\d+", cited)}
        if numbers:
            found.append(Marked(f"tests/scenarios/test_protocol.py::test_script[{path.stem}]", tuple(sorted(numbers))))
    return found


def marked_tests() -> list[Marked]:
    """Every test with a number, in order of file and line, then the scripts."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (numbers := _numbers(node)):
                found.append(Marked(f"{path.relative_to(ROOT)}::{node.name}", numbers))
    return found + _scripts()
