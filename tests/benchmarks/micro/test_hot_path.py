"""Prices of the hot path, one stage each: `hnchain bench micro`. In a normal test run each stage runs once, unmeasured.

The transactions are those of `hnchain bench run --profile mixed`. Figures are per call; what a call holds is in its
`extra_info`, so that a figure can be divided by it.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.network import bench_genesis, demo_keys
from benchmarks.workload import Writer, cast_of
from consensus.events import Event
from consensus.replica import Replica
from ledger.disk import DiskDirectory
from ledger.journal import Journal
from ledger.leveldb import LevelDbStore
from ledger.state_tree import StateTree
from ledger.store import MemoryStore
from points.state import encode_value
from points.transition import BlockOutcome, apply_block, genesis_state
from points.view import Memory
from primitives.block import Batch, decode_batch, receipts_root, tx_root
from primitives.codec import encode
from primitives.genesis import chain_id
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.receipt import Receipt
from primitives.transaction import Decoded, decode_transaction, signature_checks
from tests.consensus.committee import Committee, trusted
from tests.ledger.builders import new_chain

SEED = bytes(range(32))
START = 1_800_000_000
BLOCK = 1_000
TOURISTS = 500
ACCOUNTS_IN_TREE = 16_384
EVENTS_OF_BLOCKS = 20


class Market(NamedTuple):
    """A funded state and a block of transactions for it."""

    chain_id: Digest
    state: Memory
    transactions: list[Decoded]

    def apply(self, transactions: list[Decoded]) -> BlockOutcome:
        return apply_block(
            self.state, time_s=START + 1, previous_s=START, height=2, chain_id=self.chain_id,
            transactions=transactions, seen=lambda _id: False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Market:
    genesis = bench_genesis(SEED, 4, TOURISTS, START)
    identity = chain_id(genesis)
    writer = Writer(cast_of(identity, SEED, demo_keys(SEED), TOURISTS), "m", START + 300, 1)
    state = Memory()
    state.apply(genesis_state(genesis))
    funded = Market(identity, state, []).apply([decode_transaction(raw) for raw in writer.funding()])
    state.apply(funded.changes)
    transactions = [decode_transaction(raw) for raw in writer.transactions("mixed", BLOCK)]
    return Market(identity, state, transactions)


def _kind(market: Market, kind: str) -> list[Decoded]:
    return [d for d in market.transactions if type(d.transaction.envelope.body).__name__ == kind]


@pytest.mark.parametrize("kind", ["Issue", "Redeem"])
def test_decode_check_and_name(benchmark: BenchmarkFixture, market: Market, kind: str) -> None:
    """Canonical decode, the second encoding that proves it, and the id."""
    raw = _kind(market, kind)[0].raw
    benchmark.extra_info["bytes"] = len(raw)
    assert benchmark(decode_transaction, raw).raw == raw


def test_verify_one_signature(benchmark: BenchmarkFixture, market: Market) -> None:
    check = signature_checks(market.transactions[0])[0]
    assert benchmark(verify, check.key, check.message, check.signature)


def test_list_the_signatures_of_a_redemption(benchmark: BenchmarkFixture, market: Market) -> None:
    assert len(benchmark(signature_checks, _kind(market, "Redeem")[0])) == 2


def test_decode_a_batch(benchmark: BenchmarkFixture, market: Market) -> None:
    """256 transactions as they come from a peer, each decoded and named."""
    raw = encode(Batch(1, 7, tuple(decoded.raw for decoded in market.transactions[:256])))
    benchmark.extra_info["transactions"] = 256
    found = benchmark(lambda: [decode_transaction(one) for one in decode_batch(raw).transactions])
    assert len(found) == 256


@pytest.mark.parametrize("kind", ["Issue", "Redeem"])
def test_apply(benchmark: BenchmarkFixture, market: Market, kind: str) -> None:
    """The points rules for a block of one kind; nothing is written."""
    transactions = _kind(market, kind)
    benchmark.extra_info["transactions"] = len(transactions)
    outcome = benchmark(market.apply, transactions)
    assert all(receipt is not None and receipt.code == 0 for receipt in outcome.receipts)


def test_encode_the_changes_of_a_block(benchmark: BenchmarkFixture, market: Market) -> None:
    changes = market.apply(market.transactions).changes
    benchmark.extra_info["keys"] = len(changes)
    benchmark(lambda: {key: None if record is None else encode_value(record) for key, record in changes.items()})


def test_state_root_of_a_block(benchmark: BenchmarkFixture) -> None:
    """1,000 touched keys in a tree of 16,384."""
    tree = StateTree(MemoryStore())
    keys = [b"k%d" % number for number in range(ACCOUNTS_IN_TREE)]
    tree.update(dict.fromkeys(keys, b"0"))
    rounds = count(1)
    benchmark.extra_info["keys"] = BLOCK

    def touch() -> Digest:
        number = next(rounds)
        value = b"%d" % number
        step = ACCOUNTS_IN_TREE // BLOCK
        return tree.update({keys[(i * step + number) % ACCOUNTS_IN_TREE]: value for i in range(BLOCK)}).root

    before = tree.root
    assert benchmark(touch) != before


@pytest.fixture(scope="module")
def receipts(market: Market) -> list[Receipt]:
    return [receipt for receipt in market.apply(market.transactions).receipts if receipt is not None]


def test_receipts_root(benchmark: BenchmarkFixture, receipts: list[Receipt]) -> None:
    """Encoding included."""
    benchmark.extra_info["receipts"] = len(receipts)
    benchmark(receipts_root, receipts)


def test_transactions_root(benchmark: BenchmarkFixture, market: Market) -> None:
    ids = [decoded.id for decoded in market.transactions]
    benchmark.extra_info["ids"] = len(ids)
    benchmark(tx_root, ids)


def test_append_a_block(benchmark: BenchmarkFixture, tmp_path: Path, market: Market) -> None:
    """One synced LevelDB batch and the head anchor: 256 transactions of a toy application, real bytes."""
    store = LevelDbStore.create(tmp_path / "db")
    (tmp_path / "anchor").mkdir()
    builder = new_chain(store, DiskDirectory(tmp_path / "anchor"))
    rounds = count()
    benchmark.extra_info["transactions"] = 256

    def entry() -> tuple[tuple[object], dict[str, object]]:
        prefix = b"%d-" % next(rounds)
        values = (prefix + d.id + b"=" + d.raw for d in market.transactions[:256])
        return ((builder.entry([builder.batch(*values)]),), {})

    benchmark.pedantic(builder.chain.append, setup=entry, rounds=20)
    store.close()


def test_append_to_the_journal_and_sync(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """One promise of 200 bytes, durable."""
    journal = Journal.create(DiskDirectory(tmp_path), "journal", bytes(32))

    def promise() -> None:
        journal.append([bytes(200)])
        journal.sync()

    benchmark(promise)
    journal.close()


@pytest.fixture(scope="module")
def heard() -> Iterator[tuple[Callable[[], Replica], list[Event]]]:
    """Everything that a follower of four hears while some blocks are decided, and a way to make that follower anew."""
    committee = Committee()
    events: list[Event] = []
    step = committee.step

    def listening(node: int, event: Event) -> object:
        if node == 1:
            events.append(event)
        return step(node, event)

    committee.step = listening  # type: ignore[method-assign, assignment]
    desk = committee.desks[1]
    head = desk.head()
    for number in range(EVENTS_OF_BLOCKS):
        committee.submit(f"b{number}")
        committee.run(50)
    assert committee.heights()[1] >= EVENTS_OF_BLOCKS
    yield (lambda: trusted(Replica(desk.config, head), committee.context, 1)), events


def test_step_the_core(
    benchmark: BenchmarkFixture, heard: tuple[Callable[[], Replica], list[Event]]
) -> None:
    """Proposals, votes, verdicts and ticks of some blocks; signatures are free here."""
    make, events = heard
    benchmark.extra_info["events"] = len(events)
    benchmark.extra_info["blocks"] = EVENTS_OF_BLOCKS

    def replay() -> int:
        replica = make()
        return sum(len(replica.step(event).decide) for event in events)

    assert benchmark(replay) >= EVENTS_OF_BLOCKS
