"""Moments that people name: a day of UTC+8, a minute of it, or a height."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cli.client import Client
from cli.language import t
from cli.merchant_statement import DAY_SECONDS, UTC8
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code

Plain = Any
_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M")
_HELP: Final = "2026-05-01 | '2026-05-01 18:00' | 1200"


@dataclass(frozen=True, slots=True)
class AsOf:
    """Everything up to this second, and where a height was named, up to the end of this block."""

    time_s: int
    height: int | None = None

    def holds(self, receipt: Plain) -> bool:
        """Whether a receipt with its `time_ms` stands at or before the moment."""
        if self.height is not None:
            return bool(receipt["height"] <= self.height)
        return bool(receipt["time_ms"] // 1000 <= self.time_s)


def read_second(text: str, last: bool) -> int:
    """The unix second of a date or time of UTC+8; of a bare date its first second, or its `last`.

    Raises: Refusal (exit 2).
    """
    try:
        start = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC8).timestamp())
        return start + DAY_SECONDS - 1 if last else start
    except ValueError:
        pass
    for form in _FORMS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC8).timestamp())
        except ValueError:
            continue
    raise usage(t(f"{text!r} is no moment", f"{text!r} 不是时间或高度"), _HELP)


def read_as_of(text: str, client: Client) -> AsOf:
    """The moment that a date, a time or a height names. Raises: Refusal, exit 1 for a height that is not there yet."""
    if not (text.isascii() and text.isdigit()):
        return AsOf(read_second(text, last=True))
    height = int(text[:19])
    header = header_at(client, height)
    if header is None:
        detail = t(f"there is no block {height} yet", f"尚无区块 {height}")
        raise Refusal(Verdict.REJECTED, Code.NOT_FOUND, detail)
    return AsOf(header["time_ms"] // 1000, height)


def header_at(client: Client, height: int) -> Plain | None:
    """The header of a block; None above the head."""
    listed = client.get("/v1/headers", **{"from": height, "limit": 1})["headers"]
    return listed[0]["header"] if listed else None
