"""Signatures on which implementations of Ed25519 disagree, made here: nothing depends on a file of vectors."""

import random
from collections.abc import Iterator
from hashlib import sha512

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
)

from chainnode.eight_lanes import FIELD, ORDER, SMALL_ORDER
from primitives.keys import PublicKey, Signature, SigningKey
from primitives.transaction import SignatureCheck

KEYS = [SigningKey.from_seed(bytes([number]) * 32) for number in range(1, 9)]
ODD_POINTS = [
    (y & (2**255 - 1) | sign << 255).to_bytes(32, "little")
    for y in (*sorted(SMALL_ORDER), FIELD, FIELD + 1, FIELD + 2, 2**255 - 1, FIELD - 2)
    for sign in (0, 1)
]
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
IDENTITY = (1).to_bytes(32, "little")


def honest(dice: random.Random) -> SignatureCheck:
    """A good signature of one of eight keys under 0 to 200 bytes."""
    key, message = dice.choice(KEYS), dice.randbytes(dice.choice((0, 1, 32, 200)))
    return SignatureCheck(key.public_key, message, key.sign(message))


def spoiled(dice: random.Random) -> SignatureCheck:
    """Honest, or wrong in one of the ways that implementations disagree about."""
    key, message, signature = honest(dice)
    s = int.from_bytes(signature[32:], "little")
    at = dice.randrange(64)
    match dice.randrange(10):
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
        case 7:
            key, signature = PublicKey(dice.randbytes(32)), Signature(dice.randbytes(64))
        case _:
            pass
    return SignatureCheck(key, message, signature)


def torsion() -> list[bytes]:
    """The eight points whose order divides 8, canonically encoded."""
    points = [IDENTITY]
    while len(points) < 8:
        points.append(crypto_core_ed25519_add(points[-1], ORDER_8))
    return points


def with_torsion(messages: int = 8) -> Iterator[SignatureCheck]:
    """S = r + k·a for every pair of A = aB + T and R = rB + U with T and U of small order, encodings beyond the field
    included, a and r also 0: which of them verify depends on the equation and on the encodings that are taken.
    """
    secrets = {"A": (0xA5).to_bytes(32, "little"), "R": (0x5A).to_bytes(32, "little")}
    pure = [*torsion(), *(point for point in ODD_POINTS if int.from_bytes(point, "little") & (2**255 - 1) >= FIELD)]
    sides = {}
    for side, secret in secrets.items():
        base = crypto_scalarmult_ed25519_base_noclamp(secret)
        mixed = [crypto_core_ed25519_add(base, point) for point in torsion()]
        sides[side] = [(point, bytes(32)) for point in pure] + [(point, secret) for point in mixed]
    for a_point, a in sides["A"]:
        for r_point, r in sides["R"]:
            for number in range(messages):
                message = b"torsion %d" % number
                k = crypto_core_ed25519_scalar_reduce(sha512(r_point + a_point + message).digest())
                s = crypto_core_ed25519_scalar_add(r, crypto_core_ed25519_scalar_mul(k, a))
                yield SignatureCheck(PublicKey(a_point), message, Signature(r_point + s))
