"""Strict JSON: what two parsers could read differently is refused, and nothing crashes (R03)."""

import pytest

from chainnode.json_text import NotWhole, parse_json
from primitives.codec import Malformed
from primitives.json_form import BadAmount, read_amount


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b"[" * 90_000 + b"]" * 90_000,
        b'"\\ud800"',
        b'{"\\uDFFF": 1}',
        b'["a", {"b": "\\ud83d x"}]',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"\xff\xfe{",
        b'"\x80"',
        b"{} {}",
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": +1}',
        b'"a\nb"',
        b"",
        b"   ",
        b"{,}",
    ],
)
def test_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(raw)


def test_read() -> None:
    assert parse_json('{"a": [1, -2, "中文", null, true, "\\ud83d\\ude00"]}'.encode()) == {
        "a": [1, -2, "中文", None, True, "\U0001f600"]
    }


@pytest.mark.parametrize("raw", [b"1.0", b"1e400", b"1e-9", b"-0.5", b"1" * 5000, b"-" + b"9" * 30, b"5.0"])
def test_numbers_that_are_not_whole_are_no_amount(raw: bytes) -> None:
    value = parse_json(raw)
    assert isinstance(value, NotWhole)
    with pytest.raises(BadAmount):
        read_amount(value, "$.units")


@pytest.mark.parametrize("value", [-1, 2**64, "01", "+1", "1 ", "", "1" * 21, "1.0", "１", True, None, [], {}])
def test_amounts_off_the_grammar(value: object) -> None:
    with pytest.raises(BadAmount):
        read_amount(value, "$")


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), ("0", 0), (2**64 - 1, 2**64 - 1), ("18446744073709551615", 2**64 - 1)]
)
def test_amounts(value: object, number: int) -> None:
    assert read_amount(value, "$") == number
