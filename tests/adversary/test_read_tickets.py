"""Read tickets in bad hands: expired, forged, replayed, revoked, bent in header and path. Nothing opens or leaks."""

import asyncio
import logging
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from chainnode.api import ROUTES
from chainnode.event_feed import Cursor, stream_events
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.metrics import Metrics
from chainnode.play_identities import single_validator
from chainnode.problem import Refused
from chainnode.readers import NOBODY, reader_of
from points.state import Role
from primitives.address import encode_address
from primitives.codec import Malformed, encode
from primitives.genesis import GenesisAccount
from primitives.hashing import TAG_HOLD, TAG_READ_TICKET, TAG_TRANSACTION, tagged_hash
from primitives.keys import address_of
from primitives.kinds import AccountKey, Authorize, Freeze, KeyRevoke, RecoveryStart
from primitives.kinds_identity import GuardiansSet
from primitives.read_ticket import TICKET_SECONDS_MAX, read_ticket, sign_ticket, ticket_digest, ticket_text
from tests.chainnode.scoped_town import HOST, lively, scoped, ticket
from tests.chainnode.solo import Town, text
from tests.points.market import ADDRESS, DAY, genesis_of, key_of

AUDITOR = key_of("auditor")


def staffed() -> Town:
    """Further keys: u has "u.2", the merchant B a till "B.pos", the regulator a till too; and an auditor."""
    keys = {"u": (AccountKey(key_of("u.2").public_key),), "B": (AccountKey(key_of("B.pos").public_key, "pos"),),
            "regulator": (AccountKey(key_of("regulator.pos").public_key, "pos"),)}  # fmt: skip
    genesis = genesis_of(extra_keys=keys)
    accounts = (*genesis.accounts, GenesisAccount((AccountKey(AUDITOR.public_key),), "auditor"))
    members = single_validator()[1]
    town = Town(replace(genesis, accounts=accounts, validators=members, test_clock=True))
    town.run(town.issue("i1"))
    town.run(town.redeem("b1", 3000))
    return town


def shown(town: Town, *tickets: str) -> Any:
    return reader_of(town.node, [f"Bearer {one}" for one in tickets])


def refused(town: Town, *authorization: str) -> str:
    with pytest.raises(Refused) as caught:
        reader_of(town.node, authorization)
    assert (caught.value.status, caught.value.code.name) == (401, "BAD_TICKET")
    return caught.value.detail


def test_time_chain_and_key_decide() -> None:
    town = staffed()
    now = town.node.now_ms() // 1000
    assert shown(town, ticket(town, "u")).addresses == {ADDRESS["u"]}
    assert shown(town, ticket(town, "u", 1)).addresses == {ADDRESS["u"]}
    assert shown(town, ticket(town, "u", TICKET_SECONDS_MAX)).addresses == {ADDRESS["u"]}
    assert shown(town, ticket(town, "u", key="u.2")).addresses == {ADDRESS["u"]}
    for bad in (
        ticket(town, "u", 0), ticket(town, "u", -1), ticket(town, "u", TICKET_SECONDS_MAX + 1),
        ticket(town, "u", until=2**64 - 1), ticket(town, "u", until=0), ticket(town, "u", chain=bytes(32)),
        ticket(town, "u", key="v"), ticket(town, "w"), ticket(town, "FUND", key="u"),
    ):  # fmt: skip
        refused(town, f"Bearer {bad}")
    town.node.set_clock((now + 600) * 1000)
    refused(town, f"Bearer {ticket(town, 'u', until=now + 600)}")


def test_a_ticket_bent_in_any_byte_opens_nothing() -> None:
    """Also for another account: what the key signed names its account."""
    town = staffed()
    good = read_ticket(ticket(town, "u"))
    for bent in (
        replace(good, account=ADDRESS["v"]), replace(good, expires_at=good.expires_at + 1),
        replace(good, key=key_of("v").public_key), replace(good, sig=bytes(64)),
        replace(good, sig=key_of("u").sign(ticket_digest(good.chain_id, ADDRESS["v"], good.expires_at, good.key))),
    ):  # fmt: skip
        refused(town, f"Bearer {ticket_text(bent)}")
    shown_text = ticket_text(good)
    for place in range(len(shown_text)):
        other = "0" if shown_text[place] != "0" else "1"
        refused(town, f"Bearer {shown_text[:place]}{other}{shown_text[place + 1:]}")


