"""The optional compiled build (docs/adr/0036): what it takes, what it refuses, and that an ordinary build has none."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.config import BuilderConfig

from chainnode.code_form import CODE_FORM, code_form
from hatch_build import CompiledModules, chosen_modules, class_keywords
from tests.code_under_test import environment

ROOT = Path(__file__).resolve().parents[2]
PURE = "X = 1\n\n\nclass Plain:\n    pass\n"


def settings() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]
    return found


def test_every_module_of_the_list_can_be_compiled_without_losing_meaning() -> None:
    modules = chosen_modules(ROOT, settings()["modules"])
    assert "points/redemption.py" in modules
    assert "consensus/messages.py" not in modules, "its records have tags"


@pytest.mark.parametrize(
    ("source", "lost"),
    [("class Vote(Record, tag=2):\n    pass\n", ["Vote"]), ("def f():\n    class In(S, gc=False): ...\n", ["In"]),
     ("@dataclass(frozen=True)\nclass Fine(Record):\n    pass\n", []), (PURE, [])],
)  # fmt: skip
def test_classes_with_keywords_are_seen(source: str, lost: list[str]) -> None:
    assert class_keywords(source) == lost


def test_a_module_that_would_lose_class_keywords_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text(PURE, encoding="utf-8")
    (tmp_path / "__init__.py").write_text('"""Nothing to compile."""\n', encoding="utf-8")
    assert chosen_modules(tmp_path, ["*.py"]) == ["fine.py"]
    (tmp_path / "votes.py").write_text("class Vote(Record, tag=2):\n    pass\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"votes\.py: mypyc drops the class keywords of Vote"):
        chosen_modules(tmp_path, ["*.py"])


def test_a_name_that_fits_no_file_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"points/gone\.py fits no file"):
        chosen_modules(tmp_path, ["points/gone.py"])


@pytest.mark.parametrize(("version", "asked"), [("standard", ""), ("standard", "0"), ("editable", "1")])
def test_an_ordinary_build_and_a_checkout_compile_nothing(
    monkeypatch: pytest.MonkeyPatch, version: str, asked: str
) -> None:
    monkeypatch.setenv("HNCHAIN_COMPILED", asked)
    monkeypatch.setattr("hatch_build.compile_all", lambda *_: pytest.fail("a compiler would be needed"))
    data: dict[str, Any] = {"force_include": {}, "pure_python": True, "infer_tag": False}
    CompiledModules(str(ROOT), settings(), BuilderConfig, None, str(ROOT), "wheel").initialize(version, data)  # type: ignore[arg-type]
    assert data == {"force_include": {}, "pure_python": True, "infer_tag": False}


def test_what_runs_here_is_what_was_meant_to_run() -> None:
    """`make test-compiled` sets HNCHAIN_CODE: the suite must not pass for nothing on the sources beside it."""
    assert code_form() == CODE_FORM == os.environ.get("HNCHAIN_CODE", "plain")
    asked = [sys.executable, "-m", "cli", "version", "-o", "json"]
    told = subprocess.check_output(asked, env=environment(), timeout=60)
    assert json.loads(told)["code"] == CODE_FORM, "processes of a test, such as the nodes of its networks"
