"""SHA-256 with one domain tag per meaning, so that no two meanings can ever hash to the same bytes."""

import hashlib
from typing import Final, NewType

Digest = NewType("Digest", bytes)  # 32 bytes

DIGEST_BYTES: Final = 32
ZERO_DIGEST: Final = Digest(bytes(DIGEST_BYTES))  # "nothing": genesis parent, no certificate; never a hash of bytes

TAG_TRANSACTION: Final = b"hn/tx"
TAG_ADDRESS: Final = b"hn/address"
TAG_REQUEST: Final = b"hn/request"
TAG_PAY_CODE: Final = b"hn/paycode"
TAG_SPONSOR: Final = b"hn/sponsor"
TAG_RECOVERY: Final = b"hn/recovery"
TAG_KEY_PROOF: Final = b"hn/keyproof"
TAG_HOLD: Final = b"hn/hold"
TAG_ESCROW: Final = b"hn/escrow"
TAG_GRANTS: Final = b"hn/grants"
TAG_READ_TICKET: Final = b"hn/readticket"
TAG_BATCH: Final = b"hn/batch"
TAG_BATCHES: Final = b"hn/batches"
TAG_HEADER: Final = b"hn/header"
TAG_CERTIFICATE: Final = b"hn/certificate"
TAG_VALIDATORS: Final = b"hn/validators"
TAG_GENESIS: Final = b"hn/genesis"
TAG_VOTE: Final = b"hn/vote"
TAG_VIEW_CHANGE: Final = b"hn/viewchange"
TAG_NEW_VIEW: Final = b"hn/newview"
TAG_NEW_VIEW_RECORD: Final = b"hn/newview/record"
TAG_VOTE_KEY: Final = b"hn/votekey"
TAG_EVIDENCE: Final = b"hn/evidence"
TAG_BUNDLE: Final = b"hn/bundle"
TAG_STATE_LEAF: Final = b"hn/state/leaf"
TAG_STATE_NODE: Final = b"hn/state/node"
TAG_STATE_KEY: Final = b"hn/state/key"
TAG_MERKLE_LEAF: Final = b"hn/merkle/leaf"
TAG_MERKLE_NODE: Final = b"hn/merkle/node"
TAG_MERKLE_ROOT: Final = b"hn/merkle/root"

_PREFIXES: Final[dict[bytes, "hashlib._Hash"]] = {}  # a cache of constants, at most one entry per tag


def tagged_hash(tag: bytes, *parts: bytes | memoryview) -> Digest:
    """SHA-256 over len(tag) (one byte), the tag, then the parts one after the other.

    Parts are not length-prefixed: give at most one part of variable length, or parts whose encoding is
    self-delimiting. Tags are at most 255 bytes; those above are the only ones in use.
    """
    prefix = _PREFIXES.get(tag)
    if prefix is None:
        prefix = _PREFIXES[tag] = hashlib.sha256(bytes([len(tag)]) + tag)
    state = prefix.copy()
    for part in parts:
        state.update(part)
    return Digest(state.digest())
