"""Plans of runs that once broke a rule, as JSON, each named after what was wrong. Replayed with every test run."""

from pathlib import Path
from typing import Final

REGRESSIONS: Final = sorted(Path(__file__).parent.glob("*.json"))
