"""The list of a campaign and its proofs, as files: made without a node, refused with the line that is wrong."""

import json
import subprocess
from pathlib import Path

import pytest

from primitives.address import encode_address
from primitives.json_form import from_plain
from primitives.keys import Address
from primitives.kinds_campaigns import LeafProof, is_listed, list_root
from tests.cli.test_commands import hnchain

ACCOUNTS = [bytes([n]) * 20 for n in (1, 2, 3)]
TEXTS = [encode_address(Address(account)) for account in ACCOUNTS]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path / "home"))


def prove(lines: list[str], account: str) -> subprocess.CompletedProcess[str]:
    Path("guests.csv").write_text("\n".join(lines), encoding="utf-8")
    return hnchain("merchant", "campaign", "proof", "spring", "guests.csv", account)


def test_the_proof_of_a_listed_account_needs_no_node() -> None:
    done = prove(["# guests of May", f"{TEXTS[0]},100", "", f"{TEXTS[1]}, 250", f"{TEXTS[2]},7"], TEXTS[1])
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    assert (plain["campaign"], plain["account"], plain["units"]) == ("spring", TEXTS[1], 250)
    root = list_root("spring", list(zip(ACCOUNTS, (100, 250, 7), strict=True)))
    assert is_listed(root, "spring", ACCOUNTS[1], 250, from_plain(LeafProof, plain["proof"]))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"{TEXTS[0]},1", f"{TEXTS[1]}"], "guests.csv:2"),
        ([f"{TEXTS[0]},1", f"{TEXTS[1]},01"], "guests.csv:2"),
        ([f"{TEXTS[0]},1", f"{TEXTS[0]},2"], "guests.csv:2"),
        ([f"{TEXTS[0]},0"], "guests.csv:1"),
        (["# nobody"], "no entry"),
        ([f"{TEXTS[0]},1"], "not in the list"),
    ],
)
def test_a_bad_list_is_refused_with_its_line(lines: list[str], said: str) -> None:
    done = prove(lines, TEXTS[2])
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
