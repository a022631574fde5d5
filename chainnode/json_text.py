"""JSON text from outside, read strictly: what two parsers could understand differently is refused (R03).

Refused: bytes that are not UTF-8, a byte-order mark, a name twice in one object, NaN and Infinity, lone surrogates,
nesting beyond the parser's stack, anything after the value.
"""

import json
import re
from typing import Any, Final

from primitives.codec import Malformed

Plain = Any  # what a JSON parser gives

INTEGER_CHARS_MAX: Final = 20  # 2**64 - 1 has 20 digits; longer ones cost time and are out of range anyway
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class NotWhole:
    """A number with a point or an exponent, or beyond every range. No reader takes it; an amount answers BAD_AMOUNT."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text[:40]

    def __str__(self) -> str:
        return self._text


def _integer(text: str) -> int | NotWhole:
    return int(text) if len(text) <= INTEGER_CHARS_MAX else NotWhole(text)


def _refuse_constant(text: str) -> None:
    raise Malformed(f"{text} is not JSON")


def _first_twice(pairs: list[tuple[str, Plain]]) -> str:
    """One pass: a body has room for 30,000 names, and comparing each with each would stop the node for seconds."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("the caller found a name twice")


def _object(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(f"the name {_first_twice(pairs)[:40]!r} stands twice in one object")
    return found


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=NotWhole, parse_int=_integer, parse_constant=_refuse_constant, strict=True
)


def parse_json(raw: bytes) -> Plain:
    """The value of a JSON text: dict, list, str, int, bool, None, NotWhole. The caller bounds len(raw).

    Raises: Malformed with what is wrong.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the text is not UTF-8 at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise Malformed("the text begins with a byte-order mark")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Malformed("the text is nested too deeply") from error
    if _SURROGATE.search(raw):
        _check_surrogates(value)
    return value


def _check_surrogates(value: Plain) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and not item.isascii():
            try:
                item.encode()
            except UnicodeEncodeError as error:
                raise Malformed("the text holds a lone surrogate") from error
