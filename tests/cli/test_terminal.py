"""No node writes on a terminal what its reader did not ask for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.main import run
from cli.terminal import shown, shown_json
from tests.chainnode.solo import Town
from tests.cli.lying_node import Door, Plain

EVIL = "\x1b[2J\r\u009b1A\u202e paid"


def evil(path: str, plain: Plain) -> Plain:
    problem = {"code": "HN-2001", "name": "ACCOUNT_UNKNOWN", "title": EVIL, "detail": EVIL, "fix": EVIL, "status": 404}
    return (404, problem) if "/alerts" in path else plain


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_lying_node_draws_nothing(
    form: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path))
    with Door(Town()).open() as door:
        door.lie = evil
        assert run(["--lang", "en", "audit", "alerts", "--node", door.url, "-o", form]) == 1
    told = capsys.readouterr()
    assert "paid" in told.err and ("paid" in told.out or form == "text")
    assert not any(bad in told.out + told.err for bad in "\x1b\r\u009b\u202e"), (told.out, told.err)


@given(st.text())
def test_what_is_shown_has_no_control_characters_and_json_keeps_its_value(said: str) -> None:
    assert all(ch in "\t\n" or not (ord(ch) < 0x20 or 0x7F <= ord(ch) <= 0x9F) for ch in shown(said))
    assert json.loads(shown_json(json.dumps(said, ensure_ascii=False))) == said
    assert shown("游海南\t1\n¥2") == "游海南\t1\n¥2"
