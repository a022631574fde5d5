"""Nothing of a kind is forgotten: each transaction kind and each decision of the committee has a JSON form, an OpenAPI
schema, a description, a verb of the command, events, a scenario and its row in both pages; each code is answered.

What is missing is named, so whoever adds a kind reads here what is left to do.
"""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from chainnode.api import openapi_text
from points.transition import RULES
from primitives.catalogue import explain
from primitives.codes import Code
from primitives.json_form import body_from_plain
from primitives.kinds import AccountOpen, BatchOperations, Body, ReserveAttest
from primitives.kinds_governance import Payload
from tests.cli.test_commands import commands

ROOT = Path(__file__).resolve().parents[2]
KINDS: dict[str, type] = {
    str(kind.__struct_config__.tag): kind for kind in (*RULES, AccountOpen, ReserveAttest, BatchOperations)
}
ACTIONS: dict[str, type] = {str(payload.__struct_config__.tag): payload for payload in get_args(Payload)}

VERBS = {
    "account_open": "wallet open", "key_add": "wallet key add", "key_revoke": "wallet key revoke",
    "key_limit": "wallet key limit", "guardians_set": "wallet guardians set",
    "recovery_start": "wallet recover start", "recovery_approve": "wallet recover approve",
    "recovery_cancel": "wallet recover cancel", "recovery_finish": "wallet recover finish",
    "challenge_apply": "gov challenge apply", "challenge_score": "gov challenge score",
    "kyc_attest": "office attest", "kyc_revoke": "office revoke-tier", "merchant_apply": "merchant apply",
    "class_create": "merchant class create", "class_retire": "merchant class retire",
    "reserve_attest": "merchant reserve attest", "issue": "merchant issue", "reverse_issue": "merchant reverse",
    "redeem": "wallet pay", "redeem_by_token": "merchant charge", "authorize": "wallet authorize",
    "capture": "merchant capture", "void": "merchant void", "refund": "merchant refund",
    "exchange": "wallet exchange", "transfer": "wallet transfer", "offline_escrow": "wallet escrow",
    "window_close": "office close-window", "leg_paid": "merchant leg paid", "leg_confirm": "merchant leg confirm",
    "leg_dispute": "merchant leg dispute", "freeze": "office freeze", "unfreeze": "office unfreeze",
    "pause_class": "office pause-class", "batch_issue": "merchant campaign grant",
    "campaign_create": "merchant campaign create", "campaign_claim": "wallet claim",
    "campaign_close": "merchant campaign close", "anchor": "anchor add", "asset_register": "asset register",
    "asset_offer": "asset offer", "asset_swap": "asset buy", "asset_return": "asset return",
    "asset_lock": "asset lock", "asset_unlock": "asset unlock", "validator_add": "gov validator-add",
    "validator_remove": "gov validator-remove", "validator_replace": "gov validator-replace",
    "validator_rekey": "node rotate-key", "gov_propose": "gov propose", "gov_vote": "gov vote",
    "gov_execute": "gov execute", "alert_ack": "audit alerts ack", "emergency_pause": "gov pause",
    "emergency_resume": "gov resume", "sandbox_enrol": "sandbox enrol", "batch": "tx build",
}  # fmt: skip
ACTION_VERBS = {
    "errata": "gov errata", "challenge_open": "gov challenge open", "challenge_award": "gov challenge award",
    "sandbox_open": "sandbox open", "sandbox_close": "sandbox close", "ratify_pause": "gov ratify",
    "validator_add": "gov propose", "validator_remove": "gov propose", "validator_replace": "gov propose",
}  # fmt: skip  # of all others: gov propose, which must name the action
# Kinds whose receipts tell nothing but their code, and why.
SILENT = {"batch": "its operations tell", "gov_execute": "the decision tells"}


@cache
def verbs() -> dict[str, Any]:
    return dict(commands())


@cache
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_text("test"))
    return found


@cache
def page(language: str) -> str:
    return (ROOT / "docs" / language / "points.md").read_text(encoding="utf-8")


def row_kinds(language: str) -> set[str]:
    section = page(language).split("\n## 3.")[1].split("\n## 4.")[0]
    heads = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {kind.strip() for head in heads for kind in head.split(",")}


@cache
def scenarios() -> list[tuple[str, Any]]:
    return [(path.name, json.loads(path.read_bytes())) for path in sorted((ROOT / "scenarios").glob("*.json"))]


def steps(plain: Any) -> Iterator[dict[str, Any]]:
    for step in plain.get("steps", ()):
        yield step
        yield from step.get("block", ())


def is_ok(step: dict[str, Any]) -> bool:
    expected = step.get("expect", "OK")
    return expected in ("OK", "OK_DUPLICATE") or (isinstance(expected, dict) and expected.get("code", "OK") == "OK")


@cache
def played() -> dict[str, list[str]]:
    """kind -> scenario files in which it is committed."""
    found: dict[str, list[str]] = {}
    for name, plain in scenarios():
        for step in steps(plain):
            for kind in KINDS.keys() & step.keys():
                if is_ok(step):
                    found.setdefault(kind, []).append(name)
                    for operation in step[kind].get("operations", ()) if isinstance(step[kind], dict) else ():
                        found.setdefault(operation.get("kind", ""), []).append(name)
    return found


