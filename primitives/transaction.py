"""A transaction: one sender's signed wish. Its id covers everything but the signatures (D1)."""

from collections.abc import Iterable
from typing import Annotated, Final, NamedTuple

import msgspec

from primitives.codec import (
    U64,
    Bytes16,
    Bytes20,
    Bytes32,
    Bytes64,
    Malformed,
    Record,
    decode_canonical,
    decode_vouched,
    decoder,
    encode,
)
from primitives.hashing import (
    TAG_KEY_PROOF,
    TAG_PAY_CODE,
    TAG_REQUEST,
    TAG_SPONSOR,
    TAG_TRANSACTION,
    Digest,
    tagged_hash,
    tagged_hasher,
)
from primitives.keys import PublicKey, Signature, SigningKey
from primitives.kinds import (
    AccountKey,
    AccountOpen,
    BatchOperations,
    Body,
    KeyAdd,
    Operation,
    PayCode,
    PaymentRequest,
    Redeem,
    RedeemByToken,
)
from primitives.kinds_governance import GovPropose, Payload
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorReplace
from primitives.validators import vote_key_digest

TRANSACTION_BYTES_MAX: Final = 64 * 1024  # 256 operations of 200 bytes fit
SIGNATURES_MAX: Final = 16  # m-of-n keys of one account plus the co-signers that some kinds ask for
VALIDITY_SECONDS_MAX: Final = 600  # valid_until is at most this far ahead of block time (C17, D1)


class Envelope(Record):
    """What is signed. `nonce` is random, without order or gap (C17); `valid_until` is unix seconds of block time."""

    chain_id: Bytes32
    sender: Bytes20
    nonce: Bytes16
    valid_until: U64
    body: Body


class KeySignature(Record):
    key: Bytes32
    sig: Bytes64


class Transaction(Record):
    envelope: Envelope
    signatures: Annotated[tuple[KeySignature, ...], msgspec.Meta(min_length=1, max_length=SIGNATURES_MAX)]


class Decoded(NamedTuple):
    """A transaction with the bytes that it came in and its id; decoded and hashed once per node."""

    raw: bytes
    transaction: Transaction
    id: Digest


class SignatureCheck(NamedTuple):
    """One thing to verify: `signature` by `key` over `message`."""

    key: PublicKey
    message: bytes
    signature: Signature


_TRANSACTION: Final = decoder(Transaction)
_identity: Final = tagged_hasher(TAG_TRANSACTION)
_ONE_SIGNATURE_BYTES: Final = len(encode((KeySignature(bytes(32), bytes(64)),)))


def transaction_id(envelope: Envelope) -> Digest:
    """The identity of the transaction, and the 32 bytes that its signers sign."""
    return _identity(encode(envelope))


def decode_transaction(raw: bytes) -> Decoded:
    """The transaction of canonical bytes from outside; Malformed if they are too many or not canonical."""
    if len(raw) > TRANSACTION_BYTES_MAX:
        raise Malformed(f"a transaction of {len(raw)} bytes, limit {TRANSACTION_BYTES_MAX}")
    return _identified(raw, decode_canonical(_TRANSACTION, raw))


def vouched_transaction(raw: bytes) -> Decoded:
    """The same of bytes that a quorum of validators decoded and certified; see decode_vouched."""
    return _identified(raw, decode_vouched(_TRANSACTION, raw))


def _identified(raw: bytes, transaction: Transaction) -> Decoded:
    if len(transaction.signatures) == 1:  # the envelope's bytes are a slice: no second encoding
        identity = _identity(memoryview(raw)[1:-_ONE_SIGNATURE_BYTES])
    else:
        keys = [pair.key for pair in transaction.signatures]
        if any(a >= b for a, b in zip(keys, keys[1:], strict=False)):
            raise Malformed("signatures are not in strictly ascending order of their keys")
        identity = transaction_id(transaction.envelope)
    return Decoded(raw, transaction, identity)


