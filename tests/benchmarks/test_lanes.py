"""Lanes against small nodes on real sockets: bulks, answers line by line, a node that dies with answers owed."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from benchmarks.generator import Generator, Plan, send_times
from benchmarks.http_lane import HttpLane
from benchmarks.network import demo_keys
from benchmarks.outcomes import Book, Ending
from benchmarks.workload import PROFILES, Profile, Writer, cast_of
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.keys import verify
from primitives.kinds import BatchOperations, Redeem
from primitives.transaction import decode_transaction, signature_checks

SEED = bytes(range(32))
CHAIN = Digest(bytes(32))
Answer = Callable[[list[bytes]], list[dict[str, object]] | None]  # None: the node dies now


async def node(stack: AsyncExitStack, answer: Answer) -> str:
    """A listener that speaks the bulk form; its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
                lines = answer(msgspec.msgpack.decode(await reader.readexactly(length)) if length else [])
                if lines is None:
                    server.close()
                    writer.transport.abort()
                    return
                body = msgspec.json.encode(lines if length else {"status": "expired"})
                first, rest = body[:7], body[7:]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + first)
                await writer.drain()
                writer.write(rest)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stack.callback(server.close)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def line(status: str, number: int = 0, height: int | None = 1) -> dict[str, object]:
    return {"id": "00", "status": status, "code": "", "number": number, "detail": "", "height": height, "index": 0}


def drive(raws: list[bytes], seconds: float, *answers: Answer) -> Book:
    async def work() -> Book:
        async with AsyncExitStack() as stack:
            generator = Generator(len(raws), Plan(send_times(len(raws) / seconds, seconds), 0, seconds, 10))
            urls = [await node(stack, answer) for answer in answers]
            lanes = [await stack.enter_async_context(HttpLane(url, raws, generator, 4)) for url in urls]
            generator.attach(lanes, lanes)
            return await generator.run()

    return asyncio.run(work())


def test_every_line_of_a_bulk_finds_its_transaction() -> None:
    raws = [b"c", b"r", b"f", b"c"]
    says = {b"c": line("committed", 0, 7), b"r": line("rejected", 3003, 8), b"f": line("refused", Code.POOL_FULL, None)}
    book = drive(raws, 0.01, lambda bulk: [says[raw] for raw in bulk])
    assert [Ending(e) for e in book.ending] == [Ending.COMMITTED, Ending.REJECTED, Ending.REFUSED, Ending.COMMITTED]
    assert list(book.code) == [0, 3003, Code.POOL_FULL, 0] and list(book.height) == [7, 8, 0, 7]


def test_what_a_dying_node_owes_is_asked_of_the_others() -> None:
    """The same bytes go to another node, so nothing stays open and nothing is sent as something new."""
    seen: dict[bytes, int] = {}

    def dies(bulk: list[bytes]) -> None:
        for raw in bulk:
            seen[raw] = seen.get(raw, 0) + 1

    def lives(bulk: list[bytes]) -> list[dict[str, object]]:
        for raw in bulk:
            seen[raw] = seen.get(raw, 0) + 1
        return [line("committed") for _ in bulk]

    raws = [b"%d" % number for number in range(60)]
    book = drive(raws, 0.3, dies, lives)
    assert book.count_of(range(60))["committed"] == 60
    again = [n for n in range(60) if book.uncertain[n]]
    assert again and all(seen[raws[n]] == 2 for n in again)
    assert all(seen[raws[n]] == 1 for n in range(60) if not book.uncertain[n])


def test_an_expired_answer_after_an_uncertain_one_is_checked() -> None:
    answers = iter([[line("pending", 0, None)], [line("refused", Code.EXPIRED_TX, None)]])
    raw = next(_writer().transactions("mixed", 1))
    book = drive([raw], 0.01, lambda bulk: next(answers) if bulk else [])
    assert Ending(book.ending[0]) is Ending.EXPIRED


def _writer() -> Writer:
    return Writer(cast_of(CHAIN, SEED, demo_keys(SEED), 8), "t", 1_800_000_000, 1)


@pytest.mark.parametrize("profile", PROFILES)
def test_signed_transactions_verify_and_differ(profile: Profile) -> None:
    """Every signature a node checks, the merchant's on the payment request too; no two order ids alike."""
    decoded = [decode_transaction(raw) for raw in _writer().transactions(profile, 12)]
    assert len({d.id for d in decoded}) == 12
    assert all(verify(*check) for d in decoded for check in signature_checks(d))
    orders = []
    for body in (d.transaction.envelope.body for d in decoded):
        if isinstance(body, Redeem):
            orders.append(body.request.order_id)
        else:
            operations = body.operations if isinstance(body, BatchOperations) else (body,)
            orders += [operation.order_id for operation in operations]  # type: ignore[union-attr]
    assert len(set(orders)) == len(orders)
