"""Bodies of the changes of the validator set; as transactions of their own, or as what a proposal carries out."""

from typing import Annotated

import msgspec

from primitives.codec import Blob, Bytes32, Bytes64, Identifier, Record

HostPort = Annotated[str, msgspec.Meta(min_length=3, max_length=128, pattern=r"^[\x21-\x7e]+:[0-9]{1,5}\Z")]


class ValidatorAdd(Record, tag="validator_add"):
    """A new member takes the lowest free seat. `possession` is its voting key's signature over vote_key_digest;
    `address` is where the others connect to, "host:port"."""

    name: Identifier
    vote_key: Bytes32
    transport_certificate: Blob
    address: HostPort
    possession: Bytes64


class ValidatorRemove(Record, tag="validator_remove"):
    name: Identifier


class ValidatorReplace(Record, tag="validator_replace"):
    """A new member takes the seat of `old` (which may have the same name: a new machine with new keys)."""

    old: Identifier
    name: Identifier
    vote_key: Bytes32
    transport_certificate: Blob
    address: HostPort
    possession: Bytes64


class ValidatorRekey(Record, tag="validator_rekey"):
    """A member changes its voting key. Both keys sign vote_key_digest, so anybody may carry it."""

    name: Identifier
    old_key: Bytes32
    vote_key: Bytes32
    approval: Bytes64  # by old_key
    possession: Bytes64  # by vote_key
