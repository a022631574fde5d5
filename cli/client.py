"""The public API from outside: several nodes in turn, and never a lie about what became of a transaction.

Sending the same bytes again is always safe: a transaction has one id and is executed once (D1).
"""

import http.client
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from cli.language import current, t
from cli.verdicts import Refusal, Verdict, usage
from primitives.codes import Code

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 15.0
WAIT_MS_MAX: Final = 25_000  # one request's wait; a node's own request deadline is 30 s
POLL_SECONDS: Final = 0.2
POLL_MS: Final = 2_000  # a node answers earlier when the outcome is there
CLOCK: Final = time.monotonic

Plain = Any


class NotSent(Exception):
    """No connection: the node has seen nothing."""


class NoAnswer(Exception):
    """The connection broke or timed out after sending: the node may have acted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `body` is the parsed JSON, None if it was none."""

    status: int
    body: Plain
    raw: bytes
    retry_after: float


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction's canonical bytes, its id (hex), and the block second after which it can no longer be executed."""

    raw: bytes
    id: str
    valid_until: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a transaction, as a node says. admitted: in a node's pool, no outcome asked for."""

    status: Literal["committed", "rejected", "expired", "admitted"]
    receipt: Plain  # of a committed or rejected one, None if it never came into a block
    problem: Plain  # problem+json of a rejected one that never came into a block
    node: str = ""  # who says so, "" where any of them did


class Tickets(Protocol):
    """Who reads. `asked`: the user named the reader, so that a ticket goes with every question."""

    @property
    def asked(self) -> bool: ...

    def header(self, node: str, target: str) -> Mapping[str, str]:
        """The header for this question to this node; empty if there is no wallet for it."""
        ...


