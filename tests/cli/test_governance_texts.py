"""What `hnchain gov` makes of its options, and what it prints."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli.governance import ACTIONS, document_hash, payload_plain, proposals_text, whole_days
from cli.main import run
from cli.network import Network
from cli.verdicts import Refusal
from primitives.address import encode_address
from primitives.json_form import body_from_plain
from primitives.keys import Address
from primitives.kinds_governance import GovPropose, SetClass

MERCHANT = encode_address(Address(bytes(20)))
NOTHING: dict[str, Any] = dict.fromkeys((
    "merchant", "status", "notice", "quota", "credit_limit", "at", "validator", "candidate", "account", "weight",
    "office", "payload", "reserve_ratio_bps", "class_id", "earn_cap_bps", "max_per_order", "exchangeable",
    "exchange_in_quota",
)) | {"changes": ()}  # fmt: skip
GIVEN: dict[str, dict[str, Any]] = {
    "admit": {"merchant": MERCHANT, "credit_limit": 5},
    "set_status": {"merchant": MERCHANT, "status": "WIND_DOWN", "notice": 90 * 86_400},
    "set_quota": {"merchant": MERCHANT, "quota": 0, "reserve_ratio_bps": 10_000},
    "set_class": {"class_id": "stay", "earn_cap_bps": 2_000, "max_per_order": 0, "exchangeable": False},
    "set_parameters": {"changes": ("fee_bps=20", "quota=7")},
    "program_end": {"at": 0},
    "validator_remove": {"validator": "sanya"},
    "set_member": {"account": MERCHANT, "weight": 5},
    "grant_office": {"account": MERCHANT, "office": "auditor"},
    "revoke_office": {"account": MERCHANT, "office": "auditor"},
}
WRITTEN: dict[str, dict[str, Any]] = {
    "sandbox_open": {"sandbox": "lab", "merchant": MERCHANT, "max_accounts": 2, "max_value": 1000, "starts": 1,
                     "ends": 2, "loss_reserve": 400, "exit_hash": "00" * 32, "merchants": [MERCHANT], "accounts": []},
    "sandbox_close": {"sandbox": "lab", "merchant": MERCHANT},
    "ratify_pause": {"until": 7},
    "errata": {"number": 1, "original": {"kind": "receipt", "body": {"tx": "00" * 32, "proof": "11" * 32}},
               "entries": [{"kind": "debit", "body": {"account": MERCHANT, "class": "hA", "units": 5}}],
               "reason": "FRAUD", "evidence_hash": "22" * 32},
    "challenge_open": {"challenge": "silver", "terms_hash": "00" * 32, "apply_days": 1, "score_days": 1,
                       "run_days": 1, "milestones": 0},
    "challenge_award": {"challenge": "silver", "merchant": MERCHANT},
}  # given as a file  # fmt: skip
CANDIDATE = (
    '{"name": "sanya", "vote_key": "' + "00" * 32 + '", "transport_certificate": "MA==", '
    '"address": "h:1", "possession": "' + "00" * 64 + '"}'
)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_can_be_proposed(action: str, tmp_path: Path) -> None:
    """The options make a body that decodes; without them the command says what is missing (exit 2)."""
    file = tmp_path / "candidate.json"
    file.write_text(CANDIDATE)
    given = GIVEN.get(action, {"candidate": str(file), "validator": "old"})
    if action in WRITTEN:
        file.write_text(json.dumps(WRITTEN[action]))
        given = {"payload": str(file)}
    payload = payload_plain(action, NOTHING | given, Network((), None, None))
    body = body_from_plain(
        "gov_propose", {"proposal": "p", "action": action, "payload": payload, "reasons_hash": "00" * 32}
    )
    assert isinstance(body, GovPropose)
    assert body.payload.__struct_config__.tag == action
    if isinstance(body.payload, SetClass):
        assert body.payload == SetClass("stay", 2_000, 0, False, None), "no and nothing are not the same"


def test_a_notice_counts_in_whole_days_and_a_reason_has_one_source(tmp_path: Path) -> None:
    assert whole_days(None) == 0
    with pytest.raises(Refusal):
        whole_days(86_401)
    file = tmp_path / "why"
    file.write_bytes(b"because")
    assert document_hash(str(file), None) == hashlib.sha256(b"because").digest()
    for source in ((None, None), (str(file), bytes(32)), (None, bytes(31))):
        with pytest.raises(Refusal):
            document_hash(*source)


def test_the_list_says_what_time_will_do() -> None:
    row = {
        "proposal": "q", "action": "admit", "state": "OPEN", "yes": 60, "no": 0, "eligible": 100, "passing": True,
        "ready_at": 1_760_000_000, "closes": 1_760_500_000, "forgotten_at": None,
    }  # fmt: skip
    assert "2025-10-09" in proposals_text([row])
    assert "2025-10-15" in proposals_text([row | {"passing": False}])
    assert "60 : 0 / 100" in proposals_text([row])
    assert proposals_text([])


@pytest.mark.parametrize("command", [
    "propose", "sign", "submit", "vote", "execute", "list", "show", "committee", "errata", "offices",
])  # fmt: skip
def test_every_command_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gov", command, "--help"]) == 0
    assert f"hnchain gov {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["apply", "wind-down"])
def test_the_way_in_and_out_of_a_merchant_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["merchant", command, "--help"]) == 0
    assert f"hnchain merchant {command}" in capsys.readouterr().out
