"""The rules of the house, read from the source itself: layers, imports, lengths, names. No exceptions."""

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from chainnode.code_form import CODE_FORM

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("primitives", "points", "ledger", "consensus", "chainnode", "simulation", "cli", "benchmarks")
ALLOWED = {
    "primitives": set(),
    "points": {"primitives"},
    "ledger": {"primitives"},
    "consensus": {"primitives"},
    "chainnode": {"primitives", "points", "ledger", "consensus"},
    "simulation": {"primitives", "points", "ledger", "consensus", "chainnode"},
    "cli": {"primitives", "chainnode", "benchmarks", "simulation"},
    "benchmarks": {"primitives", "cli", "chainnode", "points", "ledger"},  # a year and a midnight run the rules alone
}
PURE = ("primitives", "points", "consensus")
PURE_STDLIB = {"collections", "dataclasses", "enum", "hashlib", "struct", "typing"}
PURE_OTHERS = {"primitives": {"msgspec", "nacl"}, "points": {"msgspec"}, "consensus": {"msgspec"}}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base", "core"}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def all_sources() -> list[Path]:
    return [path for package in PACKAGES for path in sources(package)]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            yield node.module or "", node.lineno


@pytest.mark.parametrize("package", PACKAGES)
def test_layers(package: str) -> None:
    assert sources(package), f"{package}/ has no source: the rule would pass for nothing"
    wrong = []
    for path in sources(package):
        for name, line in imports(path):
            top = name.split(".")[0]
            if top in PACKAGES and top != package and top not in ALLOWED[package]:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {package} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_import_no_clock_disk_or_network(package: str) -> None:
    wrong = []
    for path in sources(package):
        for name, line in imports(path):
            top = name.split(".")[0]
            if top in PACKAGES or top in PURE_STDLIB or top in PURE_OTHERS[package]:
                continue
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_have_no_float(package: str) -> None:
    wrong = []
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: true division")
            if isinstance(node, ast.Name) and node.id in ("float", "hash"):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.id}")
    assert not wrong, "\n".join(wrong)


def test_wallet_commands_load_no_database() -> None:
    reached, todo = set[str](), ["cli/wallet.py"]
    while todo:
        path = ROOT / todo.pop()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:  # top level: what an import of it loads
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] + [f"{node.module}.{a.name}" for a in node.names]
            for name in names:
                inside = name.replace(".", "/") + ".py"
                if (ROOT / inside).is_file() and inside not in reached:
                    reached.add(inside)
                    todo.append(inside)
                assert name.split(".")[0] not in ("plyvel", "ledger"), f"{path}: {name}"
    assert reached, "nothing was followed: the rule would pass for nothing"


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for path in all_sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        graph[module] = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                graph[module].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                graph[module].add(node.module)
                graph[module].update(f"{node.module}.{alias.name}" for alias in node.names)
    state: dict[str, int] = {}

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if state.get(module) == 2 or module not in graph:
            return
        assert state.get(module) != 1, " -> ".join((*trail, module))
        state[module] = 1
        for target in sorted(graph[module] - {module}):
            visit(target, (*trail, module))
        state[module] = 2

    for module in sorted(graph):
        visit(module, ())


def test_files_and_functions_stay_short() -> None:
    wrong = []
    for path in all_sources():
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, limit {FILE_LINES_MAX}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert not wrong, "\n".join(wrong)


def test_names_say_something() -> None:
    stdlib = sys.stdlib_module_names
    wrong = [
        str(path.relative_to(ROOT))
        for path in all_sources()
        if path.stem in VAGUE or (path.stem in stdlib and not path.stem.startswith("__"))
    ]
    assert not wrong, wrong


def test_package_files_hold_only_the_tour() -> None:
    for path in all_sources():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in body), f"{path} holds code"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_names_belong_to_this_distribution(package: str) -> None:
    files = distribution("hnchain").files or []
    editable = any(str(file).endswith(".pth") or "direct_url.json" in str(file) for file in files)
    installed = any(file.parts[0] == package for file in files)
    assert installed or editable, f"{package} is another distribution's"
    module = __import__(package)
    origin = Path(module.__file__ or "").resolve()
    home = ROOT / "build" / "compiled" if CODE_FORM == "compiled" else ROOT
    assert origin == home / package / "__init__.py", f"{package} resolves to {origin}"


def test_public_functions_say_what_they_promise() -> None:
    wrong = []
    for package in ("primitives", "ledger", "consensus", "points"):
        for path in sources(package):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if ast.get_docstring(tree) is None:
                wrong.append(f"{path.relative_to(ROOT)}: no docstring")
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    assert not wrong, "\n".join(wrong)
