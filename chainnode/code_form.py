"""Whether this installation runs its hot path compiled or as plain Python (docs/adr/0036)."""

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from typing import Final, Literal

CodeForm = Literal["plain", "compiled"]

_WITNESS: Final = "points.transition"  # a wheel holds all compiled modules or none


def code_form() -> CodeForm:
    """What an import takes, not what was meant to be installed."""
    found = find_spec(_WITNESS)
    origin = "" if found is None else found.origin or ""
    return "compiled" if origin.endswith(tuple(EXTENSION_SUFFIXES)) else "plain"


CODE_FORM: Final = code_form()
