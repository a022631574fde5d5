"""The file in which a command keeps what it measured."""

from pathlib import Path
from typing import Any, Final

import click
import msgspec

from cli.language import t
from cli.verdicts import usage


class ResultFile(click.ParamType[Path]):
    """A file of a folder that is there: looked at before anything is measured, not after."""

    name: Final = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See click.ParamType. Raises: Refusal."""
        path = Path(value)
        folder = path.absolute().parent
        if not folder.is_dir():
            raise usage(t(f"--report: no folder {folder}", f"--report：目录 {folder} 不存在"))
        if path.is_dir():
            raise usage(t(f"--report: {path} is a folder", f"--report：{path} 是目录"))
        return path


def save_json(path: Path, found: msgspec.Struct) -> None:
    """A result as a file, its folder made; whole or not at all. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    following = path.with_name(path.name + ".next")
    following.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    following.replace(path)
