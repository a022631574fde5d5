"""Who may read which route of a node whose reads are scoped (2.12): the table, and every route asked over a socket."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chainnode.api import ROUTES, openapi_text
from chainnode.backend import NodeBackend
from chainnode.calls import HTML, Answer, Call, NoQuery, Route
from chainnode.chain_answers import get_health
from chainnode.config import HttpSection, config_text, load_config
from chainnode.devnet_layout import node_config, place_on
from chainnode.failures import BadConfiguration
from chainnode.listeners import public_settings
from chainnode.read_scopes import SCOPES, Scope, access_of
from primitives.codes import Code
from primitives.kinds_assets import AssetOffer, AssetRegister, AssetSwap
from tests.chainnode.scoped_town import lively, scoped
from tests.chainnode.solo import Town, text

EXPECTED = {  # written a second time on purpose: who opens a route to more readers must mean it
    "POST /v1/transactions": "public",
    "GET /v1/transactions/{id}": "public",
    "GET /v1/transactions/{id}/body": "public",
    "GET /v1/transactions/{id}/proof": "public",
    "GET /v1/accounts/{address}": "parties",
    "GET /v1/accounts/{address}/lots": "parties",
    "GET /v1/accounts/{address}/expiring": "parties",
    "GET /v1/accounts/{address}/recovery": "parties",
    "GET /v1/accounts/{address}/history": "parties",
    "GET /v1/merchants": "reduced",
    "GET /v1/merchants/{id}": "reduced",
    "GET /v1/merchants/{id}/exposure": "parties",
    "GET /v1/merchants/{id}/ageing": "parties",
    "GET /v1/merchants/{id}/breakage": "parties",
    "GET /v1/classes": "public",
    "GET /v1/classes/{id}": "public",
    "GET /v1/supply": "public",
    "GET /v1/supply/proof": "public",
    "GET /v1/orders/{merchant}/{order_id}": "parties",
    "GET /v1/holds/{id}": "parties",
    "GET /v1/windows": "public",
    "GET /v1/windows/{id}": "own rows",
    "GET /v1/windows/{id}/losses": "own rows",
    "GET /v1/windows/{id}/shared": "own rows",
    "GET /v1/obligations": "own rows",
    "GET /v1/fund": "parties",
    "POST /v1/quotes/redeem": "parties",
    "POST /v1/quotes/exchange": "parties",
    "GET /v1/campaigns": "public",
    "GET /v1/campaigns/{id}": "public",
    "GET /v1/campaigns/{id}/accounts/{address}": "parties",
    "GET /v1/assets": "reduced",
    "GET /v1/assets/{id}": "reduced",
    "GET /v1/anchors/{namespace}/{hash}": "public",
    "GET /v1/proposals": "reduced",
    "GET /v1/proposals/{id}": "reduced",
    "GET /v1/committee": "public",
    "GET /v1/offices": "public",
    "GET /v1/errata": "office",
    "GET /v1/errata/{tx}": "public",
    "GET /v1/challenges": "public",
    "GET /v1/challenges/{id}": "public",
    "GET /v1/blocks/{height}": "reduced",
    "GET /v1/blocks/{height}/bytes": "public",
    "GET /v1/blocks/{height}/certificate": "public",
    "GET /v1/headers": "public",
    "GET /v1/certified": "public",
    "GET /v1/handovers": "public",
    "GET /v1/genesis": "public",
    "GET /v1/snapshot": "public",
    "GET /v1/snapshot/chunks/{index}": "office",
    "GET /v1/evidence": "public",
    "GET /v1/evidence/{id}": "public",
    "GET /v1/info": "public",
    "GET /v1/alerts": "office",
    "GET /v1/alerts/{rule}/{subject}": "office",
    "GET /v1/report": "office",
    "GET /alerts": "office",
    "GET /v1/events": "reduced",
    "GET /v1/status": "public",
    "GET /v1/validators": "public",
    "GET /v1/params": "public",
    "GET /health": "public",
    "GET /metrics": "public",
    "GET /openapi.json": "public",
    "GET /docs": "public",
    "GET /": "public",
    "GET /blocks/{height}": "reduced",
    "GET /transactions/{id}": "public",
    "GET /accounts/{address}": "parties",
    "GET /merchants/{id}": "parties",
    "GET /find": "public",
    "GET /web/{name}": "public",
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_a_scope(route: Any) -> None:
    """A new route: think about who may read it, then give it a row in chainnode/read_scopes.py."""
    assert (route.method, route.path) in SCOPES, f"{route.method} {route.path} has no scope in read_scopes.py"
    name, found = f"{route.method} {route.path}", access_of(route).scope
    assert found.value == EXPECTED.get(name, found.value)
    if access_of(route).scope is Scope.PARTIES:
        assert access_of(route).parties is not None


def test_a_route_without_a_row_is_for_offices() -> None:
    """Whoever forgets the row denies too much, not too little."""
    async def scenario() -> None:
        town = lively()
        new = replace(ROUTES[0], method="GET", path="/v1/new", handle=get_health, query=NoQuery)
        async with scoped(town, routes=(new,)) as ask:
            assert [(await ask("/v1/new", who))[0] for who in ("", "u", "B", "operator")] == [401, 403, 403, 403]
            assert (await ask("/v1/new", "regulator"))[0] == 200

    asyncio.run(scenario())


def test_no_cache_keeps_what_one_reader_was_told() -> None:
    async def handle(backend: NodeBackend, call: Call) -> Answer:
        return Answer(200, b"{}", headers={"Cache-Control": "public, max-age=31536000, immutable"})

    async def scenario() -> None:
        town = lively()
        route = Route("GET", "/v1/obligations", handle, "as a snapshot's chunk says")
        async with scoped(town, routes=(route,)) as ask:
            for who, told in (("A", b"HN-Reads: own"), ("regulator", b"HN-Reads: all")):
                raw = await ask.raw("/v1/obligations", who)
                assert b"Cache-Control: no-store" in raw and b"immutable" not in raw and b"Vary: Authorization" in raw
                assert told in raw

    asyncio.run(scenario())


def test_a_browser_gets_a_page() -> None:
    async def scenario() -> None:
        async with scoped(lively()) as ask:
            raw = await ask.raw(f"/accounts/{text('u')}", "", "Accept-Language: zh")
            assert b" 401 " in raw and b"text/html" in raw and "节点只向有权者提供此数据".encode() in raw
            assert b"Content-Security-Policy" in raw and b"WWW-Authenticate: Bearer" in raw

    asyncio.run(scenario())


def test_the_description_names_the_scheme_where_a_ticket_counts() -> None:
    document = json.loads(openapi_text("0.1.0"))
    assert document["components"]["securitySchemes"]["readTicket"]["scheme"] == "bearer"
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["x-reads"] == access_of(route).scope.value
        assert ("security" in operation) == (access_of(route).scope is not Scope.PUBLIC)


def test_no_scope_is_of_a_route_that_is_gone() -> None:
    assert set(SCOPES) == {(route.method, route.path) for route in ROUTES}


def filled(path: str, town: Town) -> str:
    """A path with something behind every placeholder that exists and concerns u and B, not v."""
    order = town.node.chain.transaction_ids(2)[0].hex()
    names = {"{address}": text("u"), "{merchant}": text("B"), "{order_id}": "b1", "{height}": "2", "{index}": "0",
             "{name}": "style.css", "{namespace}": "education", "{hash}": "ab" * 32}  # fmt: skip
    for name, value in names.items():
        path = path.replace(name, value)
    if "/merchants/" in path:
        return path.replace("{id}", text("B"))
    if "/windows/" in path:
        return path.replace("{id}", "1")
    return path.replace("{id}", "hA" if "/classes/" in path else order)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "GET"], ids=lambda route: route.path)
def test_without_a_ticket_only_what_is_public_answers(route: Any) -> None:
    """Over the socket: no route of another scope than public or reduced says a word to a stranger."""
    async def scenario() -> None:
        town = lively()
        scope = access_of(route).scope
        async with scoped(town) as ask:
            if route.path == "/v1/events":
                return  # it never ends: see the stream below
            status, plain = await ask(filled(route.path, town))
            if scope in (Scope.PUBLIC, Scope.REDUCED):
                assert status not in (401, 403)
                return
            page = route.answers == HTML
            assert status == 401 and (page or plain["name"] == "READ_DENIED")
            status, plain = await ask(filled(route.path, town), "v")
            if scope is Scope.OWN_ROWS:
                assert status in (200, 404) and text("u") not in str(plain) and text("B") not in str(plain)
            else:
                assert status == 403 and (page or plain["name"] == "READ_DENIED")
            assert (await ask(filled(route.path, town), "regulator"))[0] not in (401, 403)

    asyncio.run(scenario())


def test_a_tourist_reads_its_own_and_a_merchant_its_own() -> None:
    async def scenario() -> None:
        town = lively()
        async with scoped(town) as ask:
            for path in ("", "/lots", "/expiring", "/history", "/recovery"):
                assert (await ask(f"/v1/accounts/{text('u')}{path}", "u"))[0] == 200
                for stranger in ("v", "B"):  # also not who was paid
                    assert (await ask(f"/v1/accounts/{text('u')}{path}", stranger))[0] == 403
            order = f"/v1/orders/{text('B')}/b1"
            assert [(await ask(order, who))[0] for who in ("u", "B", "v", "A", "operator")] == [200, 200, 403, 403, 403]
            assert (await ask(f"/v1/merchants/{text('B')}/exposure", "B"))[0] == 200
            assert (await ask(f"/v1/merchants/{text('B')}/exposure", "A"))[0] == 403
            owed = (await ask("/v1/obligations", "B"))[1]
            assert set(owed) == {f"{text('A')}->{text('B')}"}
            both = (await ask("/v1/obligations", "A"))[1]
            assert set(both) == {f"{text('A')}->{text('B')}", f"{text('A')}->{text('FUND')}"}
            assert (await ask("/v1/obligations", "regulator"))[1] == both
            assert set((await ask("/v1/obligations", "custodian"))[1]) == {f"{text('A')}->{text('FUND')}"}
            assert (await ask("/v1/obligations", "C"))[1] == {}
            assert (await ask("/v1/fund", "custodian"))[0] == 200
            assert (await ask("/v1/fund", "B"))[0] == 403

    asyncio.run(scenario())


def test_a_closed_window_shows_a_merchant_its_own_net_and_legs() -> None:
    async def scenario() -> None:
        town = lively()
        town.node.set_clock(town.node.now_ms() + 2 * 86_400_000)
        async with scoped(town) as ask:
            whole = (await ask("/v1/windows/1", "regulator"))[1]
            assert set(whole["nets"]) == {text("A"), text("B"), text("FUND")} and len(whole["legs"]) == 2
            own = (await ask("/v1/windows/1", "B"))[1]
            assert set(own["nets"]) == set(own["fen"]) == set(own["carry"]) == {text("B")}
            assert set(own["legs"]) == set(own["instructions"]) == {f"{text('A')}->{text('B')}"}
            assert own["state"] == whole["state"] and own["closed"] == whole["closed"]
            assert (await ask("/v1/windows/1", "C"))[1]["nets"] == {}

    asyncio.run(scenario())


def test_a_public_row_of_a_merchant_tells_no_figures() -> None:
    async def scenario() -> None:
        async with scoped(lively()) as ask:
            public = (await ask(f"/v1/merchants/{text('B')}"))[1]
            assert set(public) == {"id", "merchant", "name_zh", "name_en", "category", "status"}
            rows = {row["id"]: row for row in (await ask("/v1/merchants", "B"))[1]["items"]}
            assert rows[text("B")]["reserve"] == 400_000 and "reserve" not in rows[text("A")]
            assert all("reserve" in row for row in (await ask("/v1/merchants", "regulator"))[1]["items"])

    asyncio.run(scenario())


def test_no_public_answer_lists_ids_and_an_id_opens_its_transaction() -> None:
    async def scenario() -> None:
        town = lively()
        identity = town.node.chain.transaction_ids(2)[0].hex()
        async with scoped(town) as ask:
            for who in ("", "u", "B", "operator"):
                block = (await ask("/v1/blocks/2", who))[1]
                assert block["count"] == 1 and block["transactions"] == []
            assert (await ask("/v1/blocks/2", "regulator"))[1]["transactions"][0]["id"] == identity
            assert (await ask(f"/v1/transactions/{identity}"))[1]["status"] == "committed"
            assert (await ask(f"/v1/transactions/{identity}/proof?form=json"))[0] == 200

    asyncio.run(scenario())


def test_whose_an_asset_is_its_owner_its_registrant_and_buyers_know() -> None:
    async def scenario() -> None:
        town = lively()
        for name in ("kept", "offered", "sold"):
            town.run(town.sign("D", AssetRegister(name, bytes(32), "ticket")))
        town.run(town.sign("D", AssetOffer("offered", 300)))
        town.run(town.sign("D", AssetOffer("sold", 300)))
        town.run(town.sign("u", AssetSwap("sold", 300)))
        async with scoped(town) as ask:
            seen = {"": (None, text("D"), None), "B": (None, text("D"), None), "u": (None, text("D"), text("u")),
                    "D": (text("D"), text("D"), text("u")), "regulator": (text("D"), text("D"), text("u"))}  # fmt: skip
            for who, owners in seen.items():
                rows = (await ask("/v1/assets", who))[1]["items"]
                assert tuple(row["owner"] for row in rows) == owners, who
                for row in rows:
                    assert (await ask(f"/v1/assets/{row['asset']}", who))[1] == row
            assert (await ask(f"/v1/assets?owner={text('u')}"))[0] == 401
            assert (await ask(f"/v1/assets?owner={text('u')}&limit=1", "B"))[0] == 403
            assert len((await ask(f"/v1/assets?owner={text('u')}", "u"))[1]["items"]) == 1
            kept = (await ask("/v1/assets/kept"))[1]
            assert (kept["registrant"], kept["owned_since"], kept["content_hash"]) == (None, None, "00" * 32)

    asyncio.run(scenario())


def test_a_quote_is_for_the_account_that_asks() -> None:
    async def scenario() -> None:
        async with scoped(lively()) as ask:
            body = {"account": text("u"), "merchant": text("B"), "value": 100}
            assert (await ask("/v1/quotes/redeem", "", body=body))[0] == 401
            assert (await ask("/v1/quotes/redeem", "B", body=body))[0] == 403
            assert (await ask("/v1/quotes/redeem", "u", body=body))[0] == 200

    asyncio.run(scenario())


def test_the_operator_says_which(tmp_path: Path) -> None:
    place = place_on(list(range(5000, 5016)))
    plain = config_text(node_config(place[0], place))
    for reads, scoped_ in (("open", False), ("scoped", True)):
        file = tmp_path / f"{reads}.toml"
        file.write_text(plain.replace('reads = "open"', f'reads = "{reads}"'), encoding="utf-8")
        assert public_settings(load_config(file).http).scoped is scoped_
    assert HttpSection(port=1).reads == "open"
    (tmp_path / "bad.toml").write_text(plain.replace('reads = "open"', 'reads = "closed"'), encoding="utf-8")
    with pytest.raises(BadConfiguration, match=r"http.reads"):
        load_config(tmp_path / "bad.toml")


def test_an_open_node_asks_for_no_ticket() -> None:
    async def scenario() -> None:
        async with scoped(lively(), on=False) as ask:
            assert (await ask(f"/v1/accounts/{text('u')}"))[0] == 200
            assert (await ask(f"/v1/accounts/{text('u')}", "", "Authorization: Bearer nonsense"))[0] == 200
            assert (await ask("/v1/obligations"))[0] == 200

    asyncio.run(scenario())


def test_what_does_not_exist_is_denied_like_what_does() -> None:
    """No oracle: a stranger learns neither that an account nor that an order or a hold exists."""
    async def scenario() -> None:
        async with scoped(lively()) as ask:
            for there, missing in (
                (f"/v1/accounts/{text('u')}", f"/v1/accounts/{text('w')}"),
                (f"/v1/orders/{text('B')}/b1", f"/v1/orders/{text('B')}/b2"),
                (f"/v1/merchants/{text('B')}/exposure", f"/v1/merchants/{text('u')}/exposure"),
            ):
                assert await ask(there, "v") == await ask(missing, "v")
                assert await ask(there) == await ask(missing)
            assert (await ask("/v1/holds/" + "ab" * 32, "v"))[1]["code"] == f"HN-{int(Code.READ_DENIED)}"

    asyncio.run(scenario())