def test_what_was_signed_for_something_else_is_no_ticket() -> None:
    """Domain separation: neither a transaction's signature, nor a ticket's bytes under another tag."""
    town = staffed()
    good = read_ticket(ticket(town, "u"))
    fields = encode((good.chain_id, good.account, good.expires_at, good.key))
    assert ticket_digest(good.chain_id, good.account, good.expires_at, good.key) == tagged_hash(TAG_READ_TICKET, fields)
    for message in (tagged_hash(TAG_TRANSACTION, fields), fields):
        refused(town, f"Bearer {ticket_text(replace(good, sig=key_of('u').sign(message)))}")


def spellings(good: str) -> Iterator[str]:
    yield from (f"{good}=", f"{good}==", f" {good}", f"{good} ", f"{good}\t", good + "00", good[:-1])
    yield from (good.upper(), good[:64] + " " + good[64:])
    yield from (good.replace(good[0], "%2e", 1), "", "é" * 20, "\udcff" * 8, "A" * 10_000, good + good)


def test_one_ticket_has_one_spelling() -> None:
    town = staffed()
    good = ticket(town, "u")
    for one in spellings(good):
        assert good not in refused(town, f"Bearer {one}")
        with pytest.raises(Malformed):
            read_ticket(one)
    for header in (good, f"Basic {good}", f"Token {good}", "Bearer", "", f"Bearer\t{good}", f"Bearer,{good}"):
        refused(town, header)
    refused(town, f"Bearer {good}", f"Bearer {good}")
    assert reader_of(town.node, [f"bEARER {good}"]).addresses == {ADDRESS["u"]}
    assert reader_of(town.node, []) == NOBODY


def test_a_revoked_key_reads_no_more() -> None:
    town = staffed()
    old = ticket(town, "u", key="u.2")
    assert shown(town, old).addresses == {ADDRESS["u"]}
    town.run(town.sign("u", KeyRevoke(key_of("u.2").public_key)))
    unknown = refused(town, f"Bearer {old}")
    assert unknown == refused(town, f"Bearer {ticket(town, 'w')}"), "no word about who exists"


def test_a_freeze_takes_the_office_and_leaves_what_is_ones_own() -> None:
    town = staffed()
    until = town.node.now_ms() // 1000 + DAY
    tourist, regulator = ticket(town, "u"), ticket(town, "regulator")
    assert shown(town, regulator).sees_all
    for target in ("u", "custodian", "regulator"):
        town.run(town.sign("regulator", Freeze(ADDRESS[target], "ALL", b"stolen", until)))
    assert shown(town, tourist).addresses == {ADDRESS["u"]}
    assert shown(town, regulator).addresses == {ADDRESS["regulator"]}
    assert shown(town, ticket(town, "custodian")).addresses == {ADDRESS["custodian"]}
    town.node.set_clock(until * 1000)
    assert shown(town, ticket(town, "regulator")).sees_all, "the freeze ended by itself"


