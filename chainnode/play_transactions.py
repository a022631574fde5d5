"""From a step to signed canonical bytes: names become addresses, and what a wallet would fill in is filled in.

Filled unless written: nonce = H(file, step, index), valid_until = block time + 600, signatures; of a payment request
expires_at = block time + 300, key, sig; of a pay code expires_at = block time + 60, key, seq, sig; max_value = value;
hashes of documents that are not there; of a validator change what play_validators.py says, of a campaign what
play_campaigns.py says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from chainnode.play_campaigns import CampaignLists
from chainnode.play_identities import TAG_PLAY, Cast, signing_key
from chainnode.play_scenario import FUND_NAME, TransactionStep
from chainnode.play_validators import VotingPens
from primitives.address import encode_address
from primitives.codec import Malformed, encode
from primitives.hashing import tagged_hash
from primitives.json_form import body_from_plain, envelope_from_plain, from_plain
from primitives.keys import Address, SigningKey
from primitives.kinds import AccountOpen, BatchOperations, Body, KeyAdd, Operation, Redeem, RedeemByToken, kind_of
from primitives.kinds_governance import GovPropose
from primitives.transaction import (
    VALIDITY_SECONDS_MAX,
    Envelope,
    KeySignature,
    Transaction,
    key_proof_digest,
    pay_code_digest,
    request_digest,
    sign_transaction,
    sponsor_digest,
    transaction_id,
)

Plain = Any
REQUEST_SECONDS: Final = 300
PAY_CODE_SECONDS: Final = 60
NO_SIGNATURE: Final = bytes(64)
CHAIN_ID_NAME: Final = "chain_id"  # "$chain_id" in a raw envelope

_ADDRESS_FIELDS: Final = frozenset({
    "to", "merchant", "account", "target", "sponsor", "subject", "other", "debtor", "creditor",
})  # fmt: skip
_KEY_FIELDS: Final = frozenset({"key", "sponsor_key"})
_HASH_FIELDS: Final = {
    "gov_propose": "reasons_hash", "merchant_apply": "docs_hash",
    "reserve_attest": "statement_hash", "leg_paid": "bank_ref_hash", "kyc_attest": "commitment",
    "anchor": "hash", "sandbox_open": "exit_hash", "errata": "evidence_hash",
    "challenge_open": "terms_hash", "challenge_apply": "plan_hash", "challenge_score": "reasons_hash",
    "asset_register": "content_hash",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Composed:
    """A transaction ready to send. `sent` is its JSON-free form for `save`; bytes of a raw step may not decode."""

    raw: bytes
    identity: bytes  # transaction id; b"" for bytes written as hex


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the play a transaction stands; with the file's name it makes the nonce."""

    step: int
    index: int
    suffix: str  # appended to order ids and assets of a repeated step, "" otherwise


