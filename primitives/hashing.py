"""SHA-256 with one domain tag per meaning, so that no two meanings can ever hash to the same bytes."""

import hashlib
from collections.abc import Callable
from typing import Final, NewType, Protocol, cast

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


class _State(Protocol):
    """A hash under way. Its digest has the type that we mean: calling the NewType would cost a sixth of the hash."""

    def copy(self) -> "_State": ...
    def update(self, part: bytes | bytearray | memoryview, /) -> None: ...
    def digest(self) -> Digest: ...


_BEGUN: Final[dict[bytes, _State]] = {}  # a cache of constants, at most one entry per tag


def _begun(tag: bytes) -> _State:
    state = _BEGUN.get(tag)
    if state is None:
        state = _BEGUN[tag] = cast(_State, hashlib.sha256(bytes([len(tag)]) + tag))
    return state


def tagged_hash(tag: bytes, *parts: bytes | memoryview) -> Digest:
    """SHA-256 over len(tag) (one byte), the tag, then the parts one after the other.

    Parts are not length-prefixed: give at most one part of variable length, or parts whose encoding is
    self-delimiting. Tags are at most 255 bytes; those above are the only ones in use.
    """
    state = _begun(tag).copy()
    for part in parts:
        state.update(part)
    return state.digest()


def tagged_hasher(tag: bytes) -> Callable[[bytes | bytearray | memoryview], Digest]:
    """tagged_hash with this tag over one part: for what every block hashes by the thousand."""
    begun = _begun(tag).copy

    def hash_part(part: bytes | bytearray | memoryview) -> Digest:
        state = begun()
        state.update(part)
        return state.digest()

    return hash_part
