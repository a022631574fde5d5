"""What a broken rule says: the sentence, when, under which plan and code, and how to see it again."""

import os
from pathlib import Path
from typing import Final

from simulation.plan import Plan, dump_plan, plan_name

_ROOT: Final = Path(__file__).resolve().parents[1]


class SimulationFailed(AssertionError):
    """A run broke a rule. `kind` stays the same while a plan is made smaller: the rule, not the numbers."""

    def __init__(self, plan: Plan, error: Exception, at_ms: int) -> None:
        self.plan, self.at_ms = plan, at_ms
        self.sentence = f"{type(error).__name__}: {error}"
        self.kind = " ".join(self.sentence.split(maxsplit=2)[:2])
        super().__init__(
            f"{self.sentence}\n  seed {plan.seed}, {plan.nodes} nodes, virtual {at_ms} ms, revision {revision()}, "
            f"PYTHONHASHSEED {os.environ.get('PYTHONHASHSEED', 'random')}\n"
            f"  plan {plan_name(plan)}: {dump_plan(plan)}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Crosses from a worker process as it is."""
        return _again, (self.plan, self.sentence, self.at_ms, self.args[0])


def _again(plan: Plan, sentence: str, at_ms: int, text: str) -> SimulationFailed:
    failure = SimulationFailed(plan, AssertionError(), at_ms)
    failure.sentence, failure.kind, failure.args = sentence, " ".join(sentence.split(maxsplit=2)[:2]), (text,)
    return failure


def revision() -> str:
    """The commit of this source tree, "unknown" outside of one."""
    try:
        head = (_ROOT / ".git" / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (_ROOT / ".git" / head.removeprefix("ref: ")).read_text().strip()
    except OSError:
        return "unknown"
    return head[:12]


def save_plan(plan: Plan, folder: Path) -> Path:
    """Keep a plan as <name>.json in a folder that may not exist yet; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plan_name(plan)}.json"
    path.write_text(dump_plan(plan) + "\n", encoding="utf-8")
    return path
