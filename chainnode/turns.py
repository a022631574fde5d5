"""Runs the turns of a node's rooms on its event loop: the disk works in threads, everything else in between."""

import asyncio
from concurrent.futures import Executor as Pool

from chainnode.driver import Driver
from chainnode.evidence_book import EvidenceBook
from chainnode.execution_queue import ExecutionQueue
from ledger.journal import Journal


async def run_driver(driver: Driver, journal: Journal, disk: Pool, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: FatalError from the journal; then nothing more is signed, the node stops (T31)."""
    loop = asyncio.get_running_loop()
    while True:
        await wake.wait()
        wake.clear()
        while not driver.idle:
            turn = driver.begin()
            if turn.written:
                await loop.run_in_executor(disk, journal.sync)
            driver.end(turn)
            await asyncio.sleep(0)


async def run_queue(queue: ExecutionQueue, disk: Pool, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: Diverged, FatalError; then the node must stop."""
    loop = asyncio.get_running_loop()
    while True:
        await wake.wait()
        wake.clear()
        while (work := queue.begin()) is not None:
            await loop.run_in_executor(disk, queue.commit, work)
            queue.end(work)


async def run_evidence(book: EvidenceBook, disk: Pool, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: FatalError; then the node must stop."""
    loop = asyncio.get_running_loop()
    while True:
        await wake.wait()
        wake.clear()
        await loop.run_in_executor(disk, book.write)
