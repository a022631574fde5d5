"""The binary ingress: every transaction gets an answer, every admitted one an outcome, and no client costs another."""

import asyncio
from contextlib import suppress

import pytest

from chainnode.ingress import _Connection
from chainnode.ingress_frames import (
    INGRESS_LIMITS,
    Answer,
    IngressClass,
    Outcome,
    Submit,
    decode_ingress,
    encode_ingress,
)
from chainnode.ingress_limits import IngressLimits
from chainnode.wire import Frame, encode_frame
from primitives.codec import Malformed
from primitives.codes import Code
from tests.chainnode.doors import Client, ingress, serves_another_address
from tests.chainnode.mesh import eventually, run
from tests.chainnode.transactions import make


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
            assert await serves_another_address(port), "it has places of its own"
            await clients[0].close()
            again = await Client().connect(port)
            assert await again.submit([make().raw]) == (Code.OK,), "a place that was left is free"
            for client in (clients[1], again):
                await client.close()

    run(scenario)


class Line(asyncio.Transport):
    """Of a client somewhere; nothing comes over it."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40_000, 0, 0)})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_whoever_has_a_network_of_addresses_has_the_places_of_one() -> None:
    async def scenario() -> None:
        async with ingress(IngressLimits(per_address=1)) as (server, _, _):
            lines = [Line(address) for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1")]
            await eventually(lambda: server._group is not None)
            clients = [_Connection(server) for _ in lines]
            for client, line in zip(clients, lines, strict=True):
                client.connection_made(line)
            assert [line.aborted for line in lines] == [False, True, False, False]
            for client in clients:
                client.connection_lost(None)

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
