"""Random runs of the whole network: safety always, everything decided after healing, silence in the end."""

import pytest

from simulation.plan import plan_of
from simulation.run import run_plan

CHUNKS, RUNS_PER_CHUNK = 10, 5  # x 3 sizes = 150 runs; `make sim` plays thousands


@pytest.mark.parametrize("nodes", [4, 5, 7])
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_seeds(chunk: int, nodes: int) -> None:
    """Every failure names the command that replays it."""
    for seed in range(chunk * RUNS_PER_CHUNK, (chunk + 1) * RUNS_PER_CHUNK):
        run_plan(plan_of(seed, nodes))


def test_one_seed_is_one_run() -> None:
    """Two plays of a plan are equal event by event."""
    traces: list[list[str]] = [[], []]
    for lines in traces:
        run_plan(plan_of(3, 4), lines.append)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 100
