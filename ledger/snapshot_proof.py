"""Why a manifest may be believed: from the genesis over each epoch's close block to a certified header (T23, S11)."""

from typing import NamedTuple

from ledger.failures import BadSnapshot
from ledger.snapshot_format import CHUNK_BYTES, FORMAT, Manifest
from primitives.block import Header, header_digest
from primitives.certificate import Phase, Verify, verify_certificate
from primitives.codec import Malformed
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.handover import check_handover
from primitives.hashing import Digest
from primitives.validators import ValidatorSet


class Proof(NamedTuple):
    """What a checked manifest proves."""

    height: int
    parent: Digest  # hash of the block at `height`, of which this is the state
    state_root: Digest
    epoch: int  # of the certified header
    members: ValidatorSet  # of that epoch


def check_manifest(manifest: Manifest, genesis: Genesis, verify: Verify) -> Proof:
    """What the manifest proves, believing nothing but the genesis. Costs one certificate per epoch.

    Raises: BadSnapshot with the first thing wrong.
    """
    if manifest.format != FORMAT:
        raise BadSnapshot(f"format {manifest.format}, this release reads {FORMAT}")
    if manifest.chain_id != chain_id(genesis):
        raise BadSnapshot(f"a snapshot of chain {manifest.chain_id.hex()}, the genesis is of {chain_id(genesis).hex()}")
    if manifest.height == 0:
        raise BadSnapshot("a snapshot of height 0 is the genesis itself")
    if (manifest.octets + CHUNK_BYTES - 1) // CHUNK_BYTES != len(manifest.chunks):
        raise BadSnapshot(f"{manifest.octets} bytes in {len(manifest.chunks)} chunks")
    _check_links(manifest.headers, manifest.height)
    members = _members(manifest, genesis, verify)
    last, certificate = manifest.headers[-1], manifest.certificate
    if (last.epoch, last.valset_hash) != (len(manifest.handovers), members.hash):
        raise BadSnapshot(f"the header of epoch {last.epoch} is not of the set that the handovers prove")
    fits = (certificate.phase, certificate.epoch, certificate.height) == (Phase.COMMIT, last.epoch, last.height)
    if not fits or certificate.digest != header_digest(last):
        raise BadSnapshot(f"the certificate is not a commit certificate of block {last.height}")
    if not verify_certificate(certificate, manifest.chain_id, members, verify):
        raise BadSnapshot(f"the certificate of block {last.height} has not {members.quorum} valid signatures")
    naming = manifest.naming()
    if naming is None:
        raise BadSnapshot(f"no header names the state after block {manifest.height}")
    parent = Digest(manifest.headers[0].parent)
    parent = Digest(manifest.headers[0].parent)
    return Proof(manifest.height, parent, Digest(naming.state_root), last.epoch, members)


def _check_links(headers: tuple[Header, ...], height: int) -> None:
    parent: Header | None = None
    for number, header in enumerate(headers, height + 1):
        if header.height != number:
            raise BadSnapshot(f"header {header.height} where header {number} is due")
        if parent is not None and header.parent != header_digest(parent):
            raise BadSnapshot(f"header {number} is not the child of header {number - 1}")
        parent = header


def _members(manifest: Manifest, genesis: Genesis, verify: Verify) -> ValidatorSet:
    members = validator_set(genesis)
    for epoch, handover in enumerate(manifest.handovers):
        try:
            members = check_handover(handover, manifest.chain_id, epoch, members, verify)
        except Malformed as error:
            raise BadSnapshot(f"handover of epoch {epoch}: {error}") from error
    return members
