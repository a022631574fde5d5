"""Text in cells of a CSV file: a spreadsheet runs what starts like a formula, and identifiers on the chain may be one.

An order, class or refund is named by a merchant in any printable ASCII, so `=HYPERLINK(...)` is an order id that a
regulator's spreadsheet would run. Such a cell gets one apostrophe in front, and so does one that starts with an
apostrophe: who reads the file with a program takes one leading apostrophe away. Numbers stay as they are.
"""

import re
from typing import Any, Final

Plain = Any
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")


def csv_cell(cell: Plain) -> Plain:
    """What is written for a value: empty for None, text that no spreadsheet runs."""
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(_FORMULA) and not _NUMBER.match(cell):
        return f"'{cell}"
    return cell


def text_of(cell: str) -> str:
    """The text that csv_cell wrote."""
    return cell.removeprefix("'")
