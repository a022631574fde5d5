"""The JSON form: what people write becomes exactly one Record, and comes back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import kinds
from primitives.address import encode_address
from primitives.codec import U64_MAX, Malformed
from primitives.json_form import (
    BadAmount,
    body_from_plain,
    envelope_from_plain,
    read_amount,
    to_plain,
    transaction_from_plain,
    transaction_to_plain,
)
from primitives.keys import Address, SigningKey
from primitives.transaction import Envelope, decode_transaction, sign_transaction

TO = encode_address(Address(bytes(range(20))))
CLOSE = {"kind": "window_close", "chain_id": "00" * 32, "sender": TO, "nonce": "00" * 16, "valid_until": 1, "body": {}}
ISSUE = {"class": "hA", "to": TO, "units": "888", "order_id": "H-1", "reason": "EARN", "cash_value": 88_800}


@given(st.integers(0, U64_MAX))
def test_an_amount_is_an_integer_or_its_decimal_text(number: int) -> None:
    assert read_amount(number, "$") == read_amount(str(number), "$") == number


@pytest.mark.parametrize(
    "value",
    ["-5", "+5", "1.5", "1e3", "0x10", " 5", "5 ", "05", "", "١", "9" * 5000, "00", U64_MAX + 1, str(U64_MAX + 1), -1,
     1.0, True, None, []],
)  # fmt: skip
def test_anything_else_is_a_bad_amount(value: Any) -> None:
    with pytest.raises(BadAmount, match=r"\$\.body\.units"):
        body_from_plain("issue", {**ISSUE, "units": value})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"to": "hn1" + "q" * 38}, "$.body.to"),
        ({"to": 5}, "$.body.to"),
        ({"class": ""}, "$.body.class"),
        ({"class": "a b"}, "$.body.class"),
        ({"order_id": "x" * 65}, "$.body.order_id"),
        ({"reason": "PURCHASE"}, "$.body.reason"),
        ({"memo": "\ud800"}, "$.body.memo"),
        ({"memo": {"hex": "zz"}}, "$.body.memo.hex"),
        ({"memo": "海" * 400}, "$.body.memo"),
        ({"extra": 1}, "$.body.extra"),
    ],
)
def test_a_fault_is_named_with_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(Malformed) as refusal:
        body_from_plain("issue", {**ISSUE, **change})
    assert path in str(refusal.value), refusal.value


def test_a_missing_field_and_an_unknown_kind_are_named() -> None:
    with pytest.raises(Malformed, match=r"order_id: missing"):
        body_from_plain("issue", {k: v for k, v in ISSUE.items() if k != "order_id"})
    for kind in ("isue", "batch ", 5, None):
        with pytest.raises(Malformed, match="kind"):
            body_from_plain(kind, ISSUE)


def test_memos_keep_their_bytes() -> None:
    for memo, raw in (("海" * 42, "海".encode() * 42), ({"hex": "c328"}, b"\xc3\x28"), ("", b"")):
        body = body_from_plain("issue", {**ISSUE, "memo": memo})
        assert isinstance(body, kinds.Issue) and body.memo == raw
        assert body_from_plain("issue", to_plain(body)) == body


def test_a_signed_transaction_comes_back_from_its_json_form() -> None:
    keys = [SigningKey.from_seed(bytes([i]) * 32) for i in (1, 2)]
    operations = (body_from_plain("issue", ISSUE), kinds.WindowClose(), kinds.Exchange("a", U64_MAX, "b"))
    envelope = Envelope(bytes(32), bytes(20), bytes(16), 9, kinds.BatchOperations(operations))  # type: ignore[arg-type]
    transaction = decode_transaction(sign_transaction(envelope, keys)).transaction
    form = transaction_to_plain(transaction)
    assert form["body"]["operations"][0]["kind"] == "issue"
    assert form["body"]["operations"][2]["body"]["units"] == str(U64_MAX), "JavaScript would round it"
    assert transaction_from_plain(form) == transaction
    form["signatures"].reverse()
    assert transaction_from_plain(form) == transaction, "the order of signatures is no choice of the writer"


@pytest.mark.parametrize("field", ["kind", "chain_id", "sender", "nonce", "valid_until", "body"])
def test_every_field_of_an_envelope_is_required(field: str) -> None:
    assert envelope_from_plain(CLOSE).valid_until == 1
    with pytest.raises(Malformed):
        envelope_from_plain({k: v for k, v in CLOSE.items() if k != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [("chain_id", "00" * 31), ("nonce", "00" * 17), ("nonce", "AA" * 16), ("nonce", "0 " * 16), ("valid_until", "1"),
     ("valid_until", 1.0), ("valid_until", True), ("valid_until", -1), ("sender", "x")],
)  # fmt: skip
def test_a_bad_envelope_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(Malformed, match=field):
        envelope_from_plain({**CLOSE, field: value})
