"""bech32m text of an address: "hn1" and 38 characters; any one wrong character is noticed (BIP 350)."""

from typing import Final

from primitives.codec import Malformed
from primitives.keys import ADDRESS_BYTES, Address

HRP: Final = "hn"
FUND_ADDRESS: Final = Address(bytes(ADDRESS_BYTES))  # the clearing fund; no key hashes to it; sorts first (D11)
_CHARSET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUE: Final = {char: value for value, char in enumerate(_CHARSET)}
_BECH32M: Final = 0x2BC830A3
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_FEEDBACK: Final = [0]  # what the five bits shifted out add: the sum of their generators
for _generator in _GENERATORS:
    _FEEDBACK.extend([value ^ _generator for value in _FEEDBACK])
_TEXT_CHARS: Final = len(HRP) + 1 + ADDRESS_BYTES * 8 // 5 + 6
_HRP_EXPANDED: Final = [ord(c) >> 5 for c in HRP] + [0] + [ord(c) & 31 for c in HRP]


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value ^ _FEEDBACK[top]
    return checksum


def encode_address(address: Address) -> str:
    """The 41 characters of a 20-byte address."""
    number = int.from_bytes(address, "big")  # 160 bits are exactly 32 groups of 5: no padding to get wrong
    data = [number >> shift & 31 for shift in range(ADDRESS_BYTES * 8 - 5, -1, -5)]
    checksum = _polymod(_HRP_EXPANDED + data + [0] * 6) ^ _BECH32M
    data += [checksum >> 5 * (5 - i) & 31 for i in range(6)]
    return f"{HRP}1" + "".join(_CHARSET[d] for d in data)


def decode_address(text: str) -> Address:
    """The 20 bytes of an address text; Malformed for another length, prefix, upper case, character or checksum."""
    if len(text) != _TEXT_CHARS or not text.startswith(f"{HRP}1"):
        raise Malformed(f"an address is {_TEXT_CHARS} characters and begins with {HRP}1: {text[:60]!r}")
    data = [_VALUE.get(char, -1) for char in text[len(HRP) + 1 :]]
    if -1 in data or _polymod(_HRP_EXPANDED + data) != _BECH32M:
        raise Malformed(f"the address has a mistyped character: {text!r}")
    number = 0
    for value in data[:-6]:
        number = number << 5 | value
    return Address(number.to_bytes(ADDRESS_BYTES, "big"))