def sign_transaction(envelope: Envelope, keys: Iterable[SigningKey]) -> bytes:
    """The canonical bytes of the transaction signed by these keys (one or more, in any order)."""
    identity = transaction_id(envelope)
    pairs = sorted((KeySignature(key.public_key, key.sign(identity)) for key in keys), key=lambda pair: pair.key)
    return encode(Transaction(envelope, tuple(pairs)))


def request_digest(chain_id: bytes, request: PaymentRequest) -> Digest:
    """What the merchant signs on a payment request: all its fields but the signature, bound to the chain."""
    fields = (
        chain_id, request.merchant, request.order_id, request.value, request.expires_at, request.key,
        request.terminal, request.static,
    )
    return tagged_hash(TAG_REQUEST, encode(fields))


def pay_code_digest(chain_id: bytes, code: PayCode) -> Digest:
    """What the tourist signs on a pay code: all its fields but the signature, bound to the chain."""
    fields = (chain_id, code.account, code.key, code.seq, code.max_value, code.expires_at, code.merchant)
    return tagged_hash(TAG_PAY_CODE, encode(fields))


def sponsor_digest(chain_id: bytes, sponsor: bytes, keys: tuple[AccountKey, ...], threshold: int) -> Digest:
    """What a sponsor signs for a new account: its whole key set, bound to the chain (D4)."""
    return tagged_hash(TAG_SPONSOR, encode((chain_id, sponsor, keys, threshold)))


def key_proof_digest(chain_id: bytes, account: bytes, key: bytes, role: str) -> Digest:
    """What a key signs that joins an account: nobody lists a key that he does not hold, or for another purpose."""
    return tagged_hash(TAG_KEY_PROOF, encode((chain_id, account, key, role)))


def _inner_checks(chain_id: bytes, sender: bytes, body: Operation | Payload) -> Iterable[SignatureCheck]:
    match body:
        case GovPropose(payload=payload):
            yield from _inner_checks(chain_id, sender, payload)
        case KeyAdd(proof=proof) if proof is not None:
            digest = key_proof_digest(chain_id, sender, body.key, body.role)
            yield SignatureCheck(PublicKey(body.key), digest, Signature(proof))
        case Redeem(request=request):
            yield SignatureCheck(PublicKey(request.key), request_digest(chain_id, request), Signature(request.sig))
        case RedeemByToken(pay_code=code):
            yield SignatureCheck(PublicKey(code.key), pay_code_digest(chain_id, code), Signature(code.sig))
        case AccountOpen():
            digest = sponsor_digest(chain_id, body.sponsor, body.keys, body.threshold)
            yield SignatureCheck(PublicKey(body.sponsor_key), digest, Signature(body.sponsor_sig))
        case ValidatorAdd() | ValidatorReplace():
            digest = vote_key_digest(chain_id, body.name, body.vote_key)
            yield SignatureCheck(PublicKey(body.vote_key), digest, Signature(body.possession))
        case ValidatorRekey():
            digest = vote_key_digest(chain_id, body.name, body.vote_key)
            yield SignatureCheck(PublicKey(body.old_key), digest, Signature(body.approval))
            yield SignatureCheck(PublicKey(body.vote_key), digest, Signature(body.possession))
        case _:
            pass


_SIGNED_INSIDE: Final[frozenset[type]] = frozenset({
    GovPropose, KeyAdd, Redeem, RedeemByToken, AccountOpen, ValidatorAdd, ValidatorReplace, ValidatorRekey
})  # fmt: skip


def signature_checks(decoded: Decoded) -> list[SignatureCheck]:
    """Every signature in the transaction, those inside its body too. All must verify before it may enter a batch."""
    envelope = decoded.transaction.envelope
    checks = [SignatureCheck(PublicKey(p.key), decoded.id, Signature(p.sig)) for p in decoded.transaction.signatures]
    operations = envelope.body.operations if isinstance(envelope.body, BatchOperations) else (envelope.body,)
    for operation in operations:
        if type(operation) in _SIGNED_INSIDE:  # one look instead of ten: most operations hold no signature
            checks.extend(_inner_checks(envelope.chain_id, envelope.sender, operation))
    return checks
