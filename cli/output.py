"""The two streams: the answer on stdout (text or one JSON document), the commentary on stderr."""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click
import msgspec

from cli.language import t
from cli.terminal import shown, shown_json

F = TypeVar("F", bound=Callable[..., Any])
_META: Final = "hnchain.output"


def with_output(command: F) -> F:
    """Adds -o text|json."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, expose_value=False,
        callback=lambda ctx, _param, value: ctx.meta.__setitem__(_META, value), is_eager=True,
        help=t("Form of the answer on stdout.", "标准输出的格式。"),
    )(command)  # fmt: skip


def wants_json() -> bool:
    """Whether the command at hand was asked for JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(_META) == "json"


def answer(plain: Any, text: str) -> None:
    """The command's answer: `plain` as one JSON document on one line, or `text`."""
    click.echo(shown_json(msgspec.json.encode(plain).decode()) if wants_json() else shown(text))


def say(text: str) -> None:
    """Commentary; never on stdout."""
    click.echo(shown(text), err=True)


def width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, columns: int) -> str:
    """The text with blanks up to so many columns."""
    return text + " " * max(0, columns - width(text))


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Aligned columns, headers first; an empty table says so."""
    if not rows:
        return t("(none)", "（无）")
    cells = [list(headers), *([str(cell) for cell in row] for row in rows)]
    columns = [max(width(row[i]) for row in cells) for i in range(len(headers))]
    lines = ["  ".join(pad(cell, size) for cell, size in zip(row, columns, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def pairs(items: Sequence[tuple[str, object]]) -> str:
    """One "label  value" per line, aligned."""
    columns = max((width(label) for label, _ in items), default=0)
    return "\n".join(f"{pad(label, columns)}  {value}" for label, value in items)


def points(value: int | str) -> str:
    """A number with thousands separators."""
    return f"{int(value):,}"


def yuan(fen: int | str) -> str:
    """Fen as CNY, exactly."""
    whole, rest = divmod(abs(int(fen)), 100)
    return f"{'-' if int(fen) < 0 else ''}¥{whole:,}.{rest:02d}"


def day_text(seconds: int) -> str:
    """A time as date and minute of UTC+8, whatever this machine's zone."""
    from datetime import UTC, datetime, timedelta, timezone

    if not 0 <= seconds < 253_402_300_800:
        return t("never", "永不")
    moment = datetime.fromtimestamp(seconds, UTC).astimezone(timezone(timedelta(hours=8)))
    return moment.strftime("%Y-%m-%d %H:%M")
