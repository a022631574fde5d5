"""Snapshots and pruning beside a running ledger: between the appends, to the end, and without a thread left behind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chainnode.maintenance import Maintenance
from chainnode.pruning_task import EVERY_BLOCKS
from ledger.data_directory import DataDirectory, initialise, open_data_directory
from ledger.failures import Pruned
from ledger.snapshot_format import decode_manifest
from ledger.snapshot_proof import check_manifest
from tests.ledger.builders import GENESIS, GENESIS_STATE, Builder, toy_verify


class Running:
    """A ledger that grows as a node's does: appended in the one thread, told on the loop."""

    def __init__(self, data: DataDirectory, every_blocks: int = 0, keep_blocks: int = 0) -> None:
        self.builder = Builder(data.chain, data.tree, lag=2, step_ms=1_000_000)
        self.pool = ThreadPoolExecutor(1)
        self.maintenance = Maintenance(data.chain, data.snapshots, self.pool, every_blocks, keep_blocks)

    async def grow(self, blocks: int) -> None:
        loop, chain = asyncio.get_running_loop(), self.builder.chain
        for _ in range(blocks):
            raw = self.builder.batch(
                b"k%d=%d" % (chain.head.height % 9, chain.head.height), b"n%d=x" % chain.head.height
            )
            await loop.run_in_executor(self.pool, chain.append, self.builder.entry([raw]))
            self.maintenance.executed(chain.head.height)

    async def work(self, story: Callable[[], object]) -> None:
        """Run the story beside the tasks, then stop them as a node does."""
        task = asyncio.create_task(self.maintenance.run())
        try:
            async with asyncio.timeout(20):
                await story()  # type: ignore[misc]
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.pool.shutdown(wait=True)
        if not task.cancelled():
            task.result()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110  (what it waits for is a file of another thread)
            await asyncio.sleep(0.001)


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    initialise(tmp_path / "data", GENESIS, GENESIS_STATE)
    return open_data_directory(tmp_path / "data", GENESIS)


def test_a_snapshot_every_so_many_blocks(data: DataDirectory) -> None:
    node = Running(data, every_blocks=20)
    snapshots = node.maintenance.snapshots

    async def story() -> None:
        await node.grow(70)
        await node.until(lambda: snapshots.newest == 60 and snapshots.progress.phase == "idle")

    asyncio.run(node.work(story))
    assert data.snapshots.heights() == [60, 40]
    raw = data.snapshots.manifest(60)
    assert raw is not None
    assert check_manifest(decode_manifest(raw), GENESIS, toy_verify).state_root == node.builder.roots[60]
    data.close()


def test_a_snapshot_on_request_is_made_once(data: DataDirectory) -> None:
    node = Running(data)
    snapshots = node.maintenance.snapshots

    async def story() -> None:
        await node.grow(10)
        assert snapshots.request()
        assert not snapshots.request()
        assert snapshots.progress.phase == "waiting"
        await node.grow(5)
        await node.until(lambda: snapshots.progress.phase == "idle")

    asyncio.run(node.work(story))
    assert len(data.snapshots.heights()) == 1
    assert snapshots.newest == data.snapshots.heights()[0] >= 8
    data.close()


def test_a_node_that_stops_in_the_middle_leaves_no_snapshot_and_closes_its_store(data: DataDirectory) -> None:
    node = Running(data)

    async def story() -> None:
        await node.grow(10)
        node.maintenance.snapshots.request()

    asyncio.run(node.work(story))
    assert data.snapshots.heights() == []
    data.close()


@pytest.mark.pitfall(79)
def test_history_goes_while_blocks_come(data: DataDirectory) -> None:
    node = Running(data, keep_blocks=256)
    pruning, chain = node.maintenance.pruning, data.chain

    async def story() -> None:
        await node.grow(400)
        await node.until(lambda: pruning.progress.phase == "idle" and not pruning._pruner.behind)

    asyncio.run(node.work(story))
    last = 400 // EVERY_BLOCKS * EVERY_BLOCKS
    assert last - 256 <= chain.floor <= 400 - 256
    assert pruning.progress.cleared == chain.floor
    with pytest.raises(Pruned):
        chain.block(chain.floor - 1)
    assert chain.block(chain.floor) is not None
    data.close()


def test_the_operator_asks_for_less_and_a_cut_off_run_goes_on(data: DataDirectory, tmp_path: Path) -> None:
    node = Running(data)

    async def story() -> None:
        await node.grow(330)
        assert node.maintenance.pruning.request(1) == 330 - 256
        data.chain.raise_floor(330 - 256)  # and the process ends before anything is deleted

    asyncio.run(node.work(story))
    data.close()
    again = open_data_directory(tmp_path / "data", GENESIS)
    second = Running(again)
    pruning = second.maintenance.pruning

    async def rest() -> None:
        await second.until(lambda: pruning.progress.phase == "idle" and pruning.progress.cleared == 330 - 256)

    asyncio.run(second.work(rest))
    assert again.chain.floor == 330 - 256
    again.close()