def test_offices_that_read_everything_and_those_that_do_not() -> None:
    town = staffed()
    auditor = sign_ticket(town.chain_id, address_of(AUDITOR.public_key), town.node.now_ms() // 1000 + 60, AUDITOR)
    assert shown(town, ticket_text(auditor)).sees_all
    assert shown(town, ticket(town, "regulator")).sees_all
    assert not shown(town, ticket(town, "regulator", key="regulator.pos")).sees_all
    for office in ("operator", "attester", "custodian"):
        assert not shown(town, ticket(town, office)).sees_all
    assert shown(town, ticket(town, "operator")).offices & Role.OPERATOR


def test_a_till_reads_single_orders_only() -> None:
    async def scenario() -> None:
        town = staffed()
        till = f"Authorization: Bearer {ticket(town, 'B', key='B.pos')}"
        async with scoped(town) as ask:
            assert (await ask(f"/v1/orders/{text('B')}/b1", "", till))[0] == 200
            for path in (f"/v1/merchants/{text('B')}/exposure", f"/v1/accounts/{text('B')}/history", "/v1/obligations",
                         "/v1/windows/1", "/v1/events"):
                assert (await ask(path, "", till))[0] == 403, path
            row = (await ask(f"/v1/merchants/{text('B')}", "", till))[1]
            assert "reserve" not in row

    asyncio.run(scenario())


def test_headers_and_paths_bent_over_the_socket() -> None:
    async def scenario() -> None:
        town = lively()
        good = ticket(town, "v")
        mine, yours = text("v"), text("u")
        async with scoped(town) as ask:
            assert (await ask(f"/v1/accounts/{mine}", "v"))[0] == 200
            for path in (
                f"/v1/accounts/{yours.upper()}", f"/v1/accounts/%68{yours[1:]}", f"/v1/accounts/{yours}%00",
                f"/v1//accounts/{yours}", f"/V1/accounts/{yours}", f"/v1/accounts/{mine}/../{yours}",
                f"/v1/accounts/{mine}%2f..%2f{yours}", f"/v1/accounts/{yours};x", f"/v1/accounts/{yours}/",
                f"/v1/accounts/{yours}?account={mine}", f"/v1/accounts/{yours}#/{mine}", f"//v1/accounts/{yours}",
                f"/v1/accounts/{yours}?ticket={good}", f"/v1/accounts/{mine}?access_token={good}",
            ):  # fmt: skip
                status, plain = await ask(path, "v")
                assert status in (400, 403, 404) and "spendable" not in str(plain), path
            account = f"/v1/accounts/{yours}"
            for lines in (
                (f"Authorization: Bearer {good}", f"Authorization: Bearer {ticket(town, 'u')}"),
                (f"Authorization: Bearer {ticket(town, 'u')}, Bearer {good}",), ("Authorization: Bearer " + "é" * 40,),
                ("Authorization:",), (f"Cookie: Authorization=Bearer {ticket(town, 'u')}",),
                (f"Proxy-Authorization: Bearer {ticket(town, 'u')}",),
                (f"X-Authorization: Bearer {ticket(town, 'u')}",),
            ):  # fmt: skip
                status, plain = await ask(account, "", *lines)
                assert status in (400, 401) and "spendable" not in str(plain), lines
            assert (await ask(account, "", f"authorization: bearer {ticket(town, 'u')}"))[0] == 200

    asyncio.run(scenario())


def test_a_ticket_stands_in_no_log_and_in_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        town = lively()
        good = ticket(town, "u")
        bad = ticket(town, "u", chain=bytes(32))
        answers = []
        async with scoped(town) as ask:
            for one in (good, bad, good[:-1]):
                for path in (f"/v1/accounts/{text('u')}", f"/v1/accounts/{text('v')}", f"/accounts/{text('u')}"):
                    answers.append(str(await ask(path, "", f"Authorization: Bearer {one}")))
            for bent in (f"Authorization: Bearer {good}\x00", f"Authorization : Bearer {good}", f"Bearer {good}"):
                assert (await ask(f"/v1/accounts/{text('u')}", "", bent))[0] in (400, 401)
        assert not any(good[-40:] in said or bad[-40:] in said for said in [*answers, caplog.text])

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())


def test_guardians_see_the_recovery_and_nothing_else() -> None:
    async def scenario() -> None:
        town = staffed()
        town.run(town.sign("u", GuardiansSet((ADDRESS["v"], ADDRESS["A"]), 2)))
        town.run(town.sign("v", RecoveryStart(ADDRESS["u"], (AccountKey(key_of("phone").public_key),), 1)))
        async with scoped(town) as ask:
            for who in ("v", "A", "u", "operator"):
                assert (await ask(f"/v1/accounts/{text('u')}/recovery", who))[1]["guardians"], who
            assert (await ask(f"/v1/accounts/{text('u')}/recovery", "B"))[0] == 403
            assert (await ask(f"/v1/accounts/{text('u')}", "v"))[0] == 403

    asyncio.run(scenario())


async def _told(town: Town, authorization: list[str]) -> list[bytes]:
    reader = reader_of(town.node, authorization)
    found: list[bytes] = []
    stream = stream_events(town.node, Cursor(0, 0), reader.addresses)
    async with asyncio.timeout(5):
        async for chunk in stream:
            found.append(chunk)
            if b"id: 2.1\n" in chunk:
                break
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    return found


