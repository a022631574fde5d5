"""The binary ingress: every transaction gets an answer, every admitted one an outcome, and no client costs another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import pytest

from chainnode.courtesy import BURST, FORGED_COST, PER_SECOND, Courtesy
from chainnode.ingress import IngressLimits, IngressServer
from chainnode.ingress_client import IngressClient
from chainnode.ingress_frames import (
    INGRESS_LIMITS,
    Answer,
    IngressClass,
    Outcome,
    Submit,
    decode_ingress,
    encode_ingress,
)
from chainnode.wire import Frame, encode_frame
from primitives.codec import Malformed
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import Decoded
from tests.chainnode.mesh import eventually, run
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


def test_answers_come_in_order_and_outcomes_follow() -> None:
    async def scenario() -> None:
        async with ingress() as (server, door, port):
            ears = Client()
            client = await ears.connect(port)
            one, two, three = make(), make(), make()
            assert await client.submit([one.raw, b"junk", two.raw]) == (Code.OK, Code.DECODE, Code.OK)
            assert await client.submit([two.raw, three.raw]) == (Code.DUPLICATE_TX, Code.OK)
            assert door.bulks == [2, 2], "what does not decode is answered at the door"
            server.settled([Outcome(two.id, 7, 0, 0), Outcome(bytes(32), 7, 1, 0), Outcome(one.id, 7, 2, 3003)])
            server.expired([three.id])
            await ears.until(3)
            assert ears.outcomes == [
                Outcome(two.id, 7, 0, 0), Outcome(one.id, 7, 2, 3003), Outcome(three.id, 0, 0, Code.EXPIRED_TX)
            ]
            server.settled([Outcome(one.id, 8, 0, 0)])  # told once
            await client.submit([make().raw])
            assert len(ears.outcomes) == 3
            await client.close()

    run(scenario)


def test_an_outcome_before_the_answer_is_not_lost() -> None:
    async def scenario() -> None:
        async with ingress() as (server, door, port):
            ears = Client()
            client = await ears.connect(port)
            door.open.clear()
            one = make()
            answer = client.submit([one.raw])
            await door.entered.wait()
            server.settled([Outcome(one.id, 1, 0, 0)])
            door.open.set()
            assert await answer == (Code.OK,)
            await ears.until(1)
            await client.close()

    run(scenario)


def test_outcomes_go_to_whoever_brought_the_transaction() -> None:
    async def scenario() -> None:
        async with ingress() as (server, _, port):
            ears = [Client(), Client()]
            clients = [await each.connect(port) for each in ears]
            mine, yours = make(), make()
            await clients[0].submit([mine.raw])
            await clients[1].submit([yours.raw, mine.raw])
            await clients[0].close()
            server.settled([Outcome(mine.id, 1, 0, 0), Outcome(yours.id, 1, 1, 0)])
            await ears[1].until(1)
            assert ears[1].outcomes == [Outcome(yours.id, 1, 1, 0)] and ears[0].outcomes == []
            await clients[1].close()

    run(scenario)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(4) + b"\x01",
        (INGRESS_LIMITS[IngressClass.SUBMIT] + 1).to_bytes(4, "big") + b"\x01",
        encode_ingress(Answer(1, (0,))),
        encode_frame(IngressClass.SUBMIT, b"\xc1"),
        encode_frame(IngressClass.SUBMIT, b"\x92\x01\x90"),
    ],
)
def test_bytes_that_are_no_bulk_close_that_connection_only(data: bytes) -> None:
    async def scenario() -> None:
        async with ingress() as (_, _, port):
            client = await Client().connect(port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert await client.submit([make().raw]) == (Code.OK,)
            await client.close()

    run(scenario)


def test_a_client_in_a_hurry_is_slowed_down() -> None:
    async def scenario() -> None:
        async with ingress(IngressLimits(in_hand=100)) as (_, door, port):
            client = await Client().connect(port)
            door.open.clear()
            raws = [make(valid_until=1).raw for _ in range(50)]
            answers = [client.submit(raws) for _ in range(400)]
            for _ in range(2000):
                await asyncio.sleep(0)
            assert len(door.bulks) < 200, "the socket is not read while answers are owed"
            door.open.set()
            assert len(await asyncio.gather(*answers)) == 400
            await client.close()

    run(scenario)


def test_a_client_that_does_not_read_is_cut_off() -> None:
    async def scenario() -> None:
        async with ingress(IngressLimits(unread=64 * 1024)) as (server, _, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            ids = []
            for round_ in range(400):
                bulk = [make() for _ in range(5)]
                ids += [one.id for one in bulk]
                writer.write(encode_ingress(Submit(round_, tuple(one.raw for one in bulk))))
            await writer.drain()
            good = await Client().connect(port)
            assert await good.submit([make().raw]) == (Code.OK,)
            for height in range(100):  # outcomes for nobody cost nothing; these are for the one who does not read
                server.settled([Outcome(identity, height, 0, 0) for identity in ids])
                for one in ids:
                    for connection in list(server._connections):
                        server._watch(one, connection)
                await asyncio.sleep(0)
                if len(server._connections) < 2:
                    break
            assert len(server._connections) <= 1
            await good.close()
            writer.close()

    run(scenario)


def test_connections_are_bounded() -> None:
    async def scenario() -> None:
        async with ingress(IngressLimits(connections=2)) as (_, _, port):
            clients = [await Client().connect(port) for _ in range(2)]
            assert await clients[1].submit([make().raw]) == (Code.OK,)
            late = await Client().connect(port)
            await late.closed.wait()
            with pytest.raises(ConnectionError):
                await late.submit([make().raw])
            for client in clients:
                await client.close()

    run(scenario)


def test_one_address_does_not_take_every_connection() -> None:
    async def scenario() -> None:
        async with ingress(IngressLimits(per_address=2)) as (_, _, port):
            clients = [await Client().connect(port) for _ in range(2)]
            late = await Client().connect(port)
            async with asyncio.timeout(5):
                await late.closed.wait()
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
            writer.write(encode_ingress(Submit(1, (make().raw,))))
            assert await reader.read(1), "another address has places of its own"
            await clients[0].close()
            again = await Client().connect(port)
            assert await again.submit([make().raw]) == (Code.OK,), "a place that was left is free"
            for client in (clients[1], again):
                await client.close()
            writer.close()

    run(scenario)


def test_a_busy_node_says_when_to_come_again() -> None:
    async def scenario() -> None:
        now = [0.0]
        async with ingress(courtesy=Courtesy(lambda: now[0])) as (server, door, port):
            client = await Client().connect(port)
            one = make()
            door.busy_ms = 350
            assert await client.submit([one.raw]) == (Code.POOL_FULL,) and client.retry_ms == 350
            assert not server._watchers, "nobody waits for what was not taken in"
            door.busy_ms = 0
            now[0] = 0.35
            assert await client.submit([one.raw]) == (Code.OK,) and client.retry_ms == 0
            await client.close()

    run(scenario)


@pytest.mark.pitfall(69)
def test_who_comes_before_the_time_is_refused_unread() -> None:
    """Offered many times what it can commit, a node that looked into everything would spend itself on refusals."""

    async def scenario() -> None:
        now = [0.0]
        courtesy = Courtesy(lambda: now[0])
        async with ingress(courtesy=courtesy) as (server, door, port):
            ears = Client()
            client, same = await ears.connect(port), await Client().connect(port)
            mine = make()
            assert await client.submit([mine.raw]) == (Code.OK,)
            door.busy_ms = 500
            await client.submit([make().raw])
            door.busy_ms, now[0], seen = 0, 0.125, len(door.bulks)
            for each in (client, same):
                assert await each.submit([mine.raw, b"junk"]) == (Code.POOL_FULL,) * 2 and each.retry_ms == 375
            assert len(door.bulks) == seen, "nobody looked"
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
            writer.write(encode_ingress(Submit(1, (make().raw,))))
            assert await reader.read(1) and len(door.bulks) == seen + 1, "others are looked at"
            server.settled([Outcome(mine.id, 7, 0, 0)])
            await ears.until(1)
            assert ears.outcomes == [Outcome(mine.id, 7, 0, 0)], "what was taken in before keeps its outcome"
            now[0] = 0.5
            assert await same.submit([mine.raw, b"junk"]) == (Code.DUPLICATE_TX, Code.DECODE), "and now it is looked at"
            for each in (client, same):
                await each.close()
            writer.close()

    run(scenario)


def test_one_hot_sender_does_not_close_the_door_for_its_address() -> None:
    async def scenario() -> None:
        async with ingress() as (_, door, port):
            client = await Client().connect(port)
            door.refuse = [Verdict(Code.SENDER_POOL_LIMIT, 350), Verdict(Code.POOL_FULL, 350)]
            assert await client.submit([make().raw, make().raw]) == (Code.SENDER_POOL_LIMIT, Code.POOL_FULL)
            door.refuse = []
            assert await client.submit([make().raw]) == (Code.OK,)
            await client.close()

    run(scenario)


def test_a_flood_that_is_refused_unread_is_read_more_slowly_in_the_end() -> None:
    async def scenario() -> None:
        courtesy = Courtesy(lambda: 0.0)
        async with ingress(courtesy=courtesy) as (server, _, port):
            client = await Client().connect(port)
            courtesy.tell("127.0.0.1", 5_000)
            courtesy.charge("127.0.0.1", int(BURST) - 4)
            answers = [client.submit([b"x"] * 32) for _ in range(3)]
            assert await answers[0] == await answers[1] == (Code.POOL_FULL,) * 32, "2 each"
            await eventually(lambda: server._held == {"127.0.0.1"})
            assert await answers[2] == (Code.POOL_FULL,) * 32, "what takes it beyond its budget is answered"
            late = client.submit([b"x"])
            for _ in range(20):
                await asyncio.sleep(0)
            assert not late.done()
            server._release("127.0.0.1")
            assert await late == (Code.POOL_FULL,)
            await client.close()

    run(scenario)


def test_an_address_that_forges_is_not_read_for_a_while() -> None:
    async def scenario() -> None:
        now = [0.0]
        courtesy = Courtesy(lambda: now[0])
        courtesy.charge("127.0.0.1", int(BURST) - FORGED_COST)
        async with ingress(IngressLimits(workers=1), courtesy) as (server, door, port):
            forger, other = await Client().connect(port), await Client().connect(port)
            false = make()
            door.forged.add(false.id)
            assert await forger.submit([false.raw]) == (Code.BAD_SIGNATURE,)
            assert server._held == set(), "within its budget"
            courtesy.charge("127.0.0.1", int(PER_SECOND) * 30)
            door.open.clear()
            answer = forger.submit([false.raw])
            waits = [client.submit([make().raw]) for client in (forger, other)]  # these wait for the worker
            await eventually(lambda: sum(map(len, server._queues[0].lines.values())) == 2)
            door.open.set()
            assert await answer == (Code.BAD_SIGNATURE,)
            assert server._held == {"127.0.0.1"}
            waits += [client.submit([make().raw]) for client in (forger, other)]  # and these in the socket
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
            writer.write(encode_ingress(Submit(1, (make().raw,))))
            assert await reader.read(1), "others are read"
            assert not any(wait.done() for wait in waits)
            now[0] = 100.0
            server._release("127.0.0.1")
            assert await asyncio.gather(*waits) == [(Code.OK,)] * 4, "nothing of it was lost"
            await forger.close()
            await other.close()
            writer.close()

    run(scenario)


def test_a_lost_connection_leaves_no_future_behind() -> None:
    async def scenario() -> None:
        async with ingress() as (server, door, port):
            client = await Client().connect(port)
            door.open.clear()
            answer = client.submit([make().raw])
            await door.entered.wait()
            for connection in list(server._connections):
                connection.abort()
            with pytest.raises(ConnectionError, match="closed"):
                await answer
            door.open.set()

    run(scenario)


def test_a_bulk_has_a_size() -> None:
    with pytest.raises(Malformed):
        decode_ingress(Frame(9, b"\x90"))

    async def scenario() -> None:
        async with ingress() as (_, _, port):
            client = await Client().connect(port)
            for bulk in ([], [b"x"] * 513):
                with pytest.raises(ValueError, match="bulk of"):
                    client.submit(bulk)
            await client.close()

    run(scenario)