class Client:
    """A list of nodes; reads and writes go to the first that answers."""

    def __init__(self, nodes: Sequence[str], tickets: Tickets | None = None) -> None:
        """`tickets`: shown where a node asks for one; without them such a node refuses with HN-2023."""
        if not nodes:
            raise usage(t("no node is known",
                          "没有可用的节点地址"), t("name one with --node URL", "请用 --node URL 指定"))
        self.nodes: Final = tuple(nodes)
        self._tickets: Final = tickets

    def get(self, path: str, **query: object) -> Plain:
        """The JSON of a GET.

        Raises: Refusal with the node's problem (exit 1), or unreachable (exit 4).
        """
        answer = self._any("GET", path + _query(query))
        if answer.status != 200:
            raise problem_refusal(answer)
        return answer.body

    def find(self, path: str, **query: object) -> Plain | None:
        """As get, None for 404."""
        answer = self._any("GET", path + _query(query))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise problem_refusal(answer)
        return answer.body

    def download(self, path: str) -> bytes | None:
        """The bytes of a GET, None for 404."""
        answer = self._any("GET", path, accept="application/octet-stream, application/msgpack, */*")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise problem_refusal(answer)
        return answer.raw

    def post(self, path: str, body: Plain) -> Plain:
        """The JSON answer of a POST that changes nothing (a quote)."""
        answer = self._any("POST", path, msgspec.json.encode(body), "application/json")
        if answer.status != 200:
            raise problem_refusal(answer)
        return answer.body

    def status(self, transaction_id: str, valid_until: int = 0, timeout_ms: int = 0) -> Fate | None:
        """What the nodes know of a transaction; None while it is pending or unknown."""
        more = {"valid_until": valid_until or None, "timeout_ms": timeout_ms or None}
        found = self.find(f"/v1/transactions/{transaction_id}", **more)
        if found is None or found["status"] not in ("committed", "rejected", "expired"):
            return None
        return Fate(found["status"], found["receipt"], None)

    def submit(self, signed: Signed, wait: bool, timeout_s: float) -> Fate:
        """Send canonical bytes and wait for the outcome.

        Raises: Refusal with exit 4 if no node was reached and so nothing was sent; with exit 3 and the id if after
        `timeout_s` the outcome is unknown.
        """
        deadline = CLOCK() + timeout_s
        try:
            return self._submit(signed, wait, deadline)
        except KeyboardInterrupt:  # the user gave up waiting; the transaction may not have
            raise outcome_unknown(signed.id) from None

    def _submit(self, signed: Signed, wait: bool, deadline: float) -> Fate:
        maybe_sent = False
        for attempt in _attempts(deadline):
            node = self.nodes[attempt % len(self.nodes)]
            try:
                answer = self._post_transaction(node, signed.raw, wait, deadline)
            except NotSent as error:
                if attempt + 1 >= len(self.nodes):
                    if not maybe_sent:
                        raise unreachable(self.nodes, error) from error
                    time.sleep(POLL_SECONDS)
                continue
            except NoAnswer:
                maybe_sent = True
                continue
            fate = _fate(answer, wait, maybe_sent)
            if fate is not None:
                return replace(fate, node=node)
            if answer.status in (202, 409, 504):
                return self.await_fate(signed, deadline)
            time.sleep(min(answer.retry_after, max(0.0, deadline - CLOCK())))
        raise outcome_unknown(signed.id)

    def await_fate(self, signed: Signed, deadline: float) -> Fate:
        """Ask until the outcome is known; Refusal with exit 3 at the deadline (a time of CLOCK)."""
        while True:
            left_ms = max(0, int((deadline - CLOCK()) * 1000))
            try:
                fate = self.status(signed.id, signed.valid_until, min(left_ms, POLL_MS))
            except Refusal:
                fate = None
                time.sleep(POLL_SECONDS)
            if fate is not None:
                return fate
            if not left_ms:
                raise outcome_unknown(signed.id)

    def _post_transaction(self, node: str, raw: bytes, wait: bool, deadline: float) -> Answer:
        left_ms = max(0, int((deadline - CLOCK()) * 1000))
        query = _query({"wait": "committed" if wait else "admitted", "timeout_ms": min(left_ms, WAIT_MS_MAX)})
        read_s = min(left_ms, WAIT_MS_MAX) / 1000 + 5
        return exchange(node, "POST", "/v1/transactions" + query, raw, "application/msgpack", read_s=read_s)

    def _any(self, method: str, target: str, body: bytes = b"", kind: str = "", accept: str = "") -> Answer:
        """The first node's answer; 5xx and silence move on to the next node."""
        last: Exception | None = None
        spoken: Answer | None = None
        for node in self.nodes:
            try:
                answer = read(self._tickets, node, method, target, body, kind, accept)
            except (NotSent, NoAnswer) as error:
                last = error
                continue
            if answer.status < 500:
                return answer
            spoken = answer
        if spoken is not None:
            return spoken
        raise unreachable(self.nodes, last)


def _fate(answer: Answer, wait: bool, maybe_sent: bool) -> Fate | None:
    """The fate that one answer settles, None if it must be asked for or sent again."""
    body = answer.body if isinstance(answer.body, dict) else {}
    match answer.status:
        case 200:
            return Fate("committed", body, None)
        case 202:
            return None if wait else Fate("admitted", None, None)
        case 409 if isinstance(body.get("receipt"), dict):
            return Fate("rejected", body["receipt"], body)
        case 409 if body.get("name") == "EXPIRED_TX" and body.get("phase") == "execution":
            return Fate("expired", None, body)
        case 409 if maybe_sent or body.get("name") == "DUPLICATE_TX":
            return None  # an earlier copy may be under way: its own outcome counts
        case 400 | 409 | 413 | 415:
            return Fate("rejected", None, body)
        case 429 | 500 | 502 | 503 | 504:
            return None
        case _:
            raise problem_refusal(answer)


