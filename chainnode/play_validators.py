"""What a scenario may leave out of a validator change: keys, certificate, address, and the signatures inside.

A validator's name stands for its keys: "vote_key": "sanya" is its first voting key, "sanya#2" a further one.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from chainnode.play_identities import validator_key
from primitives.codec import Record
from primitives.keys import SigningKey
from primitives.kinds_validators import ValidatorAdd, ValidatorRekey, ValidatorReplace
from primitives.validators import vote_key_digest

Plain = Any
B = TypeVar("B", bound=Record)
NO_SIGNATURE: Final = bytes(64)
HEX_CHARS: Final = 64
PORT: Final = 7000


class VotingPens:
    """The voting keys that the steps of one play have named so far."""

    def __init__(self) -> None:
        self._keys: Final[dict[bytes, SigningKey]] = {}

    def filled(self, kind: str, body: Mapping[str, Plain]) -> dict[str, Plain]:
        """The body of a validator change with names turned into keys and the rest filled in."""
        plain, name = dict(body), str(body.get("name"))
        if kind in ("validator_add", "validator_replace"):
            plain.setdefault("vote_key", name)
            plain.setdefault("address", f"{name}.play:{PORT}")
            plain.setdefault("transport_certificate", _certificate(name))
            plain.setdefault("possession", NO_SIGNATURE.hex())
        elif kind == "validator_rekey":
            plain.setdefault("old_key", name)
            plain.setdefault("vote_key", f"{name}#2")
            plain.setdefault("approval", NO_SIGNATURE.hex())
            plain.setdefault("possession", NO_SIGNATURE.hex())
        for field in ("vote_key", "old_key"):
            value = plain.get(field)
            if isinstance(value, str) and len(value) != HEX_CHARS:
                plain[field] = self._named(value).hex()
        return plain

    def signed(self, body: B, chain_id: bytes) -> B:
        """The body with every signature that the step left out."""
        if not isinstance(body, ValidatorAdd | ValidatorReplace | ValidatorRekey):
            return body
        digest = vote_key_digest(chain_id, body.name, body.vote_key)
        if body.possession == NO_SIGNATURE:
            body = replace(body, possession=self._holder(body.vote_key).sign(digest))
        if isinstance(body, ValidatorRekey) and body.approval == NO_SIGNATURE:
            body = replace(body, approval=self._holder(body.old_key).sign(digest))
        return body

    def _named(self, name: str) -> bytes:
        key = validator_key(name)
        self._keys[key.public_key] = key
        return key.public_key

    def _holder(self, public: bytes) -> SigningKey:
        """A stranger's for a key written as hex, so that it does not verify."""
        return self._keys.get(public) or validator_key("stranger")


def _certificate(name: str) -> str:
    """Base64 of bytes that begin like DER and belong to the name: no play dials anybody."""
    text: str = msgspec.to_builtins(b"\x30" + name.encode())
    return text
