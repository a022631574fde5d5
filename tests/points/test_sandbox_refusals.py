"""Every refusal of a sandbox's kinds and decisions; in the order of the table, each row repairs the fault above it."""

from typing import Any

import pytest
from msgspec.structs import replace

from points.governance_actions import check_payload
from points.keys import merchant_key
from points.sandbox_actions import OWN_MAX, SANDBOXES_MAX
from points.sandboxes import ACCOUNTS_MAX, CLASSES_MAX
from points.state import MerchantStatus
from points.turn import Turn
from points.view import Overlay
from primitives.codes import Code
from primitives.kinds import Freeze, KeyAdd
from primitives.kinds_sandbox import SandboxClose, SandboxEnrol, SandboxOpen
from tests.points.council import Council
from tests.points.market import ADDRESS, DAY, START, address, class_of, key_of
from tests.points.trial import ENDS, LAB, Trial, opening

STRANGER = bytes(19) + b"x"


def set_status(council: Council, status: MerchantStatus) -> None:
    council.view.apply({merchant_key(ADDRESS["A"]): replace(council.merchant("A"), status=status)})


def test_refusals_of_sandbox_open_in_their_order() -> None:
    council = Council()
    council.issue("hA", 900_000)
    wrong: dict[str, Any] = {
        "max_accounts": 0, "max_value": 0, "loss_reserve": 0, "starts": START + 9, "ends": START,
        "merchant": address("u"), "merchants": (address("v"), address("v")), "accounts": (STRANGER, STRANGER),
    }  # fmt: skip
    rows: list[tuple[dict[str, Any], Code]] = [
        ({}, Code.BAD_SANDBOX),
        ({"max_accounts": ACCOUNTS_MAX + 1}, Code.BAD_SANDBOX),
        ({"max_accounts": 1}, Code.BAD_SANDBOX),
        ({"max_value": 101_000}, Code.BAD_SANDBOX),
        ({"loss_reserve": 40_399}, Code.BAD_SANDBOX),
        ({"ends": START + 1095 * DAY + 1}, Code.BAD_SANDBOX),
        ({"ends": START + 9}, Code.BAD_SANDBOX),
        ({"ends": START + 10}, Code.BAD_SANDBOX),
        ({"loss_reserve": 40_400}, Code.BAD_SANDBOX),
        ({"merchants": (address("v"),)}, Code.BAD_SANDBOX),
        ({"accounts": (STRANGER, address("B"))}, Code.SANDBOX_LIMIT),
        ({"max_accounts": 2}, Code.MERCHANT_UNKNOWN),
        ({"merchant": ADDRESS["A"]}, Code.MERCHANT_UNKNOWN),
    ]
    for repaired, code in rows:
        wrong |= repaired
        assert council.propose(opening(**wrong)) is code, (repaired, council.receipt)
    wrong["merchants"] = (ADDRESS["B"],)
    set_status(council, MerchantStatus.ISSUE_SUSPENDED)
    assert council.propose(opening(**wrong)) is Code.MERCHANT_SUSPENDED
    set_status(council, MerchantStatus.ACTIVE)
    assert council.propose(opening(**wrong)) is Code.ACCOUNT_UNKNOWN
    assert council.propose(opening(**wrong | {"accounts": (address("u"), address("B"))})) is Code.NOT_AUTHORISED
    wrong["accounts"] = (address("u"),)
    assert council.propose(opening(**wrong)) is Code.RESERVE_EXCEEDED, "900,000 out need 360,000, 359,600 would be left"
    assert council.propose(opening(**wrong | {"max_value": 100_000, "loss_reserve": 40_000})) is Code.OK


def test_the_id_of_a_sandbox_is_taken_once_and_their_number_is_bounded() -> None:
    trial = Trial()
    assert trial.propose(opening()) is Code.BAD_SANDBOX
    own = {f"lab-{n}": opening(f"lab-{n}") for n in range(OWN_MAX)}
    for name, payload in list(own.items())[: OWN_MAX - 1]:
        trial.decide(payload, name)
    assert len(trial.listed()) == OWN_MAX
    assert trial.propose(opening("one-more")) is Code.SANDBOX_LIMIT
    lab = trial.lab
    others = {b"s" + f"other-{n}".encode(): replace(lab, merchant=ADDRESS["C"]) for n in range(SANDBOXES_MAX - OWN_MAX)}
    trial.view.apply(others)  # type: ignore[arg-type]
    assert _checked(trial, opening("full", merchant=ADDRESS["B"], merchants=())) is Code.SANDBOX_LIMIT


def _checked(trial: Trial, payload: SandboxOpen) -> Code:
    return check_payload(Turn(Overlay(trial.view), trial.time, 1, trial.chain_id, None), payload)