class Composer:
    """Builds the transactions of one play."""

    def __init__(self, file_name: str, cast: Cast, chain_id: bytes) -> None:
        self._file_name, self._cast, self._chain_id = file_name, cast, chain_id
        self._voting: Final = VotingPens()
        self._campaigns: Final = CampaignLists()
        self.saved: Final[dict[str, Plain]] = {CHAIN_ID_NAME: chain_id.hex()}

    def compose(self, step: TransactionStep, place: Place, now: int) -> Composed:
        """The signed bytes of a step at block time `now` (seconds).

        Raises: BadAmount for a number outside the grammar, Malformed for anything else that has no canonical form or
        names a stranger; both name the path.
        """
        if step.kind == "raw":
            return self._compose_raw(step, place, now)
        body = self._body(step.kind, self._substitute(step.body, step.path), place, now, f"{step.path}.{step.kind}")
        sender = self._cast.sender(step.sender, f"{step.path}.as")
        body = self._proven(body, sender)
        envelope = Envelope(self._chain_id, sender, self._nonce(place), now + VALIDITY_SECONDS_MAX, body)
        signers = [self._signer(name, f"{step.path}.signers") for name in step.signers]
        raw = sign_transaction(envelope, signers or self._signers(step.sender, body, step.path))
        return Composed(raw, transaction_id(envelope))

    def resolve(self, value: Plain, path: str) -> Plain:
        """`value` with every "$name" replaced by what was saved under it."""
        return self._substitute(value, path)

    def _nonce(self, place: Place) -> bytes:
        return tagged_hash(TAG_PLAY, encode((self._file_name, place.step, place.index)))[:16]

    def _substitute(self, value: Plain, path: str) -> Plain:
        if isinstance(value, str) and value.startswith("$"):
            if value[1:] not in self.saved:
                raise Malformed(f"{path}: nothing was saved as {value[1:40]!r}")
            return self.saved[value[1:]]
        if isinstance(value, dict):
            return {key: self._substitute(item, f"{path}.{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self._substitute(item, f"{path}[{i}]") for i, item in enumerate(value)]
        return value

    def _body(self, kind: str, plain: Plain, place: Place, now: int, path: str) -> Body:
        if not isinstance(plain, dict):
            raise Malformed(f"{path}: expected an object")
        if kind == "batch":
            operations = plain.get("operations")
            if set(plain) != {"operations"} or not isinstance(operations, list):
                raise Malformed(f"{path}: expected {{operations: [...]}}")
            return BatchOperations(
                tuple(self._operation(item, place, now, f"{path}.operations[{i}]") for i, item in enumerate(operations))
            )
        filled = self._filled(kind, self._named(plain), place, now)
        return self._signed_inside(body_from_plain(kind, filled, path), filled)

    def _operation(self, plain: Plain, place: Place, now: int, path: str) -> Operation:
        """An operation of a batch: {"kind", "body"}, or shorter {KIND: body}."""
        if isinstance(plain, dict) and set(plain) == {"kind", "body"}:
            kind, inner = plain["kind"], plain["body"]
        elif isinstance(plain, dict) and len(plain) == 1:
            kind, inner = next(iter(plain.items()))
        else:
            raise Malformed(f"{path}: expected {{kind, body}}")
        if kind == "batch":
            raise Malformed(f"{path}: a batch inside a batch")
        body = self._body(kind, inner, place, now, path)
        assert not isinstance(body, BatchOperations), "only the kind batch gives one"
        return body

    def _named(self, plain: Mapping[str, Plain]) -> dict[str, Plain]:
        """Names become addresses and keys, at every depth, where the field's name says what is expected."""
        found: dict[str, Plain] = {}
        for key, value in plain.items():
            if isinstance(value, str):
                if key in _ADDRESS_FIELDS:
                    value = self._cast.text_of(value) or value
                elif key in _KEY_FIELDS:
                    value = self._key_text(value)
                elif key == "leg":
                    value = "->".join(self._cast.text_of(part) or part for part in value.split("->"))
            elif isinstance(value, dict):
                value = self._named(value)
            elif isinstance(value, list):
                value = [self._in_list(item) for item in value]
            found[key] = value
        return found

    def _in_list(self, item: Plain) -> Plain:
        if isinstance(item, dict):
            return self._named(item)
        if isinstance(item, list):  # [to, units]
            return [self._in_list(part) for part in item]
        return (self._cast.text_of(item) or item) if isinstance(item, str) else item  # guardians

    def _key_text(self, value: str) -> str:
        """The public key of "NAME" or "NAME#n"; anything else is hex already."""
        return signing_key(value).public_key.hex() if value.split("#")[0] in self._cast.identities else value

    def _filled(self, kind: str, body: dict[str, Plain], place: Place, now: int) -> dict[str, Plain]:
        for name in ("order_id", "asset") if place.suffix else ():
            if isinstance(body.get(name), str):
                body[name] += place.suffix
        if kind in _HASH_FIELDS:
            body.setdefault(_HASH_FIELDS[kind], tagged_hash(TAG_PLAY, b"document/", self._nonce(place)).hex())
        match kind:
            case "redeem" if isinstance(body.get("request"), dict):
                body["request"] = self._request(body["request"], place, now)
                body.setdefault("max_value", body["request"]["value"])
            case "redeem_by_token" if isinstance(body.get("pay_code"), dict):
                body["pay_code"] = self._pay_code(body["pay_code"], body.get("value"), place, now)
            case "reserve_attest":
                body.setdefault("as_of", now)
            case "account_open":
                body.setdefault("threshold", 1)
                body.setdefault("sponsor_key", self._owner_key(body.get("sponsor")))
                body.setdefault("sponsor_sig", NO_SIGNATURE.hex())
            case "gov_propose" if isinstance(body.get("payload"), dict):
                body["payload"] = self._filled(str(body.get("action")), body["payload"], place, now)
            case "campaign_create" | "campaign_claim":
                return self._campaigns.filled(kind, body, self._cast.text_of)
            case _ if kind.startswith("validator_"):
                return self._voting.filled(kind, body)
            case _:
                pass
        return body

    def _owner_key(self, address: Plain) -> str:
        """The key of the identity with this address text; zeros for a stranger."""
        name = self._cast.name_of(address) if isinstance(address, str) else None
        return bytes(32).hex() if name is None else self._cast.key(name, "$").public_key.hex()

    def _request(self, request: dict[str, Plain], place: Place, now: int) -> dict[str, Plain]:
        order_id, suffix = request.get("order_id"), place.suffix
        filled = {
            "value": 0, "expires_at": now + REQUEST_SECONDS, "key": self._owner_key(request.get("merchant")),
            "sig": NO_SIGNATURE.hex(), **request,
        }  # fmt: skip
        filled["order_id"] = order_id + suffix if isinstance(order_id, str) else order_id
        return filled

    def _pay_code(self, code: dict[str, Plain], value: Plain, place: Place, now: int) -> dict[str, Plain]:
        return {
            "expires_at": now + PAY_CODE_SECONDS, "key": self._owner_key(code.get("account")),
            "seq": place.step << 16 | place.index, "max_value": value, "sig": NO_SIGNATURE.hex(), **code,
        }  # fmt: skip

    def _signed_inside(self, body: Body, plain: Mapping[str, Plain]) -> Body:
        """Sign what was left unsigned: payment request, pay code, sponsorship."""
        match body:
            case Redeem(request=request) if request.sig == NO_SIGNATURE:
                signature = self._holder(plain["request"]["key"]).sign(request_digest(self._chain_id, request))
                return replace(body, request=replace(request, sig=signature))
            case RedeemByToken(pay_code=code) if code.sig == NO_SIGNATURE:
                signature = self._holder(plain["pay_code"]["key"]).sign(pay_code_digest(self._chain_id, code))
                return replace(body, pay_code=replace(code, sig=signature))
            case AccountOpen() if body.sponsor_sig == NO_SIGNATURE:
                digest = sponsor_digest(self._chain_id, body.sponsor, body.keys, body.threshold)
                return replace(body, sponsor_sig=self._holder(plain["sponsor_key"]).sign(digest))
            case GovPropose():
                return replace(body, payload=self._voting.signed(body.payload, self._chain_id))
            case _:
                return self._voting.signed(body, self._chain_id)

    def _proven(self, body: Body, sender: bytes) -> Body:
        """A key that joins an account signs so, if somebody of the cast holds it."""
        if isinstance(body, KeyAdd) and body.proof is None:
            holder = self._holder(body.key.hex())
            if holder.public_key == body.key:
                digest = key_proof_digest(self._chain_id, sender, body.key, body.role)
                return replace(body, proof=holder.sign(digest))
        return body

    def _holder(self, key_hex: str) -> SigningKey:
        """The private key of a public key of the cast; a stranger's for an unknown one, so that it does not verify."""
        for name in self._cast.identities:
            for candidate in (name, *(f"{name}#{n}" for n in range(2, 9))):
                key = signing_key(candidate)
                if key.public_key.hex() == key_hex:
                    return key
        return signing_key("stranger*")

    def _signer(self, name: str, path: str) -> SigningKey:
        """The key of "A", or the further one of "A#2"."""
        first = self._cast.key(name.split("#")[0], path)
        return signing_key(name) if "#" in name else first

    def _signers(self, name: str, body: Body, path: str) -> list[SigningKey]:
        """The sender's key, and the merchant's beside a custodian's on a reserve attestation."""
        keys = {name: self._cast.key(name, f"{path}.as")}
        if kind_of(body) == "reserve_attest":
            merchant = self._cast.name_of(encode_address(Address(getattr(body, "merchant"))))  # noqa: B009
            if merchant is not None and merchant != FUND_NAME:
                keys[merchant] = self._cast.key(merchant, path)
        return list({key.public_key: key for key in keys.values()}.values())

    def _compose_raw(self, step: TransactionStep, place: Place, now: int) -> Composed:
        plain, path = self._substitute(step.raw, step.path), f"{step.path}.raw"
        if isinstance(plain, dict) and set(plain) == {"hex"}:
            try:
                return Composed(bytes.fromhex(plain["hex"]), b"")
            except (ValueError, TypeError) as error:
                raise Malformed(f"{path}.hex: expected hex") from error
        if not isinstance(plain, dict) or not {"sender", "kind", "body"} <= set(plain):
            raise Malformed(f"{path}: expected a complete envelope")
        named = dict(plain)
        if not isinstance(named["body"], dict) or not isinstance(named["sender"], str):
            raise Malformed(f"{path}: expected a complete envelope")
        named["sender"] = self._cast.text_of(named["sender"]) or named["sender"]
        named["body"] = self._filled(str(named["kind"]), self._named(named["body"]), place, now)
        signatures = named.pop("signatures", [plain["sender"]])
        envelope = envelope_from_plain(named, path)
        envelope = replace(envelope, body=self._signed_inside(envelope.body, named["body"]))
        identity = transaction_id(envelope)
        pairs = {pair.key: pair for pair in (self._pair(item, identity, path) for item in signatures)}
        if not pairs:
            raise Malformed(f"{path}.signatures: none")
        return Composed(encode(Transaction(envelope, tuple(pairs[key] for key in sorted(pairs)))), identity)

    def _pair(self, item: Plain, identity: bytes, path: str) -> KeySignature:
        """{"key", "sig"} as it is, or the signature of a name."""
        if isinstance(item, str):
            key = self._signer(item, f"{path}.signatures")
            return KeySignature(key.public_key, key.sign(identity))
        return from_plain(KeySignature, item, f"{path}.signatures")
