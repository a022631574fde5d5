"""HTTP: from sockets to routes and back, with every limit that stands before the first rule (T26, T27)."""

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import _ErrInfo

from chainnode.api import ROUTES, Router
from chainnode.backend import NodeBackend
from chainnode.calls import HTML, Answer, Call, Route, problem_answer, pruned, read_address, read_query
from chainnode.connections import DEFAULT_LIMITS, ConnectionGate, ConnectionLimits, GuardedConnection
from chainnode.courtesy import Courtesy, cost_of
from chainnode.event_feed import EventsQuery, start_of, stream_events, streamed
from chainnode.failures import PortTaken
from chainnode.metrics import CONTENT_TYPE, Metrics, scraped
from chainnode.problem import Refused, language_of
from chainnode.rate_limit import RateLimit
from chainnode.read_scopes import Scope, access_of, admit, denied
from chainnode.readers import EVERYBODY, NOBODY, Reader, reader_of
from chainnode.web.pages import refused_page
from ledger.failures import FatalError, Pruned
from primitives.catalogue import Language
from primitives.codes import Code

BODY_BYTES_MAX: Final = 256 * 1024
CHUNKED_BYTES_MAX: Final = 2 * BODY_BYTES_MAX  # on the wire: as much wrapping as body
BODY_BYTES_PER_TOKEN: Final = 16 * 1024
REQUEST_DEADLINE_S: Final = 30.0
SLOW_READER_S: Final = 10.0  # an event reader that takes nothing for so long is closed; it resumes by its cursor
EVENT_READERS_MAX: Final = 64
READER_BUFFER_BYTES: Final = 64 * 1024
KEEP_ALIVE_S: Final = 75.0
_LOG: Final = logging.getLogger("hnchain.http")

