"""Some keys of the state with everything that proves them to somebody who holds the genesis: the answer of a node that
need not be believed."""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from primitives.block import Header
from primitives.codec import U64, Malformed, Record
from primitives.handover import Handover
from primitives.light_client import EPOCHS_MAX, Certified, TrustedEpochs, check_state
from primitives.state_proof import LEVELS_MAX, NodeBytes, StateProof

EVIDENCE_FORMAT: Final = 1
KEYS_MAX: Final = 16_384  # in one answer
KEY_BYTES_MAX: Final = 1024
VALUE_BYTES_MAX: Final = 1024 * 1024

Hex = {"form": "hex"}


class StateRecord(Record):
    """A key of the state, its value (None: it is absent), and the numbers of the nodes from the root to its place."""

    key: Annotated[bytes, msgspec.Meta(min_length=1, max_length=KEY_BYTES_MAX, extra=Hex)]
    value: Annotated[bytes, msgspec.Meta(max_length=VALUE_BYTES_MAX, extra=Hex)] | None
    path: Annotated[tuple[U64, ...], msgspec.Meta(min_length=1, max_length=LEVELS_MAX + 1)]


class StateEvidence(Record):
    """The state after `certified.headers[0].exec_height`. `nodes` of the tree stand once, whoever shares them."""

    format: U64
    handovers: Annotated[tuple[Handover, ...], msgspec.Meta(max_length=EPOCHS_MAX)]
    certified: Certified
    nodes: tuple[NodeBytes, ...]
    records: Annotated[tuple[StateRecord, ...], msgspec.Meta(max_length=KEYS_MAX)]


def check_evidence(evidence: StateEvidence, trusted: TrustedEpochs) -> tuple[Header, Mapping[bytes, bytes | None]]:
    """The proven header and the proven values by key, absent ones included. Raises: Malformed, Conflict."""
    if evidence.format != EVIDENCE_FORMAT:
        raise Malformed(f"evidence format {evidence.format}, this release reads {EVIDENCE_FORMAT}")
    for handover in evidence.handovers:
        trusted.advance(handover)
    header = trusted.certified_header(evidence.certified)
    found: dict[bytes, bytes | None] = {}
    for record in evidence.records:
        if record.key in found:
            raise Malformed(f"key {record.key[:33].hex()} stands twice")
        if any(number >= len(evidence.nodes) for number in record.path):
            raise Malformed(f"the path of key {record.key[:33].hex()} names a node that is not there")
        proof = StateProof(tuple(evidence.nodes[number] for number in record.path))
        check_state(header, record.key, record.value, proof)
        found[record.key] = record.value
    return header, found
