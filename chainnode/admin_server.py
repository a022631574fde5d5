"""The operator's listener: loopback, a bearer token, and what only a test network may be told (T28, C14)."""

import hmac
from typing import Final

from chainnode.backend import NodeBackend
from chainnode.calls import Answer, Call, Handler, Route, json_answer, read_body, record_answer
from chainnode.chain_answers import present_members, status_answer
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.maintenance import Maintenance
from chainnode.metrics import Metrics
from chainnode.points_answers import invariants_plain
from chainnode.problem import Refused
from chainnode.proofs import find_receipt
from chainnode.submissions import exact_block_plain
from primitives.codec import U64, Malformed, Record
from primitives.codes import Code
from primitives.json_form import to_plain
from primitives.transaction import Decoded, decode_transaction

TOKEN_BYTES_MIN: Final = 32
BLOCK_TIMEOUT_MS: Final = 20_000
CLOCK_MS_MAX: Final = 253_402_300_799_000  # the end of the year 9999; every later block needs a time above the last one


class ClockBody(Record):
    time_ms: U64


class BlockBody(Record):
    """Raw transactions in hex, in order; none of them and `empty`: an empty block at the present clock."""

    transactions: tuple[bytes, ...] = ()
    empty: bool = False


class PruneBody(Record):
    """How many of the newest blocks to keep; the node keeps more where the chain needs them."""

    keep_blocks: U64


class PeersBody(Record):
    """The names of the validators whose links are cut until the next call; none heals."""

    drop: tuple[str, ...] = ()


def check_token(expected: bytes, authorization: str) -> None:
    """Raises: Refused 401 without a bearer token, 403 with another one. The comparison takes the same time for all."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        headers = {"WWW-Authenticate": "Bearer"}
        raise Refused(Code.NOT_AUTHORISED, "a bearer token is required", "limits", status=401, headers=headers)
    said = token.strip().encode("utf-8", "surrogateescape")  # a header may hold any bytes
    if not hmac.compare_digest(said, expected.hex().encode()):
        raise Refused(Code.NOT_AUTHORISED, "another token is required", "limits", status=403)


def _guarded(token: bytes, handle: Handler, test_only: bool) -> Handler:
    async def guarded(backend: NodeBackend, call: Call) -> Answer:
        check_token(token, call.headers.get("authorization", ""))
        if test_only and not backend.genesis.test_clock:
            raise Refused(Code.KIND_DISABLED, "only in a network whose genesis has test_clock", "node", status=403)
        return await handle(backend, call)

    return guarded


async def _post_clock(backend: NodeBackend, call: Call) -> Answer:
    body: ClockBody = read_body(ClockBody, call)
    if body.time_ms > CLOCK_MS_MAX:
        raise Refused(Code.BAD_REQUEST, f"time_ms {body.time_ms}, expected at most {CLOCK_MS_MAX}")
    backend.set_clock(body.time_ms)
    return json_answer({"time_ms": backend.now_ms()})


async def _post_block(backend: NodeBackend, call: Call) -> Answer:
    """{"height", "block_hash", "state_root", "results"}; height null if no transaction was admitted."""
    body: BlockBody = read_body(BlockBody, call)
    if not body.transactions and not body.empty:
        raise Refused(Code.BAD_REQUEST, "no transactions, and the block is not meant to be empty")
    decoded: list[Decoded | Refused] = []
    for raw in body.transactions:
        try:
            decoded.append(decode_transaction(raw))
        except Malformed as error:
            decoded.append(Refused(Code.DECODE, str(error)))
    wanted = [item for item in decoded if isinstance(item, Decoded)]
    results = await _decide(backend, wanted, empty=not decoded) if wanted or not decoded else []
    head = backend.chain.head
    lines = iter(results)
    found = [
        next(lines) if isinstance(item, Decoded)
        else {"code": item.code.name, "number": int(item.code), "status": "refused", "detail": item.detail,
              "receipt": None}
        for item in decoded
    ]  # fmt: skip
    return json_answer({"height": head.height, "block_hash": head.block_hash.hex(), "state_root": head.state_root.hex(),
                        "results": found})  # fmt: skip


async def _decide(backend: NodeBackend, wanted: list[Decoded], empty: bool) -> list[dict[str, object]]:
    block = await backend.submit_block(wanted, BLOCK_TIMEOUT_MS)
    if block.fault:
        raise Refused(Code.OUTCOME_UNKNOWN, block.fault, "node")
    receipts = [
        find_receipt(backend.chain, item.id) if admission.code is Code.OK else None
        for item, admission in zip(wanted, block.admissions, strict=True)
    ]
    return exact_block_plain(block.admissions, receipts)


async def _get_status(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(status_answer(backend))


async def _get_invariants(backend: NodeBackend, call: Call) -> Answer:
    """One sentence per broken invariant, recomputed from the whole state: may take seconds, so it is not public."""
    return json_answer(invariants_plain(backend))


async def _post_peers(backend: NodeBackend, call: Call) -> Answer:
    body: PeersBody = read_body(PeersBody, call)
    known = {member.name for member in present_members(backend).members()}
    unknown = sorted(set(body.drop) - known)
    if unknown:
        raise Refused(Code.BAD_REQUEST, f"no validators of this network: {unknown}"[:200])
    backend.drop_peers(frozenset(body.drop))
    return json_answer({"dropped": sorted(body.drop)})


def _maintenance(backend: NodeBackend) -> Maintenance:
    if backend.maintenance is None:
        raise Refused(Code.NOT_READY, "this node has no data directory", "node")
    return backend.maintenance


async def _post_snapshot(backend: NodeBackend, call: Call) -> Answer:
    """202 and the progress, also if one is being made already."""
    task = _maintenance(backend).snapshots
    task.request()
    return record_answer(task.progress, 202)


async def _get_snapshot(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(_maintenance(backend).snapshots.progress)


async def _post_prune(backend: NodeBackend, call: Call) -> Answer:
    """202 and the progress; its floor rises to the one in `wanted` as soon as the ledger's thread gets to it."""
    body: PruneBody = read_body(PruneBody, call)
    if body.keep_blocks == 0:
        raise Refused(Code.BAD_REQUEST, "keep_blocks 0, expected 1 or more")
    task = _maintenance(backend).pruning
    wanted = task.request(body.keep_blocks)
    return json_answer({"wanted": wanted, **to_plain(task.progress)}, 202)


