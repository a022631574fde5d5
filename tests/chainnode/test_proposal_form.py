"""A proposal in JSON names the kind of its payload beside it: {"proposal", "action", "payload", "reasons_hash"}."""

from typing import Any, get_args

import pytest

from chainnode.api import ROUTES
from chainnode.openapi import openapi_document
from primitives.address import encode_address
from primitives.codec import Malformed
from primitives.json_form import BadAmount, body_from_plain, to_plain
from primitives.keys import Address
from primitives.kinds_governance import GovPropose, Payload, SetQuota

MERCHANT = encode_address(Address(bytes(20)))
PLAIN: dict[str, Any] = {
    "proposal": "q-1", "action": "set_quota", "payload": {"merchant": MERCHANT, "quota": "500"},
    "reasons_hash": "00" * 32,
}  # fmt: skip


def test_it_comes_back_from_its_json_form() -> None:
    body = body_from_plain("gov_propose", PLAIN)
    assert body == GovPropose("q-1", SetQuota(bytes(20), 500), bytes(32))
    assert body_from_plain("gov_propose", to_plain(body)) == body
    assert list(to_plain(body)) == ["proposal", "payload", "reasons_hash", "action"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"action": None}, "$.body.payload.kind"), ({"action": "print_money"}, "$.body.payload.kind"),
        ({"action": 5}, "$.body.payload"),
        ({"payload": 5}, "$.body.payload.body"),
        ({"payload": {"merchant": MERCHANT, "more": 1}}, "$.body.payload.body.more"),
        ({"extra": 1}, "$.body.extra"),
    ],
)  # fmt: skip
def test_a_fault_is_named(change: dict[str, Any], path: str) -> None:
    with pytest.raises(Malformed) as caught:
        body_from_plain("gov_propose", PLAIN | change)
    assert str(caught.value).startswith(path)


@pytest.mark.parametrize("field", ["action", "payload"])
def test_both_halves_are_required(field: str) -> None:
    with pytest.raises(Malformed) as caught:
        body_from_plain("gov_propose", {name: value for name, value in PLAIN.items() if name != field})
    assert str(caught.value) == f"$.body.{field}: missing"


def test_an_amount_inside_a_payload_keeps_the_grammar() -> None:
    with pytest.raises(BadAmount):
        body_from_plain("gov_propose", PLAIN | {"payload": {"merchant": MERCHANT, "quota": "05"}})


def test_the_description_of_the_api_has_the_same_form() -> None:
    schema = openapi_document(ROUTES, "0")["components"]["schemas"]["GovProposeInput"]
    assert schema["properties"]["action"]["enum"] == [p.__struct_config__.tag for p in get_args(Payload)]
    assert len(schema["properties"]["payload"]["anyOf"]) == len(get_args(Payload))
    assert {"proposal", "action", "payload", "reasons_hash"} == set(schema["required"])
