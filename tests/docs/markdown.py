"""The project's pages as data: their blocks, links and measured numbers. What the tests of this folder read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LANGUAGES: Final = ("en", "zh")

_FENCE: Final = re.compile(r"(?:<!-- (run|file: (?P<name>[\w.-]+)) -->\n)?```[a-z]*\n(?P<text>.*?)^```$", re.S | re.M)
_LINK: Final = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ +(.*?)\s*$", re.M)
_MEASURE: Final = re.compile(r"\d(?:[\d,.]*\d)?\s*(?:tx/s|ms|us|µs|微秒|毫秒)(?![a-zA-Z_])")
_SOURCE: Final = re.compile(r"`(?:hnchain|make|pytest|python -m) [^`]+`")


@dataclass(frozen=True, slots=True)
class Block:
    """`file`: the block is that file's content; else `run` says whether it is a script that must work."""

    file: str | None
    run: bool
    text: str


def pages() -> list[Path]:
    """README in both languages and everything under docs/."""
    return [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]


def twin(page: Path) -> Path | None:
    """The Chinese page of an English one; None for a page of one language (docs/adr, or Chinese itself)."""
    if page.name == "README.md" and page.parent == ROOT:
        return ROOT / "README.zh.md"
    return ROOT / "docs" / "zh" / page.name if page.parent.name == "en" else None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks in order."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(match["name"], match[1] == "run", match["text"]) for match in found]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragments that a link may name, as GitHub makes them from headings."""
    titles = _HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    """Links to files or headings of the project that are not there; none may lead outside."""
    for match in _LINK.finditer(prose(page)):
        path, _, fragment = match["target"].partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists():
            yield f"{page.relative_to(ROOT)}: {match['target']}"
        elif fragment and fragment not in anchors(target):
            yield f"{page.relative_to(ROOT)}: no heading for {match['target']}"


def measures_without_source(text: str) -> list[str]:
    """Speeds and times in a paragraph, list item or table that names no command which prints them."""
    parts = re.split(r"\n\s*\n|\n(?=\s*[-*] )", text)
    return [m[0] for part in parts if not _SOURCE.search(part) for m in _MEASURE.finditer(part)]
