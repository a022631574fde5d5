"""Payment requests and pay codes survive every way in which people pass them on."""

import json
from pathlib import Path

import pytest

from cli.amounts import AMOUNT, DURATION
from cli.payment_text import (
    payment_plain,
    qr_picture,
    qr_text,
    read_pay_code,
    read_request,
    sign_pay_code,
    sign_request,
)
from cli.verdicts import Refusal
from primitives.keys import SigningKey, address_of, verify
from primitives.transaction import pay_code_digest, request_digest

CHAIN = bytes(range(32))
KEY = SigningKey.from_seed(bytes(32))
ADDRESS = address_of(KEY.public_key)
REQUEST = sign_request(CHAIN, ADDRESS, KEY, "R-7", 3000, 1_760_000_000, "till-1")
CODE = sign_pay_code(CHAIN, ADDRESS, KEY, 1000, 1_760_000_000, None)


def test_a_request_reads_back_from_qr_json_and_file(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(payment_plain(REQUEST)))
    text = tmp_path / "r.txt"
    text.write_text(qr_text(REQUEST) + "\n")
    for source in (qr_text(REQUEST), json.dumps(payment_plain(REQUEST)), str(path), str(text)):
        assert read_request(source) == REQUEST
    assert read_pay_code(qr_text(CODE)) == CODE


def test_what_was_signed_verifies_on_its_chain_only() -> None:
    assert verify(KEY.public_key, request_digest(CHAIN, REQUEST), REQUEST.sig)
    assert verify(KEY.public_key, pay_code_digest(CHAIN, CODE), CODE.sig)
    assert not verify(KEY.public_key, request_digest(bytes(32), REQUEST), REQUEST.sig)


def test_a_static_request_carries_neither_order_nor_value() -> None:
    static = sign_request(CHAIN, ADDRESS, KEY, None, 3000, 1_760_000_000)
    assert (static.static, static.order_id, static.value) == (True, None, 0)


def test_two_codes_have_two_numbers() -> None:
    assert CODE.seq != sign_pay_code(CHAIN, ADDRESS, KEY, 1000, 1_760_000_000, None).seq


@pytest.mark.parametrize(
    "source", ["", "hello", "{", "{}", "[]", "null", '{"request": 1}', "A" * 5000, qr_text(REQUEST)[:-4], qr_text(CODE)]
)
def test_anything_else_is_refused_with_a_sentence(source: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(source)
    assert caught.value.verdict == 2


def test_the_picture_is_square_text() -> None:
    lines = qr_picture(qr_text(REQUEST)).splitlines()
    assert len(lines) > 20


@pytest.mark.parametrize("text", ["-5", "+5", "1.5", "1e3", "0x10", " 5", "05", "", "18446744073709551616", "五"])
def test_amounts_follow_the_grammar(text: str) -> None:
    import click

    with pytest.raises(click.BadParameter):
        AMOUNT.convert(text, None, None)


def test_durations_have_units() -> None:
    texts = ("90", "90s", "5m", "2h", "3d")
    assert [DURATION.convert(text, None, None) for text in texts] == [90, 90, 300, 7200, 259200]
