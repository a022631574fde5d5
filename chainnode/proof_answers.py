"""Answers that need not be believed: genesis, handovers, the newest certified header, records with their proofs."""

import asyncio
from typing import Annotated, Any, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Query, Route, json_answer, record_answer
from chainnode.proofs import build_receipt_proof, handovers_from, newest_certified
from chainnode.proven_account import account_keys, supply_keys
from chainnode.proven_states import HANDOVERS_LISTED, build_evidence, evidence_of, open_proven_state
from ledger.chain import Chain
from ledger.failures import Pruned
from points import queries
from points.keys import class_key
from primitives.codec import U64, Record
from primitives.genesis import genesis_text
from primitives.handover import Handover
from primitives.json_form import to_plain
from primitives.light_client import EPOCHS_MAX
from primitives.proof import encode_proof
from primitives.state_evidence import StateEvidence

Plain = Any
PROOF_WAIT_MS_MAX: Final = 10_000
EpochNumber = Annotated[int, msgspec.Meta(ge=0, le=EPOCHS_MAX)]


class ProvenQuery(Query, frozen=True):
    """`proof`: 1 adds everything from which the answer follows. `epoch`: the reader knows its members, so that no
    handover before it is needed. `timeout_ms`: how long to wait for a certified header that names the state."""

    proof: Annotated[int, msgspec.Meta(ge=0, le=1)] = 0
    epoch: EpochNumber = 0
    timeout_ms: Annotated[int, msgspec.Meta(ge=0, le=PROOF_WAIT_MS_MAX)] = 3_000


class CertifiedQuery(Query, frozen=True):
    """`epoch`: the reader knows its members."""

    epoch: EpochNumber = 0


class HandoversQuery(Query, frozen=True):
    start: EpochNumber = msgspec.field(name="from", default=0)
    limit: Annotated[int, msgspec.Meta(ge=1, le=HANDOVERS_LISTED)] = HANDOVERS_LISTED


class HandoversAnswer(Record):
    """`epoch`: the present one; every epoch before it has its handover."""

    epoch: U64
    handovers: tuple[Handover, ...]


async def get_genesis(backend: NodeBackend, call: Call) -> Answer:
    """The file that every node has; its hash is the chain id, so a reader who knows that need not believe it."""
    return Answer(200, genesis_text(backend.genesis))


def epochs_over(chain: Chain) -> int:
    """How many epochs have ended: the number of the present one."""
    header = chain.header(chain.head.height)
    assert header is not None, "the head has a header"
    return header.epoch + (header.next_valset_hash is not None)


async def get_handovers(backend: NodeBackend, call: Call) -> Answer:
    query: HandoversQuery = call.query
    epoch = epochs_over(backend.chain)
    found = handovers_from(backend.chain, query.start, min(epoch, query.start + query.limit))
    return record_answer(HandoversAnswer(epoch, found))


async def get_certified(backend: NodeBackend, call: Call) -> Answer:
    """The newest header that can be proven now."""
    query: CertifiedQuery = call.query
    return record_answer(evidence_of(backend.chain, newest_certified(backend.chain), query.epoch))


async def proven_account_plain(backend: NodeBackend, query: ProvenQuery, address: bytes) -> tuple[Plain, StateEvidence]:
    """The account as of `time_s` of the answer (None: there is none), and what proves it."""
    async with open_proven_state(backend, query.timeout_ms) as proven:
        plain = queries.account(proven.state.view, proven.time_s, address)
        keys = account_keys(address, proven.state.raw.get)
        evidence = await build_evidence(backend.chain, proven, keys, query.epoch)
    if plain is not None:
        plain["time_s"] = proven.time_s
    return plain, evidence


async def proven_supply_plain(backend: NodeBackend, query: ProvenQuery) -> Plain:
    """{"supply": {class: counters}, "proof"}: of every class in the state."""
    async with open_proven_state(backend, query.timeout_ms) as proven:
        plain = queries.supply(proven.state.view, proven.time_s)
        evidence = await build_evidence(backend.chain, proven, supply_keys(tuple(plain)), query.epoch)
    assert all(evidence.records[2 * i].key == class_key(id) for i, id in enumerate(plain)), "in order of the classes"
    return {"supply": plain, "proof": to_plain(evidence)}


async def add_proofs(backend: NodeBackend, page: dict[str, Plain], epoch: int) -> None:
    """A receipt's file in hex as "proof" of each item; a certified header covers them all.

    The page ends above the first receipt whose neighbours under the same root are pruned. Raises: Pruned if that is the
    first of the page.
    """
    for number, item in enumerate(page["items"]):
        try:
            proof = build_receipt_proof(backend.chain, bytes.fromhex(item["tx"]), epoch)
            if proof is None:  # forgotten since the page was read
                raise Pruned(item["height"], backend.chain.floor)
        except Pruned:
            if not number:
                raise
            page.update(items=page["items"][:number], next=f"{item['height']}.{item['index'] + 1}")
            return
        item["proof"] = encode_proof(proof).hex()
        await asyncio.sleep(0)


def proof_member(evidence: StateEvidence) -> dict[str, Plain]:
    """The member that an answer or a problem gets."""
    return {"proof": to_plain(evidence)}


async def get_supply_proof(backend: NodeBackend, call: Call) -> Answer:
    """Units of every class by what became of them (INV-1)."""
    return json_answer(await proven_supply_plain(backend, call.query))


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/genesis", get_genesis, "The genesis file; its hash is the chain id"),
    Route("GET", "/v1/handovers", get_handovers, "How the validators changed: one proof per epoch that is over",
          HandoversQuery, answers=HandoversAnswer),
    Route("GET", "/v1/certified", get_certified, "The newest header that can be proven, with what proves it",
          CertifiedQuery, answers=StateEvidence),
    Route("GET", "/v1/supply/proof", get_supply_proof, "Units of every class with what proves them", ProvenQuery),
)  # fmt: skip
