"""Ed25519 with one pinned rule of validity: libsodium's, through PyNaCl, on every node and in every wallet.

libsodium refuses S >= L, small-order and non-canonical A or R. Another backend accepts other edge cases, and two nodes
that disagree on one signature split the chain; so `self_check` runs published edge cases before a node starts.
"""

from collections.abc import Callable
from typing import Final, NewType, Self

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from primitives.hashing import TAG_ADDRESS, tagged_hash

PublicKey = NewType("PublicKey", bytes)  # 32 bytes
Signature = NewType("Signature", bytes)  # 64 bytes
Address = NewType("Address", bytes)  # 20 bytes

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
ADDRESS_BYTES: Final = 20
SEED_BYTES: Final = 32


class SigningKey:
    """A private key. Signing is deterministic (RFC 8032): the same message gives the same bytes after a restart."""

    __slots__ = ("_secret", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a signing seed has {SEED_BYTES} bytes, not {len(seed)}")
        public, self._secret = crypto_sign_seed_keypair(seed)
        self.public_key: Final = PublicKey(public)
        self.seed: Final = seed

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """The key of a 32-byte seed; ValueError for another length."""
        return cls(seed)

    def sign(self, message: bytes) -> Signature:
        """64 bytes over the whole message; about 30 us."""
        return Signature(crypto_sign(message, self._secret)[:SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key.hex()[:16]}...)"  # never the seed: reprs end in logs


def verify(public_key: PublicKey, message: bytes, signature: Signature) -> bool:
    """Whether libsodium accepts; False also for keys and signatures of a wrong length. About 75 us."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except (BadSignatureError, ValueError):
        return False
    return True


def admit_public_key(key: bytes) -> bool:
    """Whether a key may be written into state or genesis: canonical, on the curve, in the prime-order subgroup.

    libsodium's verify still accepts mixed-order keys, so admission is where they are kept out (pitfall 74).
    """
    return len(key) == PUBLIC_KEY_BYTES and bool(crypto_core_ed25519_is_valid_point(key))


def address_of(first_key: PublicKey) -> Address:
    """The account's 20 bytes: the start of the tagged hash of its first key (D4). Later keys do not change it."""
    return Address(tagged_hash(TAG_ADDRESS, first_key)[:ADDRESS_BYTES])


# RFC 8032 section 7.1 test 2, then edge cases of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), with
# libsodium's verdict: (public key, message, signature, accepted).
_VECTORS: Final = (
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        True,
    ),
    (  # case 0: small-order A and R
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        "0000000000000000000000000000000000000000000000000000000000000000",
        False,
    ),
    (  # case 1: small-order A, mixed-order R
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        False,
    ),
    (  # case 3: mixed-order A and R, equation without cofactor holds: libsodium accepts, so key admission refuses A
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
        "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        True,
    ),
    (  # case 4: only the cofactored equation holds
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
        "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        False,
    ),
    (  # case 6: S >= L
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
        "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        False,
    ),
)


def self_check(using: Callable[[PublicKey, bytes, Signature], bool] | None = None) -> str | None:
    """None, or a sentence that names the first edge case on which this build's Ed25519 differs from the pinned rule.

    `using`: another implementation of `verify`, to be held to the same rule.
    """
    check = using or verify
    for number, (key, message, signature, accepted) in enumerate(_VECTORS):
        found = check(PublicKey(bytes.fromhex(key)), bytes.fromhex(message), Signature(bytes.fromhex(signature)))
        if found is not accepted:
            return f"Ed25519 vector {number}: accepted={found}, the pinned rule says {accepted}"
    if admit_public_key(bytes.fromhex(_VECTORS[1][0])):
        return "Ed25519: a small-order key passed admission"
    return None
