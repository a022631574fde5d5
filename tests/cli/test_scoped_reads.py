"""Commands against a node whose reads are scoped, over real HTTP: who may, who may not, and when a ticket is shown."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from chainnode.http_server import HttpServer, HttpSettings
from chainnode.metrics import Metrics
from chainnode.snapshot_sources import HttpSource, SourceFailed
from cli.client import Client, Signed
from cli.keystore import LIGHT, Unlocked, seal, unlocked, write_keystore
from cli.main import run
from cli.network_file import Network, network_file
from cli.read_tickets import TICKET_SECONDS, TicketBook, _is_loopback
from primitives.address import encode_address
from primitives.genesis import GenesisAccount
from primitives.keys import address_of
from primitives.kinds import AccountKey, Issue
from primitives.read_ticket import read_ticket, signature_holds
from tests.chainnode.scoped_town import ticket
from tests.chainnode.solo import Town, make_genesis, text
from tests.points.market import key_of

ME, OFFICE, NEW = (unlocked(bytes(15) + number) for number in (b"1", b"2", b"3"))
LOST = key_of("lost phone")
PASSPHRASE = b"correct horse"


@contextmanager
def served(town: Town, scoped: bool) -> Iterator[str]:
    """The node's public listener in a thread of its own; its address."""
    loop = asyncio.new_event_loop()
    server = HttpServer(town.node, Metrics(), HttpSettings(scoped=scoped))
    port = loop.run_until_complete(server.start("127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def make_town() -> Town:
    """The market, with the wallet "me" of a tourist and "office" of an auditor; B was paid, and the day was cut."""
    genesis = make_genesis()
    more = (GenesisAccount((AccountKey(ME.key.public_key),), "tourist", tier=2),
            GenesisAccount((AccountKey(OFFICE.key.public_key),), "auditor"),
            GenesisAccount((AccountKey(LOST.public_key), AccountKey(NEW.key.public_key)), "tourist"))  # fmt: skip
    town = Town(replace(genesis, accounts=(*genesis.accounts, *more)))
    town.run(town.sign("A", Issue("hA", ME.address, 500, "o1", "EARN", 500)))
    town.run(town.issue("o2"))
    town.run(town.redeem("b1", 300))
    town.node.set_clock(town.node.now_ms() + 86_400_000)
    for _ in range(3):
        town.node.flush()
    return town


@dataclass
class Desk:
    """A user's machine: runs commands there."""

    act: Callable[..., tuple[int, Any]]
    open_url: str


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    town = make_town()
    monkeypatch.setenv("HNCHAIN_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, wallet in (("me", ME), ("office", OFFICE), ("new", NEW)):
        write_keystore(tmp_path / "wallets" / f"{name}.json", seal(wallet, PASSPHRASE, LIGHT))
    secret = tmp_path / "secret"
    secret.write_bytes(PASSPHRASE + b"\n")
    secret.chmod(0o600)
    with served(town, scoped=True) as url, served(town, scoped=False) as open_url:
        (tmp_path / "network.json").write_bytes(msgspec.json.encode(network_file(town.genesis, [url], {})))

        def act(*arguments: str, key_file: str = "secret") -> tuple[int, Any]:
            capsys.readouterr()
            code = run([*arguments, "--passphrase-file", key_file, "-o", "json"])
            said = capsys.readouterr()
            return code, json.loads(said.out or "null")

        yield Desk(act, open_url)


def test_a_wallet_reads_itself_with_proof_and_no_stranger(desk: Desk) -> None:
    code, plain = desk.act("wallet", "balance", "me")
    assert (code, plain["spendable"]) == (0, 500) and plain["proven"]["height"] > 0
    code, plain = desk.act("wallet", "history", "me")
    assert code == 0 and [item["kind"] for item in plain["items"]] == ["Issued"]
    for arguments in (("wallet", "balance", text("u")), ("wallet", "balance", text("u"), "--as", "me"),
                      ("wallet", "history", text("u"), "--as", "me"), ("wallet", "expiring", text("u"), "--trust")):
        code, plain = desk.act(*arguments)
        assert (code, plain["name"]) == (1, "READ_DENIED"), arguments


def test_an_auditor_reads_what_an_open_node_tells_everybody(desk: Desk) -> None:
    for arguments in (
        ("wallet", "balance", text("u")), ("audit", "account", text("u"), "--trust"), ("audit", "exposure"),
        ("merchant", "statement", text("B"), "--window", "1"), ("wallet", "history", text("u"), "--trust"),
    ):  # fmt: skip
        code, scoped = desk.act(*arguments, "--as", "office")
        opened = desk.act(*arguments, "--node", desk.open_url)
        for plain in (scoped, opened[1]):
            (plain if isinstance(plain, dict) else {}).pop("proven", None)
        assert (code, scoped) == (0, opened[1]), arguments
    assert desk.act("merchant", "statement", text("B"), "--window", "1", "--as", "me")[0] != 0


def test_a_recovered_account_is_read_by_its_new_key(desk: Desk) -> None:
    """The wallet's own address has no account: its ticket speaks for the one that it adopts."""
    lost = encode_address(address_of(LOST.public_key))
    assert desk.act("wallet", "balance", lost, "--as", "new")[1]["name"] == "BAD_TICKET"
    assert desk.act("wallet", "recover", "adopt", lost, "--as", "new")[0] == 0
    code, plain = desk.act("wallet", "balance", "new")
    assert (code, plain["address"]) == (0, lost)


def test_a_wallet_that_does_not_open_reads_nothing(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(b"another\n")
    (tmp_path / "wrong").chmod(0o600)
    assert desk.act("wallet", "balance", "me", key_file="wrong")[0] == 5


def test_a_printed_ticket_is_a_ticket(desk: Desk) -> None:
    code, plain = desk.act("wallet", "ticket", "--as", "me", "--seconds", "3600")
    ticket = read_ticket(plain["ticket"])
    assert code == 0 and signature_holds(ticket) and encode_address(ticket.account) == plain["account"]
    assert desk.act("wallet", "ticket", "--as", "me", "--seconds", "3601")[0] == 2


@dataclass(frozen=True)
class Pocket:
    """A wallet that lies open."""

    wallet: Unlocked = ME

    @property
    def address(self) -> Any:
        return self.wallet.address

    def unlock(self) -> Unlocked:
        return self.wallet


@contextmanager
def nosy(denies: bool, test_clock: bool = False) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A node that writes down every Authorization header; one that `denies` wants a ticket for what is no status."""
    heard: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shown = self.headers.get("Authorization")
            heard.append((f"{self.command} {self.path}", shown))
            status, plain = 200, {"chain_id": "ab" * 32, "test_clock": test_clock, "clock_ms": 5000, "block_time_ms": 0}
            if denies and not shown and "status" not in self.path:
                status, plain = 401, {"code": "HN-2023"}
            raw = msgspec.json.encode(plain)
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def book(url: str, asked: bool = False) -> TicketBook:
    return TicketBook(Network((url,), None, None), lambda _target: Pocket(), asked)


def test_no_ticket_goes_where_none_was_asked_for() -> None:
    with nosy(denies=False) as (url, heard):
        Client([url], book(url)).get("/v1/obligations")
        assert heard == [("GET /v1/obligations", None)]


def test_a_ticket_goes_once_it_is_asked_for_and_never_in_a_path() -> None:
    with nosy(denies=True) as (url, heard):
        Client([url], book(url)).get("/v1/obligations", window=1)
        assert [path for path, _ in heard] == ["GET /v1/obligations?window=1", "GET /v1/status",
                                               "GET /v1/obligations?window=1"]  # fmt: skip
        scheme, _, shown = str(heard[-1][1]).partition(" ")
        ticket = read_ticket(shown)
        assert scheme == "Bearer" and ticket.account == ME.address and shown not in str([path for path, _ in heard])
        assert 0 < ticket.expires_at - int(time.time()) <= TICKET_SECONDS
        before = len(heard)
        client = Client([url], book(url, asked=True))
        client.get("/v1/windows/1")
        client.get("/v1/windows/2")
        assert [path for path, shown in heard[before:] if shown is None] == ["GET /v1/status"], "one ticket serves all"


def test_a_transaction_never_carries_a_ticket() -> None:
    with nosy(denies=False) as (url, heard):
        Client([url], book(url, asked=True)).submit(Signed(b"raw", "ab" * 32, 1), False, 5)
        assert [(path.partition("?")[0], shown) for path, shown in heard] == [("POST /v1/transactions", None)]


def test_a_ticket_to_a_distant_node_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    here, there = "http://127.0.0.1:1", "http://192.0.2.1:1"
    for node, times in ((here, 0), (there, 1)):
        tickets = book(node)
        tickets._kept[ME.address] = time.monotonic() + 60, "ab"
        for _ in range(2):
            assert tickets.header(node, "/v1/obligations") == {"Authorization": "Bearer ab"}
        assert capsys.readouterr().err.count("unencrypted") == times


def test_whose_clock_counts() -> None:
    with nosy(denies=True, test_clock=True) as (url, heard):
        Client([url], book(url)).get("/v1/obligations")
        assert read_ticket(str(heard[-1][1]).split(" ")[1]).expires_at == 5 + TICKET_SECONDS
    assert _is_loopback("http://127.0.0.1:1") and _is_loopback("http://[::1]:1") and _is_loopback("http://localhost")
    assert not _is_loopback("http://10.0.0.1:1") and not _is_loopback("http://127.0.0.1.evil.example")


def test_a_whole_state_is_for_operators_and_auditors() -> None:
    """What a snapshot's chunks hold; a node that joins shows its operator's ticket, and only to them."""
    town = make_town()
    with served(town, scoped=True) as url:
        for name, why in (("", "HTTP 401"), ("u", "HTTP 403"), ("B", "HTTP 403"), ("operator", "has no chunk"),
                          ("regulator", "has no chunk")):  # fmt: skip
            source = HttpSource(url, ticket(town, name) if name else "")
            with pytest.raises(SourceFailed, match=why):
                source.chunk(1, 0)
            assert source.manifest(None) is None and source.handovers(0) == []
    with nosy(denies=False) as (url, heard):
        source = HttpSource(url, "secret")
        source.manifest(None)
        source.chunk(1, 0)
        assert [shown for _, shown in heard] == [None, "Bearer secret"]