async def _get_prune(backend: NodeBackend, call: Call) -> Answer:
    return record_answer(_maintenance(backend).pruning.progress)


async def _post_stop(backend: NodeBackend, call: Call) -> Answer:
    backend.stop()
    return json_answer({"stopping": True}, 202)


def admin_routes(token: bytes) -> tuple[Route, ...]:
    """The admin routes behind this token, at least 32 random bytes, which clients send in hex."""
    assert len(token) >= TOKEN_BYTES_MIN, f"a token of {len(token)} bytes, at least {TOKEN_BYTES_MIN}"
    table: tuple[tuple[str, str, Handler, bool, str], ...] = (
        ("GET", "/admin/status", _get_status, False, "The node and its chain"),
        ("GET", "/admin/invariants", _get_invariants, False, "Recompute the invariants from the state"),
        ("POST", "/admin/snapshot", _post_snapshot, False, "Begin a snapshot of the state"),
        ("GET", "/admin/snapshot", _get_snapshot, False, "How far the snapshot is"),
        ("POST", "/admin/prune", _post_prune, False, "Forget old history"),
        ("GET", "/admin/prune", _get_prune, False, "How far the pruning is"),
        ("POST", "/admin/stop", _post_stop, False, "Stop the node gracefully"),
        ("POST", "/admin/clock", _post_clock, True, "Set the clock"),
        ("POST", "/admin/block", _post_block, True, "Decide exactly one block"),
        ("POST", "/admin/peers", _post_peers, True, "Cut or heal links"),
    )
    return tuple(
        Route(method, path, _guarded(token, handle, test_only), summary)
        for method, path, handle, test_only, summary in table
    )


def build_admin_server(backend: NodeBackend, metrics: Metrics, token: bytes) -> HttpServer:
    """The admin listener; start it on a loopback address."""
    return HttpServer(backend, metrics, HttpSettings(), admin_routes(token))
