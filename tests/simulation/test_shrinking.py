"""A failing plan becomes a small one that fails in the same way; what a plan says is checked first."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from primitives.validators import ValidatorSet
from simulation.failure import SimulationFailed, save_plan
from simulation.plan import Fault, FaultKind, Plan, Submission, check_plan, dump_plan, load_plan, plan_of, with_roles
from simulation.roles import Role
from simulation.run import failure_of
from simulation.shrinking import shrink, simpler

SMALL = Plan(seed=1, nodes=4, byzantine={}, faults=(), submissions=(Submission(10, 0),))


def test_a_small_quorum_shrinks_to_a_small_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug: one signer fewer decides. The plan that is left shows it with hardly anything else."""
    monkeypatch.setattr(ValidatorSet, "quorum", property(lambda self: (self.size + self.faulty) // 2))
    plans = (with_roles(plan_of(seed, 4), ["equivocate"]) for seed in range(100))
    first = next(found for plan in plans if (found := failure_of(plan)) is not None and "FORK" in found.kind)
    small = shrink(first, failure_of, seconds=20)
    assert small.kind == first.kind
    assert len(small.plan.faults) + len(small.plan.byzantine) <= 2
    assert len(small.plan.submissions) <= 3
    again = failure_of(small.plan)
    assert again is not None and again.kind == small.kind


def test_a_plan_that_fails_in_another_way_is_not_taken() -> None:
    def run(plan: Plan) -> SimulationFailed | None:
        sentence = "FORK at height 3" if len(plan.submissions) > 2 else "LIVENESS: nothing goes on"
        return SimulationFailed(plan, AssertionError(sentence), 0)

    plan = plan_of(3, 7)
    small = shrink(SimulationFailed(plan, AssertionError("FORK at height 9"), 0), run)
    assert len(small.plan.submissions) == 3
    assert not small.plan.faults and not small.plan.byzantine and small.plan.nodes == 4


def test_shrinking_ends_when_its_time_is_over() -> None:
    plan = plan_of(3, 7)
    failure = SimulationFailed(plan, AssertionError("FORK"), 0)
    assert shrink(failure, lambda other: pytest.fail(f"played {other}"), seconds=0) is failure


@pytest.mark.parametrize("seed", range(20))
def test_every_smaller_plan_makes_sense(seed: int) -> None:
    for plan in simpler(plan_of(seed, 7)):
        check_plan(plan)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (replace(SMALL, nodes=3), "4 to 22"),
        (replace(SMALL, nodes=23), "4 to 22"),
        (replace(SMALL, submissions=(Submission(1, 4),)), "no node 4"),
        (replace(SMALL, submissions=(Submission(-1, 0),)), "below 0"),
        (replace(SMALL, byzantine={0: Role.MUTE, 1: Role.MUTE}), "bear 1"),
        (replace(SMALL, byzantine={0: Role.MUTE}, faults=(Fault(FaultKind.CLOCK, 1, 2, (1,)),)), "bear 1"),
        (replace(SMALL, faults=(Fault(FaultKind.CRASH, 5, 4, (1,)),)), "not inside"),
        (replace(SMALL, faults=(Fault(FaultKind.CRASH, 5, 7_000, (1,)),)), "not inside"),
        (replace(SMALL, faults=(Fault(FaultKind.CRASH, 5, 6, (9,)),)), "no node 9"),
    ],
)
def test_a_plan_without_sense_is_refused(wrong: Plan, word: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=word):
        check_plan(wrong)
    with pytest.raises(ValueError, match=word):
        load_plan(save_plan(wrong, tmp_path))


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    for seed in range(50):
        plan = plan_of(seed, 4 + seed % 4)
        assert load_plan(save_plan(plan, tmp_path)) == plan
        assert msgspec.json.decode(dump_plan(plan), type=Plan) == plan
