"""Runs the turns of a node's rooms on its event loop: a slow disk works in threads, everything else in between."""

import asyncio
from functools import partial

from chainnode.disk_thread import DiskThread
from chainnode.driver import Driver
from chainnode.evidence_book import EvidenceBook
from chainnode.execution_queue import Begun, ExecutionQueue, Work
from ledger.journal import Journal


async def run_driver(driver: Driver, journal: Journal, disk: DiskThread, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: FatalError from the journal; then nothing more is signed, the node stops (T31)."""
    while True:
        await wake.wait()
        wake.clear()
        turn = driver.begin()
        if turn.written:
            await disk.run(journal.sync)
        driver.end(turn)
        if not driver.idle:
            wake.set()
            await asyncio.sleep(0)  # what came meanwhile joins the next turn


async def run_queue(queue: ExecutionQueue, disk: DiskThread, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: Diverged, FatalError; then the node must stop."""
    while True:
        await wake.wait()
        wake.clear()
        begun = queue.begin()
        while begun is not None:
            begun = await _execute(queue, disk, queue.seal(begun))
            await asyncio.sleep(0)  # also between blocks that the loop writes itself


async def _execute(queue: ExecutionQueue, disk: DiskThread, work: Work) -> Begun | None:
    """Write a block; the next one, whose rules run beside that if it is complete already and the disk takes its time:
    two threads that both compute cost more than they save. What completes it later wakes the queue."""
    if disk.in_place:
        await disk.run(partial(queue.commit, work))
        queue.end(work)
        return queue.begin()
    written = asyncio.get_running_loop().run_in_executor(disk, queue.commit, work)
    following = queue.begin()
    await written
    queue.end(work)
    return following


async def run_evidence(book: EvidenceBook, disk: DiskThread, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: FatalError; then the node must stop."""
    while True:
        await wake.wait()
        wake.clear()
        await disk.run(book.write)
