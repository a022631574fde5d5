"""What a block costs whatever is in it: a network in this process, one block after the other, every act counted.

All nodes run on one event loop over real sockets, disks and signatures, so that one process knows all of it: CPU time,
callbacks, turns, syncs. Figures are per block and validator; the time is that of a client who waits for its receipt.
"""

import asyncio
import resource
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.network import bench_genesis, demo_keys
from benchmarks.workload import Writer, cast_of
from chainnode import process
from chainnode.config import load_config, read_secret
from chainnode.devnet import Devnet, create
from chainnode.devnet_layout import place_on
from chainnode.driver import Driver
from chainnode.eight_lanes import EightLanes
from chainnode.link import Link
from chainnode.listening_ports import free_ports
from chainnode.node import Node
from chainnode.peers import Peers
from ledger.chain import Chain
from ledger.data_directory import DataDirectory, open_data_directory
from ledger.journal import Journal
from primitives import hashing, keys
from primitives.codes import Code
from primitives.genesis import Genesis, chain_id, validator_set
from primitives.transaction import Decoded, decode_transaction

TOURISTS: Final = 100
READY_SECONDS: Final = 30.0
BLOCK_SECONDS: Final = 10.0
WARM_BLOCKS: Final = 20
QUIET_SECONDS: Final = 1.0

# name of the row, whose method, its name: called so often per block and validator
COUNTED: Final[tuple[tuple[str, Any, str], ...]] = (
    ("callbacks of the loop", asyncio.events.Handle, "_run"),
    ("hand-offs to threads", ThreadPoolExecutor, "submit"),
    ("messages broadcast", Peers, "broadcast"),
    ("messages sent to one", Peers, "send"),
    ("writes to links", Link, "_flush"),
    ("reads from links", Link, "data_received"),
    ("turns of the driver", Driver, "begin"),
    ("steps of the core", Driver, "_merge"),
    ("journal writes", Journal, "append"),
    ("journal syncs", Journal, "sync"),
    ("ledger writes", Chain, "append"),
    ("signatures made", keys, "crypto_sign"),
    ("verified one by one", keys, "crypto_sign_open"),
    ("verified in lanes, calls", EightLanes, "raw_verdicts"),
    ("tagged hashes", hashing, "_begun"),
)


class BlockCost(msgspec.Struct, frozen=True):
    """Of a run. `counts`: per block and validator; cpu_us too, the loop's idle share already taken off."""

    validators: int
    blocks: int
    transactions: int  # in each round; a round also makes the block that carries its roots
    cpu_us: float
    loop_us: float  # the part of it that the event loop's thread took
    p50_ms: float
    p99_ms: float
    counts: dict[str, float]


@contextmanager
def _counting(counts: Counter[str]) -> Iterator[None]:
    """Every call of COUNTED goes on through a counter."""
    with ExitStack() as stack:
        for row, owner, name in COUNTED:
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, _counted(counts, row, getattr(owner, name)))
        yield


