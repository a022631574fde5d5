"""Events read as JSON objects with "kind" first: no field of an event may take that name from it."""

import ast
from pathlib import Path


def test_no_event_has_a_field_called_kind() -> None:
    wrong = []
    for path in sorted((Path(__file__).resolve().parents[2] / "points").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:
                first = node.elts[0]
                if isinstance(first, ast.Constant) and first.value == "kind":
                    wrong.append(f"{path.name}:{node.lineno}")
    assert not wrong, wrong
