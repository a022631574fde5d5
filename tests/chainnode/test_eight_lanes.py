"""The fast verifier gives libsodium's verdict on everything, or it is not used."""

import ctypes
import random
from typing import Any

import pytest

from chainnode.eight_lanes import FIELD, LANES, ORDER, SMALL_ORDER, EightLanes, find, may_use_lanes
from primitives.keys import PublicKey, Signature, SigningKey, verify
from primitives.transaction import SignatureCheck

KEYS = [SigningKey.from_seed(bytes([number]) * 32) for number in range(1, 9)]
ODD_POINTS = [
    (y & (2**255 - 1) | sign << 255).to_bytes(32, "little")
    for y in (*sorted(SMALL_ORDER), FIELD, FIELD + 1, FIELD + 2, 2**255 - 1, FIELD - 2)
    for sign in (0, 1)
]


def honest(dice: random.Random) -> SignatureCheck:
    key, message = dice.choice(KEYS), dice.randbytes(dice.choice((0, 1, 32, 200)))
    return SignatureCheck(key.public_key, message, key.sign(message))


def spoiled(dice: random.Random) -> SignatureCheck:
    """Honest, or wrong in one of the ways that implementations disagree about."""
    key, message, signature = honest(dice)
    s = int.from_bytes(signature[32:], "little")
    at = dice.randrange(64)
    match dice.randrange(8):
        case 0:
            bit = bytes([signature[at] ^ 1 << dice.randrange(8)])
            signature = Signature(signature[:at] + bit + signature[at + 1 :])
        case 1:
            message += b"?"
        case 2:
            key = PublicKey(dice.choice(ODD_POINTS))
        case 3:
            signature = Signature(dice.choice(ODD_POINTS) + signature[32:])
        case 4:
            signature = Signature(signature[:32] + (s + ORDER).to_bytes(32, "little"))
        case 5:
            key, signature = PublicKey(dice.choice(ODD_POINTS)), Signature(dice.choice(ODD_POINTS) + bytes(32))
        case 6:
            signature = Signature(signature[:at])
        case _:
            pass
    return SignatureCheck(key, message, signature)


def libsodium_in_lanes(r: Any, s: Any, messages: Any, lengths: Any, keys: Any) -> int:
    """The library's interface over libsodium: pointers to bytes, a status word of four bits per lane."""

    def at(pointers: Any, lane: int, length: int) -> bytes:
        return ctypes.string_at(ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p))[lane], length)

    status = 0
    for lane in range(LANES):
        signature = Signature(at(r, lane, 32) + at(s, lane, 32))
        if not verify(PublicKey(at(keys, lane, 32)), at(messages, lane, lengths[lane]), signature):
            status |= 4 << 4 * lane
    return status


@pytest.mark.parametrize("odd", ODD_POINTS[:18])
def test_an_odd_encoding_never_reaches_the_library(odd: bytes) -> None:
    check = honest(random.Random(1))
    assert may_use_lanes(check)
    assert not may_use_lanes(check._replace(key=PublicKey(odd)))
    assert not may_use_lanes(check._replace(signature=Signature(odd + check.signature[32:])))


def test_an_s_beyond_the_order_never_reaches_the_library() -> None:
    check = honest(random.Random(1))
    s = int.from_bytes(check.signature[32:], "little")
    beyond = check.signature[:32] + (s + ORDER).to_bytes(32, "little")
    assert not may_use_lanes(check._replace(signature=Signature(beyond)))
    assert not may_use_lanes(check._replace(signature=Signature(check.signature[:63])))


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 24, 100])
def test_every_lane_is_read_and_answered_in_order(count: int) -> None:
    dice = random.Random(count)
    checks = [spoiled(dice) for _ in range(count)]
    assert EightLanes(libsodium_in_lanes).verify_all(checks) == [verify(*check) for check in checks]


def test_libsodium_has_the_last_word_on_a_no() -> None:
    dice = random.Random(3)
    checks = [spoiled(dice) for _ in range(50)]
    broken = EightLanes(lambda *_: 0x44444444)
    assert broken.verify_all(checks) == [verify(*check) for check in checks]


def test_the_real_library_agrees_with_libsodium() -> None:
    lanes = find()
    if lanes is None:
        pytest.skip("no AVX-512 IFMA, or ipp-crypto and intel-cmplr-lib-rt are not installed")
    dice = random.Random(4)
    checks = [spoiled(dice) for _ in range(8_000)]
    assert lanes.verify_all(checks) == [verify(*check) for check in checks]
