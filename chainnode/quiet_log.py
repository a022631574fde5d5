"""Log lines that a stranger can cause: at most one per source in ten seconds (T30)."""

import logging
from collections.abc import Callable
from typing import Final

LINE_SECONDS: Final = 10.0
SOURCES_MAX: Final = 256  # remembered; then all start anew


class QuietLog:
    """A rate limit in front of a logger; `clock` is monotonic, in seconds."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float]) -> None:
        self._logger: Final = logger
        self._clock: Final = clock
        self._logged_at: Final[dict[str, float]] = {}

    def warn(self, source: str, text: str) -> None:
        """One warning about `source`, or silence if there was one just now."""
        now = self._clock()
        if now - self._logged_at.get(source, -LINE_SECONDS) < LINE_SECONDS:
            return
        if len(self._logged_at) >= SOURCES_MAX:
            self._logged_at.clear()
        self._logged_at[source] = now
        self._logger.warning("%s: %s", source, text)
