"""The pinned Ed25519 rule: published edge cases, strict admission, and no other spelling of an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import keys
from primitives.address import FUND_ADDRESS, decode_address, encode_address
from primitives.codec import Malformed
from primitives.keys import Address, PublicKey, Signature, SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
L = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19
SMALL_ORDER = [
    0, 1, P - 1, P, P + 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
]  # fmt: skip


@pytest.mark.pitfall(74)
def test_the_start_up_vectors_hold() -> None:
    assert keys.self_check() is None


@pytest.mark.pitfall(74)
def test_the_self_check_sees_a_verifier_that_accepts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "verify", lambda key, message, signature: True)
    assert keys.self_check() is not None


def test_the_self_check_sees_an_admission_that_accepts_small_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "admit_public_key", lambda key: True)
    assert keys.self_check() is not None


@pytest.mark.pitfall(74)
@pytest.mark.parametrize("sign_bit", [0, 1])
@pytest.mark.parametrize("y", SMALL_ORDER)
def test_small_order_and_non_canonical_keys_are_not_admitted(y: int, sign_bit: int) -> None:
    encoded = (y | sign_bit << 255).to_bytes(32, "little")
    assert not keys.admit_public_key(encoded)


def test_a_mixed_order_key_verifies_but_is_not_admitted() -> None:
    """libsodium's verify accepts it; so it must never get into state or genesis (T16)."""
    mixed = bytes.fromhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d")
    assert not keys.admit_public_key(mixed)


@pytest.mark.pitfall(74)
def test_s_plus_l_is_refused() -> None:
    signature = KEY.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + L
    assert not keys.verify(KEY.public_key, b"m", Signature(signature[:32] + s.to_bytes(32, "little")))


@given(st.binary(max_size=100), st.integers(0, 511))
def test_a_flipped_signature_bit_is_refused(message: bytes, bit: int) -> None:
    signature = bytearray(KEY.sign(message))
    assert keys.verify(KEY.public_key, message, Signature(bytes(signature)))
    signature[bit // 8] ^= 1 << bit % 8
    assert not keys.verify(KEY.public_key, message, Signature(bytes(signature)))


def test_wrong_lengths_are_false_not_errors() -> None:
    signature = KEY.sign(b"m")
    assert not keys.verify(PublicKey(KEY.public_key[:31]), b"m", signature)
    assert not keys.verify(KEY.public_key, b"m", Signature(signature[:63]))
    assert not keys.admit_public_key(b"")


def test_signing_is_deterministic_and_a_repr_hides_the_seed() -> None:
    again = SigningKey.from_seed(bytes(range(32)))
    assert again.sign(b"m") == KEY.sign(b"m")
    assert KEY.seed.hex() not in repr(KEY)


@given(st.binary(min_size=20, max_size=20))
def test_addresses_come_back(raw: bytes) -> None:
    text = encode_address(Address(raw))
    assert len(text) == 41 and decode_address(text) == raw


@given(st.binary(min_size=20, max_size=20), st.integers(3, 40), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"))
def test_a_mistyped_character_of_an_address_is_noticed(raw: bytes, position: int, char: str) -> None:
    text = encode_address(Address(raw))
    wrong = text[:position] + char + text[position + 1 :]
    if wrong != text:
        with pytest.raises(Malformed):
            decode_address(wrong)


@pytest.mark.parametrize("text", ["", "hn1", "HN1" + "Q" * 38, "bc1" + "q" * 38, "hn1" + "b" * 38, "hn1" + "q" * 39])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        decode_address(text)


def test_the_published_bech32m_checksum_holds() -> None:
    """BIP 350's own example has another prefix, so the constant is proven through a known encoding of zeros."""
    assert encode_address(FUND_ADDRESS) == "hn1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqarc5g4"
