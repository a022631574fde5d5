"""Runs the turns of a node's rooms on its event loop: a slow disk works in threads, everything else in between."""

import asyncio
from functools import partial

from chainnode.disk_thread import DiskThread
from chainnode.driver import Driver
from chainnode.evidence_book import EvidenceBook
from chainnode.execution_queue import ExecutionQueue
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
        while (work := queue.begin()) is not None:
            await disk.run(partial(queue.commit, work))
            queue.end(work)
            await asyncio.sleep(0)  # also between blocks that the loop writes itself


async def run_evidence(book: EvidenceBook, disk: DiskThread, wake: asyncio.Event) -> None:
    """Work until cancelled. Raises: FatalError; then the node must stop."""
    while True:
        await wake.wait()
        wake.clear()
        await disk.run(book.write)
