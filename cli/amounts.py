"""Numbers and names on the command line, as strict as the JSON edge."""

from typing import Any, Final

import click

from cli.language import t
from primitives.codec import IDENTIFIER_CHARS_MAX
from primitives.json_form import BadAmount, read_amount

DURATIONS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class AmountType(click.ParamType[int]):
    """A whole number from 0 to 2**64 - 1 without sign, point, blank or leading zero."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return read_amount(value, param.human_readable_name if param else "amount")
        except BadAmount as error:
            self.fail(f"HN-3001 BAD_AMOUNT {error}", param, ctx)


class IdentifierType(click.ParamType[str]):
    """1 to 64 printable ASCII characters without blanks: orders, classes, terminals."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 1 <= len(text) <= IDENTIFIER_CHARS_MAX or not all("\x21" <= char <= "\x7e" for char in text):
            self.fail(t(f"expected 1 to {IDENTIFIER_CHARS_MAX} printable ASCII characters without blanks",
                        f"应为 1 至 {IDENTIFIER_CHARS_MAX} 个可打印 ASCII 字符，不含空格"), param, ctx)  # fmt: skip
        return text


class DurationType(click.ParamType[int]):
    """Seconds, or a number with s, m, h or d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        digits, unit = (text[:-1], text[-1]) if text[-1:] in DURATIONS else (text, "s")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
            self.fail(t(f"{text!r}: expected a number with s, m, h or d",
                        f"{text!r}：应为数字加 s、m、h 或 d"), param, ctx)
        return int(digits) * DURATIONS[unit]


class HexType(click.ParamType[bytes]):
    """32 bytes as 64 lower-case hex digits: transaction and hold ids, hashes. A signature has 64 bytes."""

    name = "hex"

    def __init__(self, digits: int = 64) -> None:
        self._digits = digits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        text = str(value)
        if len(text) != self._digits or any(char not in "0123456789abcdef" for char in text):
            expected = t(f"expected {self._digits} lower-case hex digits", f"应为 {self._digits} 位小写十六进制")
            self.fail(expected, param, ctx)
        return bytes.fromhex(text)


AMOUNT: Final = AmountType()
IDENTIFIER: Final = IdentifierType()
DURATION: Final = DurationType()
HEX: Final = HexType()
SIGNATURE_HEX: Final = HexType(128)
