"""What a node says about history that it has deleted, and how it gives a snapshot away: over a real listener."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chainnode.catchup import chain_piece
from chainnode.maintenance import Maintenance
from ledger.pruning import Pruner
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import chunk_hash, decode_manifest
from ledger.snapshot_moments import Moments, newest_named
from ledger.snapshot_proof import check_manifest
from ledger.snapshot_writer import SnapshotWriter
from primitives.keys import verify
from tests.chainnode.solo import Town, text
from tests.chainnode.test_http_server import get, head, problem, send, served

FLOOR = 6


class NoBodies:
    def raw(self, digest: bytes) -> bytes:
        raise AssertionError("nothing below the floor is looked for")


def forget(town: Town) -> list[bytes]:
    """Ten payments, one in a block; of those below the floor nothing is left. Returns: the ids."""
    ids = [town.run(town.issue(f"o{number}")) for number in range(10)]
    chain = town.node.chain
    chain.raise_floor(FLOOR)
    pruner = Pruner(chain)
    while pruner.piece():
        pass
    return ids


@pytest.mark.parametrize(
    "path", ["/v1/blocks/2", "/v1/headers?from=1&limit=3", "/v1/events?from=0.0", "/v1/events?from=5.0", "/blocks/2"]
)
def test_what_is_gone_is_gone_and_says_so(path: str) -> None:
    async def scenario() -> None:
        async with served() as (town, port, _):
            forget(town)
            raw = await send(port, get(path))
            assert head(raw) == 410
            assert problem(raw)["name"] == "PRUNED"
            assert problem(raw)["floor"] == FLOOR
            assert head(await send(port, get(f"/v1/blocks/{FLOOR}"))) == 200

    asyncio.run(scenario())


def test_history_ends_at_the_floor_and_does_not_pretend_that_this_is_all() -> None:
    async def scenario() -> None:
        async with served() as (town, port, _):
            forget(town)
            path = f"/v1/accounts/{text('u')}/history"
            page = problem(await send(port, get(path)))
            assert [item["height"] for item in page["items"]] == [10, 9, 8, 7, 6]
            rest = await send(port, get(f"{path}?cursor={page['next']}"))
            assert head(rest) == 410
            assert problem(rest)["name"] == "PRUNED"

    asyncio.run(scenario())


@pytest.mark.pitfall(71)
def test_a_transaction_that_may_lie_below_the_floor_is_unknown_and_never_expired() -> None:
    async def scenario() -> None:
        async with served() as (town, port, _):
            old, *_, young = forget(town)
            now_s = town.node.now_ms() // 1000
            found = problem(await send(port, get(f"/v1/transactions/{old.hex()}?valid_until={now_s - 1}")))
            assert (found["status"], found["receipt"], found["floor"]) == ("unknown", None, FLOOR)
            assert problem(await send(port, get(f"/v1/transactions/{young.hex()}")))["status"] == "committed"
            town.node.set_clock(town.node.now_ms() + 2_000_000)
            later = town.node.now_ms() // 1000 - 1
            for number in range(10):
                town.run(town.issue(f"p{number}"))
            town.node.chain.raise_floor(15)
            never = problem(await send(port, get(f"/v1/transactions/{'ab' * 32}?valid_until={later}")))
            assert never["status"] == "unknown", "the block that may have held it is pruned"

    asyncio.run(scenario())


def test_nobody_is_helped_to_catch_up_from_below_the_floor() -> None:
    town = Town()
    forget(town)
    reply = chain_piece(town.node.chain, NoBodies(), FLOOR - 1, 10)  # type: ignore[arg-type]
    assert (reply.blocks, reply.certificate) == ((), None)


def test_a_snapshot_is_fetched_and_proves_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served() as (town, port, _):
            assert problem(await send(port, get("/v1/snapshot")))["name"] == "NO_SNAPSHOT"
            with ThreadPoolExecutor(1) as pool:
                town.node.maintenance = Maintenance(town.node.chain, SnapshotFolder(tmp_path), pool, 0, 0)
            assert problem(await send(port, get("/v1/snapshot")))["name"] == "NO_SNAPSHOT"
            for number in range(5):
                town.run(town.issue(f"o{number}"))
            town.node.flush()
            chain = town.node.chain
            proven = Moments(chain, newest_named(chain)).advance()
            assert proven is not None
            writer = SnapshotWriter(chain.chain_id, (), proven, SnapshotFolder(tmp_path))
            while writer.piece():
                pass
            shown = problem(await send(port, get("/v1/snapshot")))
            assert shown["height"] == writer.height
            raw = (await send(port, get("/v1/snapshot?form=raw"))).partition(b"\r\n\r\n")[2]
            manifest = decode_manifest(raw)
            proof = check_manifest(manifest, town.genesis, verify)
            assert proof.state_root.hex() == shown["state_root"]
            answered = await send(port, get(f"/v1/snapshot/chunks/0?height={writer.height}"))
            fields, _, chunk = answered.partition(b"\r\n\r\n")
            assert chunk_hash(chunk) == manifest.chunks[0]
            assert f'ETag: "{manifest.chunks[0].hex()}"'.encode() in fields
            for path in ("/v1/snapshot/chunks/1", "/v1/snapshot/chunks/0?height=1", f"/v1/snapshot/chunks/{10**9}"):
                assert head(await send(port, get(path))) == 404
            assert head(await send(port, get("/v1/snapshot/chunks/..%2Fmanifest"))) == 400

    asyncio.run(scenario())
