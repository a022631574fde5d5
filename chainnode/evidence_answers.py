"""What this node can prove about validators, for auditors: a list of offences, and each proof as its bytes (T1)."""

from typing import Annotated, Final, Literal

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import (
    BINARY,
    Answer,
    Call,
    Query,
    Route,
    json_answer,
    not_found,
    read_digest,
    read_number,
    record_answer,
)
from chainnode.membership import members_of_epoch
from consensus.evidence import KINDS, decode_evidence, statements
from ledger.evidence_shelf import EvidenceShelf
from primitives.codec import U64, Bytes32, Record, encode
from primitives.json_form import to_plain

LISTED_MAX: Final = 100


class EvidencesQuery(Query, frozen=True):
    """`cursor`: the `next` of the page before. The order is that of the ids, so a later page may miss newer ones."""

    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LISTED_MAX)] = 50


class EvidenceQuery(Query, frozen=True):
    """`format`: msgpack gives the canonical bytes, which is what can be checked."""

    format: Literal["json", "msgpack"] = "json"


class OffenceAnswer(Record):
    """`accused`: its name in the set of that epoch; `signed`: what it put its signature under, on either side."""

    id: Bytes32
    epoch: U64
    seat: U64
    accused: str
    kind: str
    signed: tuple[str, ...]


class EvidencesAnswer(Record):
    items: tuple[OffenceAnswer, ...]
    next: str | None


def _offence(backend: NodeBackend, identity: bytes, raw: bytes) -> OffenceAnswer:
    evidence = decode_evidence(raw)
    members = members_of_epoch(backend.genesis, backend.chain, evidence.epoch)
    known = members is not None and evidence.accused in members
    name = members.at(evidence.accused).name if members is not None and known else f"seat {evidence.accused}"
    kind = KINDS[type(evidence.proof)]
    return OffenceAnswer(identity, evidence.epoch, evidence.accused, name, kind, statements(evidence))


async def get_evidences(backend: NodeBackend, call: Call) -> Answer:
    """Everything that is durable here; an empty list is the normal case."""
    query: EvidencesQuery = call.query
    after = read_digest(query.cursor, "cursor") if query.cursor else b""
    page = EvidenceShelf(backend.chain.store).page(after, query.limit)
    items = tuple(_offence(backend, identity, raw) for identity, raw in page)
    return record_answer(EvidencesAnswer(items, page[-1][0].hex() if len(page) == query.limit else None))


async def get_evidence(backend: NodeBackend, call: Call) -> Answer:
    """One proof; its JSON form has the canonical bytes as `raw` in hex."""
    query: EvidenceQuery = call.query
    identity = read_digest(call.path["id"], "id")
    raw = EvidenceShelf(backend.chain.store).get(identity)
    if raw is None:
        raise not_found("no evidence with this id")
    if query.format == "msgpack":
        return Answer(200, raw, BINARY)
    return json_answer({**to_plain(_offence(backend, identity, raw)), "raw": raw.hex()})


async def get_block_bytes(backend: NodeBackend, call: Call) -> Answer:
    """Header, digests, embedded certificate and recorded NEWVIEW: what a fork is judged from (C11)."""
    height = read_number(call.path["height"], "height")
    block = backend.chain.block(height)
    if block is None:
        raise not_found(f"no block {height}, the newest is {backend.chain.head.height}")
    return Answer(200, encode(block), BINARY)


ROUTES: Final = (
    Route("GET", "/v1/blocks/{height}/bytes", get_block_bytes, "A block in its canonical bytes, without the bodies",
          answers=BINARY),
    Route("GET", "/v1/evidence", get_evidences, "Offences of validators that this node can prove", EvidencesQuery,
          answers=EvidencesAnswer),
    Route("GET", "/v1/evidence/{id}", get_evidence, "The proof of one offence; check it with hnchain audit evidence",
          EvidenceQuery),
)  # fmt: skip
