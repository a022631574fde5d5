"""Where a committee stands, no operator alone changes who validates (2.12)."""

import pytest

from primitives.codes import Code
from primitives.kinds_validators import ValidatorAdd, ValidatorRemove, ValidatorReplace
from primitives.validators import vote_key_digest
from tests.points.committee import ADDRESS as HOST
from tests.points.committee import certificate
from tests.points.council import Council, parameters
from tests.points.market import key_of


def newcomer(council: Council, name: str) -> tuple[str, bytes, bytes, str, bytes]:
    key = key_of(name)
    possession = key.sign(vote_key_digest(council.chain_id, name, key.public_key))
    return name, key.public_key, certificate(name), HOST, possession


@pytest.mark.parametrize("kind", ["add", "remove", "replace"])
def test_an_operator_alone_changes_no_validator(kind: str) -> None:
    council = Council()
    body: ValidatorAdd | ValidatorRemove | ValidatorReplace
    match kind:
        case "add":
            body = ValidatorAdd(*newcomer(council, "w"))
        case "remove":
            council.decide(ValidatorAdd(*newcomer(council, "w")), "fifth")
            body = ValidatorRemove("v3")
        case _:
            body = ValidatorReplace("v3", *newcomer(council, "w"))
    assert council.do("operator", body) is Code.NOT_AUTHORISED
    assert council.receipt is not None and "committee" in council.receipt.detail
    council.decide(body, "vote")
    assert council.proposal("vote").state.name == "EXECUTED"


def test_the_committee_may_leave_it_to_the_operator_and_take_it_back() -> None:
    council = Council()
    body = ValidatorReplace("v3", *newcomer(council, "w"))
    council.decide(parameters(operator_validators=1), "leave")
    assert council.do("operator", body) is Code.OK
    council.decide(parameters(operator_validators=0), "back")
    assert council.do("operator", ValidatorReplace("v2", *newcomer(council, "x"))) is Code.NOT_AUTHORISED
    assert council.propose(parameters(operator_validators=2), "two") is Code.BAD_PROPOSAL
