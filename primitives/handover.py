"""From one epoch to the next: the close block, its commit certificate, and the members that follow (S11, C8).

A chain of these from genesis proves the validator set of any epoch with one certificate check per epoch.
"""

from typing import Final

from primitives.block import Header, header_digest
from primitives.certificate import Certificate, Phase, Verify, verify_certificate
from primitives.codec import Malformed, Record, decode_canonical, decoder
from primitives.validators import Validator, ValidatorSet, valset_hash

HANDOVER_BYTES_MAX: Final = 128 * 1024  # 22 members with their transport certificates take some 100 kB at most


class Handover(Record):
    """`header` closes its epoch; `certificate` is for exactly this block; `seats` are those of the next epoch."""

    header: Header
    certificate: Certificate
    seats: tuple[Validator | None, ...]


_HANDOVER: Final = decoder(Handover)


def decode_handover(raw: bytes) -> Handover:
    """The handover of canonical bytes. Raises: Malformed."""
    if len(raw) > HANDOVER_BYTES_MAX:
        raise Malformed(f"a handover of {len(raw)} bytes, limit {HANDOVER_BYTES_MAX}")
    return decode_canonical(_HANDOVER, raw)


def check_handover(
    handover: Handover, chain_id: bytes, epoch: int, members: ValidatorSet, verify: Verify
) -> ValidatorSet:
    """The set of epoch + 1, proven by `members`, the set of `epoch`. Raises: Malformed with the first thing wrong."""
    header, certificate = handover.header, handover.certificate
    if header.epoch != epoch or header.valset_hash != members.hash:
        raise Malformed(f"a close block of epoch {header.epoch} where that of epoch {epoch} is due")
    if header.next_valset_hash is None or header.next_valset_hash != valset_hash(handover.seats):
        raise Malformed(f"the members after block {header.height} are not those that its header names")
    fits = (certificate.phase, certificate.epoch, certificate.height) == (Phase.COMMIT, epoch, header.height)
    if not fits or certificate.digest != header_digest(header):
        raise Malformed(f"the certificate is not a commit certificate of the close block {header.height}")
    if not verify_certificate(certificate, chain_id, members, verify):
        raise Malformed(f"the certificate of block {header.height} has not {members.quorum} valid signatures")
    return ValidatorSet(handover.seats)