@cache
def decided() -> set[str]:
    return {step["gov_propose"].get("action", "") for _, plain in scenarios() for step in steps(plain)
            if isinstance(step.get("gov_propose"), dict) and is_ok(step)}  # fmt: skip


def missing(names: dict[str, type]) -> Iterator[str]:
    """What every kind and every action need alike."""
    components = schema()["components"]["schemas"]
    for name, kind in names.items():
        if f"{kind.__name__}Input" not in components:
            yield f"{name}: no OpenAPI schema {kind.__name__}Input"
        if not kind.__doc__ and len(msgspec.structs.fields(kind)) > 1 and name not in FIELDS_TELL:
            yield f"{name}: no description of its fields"


# Their fields are described in the table of docs/*/points.md or by the invariant that their rule names.
FIELDS_TELL = frozenset((
    "issue", "reverse_issue", "redeem", "redeem_by_token", "authorize", "capture", "void", "refund", "exchange",
    "transfer", "account_open", "key_add", "key_revoke", "recovery_start", "kyc_attest", "kyc_revoke", "class_create",
    "class_retire", "reserve_attest", "leg_paid", "leg_confirm", "leg_dispute", "freeze", "unfreeze", "pause_class",
    "batch",
))  # fmt: skip


def test_every_kind_and_every_action_has_a_json_form_and_a_schema() -> None:
    bodies = {str(body.__struct_config__.tag) for body in get_args(Body)}
    assert not sorted(KINDS.keys() - bodies), "no transaction can carry them"
    components = schema()["components"]["schemas"]
    listed = {row["properties"]["kind"]["const"] for row in components["TransactionInput"]["oneOf"]}
    assert not sorted(KINDS.keys() - listed)
    for kind in KINDS:
        try:
            body_from_plain(kind, {})
        except ValueError as error:
            assert "unknown kind" not in str(error), kind
    proposed = components["GovProposeInput"]["properties"]["action"]["enum"]
    assert not sorted(ACTIONS.keys() - set(proposed))
    assert not sorted({*missing(KINDS), *missing(ACTIONS)})


def test_every_kind_has_a_verb_of_the_command() -> None:
    absent = {kind: VERBS.get(kind, "no verb") for kind in KINDS if VERBS.get(kind) not in verbs()}
    assert not absent
    stale = VERBS.keys() - KINDS.keys()
    assert not sorted(stale), "verbs of kinds that are gone"
    for action in ACTIONS:
        path = ACTION_VERBS.get(action, "gov propose")
        assert path in verbs(), f"{action}: no command {path}"
        if path == "gov propose":
            choices = next(p.type.choices for p in verbs()[path].params if p.name == "action")
            assert action in choices, action


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_has_its_row_and_every_action_its_checks(language: str) -> None:
    assert not sorted(KINDS.keys() - row_kinds(language))
    rows = [line for line in page(language).splitlines() if line.startswith("|") and re.search("[A-Z]{3,}_[A-Z]", line)]
    absent = [action for action in ACTIONS
              if not any(re.search(rf"(?<![a-z_]){action}(?![a-z_])", row, re.A) for row in rows)]  # fmt: skip
    assert not absent, absent


def test_every_kind_tells_what_it_did() -> None:
    """Its rule file writes events, or calls another that does."""
    silent = []
    for name, kind in KINDS.items():
        rule = RULES.get(kind)
        if name in SILENT or rule is None:
            continue
        source = (ROOT / (rule.apply.__module__.replace(".", "/") + ".py")).read_text(encoding="utf-8")
        if not re.search(r"\bEvent\(|_event\(|\bpay\(|\bauthorize\(", source):
            silent.append(name)
    assert not silent, silent


def test_every_kind_and_every_action_is_played() -> None:
    assert not sorted(KINDS.keys() - played().keys() - {"batch"}), "no scenario commits them"
    assert not sorted(ACTIONS.keys() - decided()), "no scenario proposes them"


@cache
def raised() -> set[str]:
    """Names of codes in the sources, those that only define or explain them left out."""
    found: set[str] = set()
    for folder in ("primitives", "points", "ledger", "chainnode", "cli", "simulation", "consensus"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "codes.py" or path.name.startswith("catalogue"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
                    found.add(node.attr)
    return found


def test_every_code_is_raised_somewhere_and_explained() -> None:
    unused = {code.name for code in Code} - raised()
    assert not sorted(unused), "codes that nothing answers"
    for code in Code:
        for language in ("zh", "en"):
            entry = explain(code, language)  # type: ignore[arg-type]  # the two languages
            assert entry.title.strip() and entry.fix.strip(), code.name


def test_every_code_of_the_rules_stands_in_a_scenario_or_a_test() -> None:
    """A code that no test expects could as well be another one."""
    expected = set()
    for path in (*(ROOT / "scenarios").glob("*.json"), *(ROOT / "tests").rglob("*.py")):
        if path.resolve() != Path(__file__).resolve():
            expected |= set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*\b", path.read_text(encoding="utf-8")))
    rules = {code.name for code in Code if code < 9000}
    assert not sorted(rules - expected), "no test or scenario expects them"
