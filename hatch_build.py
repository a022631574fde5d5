"""The optional compiled build: `HNCHAIN_COMPILED=1 python -m hatchling build -t wheel` (`make compiled`).

mypyc turns the modules that pyproject.toml names into C extensions, which stand in the wheel beside their sources; any
other build, and every checkout, is plain Python (docs/adr/0036). Needs a C compiler, mypy and setuptools.
"""

import ast
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MYPY_OPTIONS = ("--config-file=", "--python-version=3.11", "--follow-imports=silent", "--ignore-missing-imports")


class CompiledModules(BuildHookInterface[Any]):
    """Hatch's hook. `modules` in its configuration are paths and patterns; __init__.py has nothing to compile."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises: ValueError for a pattern that fits nothing, or a module that cannot keep its meaning."""
        if version != "standard" or os.environ.get("HNCHAIN_COMPILED") != "1":
            return
        root = Path(self.root)
        built = compile_all(root, chosen_modules(root, self.config["modules"]), root / "build" / "mypyc")
        build_data["force_include"].update({str(path): name for name, path in built.items()})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def chosen_modules(root: Path, patterns: list[str]) -> list[str]:
    """Paths below `root`, sorted. Raises: ValueError, see CompiledModules.initialize."""
    found: set[str] = set()
    for pattern in patterns:
        paths = [path for path in root.glob(pattern) if path.name != "__init__.py"]
        if not paths:
            raise ValueError(f"modules: {pattern} fits no file")
        found.update(path.relative_to(root).as_posix() for path in paths)
    for name in sorted(found):
        lost = class_keywords((root / name).read_text(encoding="utf-8"))
        if lost:
            raise ValueError(f"{name}: mypyc drops the class keywords of {', '.join(lost)}; it must stay plain Python")
    return sorted(found)


def class_keywords(source: str) -> list[str]:
    """Classes with keywords, such as `class Vote(Record, tag=2)`: compiled, they would silently have none."""
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef) and node.keywords]


def compile_all(root: Path, modules: list[str], work: Path) -> dict[str, Path]:
    """The extensions by their path in the wheel. Asserts stay in (they guard the node), integers stay unbounded."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    os.chdir(root)  # names of modules follow from relative paths
    options = (*MYPY_OPTIONS, f"--cache-dir={work / 'cache'}")
    extensions = mypycify([*options, *modules], opt_level="2", debug_level="0", multi_file=False,
                          group_name="hnchain", target_dir=str(work / "c"))  # fmt: skip
    command = Distribution({"name": "hnchain", "ext_modules": extensions}).get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(work / "lib"), str(work / "objects")
    command.parallel = len(os.sched_getaffinity(0))
    command.ensure_finalized()
    command.run()
    return {Path(path).relative_to(work / "lib").as_posix(): Path(path) for path in command.get_outputs()}
