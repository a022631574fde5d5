"""`hnchain sim`: what a user gets from one simulated run, and from one that breaks a rule."""

from pathlib import Path

import msgspec
import pytest

from cli.main import run
from primitives.validators import ValidatorSet
from simulation.plan import load_plan


def test_a_clean_run_counts_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "--seed", "3", "--nodes", "4", "-o", "json"]) == 0
    first = capsys.readouterr().out
    found = msgspec.json.decode(first)
    assert found["ok"] and found["events"] > 500 and found["blocks"] > 1 and found["virtual_ms"] > 6_000
    assert run(["sim", "--seed", "3", "--nodes", "4", "-o", "json"]) == 0
    assert capsys.readouterr().out == first, "one seed is one run"


def test_the_text_is_there_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    for language, word in (("en", "virtual time"), ("zh", "虚拟时间")):
        assert run(["--lang", language, "sim", "--seed", "1"]) == 0
        assert word in capsys.readouterr().out


def test_a_plan_is_printed_changed_and_played(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--seed", "8", "--nodes", "7", "--byzantine", "mute", "--byzantine", "twin", "--until", "12"]
    assert run(["sim", *options, "--print-plan"]) == 0
    file = tmp_path / "plan.json"
    file.write_text(capsys.readouterr().out)
    plan = load_plan(file)
    assert plan.nodes == 7 and {seat: role.value for seat, role in plan.byzantine.items()} == {0: "mute", 1: "twin"}
    assert run(["sim", "--plan", str(file), "--trace", str(tmp_path / "trace"), "-o", "json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["blocks"] >= 12
    assert "decides 12" in (tmp_path / "trace").read_text()


def test_all_roles_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "--byzantine", "list"]) == 0
    assert {"equivocate", "twin"} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--byzantine", "nice"], "no role"),
        (["--byzantine", "mute", "--byzantine", "mute"], "bear 1"),
        (["--plan", "there-is-none.json"], "No such file"),
        (["--plan", "README.md"], "JSON"),
        (["--plan", "x.json", "--seed", "1"], "--plan says all"),
        (["--trace", "there/is/none"], "No such file"),
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--lang", "en", "sim", *options]) == 2
    assert word in capsys.readouterr().err


def test_a_broken_rule_leaves_a_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The bug: one signer fewer decides."""
    monkeypatch.setattr(ValidatorSet, "quorum", property(lambda self: (self.size + self.faulty) // 2))
    for seed in range(60):
        options = ["--seed", str(seed), "--nodes", "4", "--byzantine", "equivocate", "--save", str(tmp_path)]
        code, text = run(["sim", *options, "-o", "json"]), capsys.readouterr().out
        if code:
            break
    assert code == 1
    found = msgspec.json.decode(text)
    assert not found["ok"] and found["error"]
    plan = load_plan(Path(found["plan"]))
    assert plan.seed == seed and Path(found["plan"]).parent == tmp_path
    assert run(["sim", "--plan", found["plan"], "--shrink", "--save", str(tmp_path / "small"), "-o", "json"]) == 1
    small = load_plan(Path(msgspec.json.decode(capsys.readouterr().out)["plan"]))
    assert len(small.faults) + len(small.submissions) < len(plan.faults) + len(plan.submissions)
