"""What `hnchain gov errata` and `gov challenge` make of their options."""

from typing import Any

import pytest

from cli.corrections import _credit, _debit, _debt, _original
from cli.main import run
from cli.network import Network
from cli.verdicts import Refusal
from primitives.address import FUND_ADDRESS, encode_address
from primitives.json_form import from_plain
from primitives.keys import Address
from primitives.kinds_errata import Credit, Debit, Debt

NOBODY = Network((), None, None)
WHO = encode_address(Address(bytes(range(20))))


def test_a_credit_is_valid_through_its_date() -> None:
    """The last day of a phrase is a whole day: it expires at the midnight behind it, in UTC+8."""
    entry = from_plain(Credit, _credit(f"{WHO}:stay:270:2025-10-09", NOBODY)["body"])
    assert (entry.units, entry.expires) == (270, 1_760_025_600)


def test_a_debit_and_a_debt() -> None:
    assert from_plain(Debit, _debit(f"{WHO}:stay:5", NOBODY)["body"]) == Debit(bytes(range(20)), "stay", 5)
    fund = encode_address(FUND_ADDRESS)
    debt = from_plain(Debt, _debt(f"{fund}:{WHO}:7", NOBODY)["body"])
    assert (debt.debtor, debt.value) == (FUND_ADDRESS, 7)


@pytest.mark.parametrize("text", ["stay:5", f"{WHO}:stay:5:2025-13-01", f"{WHO}:stay:5:2025-10-09:1"])
def test_an_entry_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        _credit(text, NOBODY)


@pytest.mark.parametrize("given", [(None, None, None), (None, bytes(32), None), ("a/b", bytes(32), bytes(32))])
def test_an_erratum_names_one_transaction(given: Any) -> None:
    with pytest.raises(Refusal):
        _original(*given, NOBODY)
    found = _original(None, bytes(32), bytes(32), NOBODY)
    assert found == {"kind": "receipt", "body": {"tx": "00" * 32, "proof": "00" * 32}}


@pytest.mark.parametrize("command", ["open", "award", "apply", "score", "list", "show"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_challenge_command_shows_an_example(
    command: str, language: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert run(["--lang", language, "gov", "challenge", command, "--help"]) == 0
    assert f"hnchain gov challenge {command}" in capsys.readouterr().out


def test_what_was_corrected_is_shown_from_the_audit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "errata", "--help"]) == 0
    assert "hnchain audit errata" in capsys.readouterr().out
