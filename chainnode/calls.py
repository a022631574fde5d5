"""One request and its answer, without HTTP: what the routes of api.py are made of.

A route's query and answer types are the ones that validate here and that openapi.py describes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from chainnode.backend import NodeBackend
from chainnode.json_text import parse_json
from chainnode.problem import MEDIA_TYPE, Refused, problem_document
from chainnode.readers import EVERYBODY, Reader
from ledger.failures import Pruned
from primitives.address import decode_address
from primitives.catalogue import Language
from primitives.codec import IDENTIFIER_CHARS_MAX, U64_MAX, Malformed, Record
from primitives.codes import Code
from primitives.json_form import from_plain, to_plain

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"
HTML: Final = "text/html; charset=utf-8"


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a route's query parameters: an unknown one is refused, so that a typing error does not pass silently."""


class NoQuery(Query, frozen=True):
    pass


@dataclass(frozen=True, slots=True)
class Call:
    """`path`: the placeholders of the route; `query`: an instance of the route's query type, made by read_query."""

    path: Mapping[str, str]
    query: Any = None
    body: bytes = b""
    media_type: str = ""
    language: Language = "en"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # by lower-case name, as http_server passes on
    reader: Reader = EVERYBODY  # whose eyes the answer is for; less than everybody only where reads are scoped


@dataclass(frozen=True, slots=True)
class Answer:
    """`cost`: what its reader owes for transactions that came to nothing (courtesy.py)."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: int = 0


Handler = Callable[[NodeBackend, Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` with {placeholders}; `answers`: the Record of the 200 answer, or its media type if it is no JSON."""

    method: str
    path: str
    handle: Handler
    summary: str
    query: type[Query] = NoQuery
    body: type[Record] | None = None
    answers: type[Record] | str | None = None


_JSON_ENCODER: Final = msgspec.json.Encoder()


def json_answer(plain: Any, status: int = 200, headers: Mapping[str, str] | None = None, cost: int = 0) -> Answer:
    """An answer of JSON builtins."""
    return Answer(status, _JSON_ENCODER.encode(plain), headers=headers or {}, cost=cost)


def record_answer(record: Record, status: int = 200) -> Answer:
    """An answer in the JSON form of a Record."""
    return Answer(status, _JSON_ENCODER.encode(to_plain(record)))


def problem_answer(refused: Refused, language: Language) -> Answer:
    """The problem document as an answer."""
    body = _JSON_ENCODER.encode(problem_document(refused, language))
    return Answer(refused.status, body, MEDIA_TYPE, refused.headers)


def read_query(route: Route, pairs: list[tuple[str, str]]) -> Query:
    """The route's query of decoded pairs. Raises: Refused for an unknown, repeated, missing or bad parameter."""
    plain = dict(pairs)
    if len(plain) != len(pairs):
        raise Refused(Code.BAD_REQUEST, "a query parameter stands twice")
    try:
        return msgspec.convert(plain, route.query, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(Code.BAD_REQUEST, f"query: {error}") from error


def read_body(of: type[Record], call: Call) -> Any:
    """The Record of a JSON body. Raises: Refused."""
    if call.media_type != JSON:
        raise Refused(Code.BAD_REQUEST, f"content-type {call.media_type!r}, expected {JSON}", status=415)
    try:
        return from_plain(of, parse_json(call.body))
    except Malformed as error:
        raise Refused(Code.BAD_REQUEST, str(error)) from error


def read_digest(text: str, what: str) -> bytes:
    """32 bytes of 64 lower-case hex digits. Raises: Refused."""
    try:
        raw = bytes.fromhex(text) if len(text) == 64 and text == text.lower() and text.isalnum() else b""
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise Refused(Code.BAD_REQUEST, f"{what}: expected 64 lower-case hex digits, found {text[:80]!r}")
    return raw


def read_address(text: str) -> bytes:
    """The 20 bytes of a bech32m address. Raises: Refused."""
    try:
        return decode_address(text)
    except Malformed as error:
        raise Refused(Code.BAD_REQUEST, f"address {text[:80]!r}: {error}") from error


def read_number(text: str, what: str) -> int:
    """A whole number in decimal, at most 2**64 - 1. Raises: Refused."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= U64_MAX):
        raise Refused(Code.BAD_REQUEST, f"{what}: expected a whole number, found {text[:40]!r}")
    return int(text)


def read_identifier(text: str, what: str) -> str:
    """1 to 64 printable ASCII characters without blanks. Raises: Refused."""
    if not 1 <= len(text) <= IDENTIFIER_CHARS_MAX or not all("\x21" <= char <= "\x7e" for char in text):
        raise Refused(Code.BAD_REQUEST, f"{what}: expected 1 to {IDENTIFIER_CHARS_MAX} printable ASCII characters")
    return text


def not_found(what: str) -> Refused:
    """A 404 that says what is not there."""
    return Refused(Code.NOT_FOUND, what, "query")


def pruned(error: Pruned) -> Refused:
    """A 410: it was there, and this node has deleted it."""
    return Refused(Code.PRUNED, str(error), "query", extra={"floor": error.floor})
