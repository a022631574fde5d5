"""A scenario file as typed steps. Strict: an unknown or missing field is refused with its path, nothing is guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from chainnode.json_text import parse_json
from primitives.codec import Malformed
from primitives.genesis import Parameters
from primitives.json_form import from_plain, read_amount
from primitives.kinds import Category

Plain = Any  # what a JSON parser gives
SCENARIO_BYTES_MAX: Final = 4 * 1024 * 1024
REPEATS_MAX: Final = 4096
DEFAULT_START: Final = 1_759_913_600  # 2025-10-08 16:53:20 UTC+8

KINDS: Final = frozenset({
    "key_limit", "guardians_set", "recovery_start", "recovery_approve", "recovery_cancel", "recovery_finish",
    "account_open", "key_add", "key_revoke", "kyc_attest", "kyc_revoke", "class_create", "class_retire",
    "anchor", "asset_register", "asset_offer", "asset_swap", "asset_return", "asset_lock", "asset_unlock",
    "offline_escrow",
    "batch_issue", "campaign_create", "campaign_claim", "campaign_close",
    "reserve_attest", "issue", "reverse_issue", "redeem", "redeem_by_token", "authorize", "capture", "void", "refund",
    "exchange", "transfer", "window_close", "leg_paid", "leg_confirm", "leg_dispute", "freeze", "unfreeze",
    "challenge_apply", "challenge_score",
    "merchant_apply", "gov_propose", "gov_vote", "gov_execute", "alert_ack",
    "sandbox_enrol", "emergency_pause", "emergency_resume",
    "pause_class", "batch", "validator_add", "validator_remove", "validator_replace", "validator_rekey",
})  # fmt: skip
QUERIES: Final = frozenset({
    "campaign", "grant", "erratum", "challenge", "challenges", "offices", "sandbox", "sandboxes", "enrolled", "pause",
    "recovery",
    "asset", "anchor",
    "account", "lots", "obligations", "exposure", "order", "hold", "window", "class", "supply", "state_root",
    "validators", "merchant", "proposal", "proposals", "committee",
    "fund", "losses", "breakage", "alert", "alerts", "report",
})  # fmt: skip
QUERIES_WITHOUT_OF: Final = frozenset({
    "obligations", "window", "supply", "state_root", "validators", "proposals", "committee", "fund",
    "sandboxes", "pause", "alerts", "report", "challenges", "offices",
})  # fmt: skip
ROLES: Final = (
    "merchant", "tourist", "operator", "regulator", "custodian", "attester", "committee", "auditor", "unopened",
)  # fmt: skip
FUND_NAME: Final = "FUND"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a name is. `role` "unopened" has keys but no account at genesis. Amounts in fen."""

    role: str
    category: str = ""
    reserve: int = 0
    credit_limit: int = 0
    quota: int = 0
    tier: int = 0
    weight: int = 0


@dataclass(frozen=True, slots=True)
class TransactionStep:
    """One transaction of an identity, or `raw`: a complete envelope (or bytes as {"hex": ...}).

    `signers`: names ("A") or further keys ("A#2") that sign in place of the sender's first key; () = the usual ones.
    """

    path: str
    sender: str
    signers: tuple[str, ...]
    kind: str
    body: Plain
    raw: Plain
    expect: Plain
    save: str | None
    count: int


@dataclass(frozen=True, slots=True)
class BlockStep:
    """Transactions that become one block, in this order. A step with one transaction is such a block too."""

    items: tuple[TransactionStep, ...]
    explicit: bool  # written as {"block": [...]}


@dataclass(frozen=True, slots=True)
class MoveStep:
    """One empty block at a later second: `at` unix, or `advance` from now."""

    at: int | None
    advance: int


@dataclass(frozen=True, slots=True)
class QueryStep:
    path: str
    name: str
    of: str | None
    expect: Plain  # _NOTHING if the answer is only shown
    save: str | None


@dataclass(frozen=True, slots=True)
class CheckStep:
    """The invariants, recomputed from the state."""


