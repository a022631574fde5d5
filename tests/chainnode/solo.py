"""A node for the tests of the edge, and asking it: the in-process engine behind NodeBackend, with real rules, ledger
and certificates."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from chainnode.api import ROUTES, Router
from chainnode.backend import Admission, ExactBlock, NodeRole, NodeStatus, PendingState
from chainnode.calls import Answer, Call, problem_answer, read_query
from chainnode.commit_feed import CommitFeed
from chainnode.maintenance import Maintenance
from chainnode.play_identities import single_validator
from chainnode.play_instant import InstantEngine
from chainnode.problem import Refused
from ledger.chain import Chain
from primitives.address import encode_address
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id
from primitives.kinds import Body, Issue, PaymentRequest, Redeem
from primitives.transaction import Decoded, Envelope, decode_transaction, request_digest, sign_transaction
from tests.points.market import ADDRESS, genesis_of, key_of

ROUTER = Router(ROUTES)


class SoloBackend:
    """With `paused` set, submitted transactions wait until `commit_pool`; otherwise each list is a block at once."""

    def __init__(self, engine: InstantEngine) -> None:
        self.maintenance: Maintenance | None = None
        self.engine = engine
        self.commits = CommitFeed(engine.height)
        self.decoding = asyncio.Semaphore(1)
        self.paused = False
        self.pool: list[Decoded] = []
        self.pooled = asyncio.Event()
        self.refuse: Admission | None = None  # given to every transaction while set
        self.dropped: frozenset[str] = frozenset()
        self.stopped = False
        self.ready = True
        self.role: NodeRole = "validator"

    @property
    def genesis(self) -> Genesis:
        return self.engine.genesis

    @property
    def chain(self) -> Chain:
        return self.engine.chain

    def now_ms(self) -> int:
        header = self.chain.header(self.chain.head.height)
        assert header is not None
        return header.time_ms

    def status(self) -> NodeStatus:
        name = self.genesis.validators[0].name
        return NodeStatus(
            name=name, version="0.1.0", epoch=0, view=0, leader=name, decided_height=self.engine.height,
            pool_transactions=len(self.pool), pool_bytes=sum(len(d.raw) for d in self.pool), ready=self.ready,
            reason="" if self.ready else "catching up", role=self.role, uptime_ms=1, peers=(),
        )  # fmt: skip

    async def submit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        if self.refuse is not None:
            return [self.refuse] * len(transactions)
        if self.paused:
            self.pool.extend(transactions)
            self.pooled.set()
            return [Admission(Code.OK)] * len(transactions)
        return self.commit(transactions)

    def commit(self, transactions: Sequence[Decoded]) -> list[Admission]:
        """One block, published."""
        before = self.engine.height
        outcomes = self.engine.submit_block([decoded.raw for decoded in transactions])
        if self.engine.height > before:
            self.publish()
        return [
            Admission(Code.OK) if outcome.receipt is not None else Admission(outcome.code, outcome.detail)
            for outcome in outcomes
        ]

    def publish(self) -> None:
        """Tell the newest block."""
        height = self.engine.height
        self.commits.publish(height, self.chain.transaction_ids(height), self.chain.receipts(height))

    def commit_pool(self) -> None:
        pool, self.pool = self.pool, []
        self.commit(pool)

    def flush(self) -> None:
        """An empty block one second later, which carries the roots of the one before."""
        self.engine.set_time(self.now_ms() // 1000 + 1)
        self.publish()

    def pending_state(self, transaction_id: bytes) -> PendingState:
        return "pending" if any(d.id == transaction_id for d in self.pool) else "unknown"

    def set_clock(self, time_ms: int) -> None:
        self.engine.set_time(time_ms // 1000)
        self.publish()

    async def submit_block(self, transactions: Sequence[Decoded], timeout_ms: int) -> ExactBlock:
        if not transactions:
            self.flush()
            return ExactBlock(self.engine.height, ())
        before = self.engine.height
        admissions = tuple(self.commit(transactions))
        return ExactBlock(self.engine.height if self.engine.height > before else None, admissions)

    def drop_peers(self, names: frozenset[str]) -> None:
        self.dropped = names

    def fail(self, error: Exception) -> None:
        raise AssertionError("nothing fails in memory") from error

    def stop(self) -> None:
        self.stopped = True


def make_genesis(test_clock: bool = True, **parameters: int) -> Genesis:
    """The market of the rule tests with one validator, and people that other tests know by name: A, B, u, v, ..."""
    _, members = single_validator()
    return replace(genesis_of(**parameters), validators=members, test_clock=test_clock)


class Town:
    """A solo node over the market, and the pens to sign for everybody in it."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or make_genesis()
        self.node = SoloBackend(InstantEngine(self.genesis, single_validator()[0]))
        self.chain_id = chain_id(self.genesis)
        self._nonce = 0

    def sign(self, sender: str, body: Body, valid_until: int | None = None) -> bytes:
        """Canonical bytes, really signed."""
        self._nonce += 1
        until = self.node.now_ms() // 1000 + 300 if valid_until is None else valid_until
        envelope = Envelope(self.chain_id, ADDRESS[sender], self._nonce.to_bytes(16, "big"), until, body)
        return sign_transaction(envelope, [key_of(sender)])

    def issue(self, order_id: str, units: int = 10_000, merchant: str = "A", to: str = "u") -> bytes:
        """units of the merchant's class to a tourist."""
        return self.sign(merchant, Issue(f"h{merchant}", ADDRESS[to], units, order_id, "EARN", units))

    def redeem(self, order_id: str, value: int, merchant: str = "B", payer: str = "u") -> bytes:
        """A payment of a request that the merchant signed."""
        key = key_of(merchant)
        expires = self.node.now_ms() // 1000 + 300
        request = PaymentRequest(ADDRESS[merchant], order_id, value, expires, key.public_key, bytes(64))
        signed = replace(request, sig=key.sign(request_digest(self.chain_id, request)))
        return self.sign(payer, Redeem(signed, value))

    def run(self, raw: bytes) -> bytes:
        """Commit it in a block of its own; its id."""
        decoded = decode_transaction(raw)
        self.node.commit([decoded])
        return decoded.id


def text(name: str) -> str:
    """A name's address as people write it."""
    return encode_address(ADDRESS[name])


async def ask(town: Town, method: str, path: str, body: bytes = b"", media_type: str = "", **query: str) -> Answer:
    """What the route of this path answers, without HTTP; `start` stands for the parameter `from`."""
    match = ROUTER.match(method, path)
    assert match.route is not None, (method, path)
    try:
        pairs = [("from" if name == "start" else name, value) for name, value in query.items()]
        asked = Call(match.path, read_query(match.route, pairs), body, media_type)
        return await match.route.handle(town.node, asked)
    except Refused as refused:
        return problem_answer(refused, "en")


def call(town: Town, method: str, path: str, body: bytes = b"", media_type: str = "", **query: str) -> tuple[int, Any]:
    """Status and JSON body of what `ask` answers."""
    answer = asyncio.run(ask(town, method, path, body, media_type, **query))
    return answer.status, json.loads(answer.body)
