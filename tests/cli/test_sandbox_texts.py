"""What `hnchain sandbox` and `hnchain gov pause` say."""

import pytest

from cli.language import use
from cli.main import run
from cli.sandboxes import pause_text, report_text
from tests.points.trial import Trial


def test_the_report_is_that_of_the_query() -> None:
    trial = Trial()
    trial.grant(700)
    trial.ok("u", trial.redeem("B", 200, "b1"))
    use("en")
    text = report_text(trial.report(), lambda address: address[-4:])
    lines = {line.split("  ")[0].strip(): line.split("  ")[-1].strip() for line in text.splitlines()}
    assert lines["accounts"] == "1 / 2"
    assert (lines["granted"], lines["spent"], lines["outstanding"]) == ("700", "200", "500")
    assert lines["may still grant"] == "300"
    assert lines["reserve"] == "covered"


@pytest.mark.parametrize(
    ("language", "word"), [("en", "PAUSED until 2025-10-08"), ("zh", "紧急暂停至 2025-10-08")]
)  # fmt: skip
def test_a_pause_says_until_when(language: str, word: str) -> None:
    use(language)  # type: ignore[arg-type]
    plain = {"paused": True, "until": 1_759_913_600, "ratified": False, "sole_seconds_left": 0}
    assert pause_text(plain).startswith(word)
    assert "72" in pause_text(plain | {"paused": False, "sole_seconds_left": 72 * 3600})
    use("en")


@pytest.mark.parametrize("command", ["open", "close", "enrol", "list", "show"])
def test_every_sandbox_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", command, "--help"]) == 0
    assert f"hnchain sandbox {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["pause", "resume", "ratify", "paused"])
def test_every_pause_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gov", command, "--help"]) == 0
    assert f"hnchain gov {command}" in capsys.readouterr().out
