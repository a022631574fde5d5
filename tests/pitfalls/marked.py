"""Which test carries which numbers, read from the source: `@pytest.mark.pitfall(21, 22)`."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).resolve().parents[1]
ROOT: Final = TESTS.parent
COUNT: Final = 80


@dataclass(frozen=True)
class Marked:
    """A test function and the pitfalls that it proves."""

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


def marked_tests() -> list[Marked]:
    """Every test with a number, in order of file and line."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (numbers := _numbers(node)):
                found.append(Marked(f"{path.relative_to(ROOT)}::{node.name}", numbers))
    return found
