"""Which texts may stand in a transaction (2.10): short, valid UTF-8, without control or direction characters.

Explicit ranges only: consensus must not depend on the Unicode version of the interpreter.
"""

from typing import Final

from primitives.codes import OK, Code

MEMO_BYTES_MAX: Final = 128  # 42 Chinese characters

_FORBIDDEN: Final = (
    (0x00, 0x1F), (0x7F, 0x9F), (0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069),
    (0xFEFF, 0xFEFF), (0xFDD0, 0xFDEF),
)  # fmt: skip


def check_memo(memo: bytes) -> Code:
    """OK, MEMO_TOO_LONG or MEMO_CHARSET, in this order."""
    if not memo:
        return OK
    if len(memo) > MEMO_BYTES_MAX:
        return Code.MEMO_TOO_LONG
    try:
        text = memo.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return Code.MEMO_CHARSET
    for character in text:
        point = ord(character)
        if 0x20 <= point < 0x7F:
            continue
        if point & 0xFFFE == 0xFFFE:  # the two noncharacters that end each plane
            return Code.MEMO_CHARSET
        for low, high in _FORBIDDEN:
            if low <= point <= high:
                return Code.MEMO_CHARSET
    return Code.OK


def memo_field(memo: bytes) -> tuple[tuple[str, int | str], ...]:
    """The memo as a field of an event; none for an empty one."""
    return (("memo", memo.decode()),) if memo else ()
