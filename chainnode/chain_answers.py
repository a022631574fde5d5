"""Blocks, headers, certificates, members and the node itself, as the API shows them."""

from typing import Annotated, Final, Literal

import msgspec

from chainnode.backend import NodeBackend, NodeStatus
from chainnode.calls import Answer, Call, Query, not_found, read_number, record_answer
from chainnode.code_form import CODE_FORM, CodeForm
from chainnode.membership import members_of_epoch
from chainnode.proofs import decode_receipt
from chainnode.readers import EVERYBODY, Reader
from chainnode.record_view import open_state
from points.keys import PARAMS_KEY
from points.roster import roster
from points.validators import register
from primitives.block import Header, header_digest
from primitives.certificate import Certificate, signer_ids
from primitives.codec import U64, Bytes32, Record, decode_canonical, decoder
from primitives.genesis import Limits, Parameters
from primitives.json_form import from_plain
from primitives.receipt_form import code_name
from primitives.validators import ValidatorSet

HEADERS_MAX: Final = 256
MENTIONS_MAX: Final = 1000
_CERTIFICATE: Final = decoder(Certificate)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class BlockQuery(Query, frozen=True):
    """The part of the block's transactions to list: `limit` mentions from number `offset` on."""

    offset: Count = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=MENTIONS_MAX)] = 100


class HeadersQuery(Query, frozen=True):
    start: Count = msgspec.field(name="from", default=0)
    limit: Annotated[int, msgspec.Meta(ge=1, le=HEADERS_MAX)] = 50


class Mention(Record):
    """A transaction in a block. `code` is None where it was a repetition that was skipped (C6)."""

    index: U64
    id: Bytes32
    code: str | None


class BlockAnswer(Record):
    hash: Bytes32
    header: Header
    batch_digests: tuple[Bytes32, ...]
    count: U64  # mentions in the block
    transactions: tuple[Mention, ...]
    certified: bool  # whether a certificate at or above this height is held here


class HashedHeader(Record):
    hash: Bytes32
    header: Header


class HeadersAnswer(Record):
    head: U64  # height of the newest block here
    headers: tuple[HashedHeader, ...]


class CertificateAnswer(Record):
    """The certificate of `height`, the lowest one held at or above the height asked for; it proves that one too."""

    height: U64
    signers: tuple[str, ...]
    certificate: Certificate


class PeerAnswer(Record):
    name: str
    connected: bool
    height: U64
    round_trip_ms: U64 | None


class StatusAnswer(Record):
    node: str
    version: str
    code: CodeForm
    network: str
    chain_id: Bytes32
    filing: str  # the record number of the operator (备案号)
    height: U64  # newest block in the ledger, executed
    block_hash: Bytes32
    state_root: Bytes32
    block_time_ms: U64
    clock_ms: U64
    test_clock: bool
    epoch: U64
    view: U64
    leader: str
    decided_height: U64
    pool_transactions: U64
    pool_bytes: U64
    ready: bool
    reason: str
    role: Literal["validator", "abstaining", "observer"]
    uptime_ms: U64
    validators: U64
    quorum: U64
    peers: tuple[PeerAnswer, ...]


class HealthAnswer(Record):
    status: str
    height: U64
    reason: str


class MemberAnswer(Record):
    """`order`: who leads view v of the epoch has order v modulo n. `timeouts`: of its views, as far as they count."""

    index: U64  # seat
    name: str
    vote_key: Bytes32
    address: str  # "host:port", "" where the chain does not know it
    order: U64
    timeouts: U64
    blacklisted: bool
    leader: bool  # of the present view, as this node sees it


class PendingAnswer(Record):
    """A change that waits for the end of the epoch; `vote_key` and `new_name` of the member that comes."""

    change: Literal["add", "remove", "replace", "rekey"]
    index: U64
    name: str
    height: U64  # of the block that accepted it
    new_name: str | None
    vote_key: Bytes32 | None
    address: str


class ValidatorsAnswer(Record):
    """As of the newest state; `next_hash` of the set with all pending changes, null while there are none."""

    epoch: U64
    start_height: U64
    hash: Bytes32
    next_hash: Bytes32 | None
    quorum: U64
    faulty: U64
    members: tuple[MemberAnswer, ...]
    pending: tuple[PendingAnswer, ...]


class ParamsAnswer(Record):
    chain_id: Bytes32
    network: str
    test_clock: bool
    parameters: Parameters  # as they are in the state now
    limits: Limits


