"""`hnchain bench report`: everything that was measured, as a page in each language."""

from pathlib import Path
from typing import Final, TypeVar

import click
import msgspec

from benchmarks.growth import Growth
from benchmarks.page import Sources, html
from benchmarks.peers.figures import Comparison
from benchmarks.scoreboard import load_board
from benchmarks.stages_run import Watched
from cli.language import Language, example, t
from cli.output import answer, with_output
from cli.verdicts import usage

RESULTS: Final = Path("benchmarks/results")
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
S = TypeVar("S", bound=msgspec.Struct)


@click.command(
    help=t("Write report.en.html and report.zh.html of all results in a folder: self-contained, with charts and the "
           "raw data.",
           "将目录中的全部结果写成 report.en.html 与 report.zh.html：单文件，含图表与原始数据。"),
    epilog=example("hnchain bench report --results benchmarks/results"),
)  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, show_default=True,
              metavar="DIR", help=t("What bench table, stages, growth and peers have left.",
                                    "bench table、stages、growth 与 peers 的结果目录。"))  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
              help=t("Where the pages go; without it beside the results.", "输出目录；默认与结果相同。"))  # fmt: skip
@with_output
def report(results: Path, out: Path | None) -> None:
    sources = sources_in(results)
    if sources == Sources(sources.board) and not sources.board.rows:
        raise usage(t(f"nothing measured in {results}", f"{results} 中没有测量结果"), "hnchain bench table")
    folder = out or results
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"report.{language}.html" for language in LANGUAGES]
    for language, path, other in zip(LANGUAGES, files, reversed(files), strict=True):
        path.write_text(html(sources, language, other.name), encoding="utf-8")
    answer({"files": [str(path) for path in files]}, "\n".join(str(path) for path in files))


def sources_in(results: Path) -> Sources:
    """What a folder holds; a file of another format counts as missing."""
    return Sources(
        load_board(results / "table.json"), _read(results / "stages.json", Watched),
        _read(results / "growth.json", Growth), _read(results / "peers.json", Comparison),
    )  # fmt: skip


def _read(path: Path, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None