Step = BlockStep | MoveStep | QueryStep | CheckStep
NOTHING: Final = msgspec.UNSET  # no expectation written


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file. `name` is its file name without the ending; it goes into every nonce."""

    name: str
    about: str
    parameters: Parameters
    start: int
    identities: Mapping[str, Identity]
    classes: Mapping[str, Plain]
    steps: tuple[Step, ...]


def load_scenario(name: str, text: bytes) -> Scenario:
    """The scenario of a JSON file.

    Raises: Malformed with the path of the first field that is unknown, missing or of a wrong form.
    """
    if len(text) > SCENARIO_BYTES_MAX:
        raise Malformed(f"{len(text)} bytes, limit {SCENARIO_BYTES_MAX}")
    plain = parse_json(text)
    fields = _fields(plain, "$", {"steps"}, {"about", "params", "start", "identities", "classes"})
    identities = {
        key: _identity(value, f"$.identities.{key}") for key, value in _map(fields, "identities", "$").items()
    }
    if FUND_NAME in identities:
        raise Malformed(f"$.identities.{FUND_NAME}: the clearing fund is always there")
    steps = fields["steps"]
    if not isinstance(steps, list):
        raise Malformed("$.steps: expected a list")
    return Scenario(
        name,
        _text(fields.get("about", ""), "$.about"),
        from_plain(Parameters, _map(fields, "params", "$"), "$.params"),
        read_amount(fields.get("start", DEFAULT_START), "$.start"),
        identities,
        _map(fields, "classes", "$"),
        tuple(_step(value, f"$.steps[{i}]") for i, value in enumerate(steps)),
    )


def _fields(value: Plain, path: str, required: set[str], optional: set[str]) -> dict[str, Plain]:
    if not isinstance(value, dict):
        raise Malformed(f"{path}: expected an object")
    for key in value:
        if key not in required and key not in optional:
            raise Malformed(f"{path}.{str(key)[:40]}: unknown field")
    for key in sorted(required):
        if key not in value:
            raise Malformed(f"{path}.{key}: missing")
    return value


def _map(fields: Mapping[str, Plain], key: str, path: str) -> dict[str, Plain]:
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise Malformed(f"{path}.{key}: expected an object")
    return value


def _text(value: Plain, path: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{path}: expected text")
    return value


def _identity(value: Plain, path: str) -> Identity:
    roles = [role for role in ROLES if isinstance(value, dict) and role in value]
    if len(roles) != 1:
        raise Malformed(f"{path}: expected exactly one of {', '.join(ROLES)}")
    role = roles[0]
    more = {"reserve", "credit_limit", "quota"} if role == "merchant" else set()
    given = _fields(value, path, {role}, more)[role]
    match role:
        case "merchant":
            if given not in get_args(Category):
                raise Malformed(f"{path}.merchant: expected one of {', '.join(get_args(Category))}")
            amounts = {key: read_amount(value[key], f"{path}.{key}") for key in sorted(more) if key in value}
            return Identity(role, category=given, **amounts)
        case "tourist":
            tier = read_amount(given, f"{path}.tourist")
            if tier > 2:
                raise Malformed(f"{path}.tourist: tier {tier}, limit 2")
            return Identity(role, tier=tier)
        case "committee":
            return Identity(role, weight=read_amount(given, f"{path}.committee"))
        case _:
            if given is not True:
                raise Malformed(f"{path}.{role}: expected true")
            return Identity(role)


def _step(value: Plain, path: str) -> Step:
    if not isinstance(value, dict):
        raise Malformed(f"{path}: expected an object")
    if "block" in value:
        items = _fields(value, path, {"block"}, set())["block"]
        if not isinstance(items, list) or not items:
            raise Malformed(f"{path}.block: expected a list of transactions; an empty block is advance or at")
        return BlockStep(tuple(_transaction(item, f"{path}.block[{i}]") for i, item in enumerate(items)), True)
    if "at" in value:
        return MoveStep(read_amount(_fields(value, path, {"at"}, set())["at"], f"{path}.at"), 0)
    if "advance" in value:
        return MoveStep(None, read_amount(_fields(value, path, {"advance"}, set())["advance"], f"{path}.advance"))
    if "query" in value:
        return _query(value, path)
    if "check" in value:
        if _fields(value, path, {"check"}, set())["check"] != "invariants":
            raise Malformed(f"{path}.check: expected invariants")
        return CheckStep()
    return BlockStep((_transaction(value, path),), False)


def _query(value: Plain, path: str) -> QueryStep:
    fields = _fields(value, path, {"query"}, {"of", "expect", "save"})
    name = fields["query"]
    if name not in QUERIES:
        raise Malformed(f"{path}.query: expected one of {', '.join(sorted(QUERIES))}")
    of = fields.get("of")
    if of is None and name not in QUERIES_WITHOUT_OF:
        raise Malformed(f"{path}.of: missing")
    of = None if of is None else _of(of, f"{path}.of")
    return QueryStep(path, name, of, fields.get("expect", NOTHING), _name(fields, path))


def _of(value: Plain, path: str) -> str:
    """A name, an id or a window's number; an order is "B/b1", ["B", "b1"] or {merchant, order_id}."""
    if isinstance(value, dict):
        fields = _fields(value, path, {"merchant", "order_id"}, set())
        value = [fields["merchant"], fields["order_id"]]
    if isinstance(value, list):
        return "/".join(_text(part, f"{path}[{i}]") for i, part in enumerate(value))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value, path)


def _name(fields: Mapping[str, Plain], path: str) -> str | None:
    save = fields.get("save")
    if save is not None and (not isinstance(save, str) or not save.isidentifier()):
        raise Malformed(f"{path}.save: expected a name of letters, digits and _")
    return save


def _transaction(value: Plain, path: str) -> TransactionStep:
    if not isinstance(value, dict):
        raise Malformed(f"{path}: expected an object")
    common = {"expect", "save", "count"}
    if "raw" in value:
        fields = _fields(value, path, {"raw"}, common)
        sender, kind, body = "", "raw", None
    else:
        kinds = [key for key in value if key in KINDS]
        if len(kinds) > 1:
            raise Malformed(f"{path}: two kinds in one step, {kinds[0]} and {kinds[1]}")
        if not kinds:
            unknown = [key for key in value if key not in common | {"as", "signers"}]
            raise Malformed(f"{path}: unknown kind or field {', '.join(sorted(unknown))[:80] or '(none given)'}")
        kind = kinds[0]
        fields = _fields(value, path, {"as", kind}, common | {"signers"})
        sender, body = _text(fields["as"], f"{path}.as"), fields[kind]
    count = read_amount(fields.get("count", 1), f"{path}.count")
    if not 1 <= count <= REPEATS_MAX:
        raise Malformed(f"{path}.count: {count}, expected 1 to {REPEATS_MAX}")
    expect = fields.get("expect", "OK")
    if not isinstance(expect, str | dict):
        raise Malformed(f"{path}.expect: expected a code or an object")
    signers = fields.get("signers", [])
    if not isinstance(signers, list):
        raise Malformed(f"{path}.signers: expected a list of names")
    names = tuple(_text(name, f"{path}.signers[{i}]") for i, name in enumerate(signers))
    return TransactionStep(path, sender, names, kind, body, fields.get("raw"), expect, _name(fields, path), count)
