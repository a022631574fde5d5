"""The trials of the table by name, in the order in which they are made: what later ones build on comes first."""

from collections.abc import Callable
from typing import Final

from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand
from benchmarks.trials_faults import follower, leader
from benchmarks.trials_load import batch, best, half, idle, plain, queries, w512
from benchmarks.trials_overload import overload
from benchmarks.trials_rest import deploy, memory, silence
from benchmarks.trials_scale import accounts, startup
from benchmarks.trials_sync import sync

Trial = Callable[[Stand], Outcome]

TRIALS: Final[dict[str, Trial]] = {
    "best": best, "half": half, "w512": w512, "plain": plain, "batch": batch, "idle": idle, "follower": follower,
    "leader": leader, "sync": sync, "silence": silence, "memory": memory, "queries": queries, "deploy": deploy,
    "accounts": accounts, "startup": startup, "overload": overload,
}  # fmt: skip
