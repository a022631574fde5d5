"""Two profiles: the default one is derandomised and short, for every run of the tests; HNCHAIN_PROPERTIES=long digs."""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "short", derandomize=True, deadline=None, max_examples=120, stateful_step_count=50, suppress_health_check=_QUIET,
    database=None,
)  # fmt: skip
settings.register_profile(
    "long", deadline=None, max_examples=int(os.environ.get("HNCHAIN_EXAMPLES", "1500")), stateful_step_count=60,
    suppress_health_check=_QUIET,
)  # fmt: skip
settings.load_profile(os.environ.get("HNCHAIN_PROPERTIES", "short"))