def exchange(
    node: str, method: str, target: str, body: bytes = b"", kind: str = "", accept: str = "", *,
    headers: Mapping[str, str] | None = None, read_s: float = READ_SECONDS,
) -> Answer:  # fmt: skip
    """One HTTP request over a connection of its own.

    Raises: NotSent if no connection came about, NoAnswer if it broke afterwards, Refusal (exit 2) for a bad URL.
    """
    parts = urlsplit(node)
    if parts.scheme != "http" or not parts.hostname:
        raise usage(t(f"not a node's address: {node!r}", f"不是节点地址：{node!r}"), "http://127.0.0.1:26601")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=CONNECT_SECONDS)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise NotSent(f"{node}: {error}") from error
        assert isinstance(connection.sock, socket.socket), "connect() opened it"
        connection.sock.settimeout(read_s)
        fields = {"Connection": "close", "Accept": accept or "application/json", "Accept-Language": current(),
                  **(headers or {})}  # fmt: skip
        if body or kind:
            fields["Content-Type"] = kind
        try:
            connection.request(method, parts.path.rstrip("/") + target, body or None, fields)
            response = connection.getresponse()
            raw = response.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{node}: {error}") from error
        return Answer(response.status, _json(raw), raw, _seconds(response.getheader("Retry-After")))
    finally:
        connection.close()


def read(
    tickets: Tickets | None, node: str, method: str, target: str, body: bytes = b"", kind: str = "", accept: str = ""
) -> Answer:
    """An exchange that changes nothing, with a read ticket in its header: from the start if the user asked for it, else
    once the node says that it needs one. Raises: as exchange."""
    fields = tickets.header(node, target) if tickets is not None and tickets.asked else {}
    answer = exchange(node, method, target, body, kind, accept, headers=fields)
    if tickets is None or fields or not is_denied(answer):
        return answer
    fields = tickets.header(node, target)
    return exchange(node, method, target, body, kind, accept, headers=fields) if fields else answer


def is_denied(answer: Answer) -> bool:
    """Whether the node shows this only to those whom it concerns."""
    body = answer.body if isinstance(answer.body, dict) else {}
    return answer.status in (401, 403) and problem_code(body, 0) in (Code.READ_DENIED, Code.BAD_TICKET)


def unreachable(nodes: Sequence[str], error: Exception | None) -> Refusal:
    """Exit 4: no node reached, nothing sent."""
    detail = t(f"no node reachable ({error})", f"没有节点可达（{error}）")
    fix = t("start one (hnchain devnet up -d) or name one with --node URL",
            "启动节点（hnchain devnet up -d）或用 --node URL 指定")
    return Refusal(Verdict.UNREACHABLE, Code.NODE_UNREACHABLE, detail, fix, nodes=list(nodes))


def outcome_unknown(transaction_id: str) -> Refusal:
    """Exit 3: it may still be committed."""
    detail = t(f"outcome unknown of transaction {transaction_id}", f"交易 {transaction_id} 的结果未知")
    fix = t(f"ask again: hnchain tx show {transaction_id}", f"稍后查询：hnchain tx show {transaction_id}")
    return Refusal(Verdict.UNKNOWN, Code.OUTCOME_UNKNOWN, detail, fix, tx=transaction_id)


def problem_refusal(answer: Answer) -> Refusal:
    """Exit 1 with the node's problem+json."""
    body = answer.body if isinstance(answer.body, dict) else {}
    code = problem_code(body, Code.NOT_FOUND if answer.status == 404 else Code.BAD_REQUEST)
    detail = str(body.get("detail") or body.get("title") or f"HTTP {answer.status}")
    return Refusal(Verdict.REJECTED, code, detail, str(body.get("fix", "")))


def problem_code(body: Mapping[str, Plain], default: int) -> int:
    """The number of "code": "HN-nnnn"."""
    text = body.get("code")
    if isinstance(text, str) and text.startswith("HN-") and text[3:].isdigit():
        return int(text[3:])
    return default


def _attempts(deadline: float) -> Any:
    attempt = 0
    while attempt == 0 or CLOCK() < deadline:
        yield attempt
        attempt += 1


def _query(fields: Mapping[str, object]) -> str:
    given = {key: value for key, value in fields.items() if value is not None}
    return "?" + urlencode(given) if given else ""


def _json(raw: bytes) -> Plain:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _seconds(text: str | None) -> float:
    return min(float(text), 10.0) if text and text.isdigit() else 0.3
