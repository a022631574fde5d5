"""Two profiles: the default one is derandomised and short, for every run of the tests; HYPOTHESIS_PROFILE=large digs.

HYPOTHESIS_EXAMPLES sets how deep; the large profile remembers what failed and takes as long as it takes.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "short", derandomize=True, deadline=None, max_examples=120, stateful_step_count=50, suppress_health_check=_QUIET,
    database=None, phases=[Phase.explicit, Phase.generate, Phase.shrink],  # to explain takes longer than a test may
)  # fmt: skip
settings.register_profile(
    "large", deadline=None, max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "5000")), stateful_step_count=80,
    suppress_health_check=_QUIET,
)  # fmt: skip
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """No time limit per test under the large profile."""
    if PROFILE == "large":
        for item in items:
            item.add_marker(pytest.mark.timeout(0))
