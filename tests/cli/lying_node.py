"""Doors of one real node over real HTTP on free ports; a door may lie. The chain has four validators and epochs."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from chainnode.api import ROUTES, Router
from chainnode.calls import Answer, Call, problem_answer, read_query
from chainnode.event_feed import read_cursor, stream_events
from chainnode.play_identities import single_validator, validator_key
from chainnode.problem import Refused
from chainnode.record_view import open_state
from points.validators import register
from primitives.keys import SigningKey
from primitives.kinds_validators import ValidatorReplace
from primitives.validators import Validator, ValidatorSet, vote_key_digest
from tests.chainnode.solo import Town, make_genesis

ROUTER = Router(ROUTES)
Plain = Any
Lie = Callable[[str, Plain], Plain]  # (path with query, JSON or bytes of the true answer) -> what is said instead


def cert(name: str) -> bytes:
    """Looks like DER to the rules."""
    return b"\x30" + name.encode()


class EpochTown(Town):
    """Validators "validator", w1, w2, w3 with keys that the engine knows; `swap` replaces one, which ends the epoch."""

    def __init__(self, name: str = "test") -> None:
        _, (first,) = single_validator()
        others = tuple(Validator(f"w{i}", validator_key(f"w{i}").public_key, cert(f"w{i}")) for i in (1, 2, 3))
        first = replace(first, transport_certificate=cert("first"))
        super().__init__(replace(make_genesis(), name=name, validators=(first, *others)))
        self.pens: dict[bytes, SigningKey] = {validator_key(f"w{i}").public_key: validator_key(f"w{i}")
                                              for i in range(1, 9)}  # fmt: skip
        self.pens[first.vote_key] = single_validator()[0]

    def swap(self, old: str, new: str) -> None:
        key = validator_key(new)
        possession = key.sign(vote_key_digest(self.chain_id, new, key.public_key))
        body = ValidatorReplace(old, new, key.public_key, cert(new), "node.example:7000", possession)
        self.run(self.sign("operator", body))

    @property
    def members(self) -> ValidatorSet:
        """Of the present epoch."""
        with open_state(self.node.chain) as state:
            return ValidatorSet(register(state.view).seats)

    def advance(self, seconds: int) -> None:
        """An empty block that many seconds later."""
        self.node.engine.set_time(self.node.now_ms() // 1000 + seconds)
        self.node.publish()


def ask_town(town: Town, method: str, target: str, body: bytes = b"", media_type: str = "") -> Answer:
    """What the node answers, without the network."""
    parts = urlsplit(target)
    if parts.path == "/v1/events":
        return Answer(200, asyncio.run(told_so_far(town, dict(parse_qsl(parts.query)))))
    match = ROUTER.match(method, parts.path)
    if match.route is None:
        return Answer(404, b"{}")

    async def handle() -> Answer:
        assert match.route is not None
        try:
            query = read_query(match.route, parse_qsl(parts.query))
            return await match.route.handle(town.node, Call(match.path, query, body, media_type))
        except Refused as refused:
            return problem_answer(refused, "en")

    return asyncio.run(handle())


async def told_so_far(town: Town, query: dict[str, str]) -> bytes:
    """The event feed up to the head, where a real node goes on."""
    start, head = read_cursor(query["from"]), town.node.chain.head.height
    raw = b""
    async for chunk in stream_events(town.node, start, None):
        raw += chunk
        if b"event: block\nid: %d." % head in raw:
            break
    return raw


class Door:
    """One address of the node. `lie` changes answers; it may return (status, JSON or bytes). `asked`: every target."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.lie: Lie | None = None
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                door.asked.append(self.path)
                answer = ask_town(door.town, self.command, self.path, body, self.headers.get("Content-Type") or "")
                if self.command == "POST":
                    door.town.node.flush()  # as the leader does after the last block (C4)
                status, raw = door.told(self.path, answer)
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                for name, value in door.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def told(self, path: str, answer: Answer) -> tuple[int, bytes]:
        if self.lie is None:
            return answer.status, answer.body
        truth = answer.body
        with suppress(ValueError):
            truth = json.loads(answer.body)
        said = self.lie(path, truth)
        status, content = said if isinstance(said, tuple) else (answer.status, said)
        return status, content if isinstance(content, bytes) else json.dumps(content).encode()

    @contextmanager
    def open(self) -> Iterator["Door"]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
