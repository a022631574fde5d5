"""What may stand on a terminal: texts of nodes, files and other people draw nothing, erase nothing and turn nothing.

A node that lies could else answer a payment's refusal with escape sequences that write a receipt over it.
"""

from typing import Final

_RANGES: Final = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200E, 0x200F), (0x2028, 0x202E), (0x2066, 0x2069),
)  # fmt: skip
_CODES: Final = tuple(code for low, high in _RANGES for code in range(low, high + 1))
_REPLACED: Final = dict.fromkeys(_CODES, "\N{REPLACEMENT CHARACTER}")
_ESCAPED: Final = {code: f"\\u{code:04x}" for code in _CODES}


def shown(text: str) -> str:
    """The text with a mark in place of control characters; tabs and ends of lines stay."""
    return text.translate(_REPLACED)


def shown_json(document: str) -> str:
    """The same JSON value; such characters stand in its strings only, and there they have another spelling."""
    return document.translate(_ESCAPED)