_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Server": "hnchain",
}  # fmt: skip
_UNSHARED: Final = {"Cache-Control": "no-store", "Vary": "Authorization"}  # no cache gives one's answer to another
READS_HEADER: Final = "HN-Reads"  # all, or own: what does not concern the reader is left out
_PASSED_HEADERS: Final = ("authorization", "accept-language", "cookie")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Of one listener. `rate_per_address`: requests per second, 0 = off. An allowed host is a name without its port."""

    allowed_hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    connections: ConnectionLimits = DEFAULT_LIMITS
    rate_per_address: int = 0
    request_deadline_s: float = REQUEST_DEADLINE_S
    slow_reader_s: float = SLOW_READER_S
    scoped: bool = False  # whether routes are held to read_scopes.py


class _Connection(web.RequestHandler):
    """aiohttp's protocol, saying in our form what its parser refuses, without its name and version."""

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol.

        What the parser refuses inside a body (a bad chunk, the 129th trailer) aiohttp 3.14 answers behind the request
        in hand, and stops reading: that body would neither end nor fail before the request's deadline. It fails here.
        """
        queued = len(self._messages)
        super().data_received(data)
        for place, (message, _) in enumerate(self._messages):
            if place >= queued and isinstance(message, _ErrInfo):
                self._fail_bodies(message.message)

    def _fail_bodies(self, reason: str | None) -> None:
        refused = _unparsed(reason)
        bodies = [payload for _, payload in self._messages]
        if self._current_request is not None:
            bodies.append(self._current_request.content)
        for body in bodies:
            if not body.is_eof():
                body.set_exception(refused)
                body.feed_eof()  # nothing more is read, not even to throw it away

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """See aiohttp.web.RequestHandler: called for bytes that are no HTTP request, and for faults of ours."""
        if exc is not None and status >= 500:
            _LOG.error("request failed", exc_info=exc)
        code = Code.BAD_REQUEST if status < 500 else Code.NOT_READY
        refused = _unparsed(message, code, status)
        return _response(problem_answer(refused, "en"))


class HttpServer:
    """One listener with its routes. `start`, then `stop`; both once."""

    def __init__(
        self, backend: NodeBackend, metrics: Metrics, settings: HttpSettings, routes: tuple[Route, ...] = ROUTES,
        courtesy: Courtesy | None = None,
    ) -> None:  # fmt: skip
        """`courtesy`: shared with the node's other doors; None: nobody pays for what comes to nothing."""
        self._backend, self._metrics, self._settings = backend, metrics, settings
        self._courtesy = courtesy
        self._router = Router(routes)
        self._rate = RateLimit(settings.rate_per_address)
        gate = self._gate = ConnectionGate(settings.connections, self._count_refused)
        name = "public" if routes is ROUTES else "admin"
        metrics.http_connections.labels(name).set_function(lambda: gate.open.total())
        self._readers: set[asyncio.Task[object]] = set()
        self._inside: web.Server | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (of 0: the one that the system chose). Raises: PortTaken; `stop` is still due."""
        inside = web.Server(self._serve, handler_cancellation=True)
        loop = asyncio.get_running_loop()

        def connection() -> GuardedConnection:
            protocol = _Connection(
                inside, loop=loop, keepalive_timeout=KEEP_ALIVE_S, auto_decompress=False, lingering_time=1.0,
                access_log=None,  # type: ignore[arg-type]  # None turns it off
            )  # fmt: skip
            return GuardedConnection(self._gate, protocol)

        try:
            listener = await loop.create_server(connection, host, port, start_serving=False)
            self._inside, self._listener = inside, listener  # before it serves: `stop` closes it if this is cancelled
            await listener.start_serving()
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
        bound: int = listener.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Take no new connection, end the event streams, let running requests finish for up to 2 s, close."""
        if self._listener is None or self._inside is None:
            return
        self._listener.close()
        for task in list(self._readers):
            task.cancel()
        self._inside.pre_shutdown()
        await self._inside.shutdown(2.0)
        self._listener = self._inside = None

    def _count_refused(self, limit: str) -> None:
        self._metrics.http_refused.labels(limit).inc()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        guard = self._gate.guards.get(request.protocol)
        if guard is not None:
            guard.headers_done(None if "Content-Length" in request.headers else CHUNKED_BYTES_MAX)
        started = time.perf_counter()
        label, page, language = "none", False, language_of(request.headers.get("Accept-Language", ""))
        try:
            route, path = self._match(request)
            label, page = route.path, route.answers == HTML
            if route.handle is streamed:
                return await self._stream(request, route)
            answer = await self._answer(request, route, path, language)
            self._charge(request, answer.cost)
        except Refused as refused:
            if refused.phase == "admission":
                self._charge(request, cost_of(refused.code))
            if refused.status == 429:
                self._count_refused(refused.code.name.lower())
            answer = problem_answer(refused, language)
            if page and refused.code in (Code.READ_DENIED, Code.BAD_TICKET):
                answer = refused_page(self._backend, language, refused)
        finally:
            if guard is not None:
                guard.request_done(request.content.at_eof())
        self._metrics.http_requests.labels(label, str(answer.status)).inc()
        self._metrics.http_seconds.labels(label).observe(time.perf_counter() - started)
        return _response(answer)

    def _match(self, request: web.BaseRequest) -> tuple[Route, Mapping[str, str]]:
        self._check_origin(request)
        cost = 1 + (request.content_length or 0) // BODY_BYTES_PER_TOKEN
        wait_s = self._rate.retry_after_s(request.remote or "local", time.monotonic(), cost)
        if wait_s:
            raise Refused(
                Code.RATE_LIMITED, f"{self._rate.rate} requests per second", "limits", headers=_after(wait_s)
            )
        if request.method == "POST" and (wait_s := self._charge(request, 0)):
            detail = "too many transactions that come to nothing"
            raise Refused(Code.RATE_LIMITED, detail, "limits", headers=_after(wait_s))
        match = self._router.match(request.method, request.rel_url.raw_path)
        if match.route is not None:
            return match.route, match.path
        if match.methods:
            allow = {"Allow": ", ".join(match.methods)}
            raise Refused(Code.BAD_REQUEST, f"method {request.method[:16]}", status=405, headers=allow)
        raise Refused(Code.NOT_FOUND, f"no such path: {request.rel_url.raw_path[:200]}")

    def _charge(self, request: web.BaseRequest, cost: int) -> float:
        return self._courtesy.charge(request.remote or "local", cost) if self._courtesy is not None else 0.0

    def _check_origin(self, request: web.BaseRequest) -> None:
        """DNS rebinding and foreign pages: the host must be ours, and a page's origin, if one is told, too (T27)."""
        host = request.headers.get("Host", "")
        if _without_port(host) not in self._settings.allowed_hosts:
            raise Refused(Code.BAD_REQUEST, f"host {host[:80]!r} is not served here", status=421)
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin is not None:
            scheme, _, name = origin.partition("://")
            if not scheme or _without_port(name) not in self._settings.allowed_hosts:
                raise Refused(Code.BAD_REQUEST, f"origin {origin[:80]!r} may not post here", status=403)
        if "Content-Encoding" in request.headers:
            raise Refused(Code.BAD_REQUEST, "compressed bodies are not accepted", status=415)

    async def _answer(
        self, request: web.BaseRequest, route: Route, path: Mapping[str, str], language: Language
    ) -> Answer:
        if route.handle is scraped:
            return Answer(200, self._metrics.text(), CONTENT_TYPE)
        query = read_query(route, list(request.query.items()))
        try:
            async with asyncio.timeout(self._settings.request_deadline_s):
                body = await _read_body(request) if request.method == "POST" else b""
                headers = {name: request.headers[name] for name in _PASSED_HEADERS if name in request.headers}
                call = Call(path, query, body, request.content_type.lower(), language, headers)
                return await self._handle(request, route, call)
        except TimeoutError as error:
            detail = f"not done within {self._settings.request_deadline_s:g} s"
            headers = {"Connection": "close"}
            raise Refused(Code.OUTCOME_UNKNOWN, detail, "limits", status=408, headers=headers) from error
        except FatalError as error:
            self._backend.fail(error)  # nothing from a damaged ledger is served twice
            raise Refused(Code.LEDGER_DAMAGED, str(error), "node") from error
        except Pruned as error:
            raise pruned(error) from error
        except Refused:
            raise
        except Exception as error:
            _LOG.exception("request %s %s failed", request.method, route.path)
            raise Refused(Code.NOT_READY, "an internal error; see the node's log", "node", status=500) from error

    async def _handle(self, request: web.BaseRequest, route: Route, call: Call) -> Answer:
        if not self._settings.scoped:
            return await route.handle(self._backend, call)
        call = admit(route, self._backend, call, self._reader(request, route))
        answer = await route.handle(self._backend, call)
        if access_of(route).scope is Scope.PUBLIC:
            return answer
        told = "all" if call.reader.sees_all else "own"  # an auditor must see that something may be missing
        return replace(answer, headers={**answer.headers, **_UNSHARED, READS_HEADER: told})

    def _reader(self, request: web.BaseRequest, route: Route, again: bool = False) -> Reader:
        """Who asks: everybody where reads are open. A ticket is not looked at where none is needed."""
        if not self._settings.scoped:
            return EVERYBODY
        if access_of(route).scope is Scope.PUBLIC:
            return NOBODY
        return reader_of(self._backend, request.headers.getall("Authorization", []), again)

    async def _stream(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        query = read_query(route, list(request.query.items()))
        assert isinstance(query, EventsQuery), "the events route has this query"
        start = start_of(self._backend.chain, query, request.headers.get("Last-Event-ID", ""))
        reader = self._reader(request, route)
        accounts = _watched(reader, query)
        if start.height < self._backend.chain.floor:
            raise pruned(Pruned(start.height, self._backend.chain.floor))
        if len(self._readers) >= EVENT_READERS_MAX:
            raise Refused(Code.RATE_LIMITED, f"{EVENT_READERS_MAX} event readers are connected", "limits", status=503)
        told = {READS_HEADER: "all" if reader.sees_all else "own"} if self._settings.scoped else {}
        response = web.StreamResponse(headers={**_HEADERS, **told, "Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        task = asyncio.current_task()
        assert task is not None, "a handler runs in a task"
        self._readers.add(task)
        self._metrics.event_readers.inc()
        try:
            if request.transport is not None:  # what is under way to one reader stays bounded in the kernel too
                request.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_SNDBUF, READER_BUFFER_BYTES
                )
            await response.prepare(request)
            permit = partial(self._permit, request, route, reader)
            async for chunk in stream_events(self._backend, start, accounts, permit):
                async with asyncio.timeout(self._settings.slow_reader_s):
                    await response.write(chunk)
        except TimeoutError:
            self._count_refused("slow_reader")
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # the reader went away
        except Refused:
            pass  # its ticket is over: it comes back with a new one, behind its cursor
        except Pruned:
            self._count_refused("slow_reader")  # history went faster than it read; it is told when it comes back
        finally:
            self._readers.discard(task)
            self._metrics.event_readers.dec()
        return response


    def _permit(self, request: web.BaseRequest, route: Route, reader: Reader) -> None:
        """Raises: Refused as soon as the ticket shown at the start no longer makes its bearer this reader."""
        if self._reader(request, route, again=True) != reader:
            raise denied(reader, Scope.OWN_ROWS)


def _watched(reader: Reader, query: EventsQuery) -> frozenset[bytes] | None:
    """Whose receipts a stream tells: of the account asked for, else of all that the reader sees. Raises: Refused."""
    account = read_address(query.account) if query.account else None
    if reader.till or (account is not None and not reader.sees(account)):
        raise denied(reader, Scope.OWN_ROWS)
    return reader.addresses if account is None else frozenset((account,))


def _unparsed(reason: str | None, code: Code = Code.BAD_REQUEST, status: int = 400) -> Refused:
    detail = reason.splitlines()[0] if reason else "not an HTTP request"
    return Refused(code, detail, status=status, headers={"Connection": "close"})


def _after(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(int(seconds) + 1)}


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()


async def _read_body(request: web.BaseRequest) -> bytes:
    """The body, at most BODY_BYTES_MAX of it in memory. Raises: Refused."""
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise _too_large(request.content_length or 0)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _too_large(len(body))
    return bytes(body)


def _too_large(size: int) -> Refused:
    headers = {"Connection": "close"}
    return Refused(Code.TOO_LARGE, f"a body of {size} bytes or more, limit {BODY_BYTES_MAX}", "limits", headers=headers)


def _response(answer: Answer) -> web.Response:
    headers = {**_HEADERS, **answer.headers, "Content-Type": answer.media_type}
    if answer.media_type == HTML:
        headers["Content-Security-Policy"] = _CSP
    response = web.Response(body=answer.body, status=answer.status, headers=headers)
    if headers.get("Connection") == "close":
        response.force_close()
    return response