def test_the_feed_tells_everybody_blocks_and_each_his_own_receipts() -> None:
    async def scenario() -> None:
        town = staffed()
        for who, receipts in (("", 0), ("v", 0), ("u", 2), ("B", 1), ("A", 2), ("regulator", 2)):
            authorization = [f"Bearer {ticket(town, who)}"] if who else []
            chunks = b"".join(await _told(town, authorization))
            assert (chunks.count(b"event: receipt"), chunks.count(b"event: block")) == (receipts, 3), who
            if not receipts:
                assert text("u").encode() not in chunks

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["time", "revoked", "frozen"])
def test_a_stream_ends_with_its_ticket(end: str) -> None:
    """Whoever holds an open stream reads no longer than the ticket, the key or the office lasts."""
    async def scenario() -> None:
        town = staffed()
        who, key = ("regulator", "regulator") if end == "frozen" else ("u", "u.2")
        server = HttpServer(town.node, Metrics(), HttpSettings(scoped=True))
        reader, writer = await asyncio.open_connection(HOST, await server.start(HOST, 0))
        line = f"Authorization: Bearer {ticket(town, who, 100, key=key)}"
        writer.write(f"GET /v1/events?from=2.0 HTTP/1.1\r\nHost: {HOST}\r\n{line}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            before = await reader.readuntil(b"event: block")
            assert before.count(b"event: receipt") == 1 and text("u").encode() in before
            if end == "time":
                town.node.set_clock(town.node.now_ms() + 100_000)
            elif end == "revoked":
                town.run(town.sign("u", KeyRevoke(key_of("u.2").public_key)))
            else:
                until = town.node.now_ms() // 1000 + DAY
                town.run(town.sign("regulator", Freeze(ADDRESS["regulator"], "OUT", b"stolen", until)))
            town.run(town.issue("i2"))
            assert b"id: 3" not in await reader.readuntil(b"\r\n0\r\n")
        writer.close()
        await server.stop()

    asyncio.run(scenario())


def test_watching_another_account_is_denied() -> None:
    async def scenario() -> None:
        async with scoped(lively()) as ask:
            assert (await ask(f"/v1/events?account={text('u')}"))[0] == 401
            assert (await ask(f"/v1/events?account={text('u')}", "v"))[0] == 403
            assert (await ask(f"/v1/events?from=0.0&account={encode_address(ADDRESS['B'])}", "u"))[0] == 403

    asyncio.run(scenario())


@pytest.mark.parametrize("who", ["", "u", "B", "operator"])
def test_whatever_one_asks_nothing_of_a_stranger_comes_out(who: str) -> None:
    """v pays C with D's points and holds more at C: no route, with any name in its path, tells others a word of it."""
    async def scenario() -> None:
        town = staffed()
        town.run(town.issue("v-issue", 777, "D", "v"))
        town.run(town.redeem("v-order", 555, "C", "v"))
        held = town.run(town.sign("v", Authorize(ADDRESS["C"], 111, 600)))
        hold = tagged_hash(TAG_HOLD, held, bytes(4)).hex()
        town.node.set_clock(town.node.now_ms() + 300_000)
        names = [text(name) for name in ("v", "C", "D", "u")]
        known = [*names, "v-order", "v-issue", "1", "3", "latest", "hD", hold]
        asked = 0
        async with scoped(town) as ask:
            for route in ROUTES:
                if route.method != "GET" or route.path == "/v1/events" or "/transactions/" in route.path:
                    continue  # who knows an id may read what is under it
                holes = [part for part in route.path.split("/") if part[:1] == "{"]
                for filling in product(known, repeat=len(holes)) if len(holes) < 3 else ():
                    path = route.path
                    for hole, value in zip(holes, filling, strict=True):
                        path = path.replace(hole, value)
                    told = await ask.raw(path, who)
                    asked += 1
                    for secret in (text("v"), "v-order", "v-issue", held.hex()):
                        assert secret in path or secret.encode() not in told, (path, told)
                    assert text("v") not in path or b'"by_class"' not in told, (path, told)
        assert asked > 150

    asyncio.run(scenario())