def test_what_was_free_when_proposed_may_be_gone_when_it_is_due() -> None:
    """A decision is total: it fails with a code, changes nothing, and may be tried again."""
    council = Council()
    assert council.propose(opening(loss_reserve=200_000)) is Code.OK
    council.vote("YES", "m1", "m2", "m3")
    council.issue("hA", 900_000)
    council.advance(DAY)
    assert council.proposal().failure == Code.RESERVE_EXCEEDED
    assert council.merchant("A").sandboxes == ()
    assert council.execute() is Code.RESERVE_EXCEEDED
    council.decide(opening(ends=council.time + 2 * DAY), "late")
    assert council.propose(opening("soon", ends=council.time + DAY - 1), "soon") is Code.OK
    council.vote("YES", "m1", "m2", "m3", proposal="soon")
    council.advance(DAY)
    assert council.proposal("soon").failure == Code.BAD_SANDBOX, "its end had passed"


def test_the_merchant_of_a_sandbox_does_not_vote_on_it() -> None:
    council = Council()
    council.ok("m1", KeyAdd(key_of("A").public_key, "settlement"))
    assert council.propose(opening(), by="m1") is Code.RECUSED
    assert council.propose(opening(), by="m2") is Code.OK
    assert council.vote("YES", "m1") == [Code.RECUSED]


def test_refusals_of_sandbox_close_in_their_order() -> None:
    trial = Trial()
    assert trial.propose(SandboxClose("none", ADDRESS["B"])) is Code.SANDBOX_UNKNOWN
    assert trial.propose(SandboxClose(LAB, ADDRESS["B"])) is Code.BAD_SANDBOX
    assert trial.propose(SandboxClose(LAB, ADDRESS["A"])) is Code.OK
    trial.at(ENDS)
    assert trial.propose(SandboxClose(LAB, ADDRESS["A"]), "late") is Code.BAD_SANDBOX


def test_refusals_of_sandbox_enrol_in_their_order() -> None:
    trial = Trial()
    trial.ok("regulator", Freeze(ADDRESS["A"], "OUT", b"", trial.time + 60))
    assert trial.do("A", SandboxEnrol("none", ())) is Code.ACCOUNT_FROZEN
    trial.advance(60)
    assert trial.do("u", SandboxEnrol("none", ())) is Code.NOT_AUTHORISED
    assert trial.do("B", SandboxEnrol("none", ())) is Code.BAD_SANDBOX
    assert trial.do("B", SandboxEnrol("none", (STRANGER,))) is Code.SANDBOX_UNKNOWN
    assert trial.do("B", SandboxEnrol(LAB, (STRANGER,))) is Code.BAD_SANDBOX
    assert trial.do("A", SandboxEnrol(LAB, (STRANGER,))) is Code.ACCOUNT_UNKNOWN
    assert trial.enrol("B") is Code.NOT_AUTHORISED
    assert trial.enrol("v", "n", "n2") is Code.SANDBOX_LIMIT
    assert trial.enrol("v", "v") is Code.OK
    assert trial.lab.accounts == 2


def test_refusals_of_class_create_that_names_a_sandbox_in_their_order() -> None:
    trial = Trial()
    set_status(trial, MerchantStatus.ISSUE_SUSPENDED)
    assert trial.do("A", class_of("sA", sandbox="none")) is Code.CLASS_EXISTS
    assert trial.do("A", class_of("s1", sandbox="none")) is Code.MERCHANT_SUSPENDED
    set_status(trial, MerchantStatus.ACTIVE)
    assert trial.do("A", class_of("s1", sandbox="none")) is Code.SANDBOX_UNKNOWN
    assert trial.do("B", class_of("s1", sandbox=LAB)) is Code.BAD_SANDBOX
    for number in range(1, CLASSES_MAX):
        trial.ok("A", class_of(f"s{number}", sandbox=LAB))
    assert trial.do("A", class_of("s9", sandbox=LAB)) is Code.SANDBOX_LIMIT
    assert len(trial.lab.classes) == CLASSES_MAX


@pytest.mark.parametrize("units", [2**63, 2**64 - 1])
def test_absurd_amounts_are_refused_and_never_wrap(units: int) -> None:
    trial = Trial()
    assert trial.grant(units) is Code.RESERVE_EXCEEDED
    assert trial.propose(opening("huge", max_value=units, loss_reserve=units)) is Code.BAD_SANDBOX
    assert trial.propose(opening("late", starts=units - 1, ends=units)) is Code.BAD_SANDBOX
    assert trial.propose(opening("many", max_accounts=units)) is Code.BAD_SANDBOX
