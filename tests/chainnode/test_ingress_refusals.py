"""The ingress under too much: who is told to wait, who is refused unread, who is not read for a while."""

import asyncio

import pytest

from chainnode.courtesy import BURST, FORGED_COST, PER_SECOND, Courtesy
from chainnode.ingress import CROWDED_MS, _Connection
from chainnode.ingress_frames import Outcome, Submit, encode_ingress
from chainnode.ingress_limits import IngressLimits
from primitives.codes import Code
from tests.chainnode.doors import Client, Verdict, ingress, serves_another_address
from tests.chainnode.mesh import eventually, run
from tests.chainnode.transactions import make


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
            assert await serves_another_address(port) and len(door.bulks) == seen + 1, "others are looked at"
            server.settled([Outcome(mine.id, 7, 0, 0)])
            await ears.until(1)
            assert ears.outcomes == [Outcome(mine.id, 7, 0, 0)], "what was taken in before keeps its outcome"
            now[0] = 0.5
            assert await same.submit([mine.raw, b"junk"]) == (Code.DUPLICATE_TX, Code.DECODE), "and now it is looked at"
            for each in (client, same):
                await each.close()

    run(scenario)


def test_a_refusal_does_not_wait_for_who_is_looked_at() -> None:
    """Behind bulks that are verified, and the blocks between them, a flood would wait for seconds in its socket."""

    async def scenario() -> None:
        courtesy = Courtesy(lambda: 0.0)
        async with ingress(IngressLimits(workers=1), courtesy) as (_, door, port):
            client = await Client().connect(port)
            door.open.clear()
            answer = client.submit([make().raw])
            await door.entered.wait()
            courtesy.tell("127.0.0.1", 500)
            async with asyncio.timeout(5):
                assert await client.submit([make().raw]) == (Code.POOL_FULL,) and not answer.done()
            door.open.set()
            assert await answer == (Code.OK,)
            await client.close()

    run(scenario)


def test_what_would_wait_long_for_a_worker_is_refused() -> None:
    """A node that keeps up with nearly all that comes would let the rest wait in the socket, longer and longer."""

    async def scenario() -> None:
        now = [0.0]
        courtesy = Courtesy(lambda: now[0])
        async with ingress(IngressLimits(workers=1, waiting=600), courtesy) as (server, door, port):
            client, gone = await Client().connect(port), await Client().connect(port)
            door.open.clear()
            answers = [client.submit([make().raw])]
            await door.entered.wait()
            lost = gone.submit([make().raw])
            answers += [client.submit([make().raw]) for _ in range(2)]
            await eventually(lambda: server._waiting["127.0.0.1"] >= 600)
            assert await client.submit([make().raw]) == (Code.POOL_FULL,) and client.retry_ms == CROWDED_MS
            await gone.close()
            await eventually(lambda: len(server._connections) == 1)
            now[0] = 1.0
            answers.append(client.submit([make().raw]))
            await eventually(lambda: sum(map(len, server._queues[0].lines.values())) == 3)
            door.open.set()
            assert await asyncio.gather(*answers) == [(Code.OK,)] * 4, "what had a place is looked at"
            assert not server._waiting and lost.done(), "and nothing is left behind"
            await client.close()

    run(scenario)


def test_a_turn_of_the_loop_refuses_no_more_bulks_than_may_be_in_hand() -> None:
    class Wire(asyncio.Transport):
        answers = 0

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.answers += 1

        def is_closing(self) -> bool:
            return False

        def get_write_buffer_size(self) -> int:
            return 0

        def pause_reading(self) -> None: ...

        def resume_reading(self) -> None: ...

        def abort(self) -> None: ...

    async def scenario() -> None:
        courtesy = Courtesy(lambda: 0.0)
        async with ingress(IngressLimits(bulks=3), courtesy) as (server, _, _):
            wire, connection = Wire({"peername": ("127.0.0.1", 1)}), _Connection(server)
            connection.connection_made(wire)
            courtesy.tell("127.0.0.1", 500)
            connection.data_received(encode_ingress(Submit(1, (b"x",))) * 8)
            seen = [wire.answers]
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(wire.answers)
            assert seen == [3, 6, 8, 8]
            connection.connection_lost(None)

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
            for _ in range(2):
                assert await client.submit([b"x"] * 32) == (Code.POOL_FULL,) * 32
            assert server._held == set(), "2 each: within its budget"
            courtesy.charge("127.0.0.1", int(PER_SECOND) * 30)
            assert await client.submit([b"x"]) == (Code.POOL_FULL,), "what takes it beyond its budget is answered"
            assert server._held == {"127.0.0.1"}
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
            assert await serves_another_address(port), "others are read"
            assert not any(wait.done() for wait in waits)
            now[0] = 100.0
            server._release("127.0.0.1")
            assert await asyncio.gather(*waits) == [(Code.OK,)] * 4, "nothing of it was lost"
            await forger.close()
            await other.close()

    run(scenario)