def _counted(counts: Counter[str], row: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        counts[row] += 1
        return call(*arguments, **named)

    return counted


def _open(devnet: Devnet, genesis: Genesis) -> tuple[list[Node], list[DataDirectory]]:
    """Every validator of the folder, as process.run makes it."""
    nodes, opened = [], []
    for place in devnet.places:
        path = devnet.folder(place) / "node.toml"
        config = load_config(path)
        voting, identity = process.read_identity(config)
        identity = process.check_seat(config, validator_set(genesis), voting, identity, str(path))
        data = open_data_directory(Path(config.data), genesis)
        opened.append(data)
        nodes.append(Node(config, genesis, data, voting, identity, read_secret(config.admin.token, "admin token")))
    return nodes, opened


def measure(validators: int, rounds: int, transactions: int, folder: Path, counted: bool = True) -> BlockCost:
    """Make and measure a throw-away network below `folder`. `counted` False: no counters, so the times are the node's
    alone. Raises: TimeoutError if it stands still."""
    seed, now = secrets.token_bytes(32), int(time.time())
    place = Path(tempfile.mkdtemp(prefix="hnchain-blocks-", dir=folder))
    genesis = bench_genesis(seed, validators, TOURISTS, now)
    people = cast_of(chain_id(genesis), seed, demo_keys(seed), TOURISTS)
    writer = Writer(people, secrets.token_hex(4), now + 500, 1)
    raws = list(writer.transactions("hot-issuer", transactions * (rounds + WARM_BLOCKS)))
    opened: list[DataDirectory] = []
    try:
        devnet = create(place / "net", seed, place_on(free_ports(4 * validators)), genesis)
        nodes, opened = _open(devnet, genesis)
        return asyncio.run(_run(nodes, [decode_transaction(raw) for raw in raws], rounds, transactions, counted))
    finally:
        for data in opened:
            data.close()
        shutil.rmtree(place, ignore_errors=True)


async def _run(nodes: list[Node], waiting: list[Decoded], rounds: int, each: int, counted: bool) -> BlockCost:
    tasks = [asyncio.create_task(node.run()) for node in nodes]
    try:
        await _until(lambda: all(node.status().ready for node in nodes), READY_SECONDS)
        await _rounds(nodes, waiting, WARM_BLOCKS, each)
        idle = await _idle_share()
        counts: Counter[str] = Counter()
        first, cpu, wall = nodes[0].commits.height, _clocks(), time.monotonic()
        with _counting(counts) if counted else nullcontext():
            times = sorted(await _rounds(nodes, waiting, rounds, each))
        took = time.monotonic() - wall
        spent = [now - before - share * took for now, before, share in zip(_clocks(), cpu, idle, strict=True)]
        blocks = nodes[0].commits.height - first
        shares = blocks * len(nodes)
        return BlockCost(
            len(nodes), blocks, each, 1e6 * spent[0] / shares, 1e6 * spent[1] / shares,
            1e3 * times[len(times) // 2], 1e3 * times[len(times) * 99 // 100],
            {row: counts[row] / shares for row, _, _ in COUNTED} if counted else {},
        )  # fmt: skip
    finally:
        for node in nodes:
            node.stop()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _rounds(nodes: list[Node], waiting: list[Decoded], rounds: int, each: int) -> list[float]:
    """Seconds from handing in to the receipts, for each round; the nodes take them in turn."""
    times = []
    for number in range(rounds):
        node, bulk = nodes[number % len(nodes)], [waiting.pop() for _ in range(each)]
        began = time.monotonic()
        with node.commits.expect([decoded.id for decoded in bulk]) as expectation:
            answers = await node.submit(bulk)
            assert all(answer.code is Code.OK for answer in answers), f"a network of its own took {answers}"
            await expectation.wait(int(BLOCK_SECONDS * 1000))
            if expectation.missing:
                raise TimeoutError(f"{len(expectation.missing)} transactions are not decided")
        times.append(time.monotonic() - began)
        await _until(lambda: all(_rests(other, nodes) for other in nodes), BLOCK_SECONDS)
    return times


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  (many conditions of many nodes)
            await asyncio.sleep(0.002)


def _rests(node: Node, nodes: list[Node]) -> bool:
    height = node.commits.height
    return all(other.commits.height == height for other in nodes) and not node.rooms.driver.replica.undecided() and (
        not node.rooms.mempool.counts.held and not node.rooms.store.held_count
    )


def _clocks() -> tuple[float, float]:
    """CPU seconds of the process and of this thread."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, time.thread_time()


async def _idle_share() -> tuple[float, ...]:
    """What a second without blocks costs; ticks go on."""
    before = _clocks()
    await asyncio.sleep(QUIET_SECONDS)
    return tuple((after - was) / QUIET_SECONDS for after, was in zip(_clocks(), before, strict=True))
