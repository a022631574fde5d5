"""Nobody lists a key that he does not hold: the new key signs for the chain, the account and the role."""

import pytest
from msgspec.structs import replace

from primitives.codes import Code
from primitives.keys import Signature, verify
from primitives.kinds import KeyAdd
from primitives.transaction import decode_transaction, key_proof_digest, signature_checks
from tests.points.market import ADDRESS, Market, address, key_of


def test_a_key_joins_with_its_own_signature_only() -> None:
    market = Market()
    key = key_of("till")
    body = KeyAdd(key.public_key, "pos", None, market.proof("A", key, "pos"))
    wrong = [
        bytes(64), market.proof("B", key, "pos"), market.proof("A", key, "owner"),
        market.proof("A", key_of("x"), "pos"),
        key.sign(key_proof_digest(bytes(32), ADDRESS["A"], key.public_key, "pos")),
    ]  # fmt: skip
    for proof in wrong:
        assert market.do("A", replace(body, proof=proof)) is Code.KEY_PROOF
    market.ok("A", body)
    assert market.do("A", body) is Code.KEY_EXISTS


def test_without_a_proof_nothing_is_added() -> None:
    """A merchant whose key a tourist lists could not be paid by it (D3)."""
    market = Market()
    unheld = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert market.do("u", KeyAdd(unheld, "pos")) is Code.KEY_PROOF


@pytest.mark.parametrize("good", [True, False])
def test_admission_verifies_it_too(good: bool) -> None:
    market = Market()
    key = key_of("till")
    proof = market.proof("A", key, "pos") if good else Signature(bytes(64))
    decoded = decode_transaction(market.transaction("A", KeyAdd(key.public_key, "pos", None, proof)).raw)
    inner = signature_checks(decoded)[1:]
    assert [verify(*check) for check in inner] == [good]
    assert address("A") == decoded.transaction.envelope.sender
