"""An ingress over a real socket, the node behind it in place of all admission, and a client that hears outcomes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from chainnode.courtesy import Courtesy
from chainnode.ingress import IngressServer
from chainnode.ingress_client import IngressClient
from chainnode.ingress_frames import Outcome, Submit, encode_ingress
from chainnode.ingress_limits import IngressLimits
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded
from tests.chainnode.transactions import make


class Verdict(NamedTuple):
    code: Code
    retry_ms: int = 0


class Door:
    """A node that admits each id once."""

    def __init__(self) -> None:
        self.ids: set[Digest] = set()
        self.bulks: list[int] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.busy_ms = 0  # while set, everything is refused for lack of room
        self.refuse: list[Verdict] = []  # while set, this is what a bulk is told
        self.forged: set[Digest] = set()

    async def submit(self, transactions: Sequence[Decoded]) -> Sequence[Verdict]:
        self.bulks.append(len(transactions))
        self.entered.set()
        await self.open.wait()
        if self.refuse:
            return self.refuse
        if self.busy_ms:
            return [Verdict(Code.POOL_FULL, self.busy_ms)] * len(transactions)
        if not self.forged.isdisjoint(one.id for one in transactions):
            return [Verdict(Code.BAD_SIGNATURE)] * len(transactions)
        answers = [Verdict(Code.DUPLICATE_TX if one.id in self.ids else Code.OK) for one in transactions]
        self.ids.update(one.id for one in transactions)
        return answers


async def serves_another_address(port: int) -> bool:
    """Whether a client of another address gets an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
    writer.write(encode_ingress(Submit(1, (make().raw,))))
    answered = await reader.read(1)
    writer.close()
    return bool(answered)


@asynccontextmanager
async def ingress(
    limits: IngressLimits | None = None, courtesy: Courtesy | None = None
) -> AsyncIterator[tuple[IngressServer, Door, int]]:
    door = Door()
    server = IngressServer("127.0.0.1", 0, door.submit, asyncio.get_running_loop().time, limits, courtesy)
    port = server.listen()
    task = asyncio.create_task(server.run())
    await asyncio.sleep(0)
    try:
        yield server, door, port
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Client:
    """A client and the outcomes that it heard."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.heard = asyncio.Event()

    async def connect(self, port: int) -> IngressClient:
        return await IngressClient.connect("127.0.0.1", port, self._hear)

    def _hear(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes += outcomes
        self.heard.set()

    async def until(self, count: int) -> None:
        while len(self.outcomes) < count:
            self.heard.clear()
            await self.heard.wait()
