"""Signed transactions whose content no rule of points needs to know."""

from itertools import count

from primitives.block import Batch, batch_digest
from primitives.codec import encode
from primitives.keys import Signature, SigningKey, address_of
from primitives.kinds import BatchOperations, KeyRevoke, PaymentRequest, Redeem
from primitives.transaction import Decoded, Envelope, decode_transaction, request_digest, sign_transaction

CHAIN = bytes([7]) * 32
NOW = 1_800_000_000

_NONCES = count(1)


def key_of(sender: int) -> SigningKey:
    return SigningKey(sender.to_bytes(2, "big") * 16)


def make(sender: int = 1, valid_until: int = NOW + 60, chain: bytes = CHAIN) -> Decoded:
    """A transaction that differs from all others."""
    key = key_of(sender)
    nonce = next(_NONCES).to_bytes(16, "big")
    envelope = Envelope(chain, address_of(key.public_key), nonce, valid_until, KeyRevoke(bytes(32)))
    return decode_transaction(sign_transaction(envelope, [key]))


def forged(sender: int = 1) -> Decoded:
    """Well-formed, with a signature that does not verify."""
    raw = bytearray(make(sender).raw)
    raw[-1] ^= 1
    return decode_transaction(bytes(raw))


def batch_of_redemptions(
    *genuine: bool, payer: SigningKey | None = None, chain: bytes = CHAIN, valid_until: int = NOW + 60
) -> Decoded:
    """One transaction with a payment request per flag: False, and the merchant's signature on it does not verify."""
    payer, merchant, nonce = payer or key_of(1), key_of(2), next(_NONCES).to_bytes(16, "big")
    to = address_of(merchant.public_key)
    operations = []
    for number, is_genuine in enumerate(genuine):
        fields = (to, f"{nonce.hex()}-{number}", 1, valid_until, merchant.public_key)
        signature = merchant.sign(request_digest(chain, PaymentRequest(*fields, sig=bytes(64))))
        operations.append(Redeem(PaymentRequest(*fields, sig=signature if is_genuine else Signature(bytes(64))), 1))
    envelope = Envelope(chain, address_of(payer.public_key), nonce, valid_until, BatchOperations(tuple(operations)))
    return decode_transaction(sign_transaction(envelope, [payer]))


def batch_of(origin: int, transactions: list[Decoded], sequence: int = 0) -> tuple[bytes, bytes]:
    """Raw batch and its digest."""
    raw = encode(Batch(origin, sequence, tuple(one.raw for one in transactions)))
    return raw, batch_digest(raw)
