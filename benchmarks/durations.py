"""Durations on the command line."""

from typing import Any, Final

import click

from cli.language import t

DAY_SECONDS: Final = 86_400
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Seconds(click.ParamType[float]):
    """A duration: 20s, 500ms, 2m, 1h, or a bare number of seconds; below a day."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click.ParamType."""
        text = str(value)
        unit = next((u for u in _UNITS if text.endswith(u)), "")
        try:
            seconds = float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < DAY_SECONDS:
            self.fail(t(f"{text!r} is no duration; like 20s, 500ms, 2m", f"{text!r} 不是时长；例如 20s、500ms、2m"))
        return seconds
