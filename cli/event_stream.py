"""Blocks of the event feed, one after the other up to a height, resumed on another node where a connection breaks."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from cli.client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Answer,
    NoAnswer,
    NotSent,
    Tickets,
    problem_refusal,
    unreachable,
)
from cli.language import current, t
from cli.verdicts import Refusal, Verdict
from primitives.codes import Code

Plain = Any
LINE_BYTES_MAX: Final = 16 * 1024 * 1024  # a receipt of a batch has some 100 kB
SILENCE_SECONDS: Final = 2 * READ_SECONDS  # a node says something every 15 s
BREAKS_MAX: Final = 20  # in a row, without one block between


@dataclass(frozen=True, slots=True)
class ToldBlock:
    """A block as the feed tells it: `receipts` in order, each with the block's `time_ms`; `events` of the block itself,
    which a node knows for a week only."""

    height: int
    hash: str
    time_ms: int
    receipts: list[Plain]
    events: list[Plain]


def read_blocks(
    nodes: tuple[str, ...], start: int, stop: int, tickets: Tickets | None = None,
    progress: Callable[[int], None] = lambda height: None,
) -> Iterator[ToldBlock]:  # fmt: skip
    """Blocks start..stop. Raises: Refusal, exit 1 if a node refuses (PRUNED too), 3 or 4 if all of them fall silent."""
    following, breaks = start, 0
    while following <= stop:
        node = nodes[breaks % len(nodes)]
        try:
            for block in _blocks_of(node, following, stop, tickets):
                yield block
                progress(block.height)
                following, breaks = block.height + 1, 0
        except NotSent as error:
            breaks += 1
            if breaks >= len(nodes):
                raise unreachable(nodes, error) from error
        except NoAnswer as error:
            breaks += 1
            if breaks > BREAKS_MAX:
                detail = t(f"the feed broke off at block {following}: {error}",
                           f"事件流在区块 {following} 中断：{error}")  # fmt: skip
                raise Refusal(Verdict.UNKNOWN, Code.NOT_READY, detail) from error


def _blocks_of(node: str, start: int, stop: int, tickets: Tickets | None) -> Iterator[ToldBlock]:
    receipts: list[Plain] = []
    for kind, data in _messages(node, f"/v1/events?from={start}.0", tickets):
        if kind == "receipt":
            receipts.append(data)
        elif kind == "block":
            if data["height"] != start:
                raise NoAnswer(f"{node}: block {data['height']} where {start} is due")
            told = [{**receipt, "time_ms": data["time_ms"]} for receipt in receipts]
            yield ToldBlock(start, data["hash"], data["time_ms"], told, data["events"])
            receipts = []
            start += 1
            if start > stop:
                return


def _messages(node: str, target: str, tickets: Tickets | None) -> Iterator[tuple[str, Plain]]:
    """(kind, JSON) of every message of all receipts. Raises: NotSent, NoAnswer, Refusal."""
    fields = dict(tickets.header(node, target)) if tickets is not None and tickets.asked else {}
    connection, response = _opened(node, target, fields)
    try:
        if not _is_whole(response) and tickets is not None and not fields:
            fields = dict(tickets.header(node, target))
            if fields:
                connection.close()
                connection, response = _opened(node, target, fields)
        if response.status != 200:
            raise problem_refusal(_answer(response))
        if not _is_whole(response):
            detail = t(f"{node} tells only what concerns who asks", f"{node} 仅提供与请求方有关的数据")
            fix = t("name the wallet of a regulator or auditor with --as", "用 --as 指明监管方或审计方的钱包")
            raise Refusal(Verdict.REJECTED, Code.READ_DENIED, detail, fix)
        try:
            yield from _lines(response)
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise NoAnswer(f"{node}: {error}") from error
        raise NoAnswer(f"{node}: the feed ended")
    finally:
        connection.close()


def _is_whole(response: http.client.HTTPResponse) -> bool:
    """Whether the feed leaves nothing out: on a node with scoped reads it says so itself."""
    return response.status not in (401, 403) and response.getheader("HN-Reads", "all") == "all"


def _opened(
    node: str, target: str, fields: dict[str, str]
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(node)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=CONNECT_SECONDS)
    try:
        connection.connect()
    except OSError as error:
        connection.close()
        raise NotSent(f"{node}: {error}") from error
    try:
        connection.sock.settimeout(SILENCE_SECONDS)
        asked = {"Accept": "text/event-stream", "Accept-Language": current(), **fields}
        connection.request("GET", parts.path.rstrip("/") + target, None, asked)
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise NoAnswer(f"{node}: {error}") from error


def _answer(response: http.client.HTTPResponse) -> Answer:
    raw = response.read(LINE_BYTES_MAX)
    return Answer(response.status, _json(raw), raw, 0.0)


def _lines(response: http.client.HTTPResponse) -> Iterator[tuple[str, Plain]]:
    kind = ""
    while line := response.readline(LINE_BYTES_MAX):
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode("ascii", "replace")
        elif line.startswith(b"data: "):
            yield kind, msgspec.json.decode(line[6:])


def _json(raw: bytes) -> Plain:
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return None
