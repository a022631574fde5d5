"""Chinese or English: chosen once per process, before any command is loaded, from --lang or the locale."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

Language = Literal["en", "zh"]
LOCALE_DIRECTORY: Final = Path(__file__).parent / "locale"
_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order of POSIX

_chosen: list[Language] = ["en"]


def choose(arguments: Sequence[str], environment: Mapping[str, str]) -> Language:
    """The language of `--lang zh`, `--lang=zh` or, without it, of the first locale variable that is set."""
    for i, argument in enumerate(arguments):
        value = argument.partition("=")[2] if argument.startswith("--lang=") else None
        if argument == "--lang" and i + 1 < len(arguments):
            value = arguments[i + 1]
        if value in ("zh", "en"):
            return "zh" if value == "zh" else "en"
    found = next((environment[name] for name in _LOCALE_VARIABLES if environment.get(name)), "")
    return "zh" if found.lower().startswith("zh") else "en"


def use(language: Language) -> None:
    """Speak this language from now on; help texts of commands already loaded keep theirs."""
    import gettext

    _chosen[0] = language
    os.environ["LANGUAGE"] = language  # read by gettext for click's own words
    gettext.bindtextdomain("messages", str(LOCALE_DIRECTORY))


def current() -> Language:
    """The language in use."""
    return _chosen[0]


def t(english: str, chinese: str) -> str:
    """The text in the language in use."""
    return chinese if _chosen[0] == "zh" else english


def example(command: str) -> str:
    """The last line of a command's help."""
    return t(f"Example: {command}", f"示例：{command}")
