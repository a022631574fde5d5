"""docs/*/planted-bugs.md: every planted bug with the last result of its test. Written by the run, never by hand."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.mutants.table import Mutant

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "docs" / "en" / "planted-bugs.md", ROOT / "docs" / "zh" / "planted-bugs.md")
NOT_RUN: Final = "not run yet"
_ROW: Final = re.compile(
    r"^\| (?P<name>.+?) \| (?P<file>[^|]+) \| (?P<rule>[^|]*) \| .+ \| (?P<result>.+) \| (?P<s>[^|]*) \|$"
)
_HEADS: Final = (
    """# Planted bugs

Each row is a bug that `make mutants` plants in a copy of the tree; the named test must then turn red. A test that stays
green proves nothing about that rule. `python -m tests.mutants.run WORD` runs the rows whose name or file has the word.

| planted bug | file | rule | test | result | s |
|---|---|---|---|---|---|
""",
    """# 植入的缺陷

每一行是 `make mutants` 在代码副本中植入的一个缺陷，所列测试必须随之变红；若测试仍为绿色，它对该规则就什么也没有证明。
`python -m tests.mutants.run WORD` 只运行名称或文件中含该词的行。

| 植入的缺陷 | 文件 | 规则 | 测试 | 结果 | 秒 |
|---|---|---|---|---|---|
""",
)


@dataclass(frozen=True)
class Result:
    """How the last run of a row ended; `seconds` as text, "" if it never ran."""

    said: str = NOT_RUN
    seconds: str = ""


def known_results() -> dict[str, Result]:
    """The results that the page holds, by the name of the bug."""
    if not PAGES[0].is_file():
        return {}
    rows = (_ROW.match(line) for line in PAGES[0].read_text(encoding="utf-8").splitlines())
    return {row["name"]: Result(row["result"], row["s"]) for row in rows if row and row["name"] != "planted bug"}


def listed_names() -> list[str]:
    """The bugs that the page lists, in its order."""
    return [name for name in known_results() if name != "---"]


def cell(text: str) -> str:
    """Text as it stands in a table."""
    return text.replace("|", "\\|")


def write_pages(mutants: Sequence[Mutant], fresh: Mapping[str, Result]) -> None:
    """Both pages, with the fresh results over those that stand there."""
    results = {**known_results(), **{cell(name): result for name, result in fresh.items()}}
    rows = []
    for mutant in mutants:
        result = results.get(cell(mutant.name), Result())
        tests = " ".join(f"`{test}`" for test in mutant.tests)
        cells = (cell(mutant.name), mutant.file, mutant.rule, cell(tests), result.said, result.seconds)
        rows.append(f"| {' | '.join(cells)} |\n")
    for path, head in zip(PAGES, _HEADS, strict=True):
        path.write_text(head + "".join(rows), encoding="utf-8")
