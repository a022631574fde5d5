"""The admin listener: the token, and what only a test network may be told."""

import asyncio
import json
from typing import Any

import pytest

from chainnode.admin_server import admin_routes, check_token
from chainnode.api import Router
from chainnode.calls import Answer, Call, problem_answer
from chainnode.problem import Refused
from tests.chainnode.solo import Town, make_genesis

TOKEN = bytes(range(32))
BEARER = f"Bearer {TOKEN.hex()}"


def call(town: Town, method: str, path: str, body: Any = None, token: str = BEARER) -> tuple[int, Any]:
    match = Router(admin_routes(TOKEN)).match(method, path)
    assert match.route is not None
    raw = b"" if body is None else json.dumps(body).encode()

    async def handle() -> Answer:
        assert match.route is not None
        try:
            made = Call({}, None, raw, "application/json", "en", {"authorization": token})
            return await match.route.handle(town.node, made)
        except Refused as refused:
            return problem_answer(refused, "en")

    answer = asyncio.run(handle())
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(
    ("token", "status"),
    [("", 401), ("Basic abc", 401), ("Bearer", 401), ("Bearer ", 401), ("Bearer " + "0" * 64, 403),
     (BEARER[:-1], 403), (BEARER + "0", 403), ("Bearer 中文", 403)],
)  # fmt: skip
def test_no_way_in_without_the_token(token: str, status: int) -> None:
    town = Town()
    for method, path in (("GET", "/admin/status"), ("POST", "/admin/stop"), ("POST", "/admin/block")):
        assert call(town, method, path, {}, token)[0] == status
    assert not town.node.stopped
    check_token(TOKEN, BEARER)
    check_token(TOKEN, f"bearer  {TOKEN.hex()} ")


def test_a_block_of_exactly_these_transactions_in_order() -> None:
    town = Town()
    raws = [town.issue("o1"), town.redeem("b1", 3000), b"\x01", town.redeem("b2", 9000)]
    status, block = call(town, "POST", "/admin/block", {"transactions": [raw.hex() for raw in raws]})
    assert status == 200 and block["height"] == 1
    assert [line["code"] for line in block["results"]] == ["OK", "OK", "DECODE", "INSUFFICIENT"]
    assert [line["receipt"] and line["receipt"]["index"] for line in block["results"]] == [0, 1, None, 2]
    again = call(town, "POST", "/admin/block", {"transactions": [raws[0].hex()]})[1]
    assert again["results"][0]["code"] == "DUPLICATE_TX" and town.node.engine.height == 1


def test_clock_and_empty_block() -> None:
    town = Town()
    later = town.node.now_ms() + 86_400_000
    assert call(town, "POST", "/admin/clock", {"time_ms": later}) == (200, {"time_ms": later})
    status, block = call(town, "POST", "/admin/block", {"empty": True})
    assert status == 200 and block["results"] == [] and block["height"] == 2
    assert call(town, "POST", "/admin/block", {})[0] == 400
    assert call(town, "POST", "/admin/block", {"transactions": ["zz"]})[0] == 400
    for wrong in (-1, 2**64 - 1, 2**64, 10**15, 1.5):  # no block could follow the last moment of 64 bits
        assert call(town, "POST", "/admin/clock", {"time_ms": wrong})[0] == 400


def test_peers_status_invariants_stop() -> None:
    town = Town()
    name = town.genesis.validators[0].name
    assert call(town, "POST", "/admin/peers", {"drop": [name]})[0] == 200 and town.node.dropped == {name}
    assert call(town, "POST", "/admin/peers", {"drop": ["stranger"]})[0] == 400
    assert call(town, "POST", "/admin/peers", {"drop": []})[0] == 200 and not town.node.dropped
    assert call(town, "GET", "/admin/status")[1]["height"] == 0
    town.run(town.issue("o1"))
    assert call(town, "GET", "/admin/invariants")[1]["violations"] == []
    assert call(town, "POST", "/admin/stop")[0] == 202 and town.node.stopped


def test_a_network_with_a_real_clock_takes_no_test_orders() -> None:
    town = Town(make_genesis(test_clock=False))
    for path, body in (("/admin/clock", {"time_ms": 1}), ("/admin/block", {"empty": True}), ("/admin/peers", {})):
        status, problem = call(town, "POST", path, body)
        assert (status, problem["name"]) == (403, "KIND_DISABLED")
    assert call(town, "GET", "/admin/status")[0] == 200
