"""A file of proven receipts that an auditor vouches for: with the genesis alone, anybody checks every part of it.

What the chain certified needs no auditor; the signature says who chose these receipts, when, and for what matter. The
file is refused unless it re-encodes to itself, and every byte of it is bound by the manifest's hashes, which the
signature covers: no changed byte passes.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from primitives.codec import U64, Bytes20, Bytes32, Bytes64, Malformed, Record, decode_canonical, decoder, encode
from primitives.genesis import Genesis
from primitives.handover import Handover
from primitives.hashing import TAG_BUNDLE, Digest, tagged_hash
from primitives.keys import Address, PublicKey, Signature, SigningKey, verify
from primitives.light_client import EPOCHS_MAX, TrustedEpochs
from primitives.proof import ProvenReceipt, ReceiptProof, encode_proof, verify_receipt_proof

BUNDLE_FORMAT: Final = 1
BUNDLE_BYTES_MAX: Final = 256 * 1024 * 1024
RECEIPTS_MAX: Final = 65_536
MATTER_CHARS_MAX: Final = 200


class BundleItem(Record):
    """A receipt's proof file in the bundle: whose it is, its SHA-256 and its length."""

    tx: Bytes32
    digest: Bytes32
    octets: U64


class Manifest(Record):
    """What the signature covers. `items` in the order of the chain; `handovers` is the hash of them all."""

    format: U64
    chain_id: Bytes32
    made: U64  # unix seconds, by the auditor's clock
    matter: Annotated[str, msgspec.Meta(max_length=MATTER_CHARS_MAX)]
    account: Bytes20  # of the auditor
    key: Bytes32  # with which it signed
    handovers: Bytes32
    items: Annotated[tuple[BundleItem, ...], msgspec.Meta(min_length=1, max_length=RECEIPTS_MAX)]


class EvidenceBundle(Record):
    """`handovers` from genesis on, once for all proofs; each proof is a file of its own without them."""

    manifest: Manifest
    signature: Bytes64
    handovers: Annotated[tuple[Handover, ...], msgspec.Meta(max_length=EPOCHS_MAX)]
    proofs: tuple[bytes, ...]


class ProvenBundle(NamedTuple):
    """What a bundle proves: these receipts, chosen by the holder of `manifest.key`."""

    manifest: Manifest
    receipts: tuple[ProvenReceipt, ...]


_CONTROLS: Final = (
    (0x00, 0x1F), (0x7F, 0x9F), (0x61C, 0x61C), (0x200E, 0x200F), (0x2028, 0x202E), (0x2066, 0x2069), (0xFEFF, 0xFEFF),
)  # fmt: skip

_BUNDLE: Final = decoder(EvidenceBundle)
_PROOF: Final = decoder(ReceiptProof)


def manifest_digest(manifest: Manifest) -> Digest:
    """What the auditor signs."""
    return tagged_hash(TAG_BUNDLE, encode(manifest))


def build_bundle(
    chain: bytes, made: int, matter: str, account: Address, key: SigningKey, handovers: Sequence[Handover],
    proofs: Sequence[bytes],
) -> bytes:  # fmt: skip
    """The file. `proofs`: files of receipts with or without handovers, in any order, each transaction once or more."""
    found = {}
    for raw in proofs:
        proof = replace(decode_canonical(_PROOF, raw), handovers=())
        found[proof.receipt.height, proof.receipt.index] = (proof.receipt.tx, encode_proof(proof))
    files = [found[place] for place in sorted(found)]
    items = tuple(BundleItem(tx, _part(raw), len(raw)) for tx, raw in files)
    manifest = Manifest(
        BUNDLE_FORMAT, chain, made, matter, account, key.public_key, _part(encode(tuple(handovers))), items
    )
    signature = key.sign(manifest_digest(manifest))
    return encode(EvidenceBundle(manifest, signature, tuple(handovers), tuple(raw for _, raw in files)))


def verify_bundle(raw: bytes, genesis: Genesis, trusted: TrustedEpochs | None = None) -> ProvenBundle:
    """The proven receipts. `trusted`: what the reader knows already; by default nothing but the genesis.

    Raises: Malformed with the first thing that does not hold, Conflict for a fork. Needs no node and no network.
    """
    trusted = TrustedEpochs(genesis) if trusted is None else trusted
    bundle = _decode(raw)
    manifest = bundle.manifest
    if manifest.chain_id != trusted.chain_id:
        raise Malformed("the bundle is of another chain than this genesis")
    if not verify(PublicKey(manifest.key), manifest_digest(manifest), Signature(bundle.signature)):
        raise Malformed("the auditor's signature does not verify")
    if _part(encode(bundle.handovers)) != manifest.handovers:
        raise Malformed("the handovers are not those of the manifest")
    if len(bundle.proofs) != len(manifest.items):
        raise Malformed(f"{len(bundle.proofs)} proofs, the manifest names {len(manifest.items)}")
    for handover in bundle.handovers:
        trusted.advance(handover)
    receipts: list[ProvenReceipt] = []
    for number, (item, file) in enumerate(zip(manifest.items, bundle.proofs, strict=True)):
        receipts.append(_check_item(number, item, file, genesis, trusted))
    places = [(proven.receipt.height, proven.receipt.index) for proven in receipts]
    if places != sorted(set(places)):
        raise Malformed("the receipts are not in the order of the chain")
    return ProvenBundle(manifest, tuple(receipts))


def _check_item(
    number: int, item: BundleItem, file: bytes, genesis: Genesis, trusted: TrustedEpochs
) -> ProvenReceipt:
    if len(file) != item.octets or _part(file) != item.digest:
        raise Malformed(f"proof {number} is not the one that the manifest names")
    proven = verify_receipt_proof(file, genesis, trusted)
    if proven.receipt.tx != item.tx:
        raise Malformed(f"proof {number} is of transaction {proven.receipt.tx.hex()[:16]}, not {item.tx.hex()[:16]}")
    return proven


def _decode(raw: bytes) -> EvidenceBundle:
    if len(raw) > BUNDLE_BYTES_MAX:
        raise Malformed(f"a bundle of {len(raw)} bytes, limit {BUNDLE_BYTES_MAX}")
    bundle = decode_canonical(_BUNDLE, raw)
    if bundle.manifest.format != BUNDLE_FORMAT:
        raise Malformed(f"bundle format {bundle.manifest.format}, this release reads {BUNDLE_FORMAT}")
    if not is_plain(bundle.manifest.matter):
        raise Malformed("the matter holds control characters")
    return bundle


def is_plain(matter: str) -> bool:
    """Whether a matter can be shown on a terminal as it is: no control characters, none that turn the direction."""
    return not any(low <= ord(character) <= high for character in matter for low, high in _CONTROLS)


def _part(raw: bytes) -> Digest:
    """SHA-256 as any tool computes it, so that a part can be compared outside."""
    return Digest(hashlib.sha256(raw).digest())
