"""Files of an export: CSV or JSON lines as they come, Parquet from the CSV through DuckDB; a manifest with hashes last.

A folder with files and without a manifest is an export that was killed.
"""

import csv
import hashlib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any, Final, Literal

import msgspec

from cli.csv_cells import csv_cell
from cli.export_tables import TABLES
from cli.language import t
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code

Plain = Any
Format = Literal["csv", "json", "parquet"]
MANIFEST: Final = "manifest.json"
_SUFFIX: Final[dict[Format, str]] = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet"}


def load_duckdb() -> ModuleType:
    """Raises: Refusal EXPORT_MISSING (exit 2) where it is not installed."""
    try:
        return importlib.import_module("duckdb")
    except ImportError as error:
        detail = t("Parquet needs the package duckdb", "Parquet 导出需要 duckdb 组件")
        raise Refusal(Verdict.USAGE, Code.EXPORT_MISSING, detail, "pip install 'hnchain[export]'") from error


class ExportFolder:
    """A context manager over one open file per table. Raises: Refusal (exit 2) for a folder with something in it."""

    def __init__(self, folder: Path, form: Format, tables: Iterable[str]) -> None:
        """Nothing is asked of a node before a missing package is told."""
        self._duckdb: Final = load_duckdb() if form == "parquet" else None
        self._folder: Final = folder
        self._form: Final = form
        self._counts: Final = dict.fromkeys(tables, 0)
        self._files: Final[dict[str, IO[str]]] = {}
        self._writers: Final[dict[str, Any]] = {}

    def __enter__(self) -> "ExportFolder":
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if any(self._folder.iterdir()):
                raise usage(t(f"{self._folder} is not empty", f"{self._folder} 不是空目录"))
            for table in self._counts:
                file = self._path(table, "json" if self._form == "json" else "csv").open(
                    "x", encoding="utf-8", newline=""
                )
                self._files[table] = file
                self._writers[table] = csv.writer(file, lineterminator="\n")
                if self._form != "json":
                    self._writers[table].writerow(name for name, _ in TABLES[table])
        except OSError as error:
            raise usage(f"{self._folder}: {error.strerror}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What did not end leaves nothing behind, so that it can be tried again."""
        for table, file in self._files.items():
            file.close()
            for suffix in _SUFFIX.values() if kind is not None else ():
                (self._folder / f"{table}{suffix}").unlink(missing_ok=True)

    def add(self, rows: Mapping[str, Iterable[tuple[Plain, ...]]]) -> None:
        """Rows of some tables; tables that this export leaves out are passed over."""
        for table, found in rows.items():
            if table not in self._counts:
                continue
            for row in found:
                self._counts[table] += 1
                if self._form == "json":
                    plain = {name: cell for (name, _), cell in zip(TABLES[table], row, strict=True)}
                    self._files[table].write(msgspec.json.encode(plain).decode() + "\n")
                else:
                    self._writers[table].writerow(self._cell(cell) for cell in row)

    def _cell(self, cell: Plain) -> Plain:
        """Parquet's text is no spreadsheet's: it holds what the chain holds."""
        if self._form == "csv":
            return csv_cell(cell)
        return "" if cell is None else cell

    def finish(self, about: Mapping[str, Plain]) -> dict[str, Plain]:
        """Convert, hash, and write the manifest: {..about, "files": {name: {"table", "rows", "sha256"}}}."""
        for file in self._files.values():
            file.close()
        files = {}
        for table, count in self._counts.items():
            if self._duckdb is not None:
                _to_parquet(self._duckdb, table, self._path(table, "csv"), self._path(table, "parquet"))
            path = self._path(table, self._form)
            files[path.name] = {"table": table, "rows": count, "sha256": sha256_of(path)}
        manifest = {**about, "format": self._form, "files": files}
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        (self._folder / MANIFEST).write_bytes(text)
        return manifest

    def _path(self, table: str, form: Format) -> Path:
        return self._folder / f"{table}{_SUFFIX[form]}"


def sha256_of(path: Path) -> str:
    """Of a file, in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_parquet(duckdb: ModuleType, table: str, source: Path, target: Path) -> None:
    """The types are those of TABLES, never guessed; an empty cell is NULL. The CSV goes."""
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in TABLES[table])
    form = f"header = true, auto_detect = false, quote = '\"', escape = '\"', columns = {{{columns}}}"
    reading = f"SELECT * FROM read_csv({_quoted(str(source))}, {form})"  # noqa: S608  (names of TABLES, a quoted path)
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET threads = 1")
        connection.execute(f"COPY ({reading}) TO {_quoted(str(target))} (FORMAT parquet)")
    finally:
        connection.close()
    source.unlink()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
