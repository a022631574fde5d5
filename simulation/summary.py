"""What runs saw, added up: for one run of `hnchain sim` and for a campaign over many seeds."""

from collections import Counter
from dataclasses import dataclass, field

from simulation.run import Outcome


@dataclass
class Summary:
    """The sum of all clean runs so far."""

    runs: int = 0
    events: int = 0
    virtual_ms: int = 0
    slowest_heal_ms: int = 0  # from the end of the faults until all was decided everywhere
    highest_view: int = 0
    memory: int = 0  # elements in the largest core
    blocks: int = 0
    faults: Counter[str] = field(default_factory=Counter)  # injected, by kind
    counts: Counter[str] = field(default_factory=Counter)  # of everything else

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.events += outcome.events
        self.virtual_ms += outcome.virtual_ms
        self.slowest_heal_ms = max(self.slowest_heal_ms, outcome.healed_ms)
        self.highest_view = max(self.highest_view, outcome.view)
        self.memory = max(self.memory, outcome.memory)
        self.blocks += outcome.height
        self.counts["runs that changed the view"] += outcome.view > 0
        for name, count in outcome.counts.items():
            kind = name.removeprefix("fault ")
            (self.counts if kind == name else self.faults)[kind] += count

    def plain(self) -> dict[str, object]:
        """For JSON."""
        return {
            "runs": self.runs, "events": self.events, "virtual_ms": self.virtual_ms, "blocks": self.blocks,
            "slowest_recovery_ms": self.slowest_heal_ms, "highest_view": self.highest_view,
            "largest_core": self.memory, "faults": dict(sorted(self.faults.items())),
            "counts": dict(sorted(self.counts.items())),
        }  # fmt: skip