def block_answer(backend: NodeBackend, height: int, query: BlockQuery, reader: Reader = EVERYBODY) -> BlockAnswer:
    """The block with a page of its mentions; none for who does not see all, since who knows an id may read what is
    under it. Raises: Refused above the head."""
    chain = backend.chain
    block = chain.block(height)
    if block is None:
        raise not_found(f"block {height} is above the head {chain.head.height}")
    ids = chain.transaction_ids(height)
    receipts = chain.receipts(height)
    mentions = []
    stop = min(query.offset + query.limit, len(ids)) if reader.sees_all else 0
    for index in range(query.offset, stop):
        raw = receipts[index]
        code = None if raw is None else code_name(decode_receipt(raw).code)
        mentions.append(Mention(index, ids[index], code))
    digest = header_digest(block.header)
    certified = height == 0 or chain.covering_certificate(height) is not None
    return BlockAnswer(digest, block.header, block.batch_digests, len(ids), tuple(mentions), certified)


def _height(backend: NodeBackend, call: Call) -> int:
    text = call.path["height"]
    return backend.chain.head.height if text == "latest" else read_number(text, "height")


async def get_block(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(block_answer(backend, _height(backend, call), call.query, call.reader))


async def get_certificate(backend: NodeBackend, call: Call) -> Answer:
    """404 for genesis, which needs none, and until a certificate at or above the height is held."""
    height = _height(backend, call)
    if height > backend.chain.head.height:
        raise not_found(f"block {height} is above the head {backend.chain.head.height}")
    held = backend.chain.covering_certificate(height) if height else None
    if held is None:
        raise not_found(f"no certificate at or above height {height} is held here")
    certificate = decode_canonical(_CERTIFICATE, held[1])
    members = members_of_epoch(backend.genesis, backend.chain, certificate.epoch)
    assert members is not None, "the ledger has begun the epoch of its own certificate"
    names = tuple(members.at(node).name for node in signer_ids(certificate.signers))
    return record_answer(CertificateAnswer(held[0], names, certificate))


async def get_headers(backend: NodeBackend, call: Call) -> Answer:
    query: HeadersQuery = call.query
    headers = backend.chain.headers(query.start, query.limit)
    pairs = tuple(HashedHeader(header_digest(header), header) for header in headers)
    return record_answer(HeadersAnswer(backend.chain.head.height, pairs))


def present_members(backend: NodeBackend) -> ValidatorSet:
    """The set of the epoch that the newest state is in."""
    with open_state(backend.chain) as state:
        return ValidatorSet(register(state.view).seats)


def proposer_of(backend: NodeBackend, header: Header) -> str:
    """The name of the validator that made a stored block."""
    members = members_of_epoch(backend.genesis, backend.chain, header.epoch)
    assert members is not None, "the ledger has begun the epoch of its own block"
    return members.at(header.proposer).name if header.proposer in members else f"seat {header.proposer}"


def status_answer(backend: NodeBackend) -> StatusAnswer:
    """The node and its chain at this moment."""
    node, head, genesis = backend.status(), backend.chain.head, backend.genesis
    header = backend.chain.header(head.height)
    assert header is not None, "the head has a header"
    members = present_members(backend)
    return StatusAnswer(
        node=node.name, version=node.version, code=CODE_FORM, network=genesis.name, chain_id=backend.chain.chain_id,
        filing=genesis.filing, height=head.height, block_hash=head.block_hash, state_root=head.state_root,
        block_time_ms=header.time_ms, clock_ms=backend.now_ms(), test_clock=genesis.test_clock, epoch=node.epoch,
        view=node.view, leader=node.leader, decided_height=node.decided_height,
        pool_transactions=node.pool_transactions, pool_bytes=node.pool_bytes, ready=node.ready, reason=node.reason,
        role=node.role,
        uptime_ms=node.uptime_ms, validators=members.size, quorum=members.quorum, peers=_peers(node),
    )  # fmt: skip


def _peers(node: NodeStatus) -> tuple[PeerAnswer, ...]:
    return tuple(PeerAnswer(p.name, p.connected, p.height, p.round_trip_ms) for p in node.peers)


async def get_status(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(status_answer(backend))


async def get_health(backend: NodeBackend, call: Call) -> Answer:
    """200 if the node takes transactions, else 503 with the reason; both as the same small document."""
    status = backend.status()
    health = HealthAnswer("ok" if status.ready else "not ready", backend.chain.head.height, status.reason)
    return record_answer(health, 200 if status.ready else 503)


def validators_answer(backend: NodeBackend) -> ValidatorsAnswer:
    """Members in the order of their seats, from the state."""
    leader = backend.status().leader
    with open_state(backend.chain) as state:
        plain = roster(state.view)
    for member in plain["members"]:
        member["leader"] = member["name"] == leader
    return from_plain(ValidatorsAnswer, plain)


async def get_validators(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(validators_answer(backend))


async def get_params(backend: NodeBackend, call: Call) -> Answer:
    with open_state(backend.chain) as state:
        parameters = state.view.get(PARAMS_KEY) or backend.genesis.parameters
    genesis = backend.genesis
    answer = ParamsAnswer(backend.chain.chain_id, genesis.name, genesis.test_clock, parameters, genesis.limits)
    return record_answer(answer)
